"""Command lines as a real shell reads them, without a process for each command that they run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Writes what it was called with, and standard input where `-` is among that.
RECORDER = r"""
convcli() {
  printf '%s\0' "$@" > arguments
  for word in "$@"; do if [ "$word" = - ]; then cat > input; fi; done
}
"""


@dataclass(frozen=True)
class Call:
    """One call of convcli, by a command line that ran in a folder of its own."""

    folder: Path
    arguments: list[str]
    stdin: bytes


def read_commands(commands: Sequence[str], folder: Path) -> list[Call]:
    """Run command lines in bash, in which convcli does nothing, and return how it was called."""
    script = [RECORDER]
    for number, command in enumerate(commands):
        (folder / str(number)).mkdir()
        script.append(f"cd {folder}/{number}\n{command}\n")
    subprocess.run(
        ["bash", "-e"], input=os.fsencode("".join(script)), check=True, capture_output=True
    )
    calls = []
    for number in range(len(commands)):
        own = folder / str(number)
        words = (own / "arguments").read_bytes().split(b"\0")[:-1]
        stdin = (own / "input").read_bytes() if (own / "input").exists() else b""
        calls.append(Call(own, [*map(os.fsdecode, words)], stdin))
    return calls
