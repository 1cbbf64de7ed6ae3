import os
import platform
import subprocess
import sys

import pytest

from convcli import blas
from convcli.blas import Blas, find_blas


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
    functions = blas.BlasFunctions(get_core=core.encode)
    monkeypatch.setattr(blas, "find_functions", lambda: functions)
    assert find_blas.__wrapped__() == expected


def test_another_blas_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "find_functions", blas.BlasFunctions)
    assert find_blas.__wrapped__() == Blas()
    with blas.single_threaded_blas():  # nothing to set
        pass


def test_the_last_limit_that_ends_gives_the_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [7]
    functions = blas.BlasFunctions(counts.append, lambda: counts[-1])
    monkeypatch.setattr(blas, "find_functions", lambda: functions)
    with blas.single_threaded_blas():
        with blas.single_threaded_blas():
            pass
        assert counts == [7, 1]
    assert counts == [7, 1, 7]


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
