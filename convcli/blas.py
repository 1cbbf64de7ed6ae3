"""The BLAS behind NumPy's products of matrices: what it is, and its number of threads.

NumPy's wheels bring OpenBLAS, which picks its kernels by the processor (or by OPENBLAS_CORETYPE).
Those kernels decide which layout of a product is the fastest.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain, product
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

# Cores whose kernels use vectors of 512 bits, and multiply small matrices without packing them:
# OpenBLAS, `kernel/x86_64/KERNEL.SKYLAKEX` and `sgemm_small_kernel_permit_skylakex.c`.
AVX512_CORES = frozenset({"skylakex", "cooperlake", "sapphirerapids"})
MAX_SMALL_PRODUCTS = 1_000_000  # multiplications of one small product: M·N·K

_lock = Lock()
_limits = 0  # callers that limit BLAS to one thread now
_threads = 1  # what BLAS had before the first of them


class Blas(NamedTuple):
    """What is known of the BLAS.

    Parameters
    ----------
    core : str
        The processor that its kernels are made for; empty where that is unknown.
    vector_bytes : int
        Of the vectors that its kernels use; 32 where that is unknown.
    has_small_kernel : bool
        Whether products of at most `MAX_SMALL_PRODUCTS` are computed without packing the matrices.
    """

    core: str = ""
    vector_bytes: int = 32
    has_small_kernel: bool = False


@cache
def find_blas() -> Blas:
    """Return what NumPy's BLAS is; it is asked once.

    >>> find_blas() is find_blas()
    True
    """
    get_core = _find_function("get_corename")
    if get_core is None:
        return Blas()
    get_core.restype = ctypes.c_char_p
    core = get_core().decode()
    has_avx512 = core.lower() in AVX512_CORES
    return Blas(core, 64 if has_avx512 else 32, has_avx512)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread, where that can be set, so that threads do not multiply."""
    global _limits, _threads  # noqa: PLW0603  # callers may have threads of their own
    set_count, get_count = _thread_functions()
    with _lock:
        if _limits == 0:
            _threads = get_count()
            set_count(1)
        _limits += 1
    try:
        yield
    finally:
        with _lock:
            _limits -= 1
            if _limits == 0:
                set_count(_threads)


@cache
def _thread_functions() -> tuple[Callable[[int], Any], Callable[[], int]]:
    """The functions that set and get the threads of BLAS; they do nothing for an unknown one."""
    set_count, get_count = _find_function("set_num_threads"), _find_function("get_num_threads")
    if set_count is None or get_count is None:
        return (lambda _: None), (lambda: 1)
    return set_count, get_count


def _find_function(name: str) -> Any:
    """Find a function of the OpenBLAS in NumPy's wheels; None where there is another BLAS."""
    for suffix in ("64_", ""):
        with suppress(AttributeError):
            return getattr(_open_library(), f"scipy_openblas_{name}{suffix}")
    return None


@cache
def _open_library() -> ctypes.CDLL | None:
    home = Path(np.__file__).parent
    paths = (home.parent / "numpy.libs").glob("*openblas*"), (home / ".dylibs").glob("*openblas*")
    for path, suffix in product(chain(*paths), ("64_", "")):
        with suppress(OSError, AttributeError):  # it cannot be loaded, or has other functions
            library = ctypes.CDLL(str(path))
            getattr(library, f"scipy_openblas_set_num_threads{suffix}")
            return library
    return None
