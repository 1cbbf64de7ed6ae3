"""Commands that read one input give up when that takes too long."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.command import convcli

from convcli.deadline import TimeLimit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
COMMANDS = {
    "explain": ("explain", "in.png", "-k", "blur", "--at", "0,0"),
    "animate": ("animate", "in.png", "-k", "blur", "-o", "new.gif"),
    "page": ("page", "in.png", "-k", "blur", "-o", "new.html"),
    "shape": ("shape", "--input", "1x9x9", "conv:3", "--figure", "new.png", "--image", "in.png"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_that_nobody_writes_to_is_given_up(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.png")
    done = convcli(*COMMANDS[name], "--timeout", "0.5", cwd=tmp_path)
    line = "convcli: in.png: took longer than 0.5 s; --timeout S allows more\n"
    assert (done.code, done.stdout, done.stderr) == (1, b"", line)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_read_in_time_is_used(name: str, tmp_path: Path) -> None:
    Image.new("L", (9, 9), 7).save(tmp_path / "in.png")
    for limit in ((), ("--timeout", "50")):
        force = () if name == "explain" else ("-f",)
        done = convcli(*COMMANDS[name], *limit, *force, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")


def test_a_timeout_without_an_input_is_refused(tmp_path: Path) -> None:
    for typed in (COMMANDS["shape"][:-2], ("animate", "--h", "5", "--k", "3", "-o", "new.gif")):
        done = convcli(*typed, "--timeout", "1", cwd=tmp_path)
        assert (done.code, "--timeout" in done.stderr) == (2, True)


def test_the_default_grows_with_the_picture() -> None:
    assert TimeLimit.of(None) == TimeLimit(60.0, 1.0)
    assert TimeLimit.of(3.0) == TimeLimit(3.0, 0.0)
