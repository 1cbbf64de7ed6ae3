"""The real command in a process of its own, measured, in a folder that is watched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.ended import Ended
from support.forked import ADDRESS_BYTES, PLAIN
from support.hostile_cases import GOOD_PNG

OLD = b"an older result"
IS_LINUX = sys.platform == "linux"
# A process of its own measures what the command takes: its own memory, not that of the tests.
LAUNCHER = """
import os, resource, sys
report, addresses, *command = sys.argv[1:]
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_AS, (int(addresses), int(addresses)))
    os.execv(command[0], command)
_, status, usage = os.wait4(child, 0)
with open(report, "w") as stream:
    stream.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime}")
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""


def command(
    *arguments: str | bytes,
    cwd: Path,
    stdin: bytes | int = b"",
    prefix: Sequence[str] = (),
    **env: str,
) -> Ended:
    """Run the real command, and measure it."""
    report = cwd.parent / f"{cwd.name}.usage"
    launcher = (sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), str(ADDRESS_BYTES))
    with subprocess.Popen(
        [*launcher, *prefix, sys.executable, "-m", "convcli", *arguments],
        cwd=cwd,
        stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=PLAIN | env,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(
                None if isinstance(stdin, int) else stdin, timeout=20
            )
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
    kilobytes, seconds = report.read_text().split()
    megabytes = int(kilobytes) / (1 << 10 if IS_LINUX else 1 << 20)
    return Ended(process.returncode, stdout, stderr, megabytes, float(seconds))


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything in a folder, hidden files too: kinds, permissions, targets, bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: Any = None
        if path.is_symlink():
            content = path.readlink()
        elif stat.S_ISREG(status.st_mode):
            is_small = status.st_size < 1 << 20
            content = path.read_bytes() if is_small else (status.st_size, status.st_mtime_ns)
        found[str(path)] = (status.st_mode, content)
    return found


def place(tmp_path: Path) -> Path:
    """A folder with a good picture and an older result."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a.png").write_bytes(GOOD_PNG)
    (folder / "old.png").write_bytes(OLD)
    return folder


def check_contract(ended: Ended, code: int, fragment: str = "") -> None:
    """Exit code, one line on standard error, nothing on standard output."""
    assert b"Traceback" not in ended.stderr, ended.stderr[-600:]
    assert ended.code == code, ended.stderr[-600:]
    assert ended.stdout == b""
    assert len(ended.lines) == 1, ended.lines
    assert ended.lines[0].startswith("convcli: ")
    assert ended.lines[0].isprintable()
    assert fragment in ended.lines[0]
