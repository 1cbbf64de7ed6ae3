"""From an image file to feature maps to files again: `plan` says what, `run` does it."""
