"""Files that ask for much: refused by name before they are decoded, or read within limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.costly_cases import REFUSED
from support.hostile import IS_LINUX, check_contract, command, place, snapshot
from support.hostile_cases import Case

SECONDS = 5.0  # of processor time


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_file_that_asks_for_too_much_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    folder = place(tmp_path)
    for name, content in case.files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content(folder / name)
    before = snapshot(folder)
    ended = command(*case.arguments, cwd=folder)
    check_contract(ended, case.code, case.fragment)
    assert ended.lines[0].startswith(f"convcli: {case.path}: ")
    assert snapshot(folder) == before
    assert ended.seconds < SECONDS
    if IS_LINUX:
        assert ended.megabytes < case.megabytes
