"""Few descriptors, processes or threads, no working folder: the cause is named, and files go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.command import COMMAND
from support.many_files import PATIENCE, names, outcome_lines, save_six_pictures
from support.process import PLAIN

STRANGER = 64_321  # a user without processes
REMOVED = "the working folder was removed"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user may write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        save_six_pictures(Path(folder))
        yield Path(folder)


def run(
    script: str, arguments: Sequence[str], cwd: Path, prefix: Sequence[str] = ()
) -> tuple[int, list[str]]:
    """Run a line of bash in which `"$@"` is the command."""
    done = subprocess.run(
        [*prefix, "bash", "-c", script, "bash", *COMMAND, *arguments],
        cwd=cwd,
        env=PLAIN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE * 2,
    )
    assert done.stdout == b""
    return done.returncode, outcome_lines(done.stderr)


INPUTS = ("p0.png", "p1.png", "p2.png")


@needs_bash
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 10, 12, 16, 24])
def test_few_descriptors(count: int, jobs: str, place: Path) -> None:
    arguments = ("apply", *INPUTS, "-k", "blur", "--output-dir", "o", "-j", jobs)
    code, lines = run(f'ulimit -n {count} && exec "$@"', arguments, place)
    written = names(place / "o") if (place / "o").exists() else []
    failed = [line for line in lines if "inputs failed" not in line]
    assert len(written) + len(failed) == len(INPUTS)
    assert all("too many open files" in line.lower() for line in failed)
    assert not any("decoded" in line or "/dev/null" in line for line in failed)
    assert code == (1 if failed else 0)
    if count >= 10:
        assert lines == []


def stranger() -> tuple[str, ...]:
    """What runs a command as a user whose processes are counted; root's are not."""
    if os.getuid():
        pytest.skip("this user has other processes")
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv")
    may_read = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    return ("setpriv", "--reuid", str(STRANGER), "--clear-groups", *may_read)


@needs_bash
@pytest.mark.skipif(sys.platform != "linux", reason="it counts threads as Linux does")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 8])
def test_few_processes_and_threads(count: int, jobs: str, place: Path) -> None:
    arguments = ("apply", *INPUTS, "-k", "blur", "--output-dir", "o", "-j", jobs)
    assert run(f'ulimit -u {count} && exec "$@"', arguments, place, stranger()) == (0, [])
    assert len(names(place / "o")) == len(INPUTS)


@needs_bash
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_working_folder_that_was_removed(jobs: str, place: Path) -> None:
    there = str(place / "p0.png")
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    common = ("-k", "blur", "-j", jobs)
    expected = [f"convcli: {name}: {REMOVED}" for name in ("p0.blur.png", "p1.png")]
    expected.append("convcli: 2 of 2 inputs failed")
    assert run(script, ("apply", there, "p1.png", *common), place) == (1, expected)
    inputs = ("apply", there, "x.png", str(place / "p1.png"))
    found = run(script, (*inputs, "--output-dir", str(place / "o"), *common), place)
    assert found == (1, [f"convcli: x.png: {REMOVED}", "convcli: 1 of 3 inputs failed"])
    assert names(place / "o") == ["p0.blur.png", "p1.blur.png"]
    relative = ("apply", there, "--output-dir", "o", *common)
    assert run(script, relative, place) == (1, [f"convcli: o: {REMOVED}"])
    figure = ("apply", there, "-k", "blur", "--figure", "f.svg")
    assert run(script, figure, place) == (1, [f"convcli: f.svg: {REMOVED}"])
