"""The command in a process of its own, to be interrupted or given other streams."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.command import COMMAND

PATIENCE = 60.0  # for what must happen at all, on a machine that is busy with others
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONUNBUFFERED", "PYTHONWARNINGS")
}


@contextmanager
def started(
    *arguments: str, cwd: Path, stdout: int = subprocess.PIPE, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=PLAIN | env,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, float]:
    """Exit code, standard error, and the seconds that it took to end."""
    start = time.monotonic()
    _, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, stderr, time.monotonic() - start


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def in_shell(
    script: str, *arguments: str, cwd: Path, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which `"$@"` is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *COMMAND, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=PLAIN | env,
        check=False,
        timeout=PATIENCE,
    )
