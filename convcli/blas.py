"""The BLAS behind NumPy's products of matrices: what it is, and its number of threads.

NumPy's wheels bring OpenBLAS, which picks its kernels by the processor (or by OPENBLAS_CORETYPE).
Those kernels decide which layout of a product is the fastest.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import product
from threading import Lock
from typing import Any

import numpy as np

from convcli.records import NamedTuple

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
    core = find_functions().get_core().decode()
    has_avx512 = core.lower() in AVX512_CORES
    return Blas(core, 64 if has_avx512 else 32, has_avx512)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread, where that can be set, so that threads do not multiply."""
    global _limits, _threads  # noqa: PLW0603  # callers may have threads of their own
    functions = find_functions()
    with _lock:
        if _limits == 0:
            _threads = functions.get_threads()
            functions.set_threads(1)
        _limits += 1
    try:
        yield
    finally:
        with _lock:
            _limits -= 1
            if _limits == 0:
                functions.set_threads(_threads)


class BlasFunctions(NamedTuple):
    """The functions of the BLAS that are used here; the defaults do nothing."""

    set_threads: Callable[[int], Any] = lambda _: None
    get_threads: Callable[[], int] = lambda: 1
    get_core: Callable[[], bytes] = lambda: b""


@cache
def find_functions() -> BlasFunctions:
    """Find the functions of the OpenBLAS in NumPy's wheels."""
    home = os.path.dirname(np.__file__)
    paths = []
    for folder in (os.path.join(os.path.dirname(home), "numpy.libs"), f"{home}/.dylibs"):
        with suppress(OSError):  # each system has one of them
            paths += [
                os.path.join(folder, name) for name in os.listdir(folder) if "openblas" in name
            ]
    for path, suffix in product(paths, ("64_", "")):
        names = ("set_num_threads", "get_num_threads", "get_corename")
        with suppress(OSError, AttributeError):  # it cannot be loaded, or has other functions
            library = ctypes.CDLL(path)
            found = BlasFunctions(*(library[f"scipy_openblas_{name}{suffix}"] for name in names))
            found.get_core.restype = ctypes.c_char_p  # type: ignore[attr-defined]
            return found
    return BlasFunctions()
