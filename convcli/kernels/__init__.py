"""Kernels: the named bank, the ones with parameters, inline ones and kernel files."""
