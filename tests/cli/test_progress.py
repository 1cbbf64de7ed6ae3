"""The progress bar, and the plain lines that a pipe gets instead."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.command import COMMAND
from support.many_files import PATIENCE, save_six_pictures

from convcli.cli import report


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_six_pictures(tmp_path)
    return tmp_path


def read_until(terminal: int, text: bytes) -> bytes:
    """Read what a terminal gets until some text is among it."""
    got, deadline = b"", time.monotonic() + PATIENCE
    while text not in got:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, got
        got += os.read(terminal, 65536)
    return got


def on_terminal(
    *arguments: str, cwd: Path, feed: Path, both: bool, until: str = "", **env: str
) -> str:
    """What a terminal gets of standard error, and of standard output too if `both`.

    The last input is fed when some text was shown, or else after 2.5 seconds.
    """
    main, other = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "apply", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=other if both else subprocess.DEVNULL,
        stderr=other,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"} | env,
    ) as process:
        os.close(other)
        got = read_until(main, until.encode())
        if not until:
            time.sleep(2.5)
        feed.write_bytes((cwd / "p0.png").read_bytes())
        with suppress(OSError):  # which says that nobody is at the other end
            while chunk := os.read(main, 65536):
                got += chunk
        os.close(main)
        assert process.wait(PATIENCE) == 0
    return got.decode()


def screen(text: str) -> list[str]:
    """The lines that stay, as a terminal shows them."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bar_gives_way_to_every_line(place: Path, jobs: str) -> None:
    os.mkfifo(place / "slow.png")
    inputs = [f"p{number}.png" for number in range(6)]
    text = on_terminal(
        *(*inputs, "slow.png", "-k", "blur", "--json", "-j", jobs),
        cwd=place,
        feed=place / "slow.png",
        both=True,
        until="6/7",
    )
    assert "6/7" in text
    assert "files/s" in text
    shown = screen(text)
    assert len(shown) == 7
    for line, name in zip(shown, [*inputs, "slow.png"], strict=True):
        assert json.loads(line)["input"] == name
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(
    ("options", "env"), [(("-q",), {}), ((), {"TERM": "dumb"})], ids=["quiet", "dumb"]
)
def test_there_may_be_no_bar(place: Path, options: tuple[str, ...], env: dict[str, str]) -> None:
    os.mkfifo(place / "slow.png")
    arguments = ("p0.png", "slow.png", "-k", "blur", *options)
    assert on_terminal(*arguments, cwd=place, feed=place / "slow.png", both=False, **env) == ""


def test_a_pipe_gets_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "LOG_EVERY_S", 0.05)

    def slowly() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.06)
            yield number

    with report.Progress(4, quiet=False) as shown:
        assert list(shown.count(slowly())) == [0, 1, 2, 3]
    lines = capsys.readouterr().err.splitlines()
    assert lines
    pattern = re.compile(r"convcli: \d of 4 done(, [\d.]+ files/s, 0:00:\d\d left)?$")
    assert all(map(pattern.match, lines))
