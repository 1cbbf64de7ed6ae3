"""Previews and kernels in color on a terminal, and plain in a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import COMMAND, convcli
from support.figures import CAT, GRID

from convcli.pictures.theme import LIGHT

XTERM = {"TERM": "xterm-256color", "COLORTERM": ""}
HALF_BLOCK = "▀"


def on_terminal(*arguments: str | Path, cwd: Path, **settings: str) -> str:
    """Run the command on a terminal of its own, and read what it shows."""
    here_, there = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    env |= XTERM | {"COLUMNS": "60"} | settings
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=there, stdout=there, stderr=subprocess.PIPE
    ) as running:
        os.close(there)
        shown = b""
        while select.select([here_], [], [], 30)[0]:
            try:
                chunk = os.read(here_, 65_536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            shown += chunk
        assert running.wait(30) == 0
    os.close(here_)
    return shown.decode().replace("\r\n", "\n")


def test_a_preview_shows_before_and_after_in_half_blocks(tmp_path: Path) -> None:
    shown = on_terminal("apply", CAT, "-k", "sobel-x", "--preview", "-q", cwd=tmp_path)
    lines = shown.rstrip("\n").split("\n")
    assert all(line.count(HALF_BLOCK) == 58 for line in lines)
    assert len(lines) == round(300 * 29 / 450 / 2)
    assert "\x1b[38;5;" in shown
    assert "\x1b[38;2;" not in shown
    assert shown.rstrip("\n").endswith("\x1b[0m")
    assert list(tmp_path.iterdir()) == []


def test_a_preview_has_true_colors_where_the_terminal_says_so(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "flat.csv", np.full((16, 16), 3.0))
    Image.new("RGB", (16, 16), (200, 30, 77)).save(tmp_path / "flat.png")
    shown = on_terminal(
        "apply", "flat.png", "-k", "identity", "--preview", cwd=tmp_path, COLORTERM="truecolor"
    )
    assert "\x1b[38;2;200;30;77m\x1b[48;2;200;30;77m" + HALF_BLOCK in shown
    assert "\x1b[38;5;" not in shown


def test_a_preview_shows_what_is_visible_in_the_range_of_the_output(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 4), (100, 100, 100, 128), np.uint8)
    pixels[:, 4:6] = 140, 140, 140, 64
    pixels[:, 6:] = 255, 0, 0, 0
    Image.fromarray(pixels).save(tmp_path / "in.png")
    for policy, levels in (("rescale", (0, 255)), ("clamp", (100, 140))):
        options = ("-k", "identity", "--range", policy, "--preview", "-q")
        shown = on_terminal("apply", "in.png", *options, cwd=tmp_path, COLORTERM="truecolor")
        for level in levels:
            color = f"{level};{level};{level}"
            assert shown.count(f"\x1b[38;2;{color}m\x1b[48;2;{color}m") >= 2 * 4
        assert "255;0;0" not in shown


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colors_that_are_not_wanted_are_not_shown(tmp_path: Path, settings: dict[str, str]) -> None:
    shown = on_terminal("apply", GRID, "-k", "blur", "--preview", "-q", cwd=tmp_path, **settings)
    assert shown == ""
    plain = on_terminal("kernels", "sobel-x", cwd=tmp_path, **settings)
    assert "\x1b" not in plain
    assert "-2" in plain


def test_a_preview_is_nothing_in_a_pipe(tmp_path: Path) -> None:
    done = convcli("apply", GRID, "-k", "blur", "--preview", "-q", cwd=tmp_path, env=XTERM)
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")


def test_a_kernel_s_cells_are_colored_on_a_terminal_and_plain_in_a_pipe(tmp_path: Path) -> None:
    shown = on_terminal("kernels", "sobel-x", cwd=tmp_path, COLORTERM="truecolor")
    red, green, blue = LIGHT.positive
    assert f"\x1b[48;2;{red};{green};{blue}m 2" in shown
    cells = re.sub(r"\x1b\[[0-9;]*m", "", shown).rstrip("\n").split("\n")[-3:]
    assert [[float(word) for word in line.split()] for line in cells] == [
        [-1, 0, 1], [-2, 0, 2], [-1, 0, 1]
    ]  # fmt: skip
    piped = convcli("kernels", "sobel-x", cwd=tmp_path, env=XTERM)
    assert "\x1b" not in piped.text


def test_matrices_that_a_terminal_cannot_hold_are_not_broken_in_the_middle(
    tmp_path: Path,
) -> None:
    shown = on_terminal(
        "explain", CAT, "-k", "blur", "--at", "0,0", "--gray", cwd=tmp_path, COLUMNS="60"
    )
    assert max(map(len, shown.split("\n"))) <= 60


def test_a_table_is_folded_to_the_terminal_between_words_and_numbers(tmp_path: Path) -> None:
    command = ("shape", "--net", "resnet18")
    lines = on_terminal(*command, cwd=tmp_path, COLUMNS="80").rstrip("\n").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert lines[0] == f"\x1b[1m{plain[0]}\x1b[0m"
    assert max(map(len, plain)) <= 80
    piped = convcli(*command, cwd=tmp_path).text
    words = " ".join(plain[2:]).split()
    for cell in ("11.69 M", "1.81 G", "(sees 224)", "conv:7,s=2,p=3,"):
        assert cell.split()[0] in words
        assert cell.split()[0] in piped
    omitted = r"\(too narrow for dropped, start, eff\. padding, .*: \| less -S shows all\)"
    assert re.fullmatch(omitted, plain[-1])
    wide = on_terminal(*command, cwd=tmp_path, COLUMNS="200", NO_COLOR="1")
    assert wide == piped
