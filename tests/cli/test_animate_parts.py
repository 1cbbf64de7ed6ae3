"""`animate` of pictures, of their parts, and the files that it writes or removes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from support.animate import GRID, drawn, scene_of
from support.command import SAMPLES, here
from support.looking import drawing

CAT = SAMPLES / "cat.jpg"
PIXELS = np.asarray(Image.open(CAT)).astype(float)
PART = ("--region", "7x5+200+100")
LUMA = SAMPLES / "kernels" / "luma-edges.json"


def results(folder: Path, *arguments: str | Path) -> Any:
    scene = scene_of(folder, *arguments)
    numbers = [frame.result.replace("\N{MINUS SIGN}", "-") for frame in scene.frames]
    return np.array([float(number) for number in numbers]).reshape(scene.output)


def refused(folder: Path, *arguments: str | Path, code: int) -> str:
    done = here("animate", *arguments, cwd=folder)
    assert (done.code, done.text, done.stderr.count("\n")) == (code, "", 1)
    return done.stderr


@pytest.mark.parametrize(("name", "index"), [("r", 0), ("g", 1), ("b", 2), ("2", 2)])
def test_a_channel_of_a_region_is_taken(tmp_path: Path, name: str, index: int) -> None:
    found = results(tmp_path, CAT, "-k", "identity", *PART, "--channel", name)
    assert_allclose(found, PIXELS[101:104, 201:206, index])
    assert scene_of(tmp_path, CAT, "-k", "identity", *PART, "--channel", name).note == (
        f"region 7x5+200+100, channel {name}"
    )


def test_a_color_picture_is_never_turned_gray_without_a_word(tmp_path: Path) -> None:
    for what in (("-k", "blur"), ("--pool", "max:2")):
        said = refused(tmp_path, CAT, *what, *PART, "-o", "a.gif", code=1)
        assert "3 channels" in said
        assert "--channel" in said
        assert "--gray" in said
    gray = PIXELS[101:104, 201:206] @ [0.299, 0.587, 0.114]
    assert_allclose(results(tmp_path, CAT, "-k", "identity", *PART, "--gray"), gray, rtol=1e-3)


def test_a_kernel_that_sums_channels_is_given_all_of_them(tmp_path: Path) -> None:
    window = PIXELS[100:105, 200:207]
    luma = np.array([0.299, 0.587, 0.114])
    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    expected = [
        [(window[row : row + 3, column : column + 3] @ luma * cross).sum() for column in range(5)]
        for row in range(3)
    ]
    assert_allclose(results(tmp_path, CAT, "-k", LUMA, *PART), expected, rtol=1e-3, atol=1e-3)
    said = refused(tmp_path, CAT, "-k", LUMA, *PART, "--gray", "-o", "a.gif", code=1)
    assert "sums over 3 channels" in said


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--region", "7x5+444+100", "--gray"), "does not lie in the picture of 450x300"),
        ((*PART, "--channel", "3"), "r, g and b"),
        (("--gray",), "--region"),
    ],
)
def test_what_a_picture_does_not_have_is_said(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, CAT, "-k", "blur", *options, "-o", "a.gif", code=1)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((str(GRID), "-k", "blur", "--channel", "x"), "r, g or b"),
        ((str(GRID), "-k", "blur", "--channel", "0", "--gray"), "exclude each other"),
        ((str(GRID), "-k", "blur", "--region", "2x2"), "WxH+X+Y"),
        (("--h", "5", "--k", "3", "--gray"), "needs numbers"),
        (("--h", "5", "--k", "3", "--to", "svg"), "--frames"),
        (("--h", "5", "--k", "3", "--rest", "-1"), "0 to 600"),
        (("--h", "5", "--k", "3", "--s", "1,2,3", "--p", "0,1,2"), "9 windows"),
        ((str(GRID), "-k", "blur", "--transposed", "--padding-mode", "zero"), "--transposed"),
        ((str(GRID), "--pool", "max:2", "--padding-mode", "zero"), "--pool"),
    ],
)
def test_options_without_a_sense_are_refused(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, *options, "-o", "a.gif", code=2)


def test_what_does_not_move_has_no_speed_and_svg_is_for_frames(tmp_path: Path) -> None:
    sizes = ("--h", "5", "--k", "3")
    assert "--fps" in refused(tmp_path, *sizes, "--frames", "out", "--fps", "3", code=2)
    assert "--frames DIR --to svg" in refused(tmp_path, *sizes, "-o", "a.svg", code=2)


def test_a_webp_that_no_memory_would_hold_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, "--h", "22", "--k", "3", "-o", "a.webp", code=2)
    assert "250,000,000 in all; give a smaller --size" in said
    assert list(tmp_path.iterdir()) == []


def test_strides_that_are_swept_are_drawn_together(tmp_path: Path) -> None:
    pictures = drawn(tmp_path, "--h", "6", "--k", "3", "--s", "1,2")
    alone = []
    for stride in ("1", "2"):
        (tmp_path / stride).mkdir()
        alone.append(drawn(tmp_path / stride, "--h", "6", "--k", "3", "--s", stride)[0])
    assert len(pictures) == 16
    assert pictures[0].height > sum(picture.height for picture in alone) - 40
    assert pictures[0].width == max(picture.width for picture in alone)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
@pytest.mark.parametrize("rest", ["0", "3"])
def test_the_last_frame_rests(tmp_path: Path, name: str, rest: str) -> None:
    done = here("animate", "--h", "3", "--k", "2", "--fps", "4", "--rest", rest, "-o", name,
                cwd=tmp_path)  # fmt: skip
    assert (done.code, done.stderr) == (0, "")
    durations = []
    with Image.open(tmp_path / name) as animation:
        for number in range(animation.n_frames):  # type: ignore[attr-defined]
            animation.seek(number)
            animation.load()
            durations.append(animation.info["duration"])
    assert durations == [250, 250, 250, max(250, 1000 * int(rest))]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_a_transparent_animation_shows_what_lies_behind(tmp_path: Path, name: str) -> None:
    done = here("animate", "--h", "4", "--k", "3", "--transparent", "-o", name, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(tmp_path / name) as animation:
        for number in range(4):
            animation.seek(number)
            alpha = np.asarray(animation.convert("RGBA"))[:, :, 3]
            assert alpha[0, 0] == 0
            assert 0.2 < (alpha > 0).mean() < 0.9


def test_frames_are_written_as_svg(tmp_path: Path) -> None:
    options = (GRID, "-k", "sobel-x", "-p", "1", "--frames", "out", "--to", "svg")
    done = here("animate", *options, cwd=tmp_path)
    assert (done.code, done.text, done.stderr) == (0, "", "")
    paths = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in paths] == [f"frame-{n:03}.svg" for n in range(1, 26)]
    scene = scene_of(tmp_path, *options[:-4])
    for path, frame in zip(paths, scene.frames, strict=True):
        texts = drawing(path.read_bytes()).texts
        assert texts[0] == scene.title
        assert " ".join(texts).endswith(str(frame.formula))


def test_frames_of_a_longer_animation_before_are_removed_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn(tmp_path, "--h", "4", "--k", "2")  # nine frames
    others = (
        "frame-12.png", "frame-000.png", "frame-010.svg", "frame-0x1.png", "my-frame-010.png",
        "frame-010.png.bak", "notes.txt",
    )  # fmt: skip
    for name in others:
        (out / name).write_bytes(b"mine")
    (out / "frame-020.png").mkdir()
    (out / "frame-021.png").symlink_to(tmp_path / "elsewhere.png")
    (out / "frame-0011.png").write_bytes(b"of an animation of more than 999 frames")
    done = here("animate", "--h", "3", "--k", "2", "--frames", "out", "--force", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    left = {path.name for path in out.iterdir()}
    kept = {"frame-020.png", "frame-021.png", *others}
    assert left == {f"frame-00{n}.png" for n in range(1, 5)} | kept
    assert all((out / name).read_bytes() == b"mine" for name in others)


def test_frames_are_kept_without_force_and_an_input_always(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("L", (3, 3)).save(out / "frame-009.png")
    options = ("-k", "ones:2", "--frames", "out")
    assert here("animate", out / "frame-009.png", *options, "-f", cwd=tmp_path).code == 0
    assert len(list(out.iterdir())) == 5
    (out / "frame-009.png").rename(out / "frame-002.png")
    said = refused(tmp_path, out / "frame-002.png", *options, "-f", code=1)
    assert "input" in said
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "frame-007.png").write_bytes(b"mine")
    assert here("animate", "--h", "3", "--k", "2", "--frames", "b", cwd=tmp_path).code == 0
    assert (tmp_path / "b" / "frame-007.png").read_bytes() == b"mine"


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63)])
@pytest.mark.parametrize("command", ["animate", "page"])
def test_whole_numbers_that_would_be_rounded_are_refused(
    tmp_path: Path, command: str, value: int
) -> None:
    np.save(tmp_path / "in.npy", np.full((4, 4), value))
    suffix = ".gif" if command == "animate" else ".html"
    done = here(command, "in.npy", "-k", "identity", "-o", f"out{suffix}", cwd=tmp_path)
    assert (done.code, done.text) == (1, "")
    assert done.stderr.startswith(f"convcli: in.npy: its whole number {abs(value):,} would be")
    np.save(tmp_path / "in.npy", np.full((4, 4), 2**53))
    assert here(command, "in.npy", "-k", "identity", "-o", f"out{suffix}", cwd=tmp_path).code == 0
