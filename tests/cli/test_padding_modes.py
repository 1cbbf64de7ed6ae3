"""`--padding-mode` of every command: constants, and the names of other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import here
from support.oracles import filter_channels, pixels

from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import walk
from convcli.errors import ArgumentError


@pytest.mark.parametrize("mode", ["constant:300", "constant:0.5", "constant:200", "edge", "mirror"])
@pytest.mark.parametrize("extra", [(), ("--pool", "max:1"), ("-j", "2")])
def test_pictures_are_padded_as_typed(tmp_path: Path, mode: str, extra: tuple[str, ...]) -> None:
    image = pixels(1, 6, 8, 3)
    for name in "ab":
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    typed = ("-k", "box:3", "--padding-mode", mode, "--output-dir", "out", *extra)
    sources = ("a.png", "b.png") if "-j" in extra else ("a.png",)
    assert here("apply", *sources, *typed, cwd=tmp_path).code == 0
    own = {"edge": "replicate", "mirror": "reflect"}.get(mode, mode)
    exact = filter_channels(
        image.astype(np.float64), np.ones((3, 3)) / 9, mode=own, sides=((1, 1), (1, 1))
    )
    found = np.asarray(Image.open(tmp_path / "out" / "a.box-3.png"))
    assert np.abs(found - exact.clip(0, 255)).max() <= 0.5001


def test_a_constant_beyond_a_picture_with_alpha_is_opaque(tmp_path: Path) -> None:
    image = np.full((3, 3, 4), (200, 100, 50, 0), np.uint8)  # of which nothing is seen
    Image.fromarray(image).save(tmp_path / "x.png")
    typed = ("-k", "box:3", "--padding-mode", "constant:90", "-o", "y.png")
    assert here("apply", "x.png", *typed, cwd=tmp_path).code == 0
    found = np.asarray(Image.open(tmp_path / "y.png"))
    assert found[0, 0].tolist() == [90, 90, 90, 142]  # 5/9 of 255
    assert found[1, 1].tolist() == [0, 0, 0, 0]


def test_explain_animate_and_layers_agree(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    typed = ("-k", "ones:3", "-p", "1", "--padding-mode", "constant:7")
    done = here("explain", "x.csv", *typed, "--at", "0,0", cwd=tmp_path)
    assert done.code == 0
    assert "45" in done.text
    done = here("apply", "x.csv", *typed, "--print", cwd=tmp_path)
    assert done.rows == [[45, 45], [45, 45]]
    layer = "conv:kernel=ones:3,mode=constant:7"
    assert here("apply", "x.csv", "-l", layer, "--print", cwd=tmp_path).rows == done.rows
    assert here("animate", "x.csv", *typed, "-o", "x.gif", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--padding-mode", "constant"), "'constant' is not one of 'zero', 'reflect'"),
        (("--padding-mode", "constant"), "'symmetric', 'constant:V'."),
        (("--padding-mode", "constant:x"), "must be a number, and 'x' is not a number"),
        (("--padding-mode", "constant:1e999"), "must be a number"),
        (("--padding-mode", "constant:9", "--linear"), "--linear leaves the input's units"),
    ],
)
def test_what_is_no_mode_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = here("apply", "x.png", "-k", "blur", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("zeros", "nn.Conv2d(3, 4, 3, padding=1)"),
        ("mirror", "nn.Conv2d(3, 4, 3, padding=1, padding_mode='reflect')"),
        ("edge", "nn.Conv2d(3, 4, 3, padding=1, padding_mode='replicate')"),
        ("wrap", "nn.Conv2d(3, 4, 3, padding=1, padding_mode='circular')"),
        ("constant:7", "nn.ConstantPad2d((1, 1, 1, 1), 7.0),\n    nn.Conv2d(3, 4, 3)"),
    ],
)
def test_code_for_pytorch_pads_alike(mode: str, code: str) -> None:
    assert f"    {code},\n" in format_torch(walk([f"conv:3,p=1,c=4,mode={mode}"], (3, 8, 8)))
    assert "padding_mode" not in format_torch(walk([f"conv:3,c=4,mode={mode}"], (3, 8, 8)))


def test_code_for_pytorch_is_refused_for_what_it_has_not() -> None:
    with pytest.raises(ArgumentError, match="symmetric"):
        format_torch(walk(["conv:3,p=1,c=4,mode=symmetric"], (3, 8, 8)))
