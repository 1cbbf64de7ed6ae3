"""The command as a process: signals, pipes that break, streams that are full or closed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.hostile_cases import GOOD_PNG
from support.process import (
    PATIENCE,
    PLAIN,
    ended,
    hidden,
    in_shell,
    started,
    wait_for,
)

OLD = b"an older result"

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
needs_shell = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with good pictures, a bad one, and an older result."""
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(GOOD_PNG)
    (tmp_path / "bad.png").write_bytes(b"bad")
    (tmp_path / "old.png").write_bytes(OLD)
    return tmp_path


def noise(path: Path, side: int) -> None:
    """A grid whose picture is large and takes long to write."""
    np.save(path, np.random.default_rng(0).integers(0, 255, (side, side), np.uint8))


# Signals

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)


@BOTH
def test_a_signal_while_reading_keeps_what_is_finished(number: signal.Signals, place: Path) -> None:
    os.mkfifo(place / "slow.png")  # that nobody writes to
    with started("apply", "a.png", "slow.png", "-k", "blur", "--output-dir", "o", cwd=place) as one:
        wait_for((place / "o" / "a.blur.png").exists, one)
        time.sleep(0.05)
        one.send_signal(number)
        code, stderr, seconds = ended(one)
    assert (code, stderr.strip()) == (CODES[number], b"")
    assert seconds < 1
    assert [path.name for path in (place / "o").iterdir()] == ["a.blur.png"]


@BOTH
def test_a_signal_while_a_class_is_made(number: signal.Signals, place: Path) -> None:
    """Python 3.11 wraps what is raised there in a RuntimeError."""
    script = f"""
import os
from convcli.cli import commands, main

class Signal:
    def __set_name__(self, *_: object) -> None:
        os.kill(os.getpid(), {number.value})

commands._invoke = lambda _: type("Made", (), {{"signal": Signal()}})
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (CODES[number], b"")


@BOTH
def test_a_signal_while_computing(number: signal.Signals, place: Path) -> None:
    noise(place / "large.npy", 700)
    arguments = ("apply", "a.png", "large.npy", "-k", "ones:9", "--method", "naive", "-q")
    with started(*arguments, "--output-dir", "o", cwd=place) as one:
        wait_for((place / "o" / "a.ones-9.png").exists, one)
        time.sleep(0.2)
        one.send_signal(number)
        code, stderr, seconds = ended(one)
    assert (code, stderr.strip()) == (CODES[number], b"")
    assert seconds < 1
    assert [path.name for path in (place / "o").iterdir()] == ["a.ones-9.png"]


@BOTH
def test_a_signal_while_writing_leaves_no_temporary_file(
    number: signal.Signals, place: Path
) -> None:
    noise(place / "large.npy", 4000)
    with started("apply", "large.npy", "-k", "identity", "-f", "-o", "old.png", cwd=place) as one:
        wait_for(lambda: hidden(place), one)
        one.send_signal(number)
        code, stderr, seconds = ended(one)
    assert (code, stderr.strip()) == (CODES[number], b"")
    assert seconds < 1
    assert (place / "old.png").read_bytes() == OLD
    assert hidden(place) == []


def test_a_kill_while_writing_leaves_the_old_file_whole(place: Path) -> None:
    noise(place / "large.npy", 4000)
    with started("apply", "large.npy", "-k", "identity", "-f", "-o", "old.png", cwd=place) as one:
        wait_for(lambda: hidden(place), one)
        one.kill()
        one.wait()
    assert one.returncode == -signal.SIGKILL
    assert (place / "old.png").read_bytes() == OLD


@BOTH
def test_a_signal_while_starting_leaves_no_traceback(number: signal.Signals, place: Path) -> None:
    # The signal comes as the first of click's modules is looked for.
    script = (
        "import os, runpy, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == 'click': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['convcli', 'kernels']\n"
        "runpy.run_module('convcli', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=PLAIN,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.stderr.strip()) == (b"", b"")
    assert done.returncode in (CODES[number], -number)


# Pipes

PRINTING = {
    "kernels": ("kernels",),
    "kernels-json": ("kernels", "--json"),
    "shape": ("shape", "--h", "5", "--k", "3"),
    "shape-sweep": ("shape", "--h", "5,6,7", "--k", "3"),
    "picture": ("apply", "a.png", "-k", "blur", "-o", "-"),
    "numbers": ("apply", "a.png", "-k", "blur", "--print"),
    "json": ("apply", "a.png", "-k", "blur", "--json"),
    "help": ("--help",),
    "apply-help": ("apply", "--help"),
}
EVERY = pytest.mark.parametrize("arguments", PRINTING.values(), ids=PRINTING)


@EVERY
def test_a_broken_pipe_is_silent(arguments: tuple[str, ...], place: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with started(*arguments, cwd=place, stdout=writing) as one:
            code, stderr, _ = ended(one)
    finally:
        os.close(writing)
    assert (code, stderr) == (141, b"")
    assert hidden(place) == []


LARGE = {
    "picture": ("-k", "identity", "-o", "-", "-q"),
    "numbers": ("-k", "identity", "--print"),
}


@pytest.mark.parametrize("options", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_pipe_that_breaks_on_the_way(
    options: tuple[str, ...], unbuffered: str, place: Path
) -> None:
    noise(place / "large.npy", 400)
    with started("apply", "large.npy", *options, cwd=place, PYTHONUNBUFFERED=unbuffered) as one:
        assert one.stdout is not None
        assert len(one.stdout.read(1)) == 1
        one.stdout.close()
        assert one.stderr is not None
        stderr = one.stderr.read()
        code = one.wait(PATIENCE)
    assert (code, stderr) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_pipe_gets_every_byte(unbuffered: str, place: Path) -> None:
    noise(place / "large.npy", 400)
    arguments = ("apply", "large.npy", "-k", "identity", "-q")
    with started(*arguments, "-o", "-", cwd=place, PYTHONUNBUFFERED=unbuffered) as one:
        stdout, stderr = one.communicate(timeout=PATIENCE)
    with started(*arguments, "-o", "file.png", cwd=place) as other:
        assert ended(other)[0] == 0
    assert (one.returncode, stderr) == (0, b"")
    assert stdout == (place / "file.png").read_bytes()


# Streams that are full or closed


@needs_full
@EVERY
def test_a_full_standard_output_is_one_line(arguments: tuple[str, ...], place: Path) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        started(*arguments, cwd=place, stdout=full.fileno()) as one,
    ):
        code, stderr, _ = ended(one)
    assert code == 1
    assert len(stderr.splitlines()) == 1
    assert stderr.startswith(b"convcli: ")
    assert b"no space left on device" in stderr.lower()


@needs_shell
@EVERY
def test_a_closed_standard_output_is_one_line(arguments: tuple[str, ...], place: Path) -> None:
    done = in_shell('exec "$@" >&-', *arguments, cwd=place)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"convcli: ")


@needs_shell
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_writes_files_needs_no_streams(closing: str, place: Path) -> None:
    done = in_shell(f'exec "$@" {closing}', "apply", "a.png", "-k", "blur", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (place / "a.blur.png").read_bytes().startswith(b"\x89PNG")


@needs_shell
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("apply", "bad.png", "-k", "blur"), 1),
        (("apply", "a.png", "-k", "blurr"), 2),
        (("kernels", "--nope"), 2),
        (("shape", "--h", "5", "--k", "0"), 2),
    ],
)
@pytest.mark.parametrize("closing", ["2>&-", ">&- 2>&-"])
def test_a_failure_needs_no_standard_error(
    arguments: tuple[str, ...], code: int, closing: str, place: Path
) -> None:
    done = in_shell(f'exec "$@" {closing}', *arguments, cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@needs_full
@needs_shell
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("apply", "bad.png", "-k", "blur"), 1), (("apply", "a.png", "-k", "blurr"), 2)],
)
def test_a_failure_needs_no_room_for_its_message(
    arguments: tuple[str, ...], code: int, place: Path
) -> None:
    done = in_shell('exec "$@" 2>/dev/full', *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (code, b"")


@needs_shell
def test_both_closed_is_still_a_failure_where_data_was_to_be_printed(place: Path) -> None:
    assert in_shell('exec "$@" >&- 2>&-', "kernels", cwd=place).returncode == 1


@needs_shell
def test_a_closed_standard_input_is_one_line(place: Path) -> None:
    done = in_shell('exec "$@" <&-', "apply", "-", "-k", "blur", cwd=place)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"convcli: -: standard input is closed\n"


# One of several


def test_one_bad_of_several_stops_no_other(place: Path) -> None:
    with started("apply", "a.png", "bad.png", "gone.png", "c.png", "-k", "blur", cwd=place) as one:
        code, stderr, _ = ended(one)
    first, second, summary = stderr.decode().splitlines()
    assert code == 1
    assert first.startswith("convcli: bad.png: is no picture")
    assert second.startswith("convcli: gone.png: no such file")
    assert summary == "convcli: 2 of 4 inputs failed"
    assert sorted(path.name for path in place.glob("*.blur.png")) == ["a.blur.png", "c.blur.png"]


# Places where little is set up

ENVIRONMENTS = {
    "C": {"LC_ALL": "C"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii-stdio": {"PYTHONIOENCODING": "ascii"},
    "no-home": {"HOME": "/nowhere/at/all", "XDG_CACHE_HOME": "/nowhere/at/all"},
    "no-tmp": {"TMPDIR": "/nowhere/at/all"},
    "dumb": {"TERM": "dumb"},
    "no-term": {"TERM": ""},
    "columns": {"COLUMNS": "3"},
    "bad-columns": {"COLUMNS": "x"},
    "force-color": {"FORCE_COLOR": "1"},
    "warnings": {"PYTHONWARNINGS": "error"},
}


COMMANDS = (
    ("kernels",),
    ("kernels", "café.csv"),
    ("shape", "--h", "5,6", "--k", "3"),
    ("apply", "a.png", "-k", "café.csv", "-q"),
)
# What an environment says is read as a process starts: each command is a fork of one that has.
FORKS = """
import os, sys
from convcli.__main__ import run_process

files, commands = sys.argv[1], eval(sys.argv[2])
for number, arguments in enumerate(commands):
    child = os.fork()
    if not child:
        for descriptor in (1, 2):
            path = f"{files}/{number}.{descriptor}"
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
        sys.argv = ["convcli", *(os.fsdecode(one.encode()) for one in arguments)]
        run_process()
        os._exit(70)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_it_works_wherever_it_is(
    environment: dict[str, str], place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (place / "café.csv").write_text("1 2 1")
    files = tmp_path_factory.mktemp("streams")
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(files), ascii(COMMANDS)],
        cwd=place,
        env=PLAIN | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [b"0"] * len(COMMANDS)
    for number, arguments in enumerate(COMMANDS):
        stdout, stderr = ((files / f"{number}.{stream}").read_bytes() for stream in (1, 2))
        assert stderr == b"", arguments
        assert b"\x1b" not in stdout
        assert b"\xe2\x80\xa6" not in stdout  # no table is cut with an ellipsis
        if arguments == ("kernels",):
            assert b"sobel-x" in stdout


def test_a_batch_that_fails_says_so_in_json_too(place: Path) -> None:
    with started("apply", "a.png", "bad.png", "-k", "blur", "--json", cwd=place) as one:
        stdout, stderr = one.communicate(timeout=PATIENCE)
    assert one.returncode == 1
    assert [line[:18] for line in stdout.splitlines()] == [
        b'{"input": "a.png",',
        b'{"input": "bad.png',
    ]
    assert len(stderr.splitlines()) == 2


@pytest.mark.parametrize(("kernel", "code"), [("blur", 0), ("blurr", 2)])
def test_what_is_registered_for_the_end_of_a_process_is_called(
    kernel: str, code: int, place: Path
) -> None:
    # The process ends without the interpreter's own clean-up, which would call it.
    script = (
        "import atexit, pathlib, sys\n"
        "atexit.register(pathlib.Path('ended').touch)\n"
        f"sys.argv = ['convcli', 'apply', 'a.png', '-k', {kernel!r}, '-o', 'out.png', '-q']\n"
        "from convcli.__main__ import run_process\n"
        "run_process()\n"
        "pathlib.Path('still_running').touch()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (code, b"")
    assert (place / "out.png").exists() == (code == 0)
    assert (place / "ended").exists()
    assert not (place / "still_running").exists()


def test_a_warning_of_a_library_is_no_message(tmp_path: Path) -> None:
    warning = "import warnings; warnings.warn('of a library', UserWarning, stacklevel=1)"
    script = f"""if True:
        import subprocess, sys
        import convcli.cli.commands as commands
        def run(arguments):
            {warning}
            return subprocess.run([sys.executable, "-c", {warning!r}]).returncode
        commands.run = run
        from convcli.cli import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
