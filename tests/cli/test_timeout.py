"""`--timeout`: an input that takes too long fails alone, here, in workers and on a cluster."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from support.many_files import PATIENCE, names, outcome_lines, save_six_pictures, started

LATE = "took longer than 4 s; --timeout S allows more"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_six_pictures(tmp_path)
    os.mkfifo(tmp_path / "slow.png")  # which waits in the system
    np.save(tmp_path / "large.npy", np.zeros((3000, 3000), np.uint8))  # which takes minutes
    return tmp_path


def run(*arguments: str, cwd: Path) -> tuple[int, list[str], float]:
    start = time.monotonic()
    with started(*arguments, "--timeout", "4", cwd=cwd) as one:
        _, stderr = one.communicate(timeout=PATIENCE)
    return one.returncode, outcome_lines(stderr), time.monotonic() - start


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("late", ["slow.png", "large.npy"])
def test_an_input_that_is_late_fails_alone(late: str, jobs: str, place: Path) -> None:
    inputs = ("p0.png", late, "p1.png", "p2.png")
    options = ("-k", "ones:3", "--method", "naive", "--output-dir", "o", "-j", jobs, "-q")
    code, lines, seconds = run(*inputs, *options, cwd=place)
    assert (code, lines) == (1, [f"convcli: {late}: {LATE}", "convcli: 1 of 4 inputs failed"])
    assert names(place / "o") == [f"p{number}.ones-3.png" for number in range(3)]
    assert seconds < 15


def test_all_that_are_late_fail_one_by_one(place: Path) -> None:
    os.mkfifo(place / "slow2.png")
    code, lines, _ = run("slow.png", "slow2.png", "p0.png", "-k", "blur", cwd=place)
    assert (code, len(lines)) == (1, 3)
    assert (place / "p0.blur.png").exists()


def test_an_output_that_nobody_reads_is_late(place: Path) -> None:
    os.mkfifo(place / "out.png")
    code, lines, _ = run("p0.png", "-k", "blur", "-o", "out.png", cwd=place)
    assert (code, lines) == (1, [f"convcli: p0.png: {LATE}"])


def test_a_dry_run_has_a_deadline_too(place: Path) -> None:
    code, lines, _ = run("slow.png", "-k", "blur", "--dry-run", cwd=place)
    assert (code, lines) == (1, [f"convcli: slow.png: {LATE}"])


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "x", ""])
def test_it_is_a_positive_number(seconds: str, place: Path) -> None:
    with started("p0.png", "-k", "blur", "--timeout", seconds, cwd=place) as one:
        _, stderr = one.communicate(timeout=PATIENCE)
    assert one.returncode == 2
    assert stderr.startswith(b"convcli: Invalid value for '--timeout': it must be ")
    assert stderr.count(b"\n") == 1


def test_a_very_long_time_is_one(place: Path) -> None:
    with started("p0.png", "-k", "blur", "--timeout", "1e300", cwd=place) as one:
        assert one.communicate(timeout=PATIENCE) == (b"", b"")
    assert one.returncode == 0
