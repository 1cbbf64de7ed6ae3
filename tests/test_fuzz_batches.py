"""Batches that are interrupted and killed: a few each time; `.ci/run` has two hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz_batches.py")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
def test_a_batch_keeps_its_promises_whatever_ends_it(tmp_path: Path) -> None:
    # Patient, as the other tests run at the same time.
    options = ("--count", "8", "--seed", "5", "--patience", "10")
    done = subprocess.run(
        [sys.executable, str(FUZZ), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 batches ended: " in done.stdout
    assert "; 0 findings" in done.stdout
