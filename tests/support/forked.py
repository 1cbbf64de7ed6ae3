"""The command in a fork of a process that has imported it: a real process, without the start.

A start takes 0.3 s, nearly all of it imports; a fork of a process that has done them takes 10 ms.
Its limits, its streams down to the descriptors, its memory and its end are its own. What only a
process from the start can show (which modules are loaded, how it is started, its first streams and
signals) is for `support.hostile.command`.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from select import select
from typing import IO

from support.ended import Ended

ADDRESS_BYTES = 6 << 30  # what would take more fails, and takes no machine with it
MAX_WAIT_S = 60
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONUNBUFFERED", "PYTHONWARNINGS")
} | {"OPENBLAS_NUM_THREADS": "1"}
MEGABYTE = 1 << 20 if sys.platform == "darwin" else 1 << 10  # in the unit of ru_maxrss
# What most commands import; the decoder of a format is imported by whoever needs it.
MODULES = ("convcli.__main__", "convcli.cli.commands.apply", "convcli.cli.commands.kernels")


def run_main(main: Callable[[], None]) -> int:
    """Do what the interpreter does around the command's function, and return the exit code."""
    code = 1
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except BaseException:  # noqa: BLE001  # whatever escapes is what is looked for
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def forked(
    *arguments: str | bytes,
    cwd: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    terminal: str | None = None,
) -> Ended:
    """Run the command, and measure it.

    Parameters
    ----------
    *arguments : str or bytes
        What is typed after `convcli`.
    cwd : Path
        The working folder; the streams are files beside it.
    stdin : bytes
        What comes through the pipe that is standard input: no more than one holds.
    env : mapping or None
        Variables of the environment beside those of the tests.
    terminal : str or None
        The path of a terminal that is standard output, of which nothing is returned.

    Raises
    ------
    subprocess.TimeoutExpired
        If it has not ended after `MAX_WAIT_S`; it is killed then.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    streams = [cwd.with_name(f"{cwd.name}.{name}") for name in ("stdout", "stderr")]
    paths = [terminal or str(streams[0]), str(streams[1])]
    asked = [list(map(os.fsdecode, arguments)), str(cwd), stdin.hex(), paths, dict(env or {})]
    server.stdin.write(json.dumps(asked).encode() + b"\n")
    child = int(server.stdout.readline())
    if not select([server.stdout], [], [], MAX_WAIT_S)[0]:
        os.killpg(child, 9)
        server.stdout.readline()
        raise subprocess.TimeoutExpired(["convcli", *arguments], MAX_WAIT_S)
    code, memory, seconds = json.loads(server.stdout.readline())
    stdout, stderr = (b"" if path == terminal else Path(path).read_bytes() for path in paths)
    return Ended(code, stdout, stderr, memory / MEGABYTE, seconds)


@cache
def _server() -> subprocess.Popen[bytes]:
    tests = str(Path(__file__).parents[1])
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    server = subprocess.Popen(
        [sys.executable, "-m", "support.forked"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # what is buffered is not seen by select
        env=PLAIN | {"PYTHONPATH": paths},
    )
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()


def _serve(asked: IO[str], answers: IO[str]) -> None:
    for line in asked:
        child = os.fork()
        if not child:
            _become(*json.loads(line))
        print(child, file=answers, flush=True)
        _, status, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        answer = [code if code >= 0 else 128 - code, usage.ru_maxrss, seconds]
        print(json.dumps(answer), file=answers, flush=True)


def _become(
    arguments: list[str], cwd: str, stdin: str, streams: list[str], env: dict[str, str]
) -> None:
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
        os.chdir(cwd)
        os.environ.update(env)
        os.dup2(_open_stdin(bytes.fromhex(stdin)), 0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOCTTY
        for number, stream in enumerate(streams, start=1):
            os.dup2(os.open(stream, flags, 0o600), number)
        sys.argv = ["convcli", *arguments]
        from convcli.__main__ import run_process

        code = run_main(run_process)
    finally:
        os._exit(code)


def _open_stdin(content: bytes) -> int:
    if not content:
        return os.open(os.devnull, os.O_RDONLY)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # what is too much fails, and waits for nobody
    if os.write(writing, content) < len(content):
        raise ValueError("no pipe holds that much")
    os.close(writing)
    return reading


def main() -> None:
    """Answer the requests of standard input, on what was standard output."""
    from importlib import import_module

    asked, answers = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "r"), (1, "w")))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    for name in MODULES:
        import_module(name)
    _serve(asked, answers)


if __name__ == "__main__":
    main()
