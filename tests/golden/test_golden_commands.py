"""Every command of `commands.toml` prints, writes and exits with what `expected/` holds.

The set goes through the command line alone, so that it outlives any change inside the package. The
README's blocks of commands and the help of every command are no part of it: `tests/test_readme.py`
and `tests/cli/test_help.py` compare them.
After a deliberate change, `python tests/golden/record.py` records again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from support.golden import EXPECTED, Case, execute, load_cases, load_expected
from support.golden_compare import Record, differences

CASES = load_cases()
FAMILIES = list(dict.fromkeys(case.family for case in CASES))
expected = cache(load_expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_command_does_what_it_did(case: Case, tmp_path: Path) -> None:
    then: Record = expected(case.family)[case.name]
    now = execute(case, tmp_path)
    shutil.rmtree(tmp_path)
    found = differences(then, now)
    assert not found, "\n".join([f"$ {now['command']}", *found])


def test_no_result_is_left_over() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == set(FAMILIES)
    recorded = {f"{family}/{name}" for family in FAMILIES for name in expected(family)}
    assert recorded == {case.id for case in CASES}


def test_all_commands_and_all_exit_codes_are_covered() -> None:
    commands = Counter(case.arguments[0] for case in CASES if case.arguments)
    named = ("apply", "animate", "design", "explain", "kernels", "layers", "solve", "shape")
    assert all(commands[name] >= 5 for name in named)
    codes = {expected(case.family)[case.name]["exit"] for case in CASES}
    assert codes == {0, 1, 2}
