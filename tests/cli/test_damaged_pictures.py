"""A damaged picture: what an error advises is an option of the command that gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import here

COMMANDS = {
    "apply": ("cut.png", "-k", "identity", "-o", "out.png"),
    "explain": ("cut.png", "-k", "identity", "--at", "0,0"),
    "animate": ("cut.png", "-k", "identity", "-o", "out.gif"),
    "page": ("cut.png", "-k", "identity", "-o", "out.html"),
    "shape": ("--input", "1x9x9", "conv:3", "--figure", "out.png", "--image", "cut.png"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[:-50])
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_the_advice_for_a_damaged_picture_can_be_followed(folder: Path, name: str) -> None:
    refused = here(name, *COMMANDS[name], cwd=folder)
    assert refused.code == 1
    assert refused.stderr.count("\n") == 1
    assert "cut.png: " in refused.stderr
    assert "--keep-damaged reads what it holds" in refused.stderr
    kept = here(name, *COMMANDS[name], "--keep-damaged", cwd=folder)
    assert kept.code == 0, kept.stderr
    assert "cut.png: is damaged: " in kept.stderr
    assert "--keep-damaged" not in kept.stderr


@pytest.mark.parametrize(
    ("typed", "needed"),
    [
        (("animate", "--h", "3", "--k", "2", "-o", "out.gif"), "INPUT"),
        (("shape", "--input", "1x9x9", "conv:3", "--figure", "out.png"), "--image"),
        (("shape", "--h", "9", "--k", "3"), "--image"),
    ],
)
def test_without_a_picture_there_is_no_damage(
    tmp_path: Path, typed: tuple[str, ...], needed: str
) -> None:
    done = here(*typed, "--keep-damaged", cwd=tmp_path)
    assert (done.code, done.stdout) == (2, b"")
    assert "--keep-damaged" in done.stderr
    assert needed in done.stderr
    assert not list(tmp_path.iterdir())
