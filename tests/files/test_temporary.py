"""Temporary files: those of the dead are removed, and no others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convcli.files import temporary
from convcli.files.output import atomic_write
from convcli.files.temporary import Maker, make_name, remove_stale, remove_unfinished, this_process

WRITER = """
import os, sys, time
from convcli.files.output import atomic_write
with atomic_write(sys.argv[1], force=False) as stream:
    stream.write(b"unfinished")
    stream.flush()
    print(os.getpid(), flush=True)
    time.sleep(60)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
pytestmark = needs_proc


@pytest.fixture(autouse=True)
def is_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_cleaned_folders", set())


def start_writer(path: Path, *prefix: str) -> subprocess.Popen[bytes]:
    """Start a process that writes a file and does not finish."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def named(maker: Maker) -> str:
    return f".convcli-{maker}-0123456789abcdef"


def test_the_name_says_who_made_it() -> None:
    me = this_process()
    assert make_name().startswith(f".convcli-{os.getpid()}-")
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert me.started == int(stat[19])
    assert str(me.namespace) in str(Path("/proc/self/ns/pid").readlink())
    assert Path("/proc/sys/kernel/random/boot_id").read_text().startswith(me.boot)
    assert me.host in os.uname().nodename.replace("-", "_")
    assert len(make_name()) < 143  # the most that encrypted folders allow


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed, alive = start_writer(tmp_path / "killed"), start_writer(tmp_path / "alive")
    try:
        killed.kill()  # and not waited for: a zombie is dead
        time.sleep(0.2)
        with atomic_write(str(tmp_path / "new"), force=False) as stream:
            stream.write(b"whole")
        (left,) = tmp_path.glob(".convcli-*")
        assert left.name.startswith(f".convcli-{alive.pid}-")
    finally:
        for process in (killed, alive):
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("changes", "is_removed"),
    [
        ({}, False),
        ({"started": 1}, True),  # of another process, which had this number
        ({"process": 2_000_000_000}, True),  # there is none
        ({"host": "other", "process": 2_000_000_000}, False),
        ({"host": "other", "boot": "deadbeef"}, False),
        ({"namespace": 1, "process": 2_000_000_000}, False),  # of another container
        ({"namespace": 1, "started": 1}, False),
        ({"boot": "deadbeef"}, False),  # written after this machine was started
    ],
)
def test_only_what_is_known_to_be_dead_is_removed(
    changes: dict[str, object], is_removed: bool, tmp_path: Path
) -> None:
    left = tmp_path / named(this_process()._replace(**changes))  # type: ignore[arg-type]
    left.touch()
    remove_stale(str(tmp_path))
    assert left.exists() != is_removed


def test_what_an_earlier_boot_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / named(this_process()._replace(boot="deadbeef"))
    left.touch()
    os.utime(left, (1e9, 1e9))
    remove_stale(str(tmp_path))
    assert not left.exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    dead = named(this_process()._replace(process=2_000_000_000))
    huge = named(this_process()._replace(process=10**20))
    others = [huge, ".convcli-99999999-of-a-process-elsewhere", ".convcli-", f"x{dead}", dead[1:]]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / dead).mkdir()
    remove_stale(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, dead])


def test_a_folder_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = os.scandir

    def scan(path: str) -> Any:
        looks.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    for number in range(3):
        with atomic_write(str(tmp_path / f"{number}"), force=False):
            pass
    assert looks == [str(tmp_path)]


def test_a_batch_that_ended_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    (tmp_path / make_name()).touch()
    alive = tmp_path / named(this_process()._replace(process=os.getppid(), started=0))
    alive.touch()
    remove_unfinished([str(tmp_path), str(tmp_path / "missing")], this_process())
    assert list(tmp_path.iterdir()) == [alive]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_containers_with_equal_process_numbers_leave_each_other_alone(tmp_path: Path) -> None:
    container = (
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    )
    probe = subprocess.run([*container, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("containers cannot be made here")
    one, two = (start_writer(tmp_path / name, *container) for name in ("one", "two"))
    try:
        found = list(tmp_path.glob(".convcli-*"))
        assert len(found) == 2
        first, second = (path.name.split("-") for path in found)
        assert first[1] == second[1]  # process 1, or so
        assert first[3] != second[3]
        with atomic_write(str(tmp_path / "three"), force=False):
            pass
        assert {*found} < {*tmp_path.iterdir()}
    finally:
        for process in (one, two):
            process.send_signal(signal.SIGKILL)
            process.communicate()
