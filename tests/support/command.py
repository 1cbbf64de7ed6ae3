"""The real command: in a process of its own, as users run it, or in this one, which is quicker."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from convcli.cli.commands import run
from convcli.parallel import get_threads, set_threads

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
COMMAND = [sys.executable, "-m", "convcli"]


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def rows(self) -> list[list[float]]:
        """The numbers that were printed."""
        return [[float(word) for word in line.split()] for line in self.text.splitlines()]


def convcli(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Finished:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout, done.stderr.decode())


def here(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> Finished:
    """Run the command in this process, and put back what it sets for a process of its own."""
    streams: dict[str, Any] = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin)),
        "stdout": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        "stderr": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
    }
    digits, threads = sys.get_int_max_str_digits(), get_threads()
    try:
        with patch.multiple(sys, **streams), chdir(cwd):
            code = run([str(argument) for argument in arguments])
    finally:
        sys.set_int_max_str_digits(digits)
        set_threads(threads)
    for stream in streams.values():
        stream.flush()
    stdout, stderr = (streams[name].buffer.getvalue() for name in ("stdout", "stderr"))
    return Finished(code, stdout, stderr.decode())
