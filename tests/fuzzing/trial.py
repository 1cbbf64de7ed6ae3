"""One run of the command in a forked child, and what may be said against it."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.ended import Ended
from support.forked import run_main

SECONDS = 20  # of processor time: as many as a file may have, 10,000 frames take 2 ms each
WAIT = 60  # seconds by the clock: whoever sleeps for so long does not work
GIGABYTES = 3  # of addresses: what would take more fails, and takes no machine with it
MEGABYTES = 256  # of memory: far above what numpy, Pillow and a picture of the size allowed take
KILLS = {signal.SIGXCPU: f"was busy for {SECONDS} s", signal.SIGALRM: f"hung for {WAIT} s"}


@dataclass(frozen=True)
class Trial:
    """What is typed, in a folder with which files.

    Parameters
    ----------
    arguments : tuple of str
    files : dict of bytes by name
        The one that was damaged comes first.
    stdin : str, optional
        The name of the file that standard input reads.
    """

    arguments: tuple[str, ...]
    files: dict[str, bytes]
    stdin: str | None = None


def run(trial: Trial, folder: Path) -> Ended:
    """Run the command on a trial in a folder, which is left empty."""
    for name, content in trial.files.items():
        (folder / name).write_bytes(content)
    streams = [folder.with_name(f"{folder.name}.{name}") for name in ("stdout", "stderr")]
    # A process of its own starts in 0.3 s, nearly all of it imports. A fork of one that has
    # imported everything takes 5 ms and shares nothing afterwards: its limits, its streams down to
    # the descriptors (libraries in C write there, too), its memory and its end are its own.
    child = os.fork()
    if not child:
        _become(trial, folder, streams)
    _, status, usage = os.wait4(child, 0)
    left = {path.name: path for path in folder.iterdir()}
    ended = Ended(
        os.waitstatus_to_exitcode(status),
        streams[0].read_bytes(),
        streams[1].read_bytes(),
        usage.ru_maxrss / (1 << 10),
        usage.ru_utime + usage.ru_stime,
        {name: path.read_bytes() if path.is_file() else b"" for name, path in left.items()},
    )
    for path in left.values():
        path.unlink() if not path.is_dir() else path.rmdir()
    return ended


def _become(trial: Trial, folder: Path, streams: list[Path]) -> None:
    """Be the command from here on, with what a process of its own would have."""
    code = 70
    try:
        signal.alarm(WAIT)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(folder)
        os.environ["TMPDIR"] = str(folder)
        os.dup2(os.open(trial.stdin or os.devnull, os.O_RDONLY), 0)
        for number, stream in enumerate(streams, start=1):
            os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.argv = ["convcli", *trial.arguments]
        from convcli.cli import main

        code = run_main(main)
    finally:
        os._exit(code)


def complaint(trial: Trial, ended: Ended) -> str | None:
    """What is wrong with how a trial ended; None where nothing is."""
    return next(_complaints(trial, ended), None)


def _complaints(trial: Trial, ended: Ended) -> Iterator[str]:
    text = ended.stderr.decode(errors="replace")
    lines = text.splitlines()
    if ended.code < 0:
        end = signal.Signals(-ended.code)
        yield KILLS.get(end, f"was killed by {end.name}")
    if "Traceback" in text:
        yield f"traceback: {lines[-1]}"
    if ended.code not in (0, 1, 2):
        yield f"exit code {ended.code}"
    if any(not line.startswith("convcli: ") for line in lines):
        yield f"on standard error: {text[:200]!r}"
    if ended.code and len(lines) != 1:
        yield f"{len(lines)} lines on standard error for exit code {ended.code}"
    if ended.code and ended.stdout:
        yield f"exit code {ended.code} with {len(ended.stdout)} bytes on standard output"
    if ended.megabytes > MEGABYTES:
        yield f"took {ended.megabytes:.0f} MB"
    yield from _litter(trial, ended)


def _litter(trial: Trial, ended: Ended) -> Iterator[str]:
    for name, content in trial.files.items():
        if ended.left.get(name) != content:
            yield f"changed {name}"
    new = sorted(set(ended.left) - set(trial.files))
    if len(new) > 1 or any(ended.code or not name.startswith("out.") for name in new):
        yield f"left behind with exit code {ended.code}: {', '.join(new)}"
