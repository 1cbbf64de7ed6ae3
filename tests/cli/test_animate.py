"""The files of `animate`, its limits, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image
from support.animate import GRID, Seen, drawn, scene_of
from support.command import SAMPLES, Finished, convcli, here

from convcli.pictures.frame import Drawing
from convcli.pictures.theme import CELL, LIGHT


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done: Finished = here("animate", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


def replayed(path: Path) -> Iterator[Image.Image]:
    with Image.open(path) as animation:
        for number in range(animation.n_frames):  # type: ignore[attr-defined]
            animation.seek(number)
            yield animation.convert("RGB")


@pytest.mark.parametrize(
    ("name", "kind"), [("a.gif", "GIF"), ("a.png", "PNG"), ("a.APNG", "PNG"), ("a.webp", "WEBP")]
)
def test_a_animation_is_written_by_its_suffix(tmp_path: Path, name: str, kind: str) -> None:
    done = convcli(
        "animate", "--h", "5", "--k", "3", "--s", "2", "-o", name, "--fps", "4", cwd=tmp_path
    )
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Image.open(tmp_path / name) as animation:
        assert (animation.format, animation.n_frames) == (kind, 4)  # type: ignore[attr-defined]
        animation.seek(1)
        animation.load()  # a WebP tells the time of a frame that is decoded
        assert animation.info["duration"] == 250
        assert animation.info["loop"] == 0
    stills = drawn(tmp_path, "--h", "5", "--k", "3", "--s", "2")
    for moving, still in zip(replayed(tmp_path / name), stills, strict=True):
        away = np.abs(np.asarray(moving, int) - np.asarray(still, int))
        assert away.mean() < 4


@pytest.mark.parametrize(("fps", "duration"), [("1", 1000), ("10", 100), ("50", 20)])
def test_frames_a_second(tmp_path: Path, fps: str, duration: int) -> None:
    done = here("animate", "--h", "3", "--k", "2", "-o", "a.gif", "--fps", fps, cwd=tmp_path)
    assert done.code == 0
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.info["duration"] == duration


@pytest.mark.parametrize("loop", [0, 1, 5])
def test_a_animation_plays_as_often_as_is_said(tmp_path: Path, loop: int) -> None:
    """An APNG counts plays; a GIF counts repeats after the first, and 0 is for ever."""
    for name in ("a.png", "a.gif"):
        done = here("animate", "--h", "3", "--k", "2", "-o", name, "--loop", str(loop),
                    cwd=tmp_path)  # fmt: skip
        assert done.code == 0
    with Image.open(tmp_path / "a.png") as animation:
        assert animation.info["loop"] == loop
    with Image.open(tmp_path / "a.gif") as animation:
        repeats = animation.info.get("loop")
    assert repeats == {0: 0, 1: None, 5: 4}[loop]


def test_frames_are_numbered_so_that_they_sort(tmp_path: Path) -> None:
    drawn(tmp_path, "--h", "13", "--k", "2", "--size", "14")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[0] == "frame-001.png"
    assert names[-1] == "frame-144.png"
    assert len(names) == 144


def test_no_frame_is_written_where_one_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "frame-003.png").write_bytes(b"mine")
    said = refused(tmp_path, "--h", "3", "--k", "2", "--frames", "out", code=1)
    assert "frame-003.png: exists already; --force replaces it" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["frame-003.png"]
    drawn(tmp_path, "--h", "3", "--k", "2")
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_a_animation_is_not_written_over_another_or_over_its_input(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"mine")
    said = refused(tmp_path, "--h", "3", "--k", "2", "-o", "a.gif", code=1)
    assert "exists already" in said
    assert (tmp_path / "a.gif").read_bytes() == b"mine"
    Image.new("L", (4, 4)).save(tmp_path / "in.png")
    said = refused(tmp_path, "in.png", "-k", "ones:3", "-o", "in.png", "-f", code=1)
    assert "input" in said


def test_cells_have_the_size_that_is_asked_for(tmp_path: Path) -> None:
    for size in (14, 50, 100):
        pictures = drawn(tmp_path, "--h", "4", "--k", "3", "--size", str(size))
        for number, picture in enumerate(pictures):
            seen = Seen(picture, (4, 2), (4, 2), size, type_scale=max(1, size / CELL))
            assert len(seen.of(LIGHT.window, grid=0)) == 9
            assert len(seen.of(LIGHT.output, grid=1)) == number


def test_more_than_400_frames_are_said_not_drawn(tmp_path: Path) -> None:
    said = refused(tmp_path, "--h", "224", "--k", "3", "-o", "a.gif")
    assert said == "convcli: the animation would have 49,284 frames; --max-frames allows 400\n"
    cat = SAMPLES / "cat.jpg"
    said = refused(tmp_path, cat, "-k", "blur", "-o", "a.gif", code=1)
    assert f"{cat}: the animation would have 133,504 frames" in said
    assert list(tmp_path.iterdir()) == []


def test_400_frames_are_drawn_and_more_when_asked_for(tmp_path: Path) -> None:
    assert len(scene_of(tmp_path, "--h", "22", "--k", "3").frames) == 400
    refused(tmp_path, "--h", "23", "--w", "22", "--k", "3", "-o", "a.gif")
    more = scene_of(tmp_path, "--h", "23", "--w", "22", "--k", "3", "--max-frames", "420")
    assert len(more.frames) == 420
    refused(tmp_path, "--h", "3", "--k", "2", "--max-frames", "3", "-o", "a.gif")


def test_a_grid_that_nobody_could_look_at_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, "--h", "65", "--k", "65", "-o", "a.gif")
    assert "65x65 cells is too large" in said
    refused(tmp_path, "--h", "2", "--k", "3", "--p", "60000", "--s", "60000", "-o", "a.gif")
    refused(tmp_path, "--h", str(10**30), "--k", "3", "-o", "a.gif")


@pytest.mark.parametrize(
    "options",
    [
        ("--h", "20", "--k", "1", "--size", "400"),
        ("--h", "3", "--k", "3", "--size", "100000"),
        ("--h", "8", "--k", "8", "--size", "1000"),
        ("--h", "8", "--k", "8", "--size", "100", "--scale", "10"),
    ],
)
def test_frames_that_no_memory_would_hold_are_refused(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with patch.object(Drawing, "draw_image", side_effect=AssertionError("it began to draw")):
        refused(tmp_path, *options, "-o", "a.gif")
        refused(tmp_path, *options, "--frames", "out", "--to", "svg")
    assert list(tmp_path.iterdir()) == []


SIZES = ("--h", "5", "--k", "3")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (SIZES, "-o"),
        ((*SIZES, "-o", "a.gif", "--frames", "out"), "-o"),
        ((*SIZES, "-o", "a.jpg"), ".gif"),
        ((*SIZES, "-o", "-"), ".gif"),
        (("--k", "3", "-o", "a.gif"), "--h"),
        ((str(GRID), "--h", "5", "-k", "ones:3", "-o", "a.gif"), "--h"),
        ((str(GRID), "--w", "5", "-k", "ones:3", "-o", "a.gif"), "--w"),
        (("--h", "5", "-o", "a.gif"), "--kernel"),
        ((*SIZES, "--pool", "max:2", "-o", "a.gif"), "--pool"),
        (("--h", "5", "--pool", "max:2", "--transposed", "-o", "a.gif"), "--pool"),
        (("--h", "5", "--pool", "max:2", "--flip", "-o", "a.gif"), "--pool"),
        ((*SIZES, "--output-padding", "1", "-o", "a.gif"), "--transposed"),
        (("--h", "5", "--k", "sobel-x", "-o", "a.gif"), "sobel-x"),
        ((*SIZES, "--s", "0", "-o", "a.gif"), "at least 1"),
        ((*SIZES, "--fps", "0", "-o", "a.gif"), "--fps"),
        ((*SIZES, "--fps", "nan", "-o", "a.gif"), "--fps"),
        ((*SIZES, "--loop", "100000", "-o", "a.gif"), "--loop"),
        ((*SIZES, "--loop", str(2**40), "-o", "a.png"), "--loop"),
        ((*SIZES, "--theme", "pink", "-o", "a.gif"), "pink"),
        ((*SIZES, "--size", "7", "-o", "a.gif"), "--size"),
        (("--h", "2", "--k", "3", "-o", "a.gif"), "empty"),
        (("--h", "5", "--k", "1002", "-o", "a.gif"), "1001"),
        ((str(GRID), "-k", str(SAMPLES / "kernels" / "bank.npy"), "-o", "a.gif"), "4 axes"),
    ],
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [("-s", "1"), ("-p", "1"), ("-d", "2"),
                                    ("--padding-mode", "zero")])  # fmt: skip
def test_options_that_a_pool_would_not_take_up_are_refused(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    refused(tmp_path, "--h", "5", "--pool", "max:2", "-o", "a.gif", *option)


def test_a_pool_s_numbers_have_their_limits_too(tmp_path: Path) -> None:
    refused(tmp_path, "--h", "5", "--pool", "max:2,p=70000", "-o", "a.gif")
    refused(tmp_path, "--h", "5", "--pool", "max:1002,p=1000", "-o", "a.gif")


def test_a_missing_input_is_one_line(tmp_path: Path) -> None:
    assert "missing.csv" in refused(tmp_path, "missing.csv", "-k", "ones:3", "-o", "a.gif", code=1)
    assert list(tmp_path.iterdir()) == []


def test_the_same_command_draws_the_same_file(tmp_path: Path) -> None:
    for name in ("a.gif", "b.gif"):
        assert here("animate", GRID, "-k", "blur", "-o", name, cwd=tmp_path).code == 0
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
