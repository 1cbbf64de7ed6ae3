"""The files that a command opens, and whatever else it does outside itself, by Python's audit."""

from __future__ import annotations

import os
from pathlib import Path

from support.ended import Ended
from support.hostile import command

# Runs in every process of the command before anything else, workers included.
HOOK = """
import os, sys

log = os.open(os.environ["OPENED_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
ELSEWHERE = (
    "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "socket.connect",
    "subprocess.Popen", "urllib.Request",
)

def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "glob.glob"):
        path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            name = os.fsencode(os.path.abspath(path))
            os.write(log, os.fsencode(event) + b" " + name + b"\\n")
    elif event in ELSEWHERE:
        os.write(log, os.fsencode(event) + b" " + repr(arguments).encode() + b"\\n")

sys.addaudithook(watch)
"""


def opened(*arguments: str, cwd: Path, stdin: bytes = b"") -> tuple[Ended, set[str]]:
    """Run the command; also return what it opened or listed under the test's own folder.

    Whatever leaves the process (a command, a connection) is among it, as its event and arguments.
    """
    hook, log = cwd.parent / "hook", cwd.parent / "opened.log"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    log.unlink(missing_ok=True)
    paths = os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH"))))
    ended = command(*arguments, cwd=cwd, stdin=stdin, PYTHONPATH=paths, OPENED_LOG=str(log))
    seen = set()
    for line in log.read_text().splitlines():
        event, _, name = line.partition(" ")
        is_path = event in ("open", "os.listdir", "os.scandir", "glob.glob")
        own = Path(os.path.realpath(cwd.parent))
        path = Path(name)
        if not is_path:
            seen.add(line)
        elif own in path.parents and path != log and hook not in (path, *path.parents):
            seen.add(os.path.relpath(path, os.path.realpath(cwd)))
    return ended, seen
