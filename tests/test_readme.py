"""The README says what the commands print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from readme_blocks import CONSOLE, HELP, README, console, printed, workplace

from convcli.cli.group import COMMANDS

TEXT = README.read_text(encoding="utf-8")
BLOCKS = CONSOLE.findall(TEXT)
HELPS = {found[1]: found[3] for found in HELP.finditer(TEXT)}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = workplace()
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:50])
def test_a_block_of_commands_prints_what_stands_there(block: str, folder: Path) -> None:
    assert console(block, folder) == block


def test_the_help_of_every_command_stands_in_the_readme() -> None:
    assert sorted(HELPS) == sorted(f"convcli {command} --help" for command in COMMANDS)


@pytest.mark.parametrize("command", HELPS)
def test_a_help_is_the_command_s_own(command: str, folder: Path) -> None:
    # How lines are wrapped is the library's business, and may change with it.
    assert printed(command, folder).split() == HELPS[command].split()
