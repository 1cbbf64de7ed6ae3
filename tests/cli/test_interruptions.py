"""Signals, and workers that die: what is finished stays, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import COMMAND
from support.many_files import (
    PATIENCE,
    names,
    needs_proc,
    outcome_lines,
    save_six_pictures,
    started,
    wait_for,
)

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_six_pictures(tmp_path)
    return tmp_path


def children(pid: int) -> list[int]:
    """The worker processes of a command."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"convcli.batch.worker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def waits_for_a_writer(pid: int) -> bool:
    """Whether one of its threads has opened a FIFO that nobody writes to."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            place = (thread / "wchan").read_text()
            if "fifo" in place or "wait_for_partner" in place:
                return True
    return False


# Signals, and workers that die


@needs_proc
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_ends_all_and_keeps_what_is_finished(number: signal.Signals, place: Path) -> None:
    os.mkfifo(place / "slow.png")
    np.save(place / "large.npy", np.zeros((900, 900), np.uint8))
    arguments = ("p0.png", "slow.png", "large.npy", "-k", "ones:9", "--method", "naive", "-q")
    with started(*arguments, "--output-dir", "o", "-j", "2", cwd=place) as one:
        wait_for((place / "o" / "p0.ones-9.png").exists)
        wait_for(lambda: len(children(one.pid)) == 2)
        time.sleep(0.5)
        workers = children(one.pid)
        start = time.monotonic()
        one.send_signal(number)
        _, stderr = one.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - start
    assert (one.returncode, stderr) == (CODES[number], b"")
    assert seconds < 1.5
    wait_for(lambda: all(map(is_gone, workers)))
    assert names(place / "o") == ["p0.ones-9.png"]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_worker_that_writes_leaves_no_temporary_file(number: signal.Signals, place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4000, 4000), np.uint8)
    np.save(place / "large.npy", noise)
    arguments = ("large.npy", "p0.png", "-k", "identity", "--output-dir", "o", "-j", "2")
    with started(*arguments, cwd=place) as one:
        wait_for(lambda: list(place.glob("o/p0.*")) and list(place.glob("o/.*")))
        one.send_signal(number)
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, outcome_lines(stderr)) == (CODES[number], [])
    assert names(place / "o") == ["p0.identity.png"]


@needs_proc
def test_workers_end_with_a_command_that_is_killed(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    arguments = ("p0.png", "slow.png", "p1.png", "-k", "blur", "--output-dir", "o", "-j", "2")
    with started(*arguments, cwd=place) as one:
        wait_for((place / "o" / "p1.blur.png").exists)
        workers = children(one.pid)
        one.kill()
        one.communicate(timeout=PATIENCE)
    assert len(workers) == 2
    wait_for(lambda: all(map(is_gone, workers)))
    assert names(place / "o") == ["p0.blur.png", "p1.blur.png"]


@needs_proc
def test_a_worker_that_dies_fails_its_own_file_alone(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    inputs = ["p0.png", "slow.png", *(f"p{number}.png" for number in range(1, 6))]
    with started(*inputs, "-k", "blur", "--output-dir", "o", "-j", "2", cwd=place) as one:
        for _ in range(2):  # with the others, and alone
            wait_for(lambda: any(map(waits_for_a_writer, children(one.pid))))
            (deadly,) = filter(waits_for_a_writer, children(one.pid))
            time.sleep(0.2)  # in which the others are done, and must not be refused as existing
            os.kill(deadly, signal.SIGKILL)
            wait_for(partial(is_gone, deadly))
        _, stderr = one.communicate(timeout=PATIENCE)
    assert one.returncode == 1
    assert outcome_lines(stderr) == [
        "convcli: slow.png: its worker died (SIGKILL; memory may have run out)",
        "convcli: 1 of 7 inputs failed",
    ]
    assert names(place / "o") == [f"p{number}.blur.png" for number in range(6)]


@needs_proc
def test_a_file_that_kills_once_is_done_the_second_time(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    inputs = ("p0.png", "slow.png", "p1.png", "p2.png")
    with started(*inputs, "-k", "blur", "--output-dir", "o", "-j", "2", cwd=place) as one:
        wait_for(lambda: any(map(waits_for_a_writer, children(one.pid))))
        (deadly,) = filter(waits_for_a_writer, children(one.pid))
        os.kill(deadly, signal.SIGKILL)
        wait_for(lambda: is_gone(deadly))
        (place / "slow.png").write_bytes((place / "p5.png").read_bytes())  # to whoever opens it
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, outcome_lines(stderr)) == (0, [])
    assert names(place / "o") == [f"{name}.blur.png" for name in ("p0", "p1", "p2", "slow")]


@pytest.mark.parametrize("where", ["o", "{stem}.png", "link"])
def test_a_worker_that_is_killed_while_it_writes_leaves_nothing(where: str, place: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(3):
        np.save(place / f"large{number}.npy", random.integers(0, 255, (2500, 2500), np.uint8))
    (place / "o").mkdir()
    foreign = place / "o" / ".convcli-99999999-of-a-process-elsewhere"
    foreign.touch()
    inputs = ("large0.npy", "large1.npy", "p0.png", "large2.npy", "p1.png")
    targets = {
        "o": ("--output-dir", "o"),
        "{stem}.png": ("-o", "o/{stem}.identity.png"),
        "link": ("--output-dir", "link"),
    }
    force: tuple[str, ...] = ()
    if where == "link":  # whose files are links, too, to nothing: what they point to is made
        force = ("--force",)
        (place / "link").mkdir()
        for name in inputs:
            link = place / "link" / f"{Path(name).stem}.identity.png"
            link.symlink_to(Path("..") / "o" / link.name)
    options = (*targets[where], *force, "-k", "identity", "--range", "clamp", "-j", "2", "-q")

    def unfinished() -> set[Path]:
        return {*place.glob("o/.convcli-*")} - {*place.glob("o/*.journal"), foreign}

    with started(*inputs, *options, cwd=place) as one:
        wait_for(unfinished)
        writing = unfinished().pop()
        os.kill(int(writing.name.split("-")[1]), signal.SIGKILL)
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, stderr) == (0, b"")
    whole = sorted(f"{Path(name).stem}.identity.png" for name in inputs)
    assert names(place / "o") == [foreign.name, *whole]
    for name in whole[:3]:
        made, given = place / "o" / name, place / f"{name.partition('.')[0]}.npy"
        np.testing.assert_array_equal(np.asarray(Image.open(made)), np.load(given))


def test_a_pipe_that_breaks_ends_all(place: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "apply", "p0.png", "p1.png", "-k", "blur", "-j", "2", "--json"],
            cwd=place,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not [name for name in names(place) if name.startswith(".")]
