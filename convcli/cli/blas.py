"""BLAS kept to one thread: the engine's own threads, or processes, share the cores out."""

from __future__ import annotations

import os

# Read when NumPy is loaded, and never again.
BLAS_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit_blas_threads() -> None:
    """Keep BLAS to one thread, here and in processes that start from here; before NumPy loads."""
    for name in BLAS_THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
