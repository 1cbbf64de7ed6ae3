"""Pictures: files to arrays of values, and arrays of values to files."""
