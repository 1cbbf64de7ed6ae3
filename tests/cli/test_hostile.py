"""Hostile files and arguments: one line, the right exit code, and nothing else changed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.costly_cases import REFUSED
from support.ended import Ended
from support.forked import forked
from support.hostile import (
    IS_LINUX,
    check_contract,
    command,
    place,
    snapshot,
)
from support.hostile_cases import CASES, LEAN, Case, png

ALL = (*CASES, *REFUSED)
EVERY = pytest.mark.parametrize("case", ALL, ids=lambda case: ascii(case.name))
SECONDS = 5.0  # of processor time: no file and no argument keeps the command busy for longer


@dataclass(frozen=True)
class Played:
    """What became of a case, and of its folder."""

    ended: Ended
    before: dict[str, Any]
    after: dict[str, Any]


def play(case: Case, folder: Path, run: Callable[..., Ended]) -> Played:
    for name, content in case.files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content(folder / name)
    before = snapshot(folder)
    ended = run(*case.arguments, cwd=folder)
    return Played(ended, before, snapshot(folder))


def check(case: Case, played: Played) -> None:
    ended = played.ended
    check_contract(ended, case.code, case.fragment)
    if case.path is not None:
        assert ended.lines[0].startswith(f"convcli: {case.path}: ")
    assert played.after == played.before
    assert ended.seconds < SECONDS
    if IS_LINUX:
        assert ended.megabytes < case.megabytes


@EVERY
def test_a_hostile_case_is_one_line_and_changes_nothing(case: Case, tmp_path: Path) -> None:
    run = partial(command, stdin=case.stdin) if case.stdin else forked
    check(case, play(case, place(tmp_path), run))


@pytest.mark.slow
@EVERY
def test_a_hostile_case_ends_so_from_the_start(case: Case, tmp_path: Path) -> None:
    check(case, play(case, place(tmp_path), partial(command, stdin=case.stdin)))


def test_the_names_of_the_cases_differ() -> None:
    names = [case.name for case in ALL]
    assert sorted(set(names)) == sorted(names)


# Inputs


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("text", b"1 2 3\n"),
        ("zeros", bytes(8)),
        ("jpeg", b"\xff\xd8\xff\xe0\0\4ab"),
        ("gif", b"GIF89a"),
        ("npy", b"\x93NUMPY"),
    ],
)
def test_an_endless_standard_input_ends(name: str, start: bytes, tmp_path: Path) -> None:
    folder = place(tmp_path)
    before = snapshot(folder)
    reading, writing = os.pipe()

    def pour() -> None:
        filling = (b"1 2 3\n" if name == "text" else bytes(6)) * 20_000
        with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as stream:
            stream.write(start)
            while True:
                stream.write(filling)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        ended = command(
            "apply", "-", "-k", "blur", "-f", "-o", "old.png", cwd=folder, stdin=reading
        )
    finally:
        os.close(reading)
        pouring.join()
    check_contract(ended, 1, "convcli: -: goes on beyond")
    assert snapshot(folder) == before
    assert ended.seconds < SECONDS
    if IS_LINUX:
        assert ended.megabytes < 700


@pytest.mark.skipif(not IS_LINUX, reason="memory is counted otherwise")
def test_a_header_of_60000x60000_costs_what_a_missing_file_costs(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "huge.png").write_bytes(png(60000, 60000, pixels=b""))
    idle = command("apply", "gone.png", "-k", "blur", cwd=folder)
    huge = command("apply", "huge.png", "-k", "blur", cwd=folder)
    check_contract(huge, 1, "60000x60000")
    assert huge.megabytes < idle.megabytes + 32
    assert huge.seconds < idle.seconds + 0.5


# Numbers of any size


def test_shape_is_exact_for_4000_digits(tmp_path: Path) -> None:
    folder = place(tmp_path)
    height = 10**3999 + 7
    ended = forked(*("shape", "--h", str(height), "--k", "3", "--s", "2", "--json"), cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    start = ended.stdout.index(b'"output": [') + len(b'"output": [')
    assert ended.stdout[start:].startswith(_digits((height - 3) // 2 + 1))


def _digits(number: int) -> bytes:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return str(number).encode()
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_a_sweep_of_thousands_is_quick(form: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    heights, sizes = ",".join(map(str, range(50, 100))), ",".join(map(str, range(1, 41)))
    ended = forked("shape", "--h", heights, "--k", sizes, "--format", form, cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.seconds < SECONDS


# The library takes what no command line can hold


@pytest.mark.parametrize("name", ["a\0b", "a\0b.csv", "@a\0b.csv", "\ud800.csv", "x" * 100_000])
def test_a_name_with_a_nul_is_an_error_of_ours(name: str) -> None:
    import convcli

    with pytest.raises(convcli.ConvError):
        convcli.load_kernel(name)


def test_lean_is_more_than_the_command_needs(tmp_path: Path) -> None:
    ended = command("apply", "a.png", "-k", "sharpen", cwd=place(tmp_path))
    assert ended.code == 0
    if IS_LINUX:
        assert ended.megabytes < LEAN / 2
