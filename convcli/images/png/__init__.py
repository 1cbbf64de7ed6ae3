"""PNG and APNG: read with all their bits, and written."""
