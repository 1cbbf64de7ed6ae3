"""The cores whose kernels OpenBLAS can be told to use, and which of them this processor runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.row import AMD_AVX2, AVX2, AVX512

OWN = "own"  # what OpenBLAS picks by itself
VARIABLE = "OPENBLAS_CORETYPE"

# A product, because kernels that the processor cannot run end the process only there.
_PROBE = """
import json, numpy
from convcli.blas import find_blas
numpy.ones((256, 256), numpy.float32) @ numpy.ones((256, 256), numpy.float32)
print(json.dumps(find_blas()))
"""


@dataclass(frozen=True)
class Core:
    """A processor that kernels are made for, as OpenBLAS names it.

    Parameters
    ----------
    name : str
        Empty for an unknown BLAS.
    units : {"AVX-512", "AVX2", "AMD with AVX2"}
        The vector units that its kernels use; the processor's maker counts where targets differ.
    coretype : str
        What OPENBLAS_CORETYPE is to be; empty for what BLAS picks by itself.
    """

    name: str
    units: str
    coretype: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables of this process, for one whose BLAS uses these kernels."""
        return set_coretype(self.coretype)


def default_core() -> str:
    """Return the core that the environment asks for, or else `own`."""
    return os.environ.get(VARIABLE) or OWN


def find_cores(names: str, processor: str) -> tuple[list[Core], list[str]]:
    """Find cores by their names, `own` or OpenBLAS's, separated by commas.

    Returns
    -------
    list of Core
        Each once: the first is measured for all rows.
    list of str
        Why the others are left out.
    """
    found: list[Core] = []
    notes = []
    for name in filter(None, map(str.strip, names.split(","))):
        core = probe_core("" if name == OWN else name, processor)
        if core is None:
            notes.append(f"core {name}: this processor or its BLAS does not run it")
        elif core.name in [other.name for other in found]:
            notes.append(f"core {name}: the same as {core.name}")
        else:
            found.append(core)
    return found, notes


def probe_core(coretype: str, processor: str) -> Core | None:
    """Ask a process of its own which kernels it uses; None where these are not the ones told."""
    variables = set_coretype(coretype) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode:
        return None
    name, vector_bytes, _ = json.loads(done.stdout)
    if coretype and name.lower() != coretype.lower():
        return None
    return Core(name, name_units(vector_bytes, processor), coretype)


def set_coretype(coretype: str) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return others | ({VARIABLE: coretype} if coretype else {})


def name_units(vector_bytes: int, processor: str) -> str:
    """Name the vector units that a core's kernels use.

    >>> name_units(64, "Intel(R) Xeon(R)"), name_units(32, "AMD EPYC")
    ('AVX-512', 'AMD with AVX2')
    """
    if vector_bytes == 64:
        return AVX512
    return AMD_AVX2 if "AMD" in processor else AVX2
