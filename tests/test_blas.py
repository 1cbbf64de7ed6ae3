import os
import platform
import subprocess
import sys
from typing import Any

import pytest

from convcli import blas
from convcli.blas import Blas, find_blas


class Library:
    """An OpenBLAS that only knows the processor that it is for."""

    def __init__(self, core: str) -> None:
        self._core = core.encode()

    def __getattr__(self, name: str) -> Any:
        if name != "scipy_openblas_get_corename64_":
            raise AttributeError(name)

        def get_core() -> bytes:
            return self._core

        return get_core


@pytest.mark.parametrize(
    ("core", "expected"),
    [
        ("Haswell", Blas("Haswell", 32, has_small_kernel=False)),
        ("Zen", Blas("Zen", 32, has_small_kernel=False)),
        ("SkylakeX", Blas("SkylakeX", 64, has_small_kernel=True)),
        ("Sapphirerapids", Blas("Sapphirerapids", 64, has_small_kernel=True)),
    ],
)
def test_kernels_follow_from_the_core(
    core: str, expected: Blas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "_open_library", lambda: Library(core))
    assert find_blas.__wrapped__() == expected


def test_another_blas_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_open_library", lambda: None)
    assert find_blas.__wrapped__() == Blas()
    with blas.single_threaded_blas():  # nothing to set
        pass


def test_a_core_that_is_asked_for_is_found() -> None:
    if not find_blas().core or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("NumPy has no OpenBLAS of its own here, or one for other processors")
    program = "from convcli.blas import find_blas; print(find_blas().core)"
    for core in ("Haswell", "Sandybridge"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"OPENBLAS_CORETYPE": core},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().lower() == core.lower()
