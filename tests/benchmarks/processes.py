"""Whole processes: convcli as a user starts it, and how much memory a process takes."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

# The largest resident set of what it starts, which counts that of whoever starts it: so a small
# process of its own does. KiB on Linux, bytes elsewhere.
_WEIGH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
if done.returncode:
    sys.exit(done.returncode)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
"""


@cache
def convcli() -> list[str]:
    """The installed script where there is one beside this Python."""
    script = Path(sys.executable).with_name("convcli")
    return [str(script)] if script.exists() else [sys.executable, "-m", "convcli"]


def run(*command: str | Path, folder: Path) -> bytes:
    """Run a command to its end, and give what it printed."""
    done = subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, check=False, timeout=3600
    )
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {message[-300:]}")
    return done.stdout


def peak_bytes(*command: str | Path, folder: Path) -> int:
    """The most memory that a command held at once."""
    return int(run(sys.executable, "-c", _WEIGH, *command, folder=folder).split()[-1])
