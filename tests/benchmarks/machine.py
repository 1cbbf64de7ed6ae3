"""The machine that the numbers are from."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

import numpy as np

from benchmarks.peers import DISTRIBUTIONS, TOOLS, environment, peer_version
from convcli.parallel import available_cores


def machine(threads: int) -> list[tuple[str, str]]:
    """What is worth knowing beside the numbers: names and values."""
    peers = [f"{name} {peer_version(name) or 'missing'}" for name in (*DISTRIBUTIONS, *TOOLS)]
    return [
        ("processor", f"{processor()}, {available_cores()} cores, of which {threads} are used"),
        ("python", f"{platform.python_version()}, numpy {np.__version__}"),
        ("BLAS", blas()),
        ("OpenMP", f"OMP_WAIT_POLICY={environment(threads, is_command=False)['OMP_WAIT_POLICY']}"),
        ("peers", ", ".join(peers)),
    ]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def blas() -> str:
    """Which kernels BLAS has picked for this processor, and whether it was told to."""
    told = os.environ.get("OPENBLAS_CORETYPE")
    words = f"OPENBLAS_CORETYPE={told}" if told else "picked by itself"
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for path in [*folder.glob("*openblas*"), *Path(np.__file__).parent.glob(".dylibs/*openblas*")]:
        name = _core_name(path)
        if name is not None:
            return f"OpenBLAS for {name} ({words})"
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found['name']} {found['version']} ({words})"


def _core_name(path: Path) -> str | None:
    library = ctypes.CDLL(str(path))
    for symbol in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename"):
        if hasattr(library, symbol):
            function = library[symbol]
            function.restype = ctypes.c_char_p
            name: bytes = function()
            return name.decode()
    return None
