"""Exact numbers: sizes, layers and their cost, with the standard library alone."""
