"""`animate`: every scenario of the guide, counted in the pixels; and the files that it writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES, Finished, convcli, here
from support.looking import near, overheard
from support.oracles import span

from convcli.cli.commands import animate
from convcli.engine.conv2d import conv2d
from convcli.engine.gradients import conv_transpose2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.pictures.canvas import text_width
from convcli.pictures.scene import Scene
from convcli.pictures.theme import CELL, DARK, GAP, LIGHT, LINE, MARGIN, TEXT, Theme

Pair = tuple[int, int]
GRID = SAMPLES / "grid5.csv"

# The figures of V. Dumoulin and F. Visin, "A guide to convolution arithmetic": their 5x5 input,
# their kernel, and the outputs that they print.
INPUT = np.array(
    [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
)  # fmt: skip
KERNEL = "0 1 2; 2 2 0; 0 1 2"


def drawn(folder: Path, *arguments: str | Path) -> list[Image.Image]:
    """Draw an animation as numbered PNGs, and open them."""
    done = here("animate", *arguments, "--frames", "out", "--force", cwd=folder)
    assert (done.code, done.text, done.stderr) == (0, "", "")
    pictures = []
    for path in sorted((folder / "out").iterdir()):
        with Image.open(path) as picture:
            pictures.append(picture.convert("RGB"))
    return pictures


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done: Finished = here("animate", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- what must be seen, by counting ------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """One figure of the guide, square: i, k, s, p of the operation that is drawn."""

    i: int
    k: int
    s: int
    p: int
    o: int
    d: int = 1
    transposed: bool = False
    extra: int = 0

    @property
    def options(self) -> list[str]:
        numbers = {"h": self.i, "k": self.k, "s": self.s, "p": self.p, "d": self.d}
        words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
        if self.transposed:
            words += ["--transposed", "--output-padding", str(self.extra)]
        return words

    @property
    def around(self) -> int:
        """Cells before the first input: its padding, or what the transposed one needs."""
        return span(self.k, self.d) - 1 - self.p if self.transposed else self.p

    @property
    def inputs(self) -> set[int]:
        """The places of the inputs along an axis: spread out where it is transposed."""
        step = self.s if self.transposed else 1
        return {self.around + place * step for place in range(self.i)}

    @property
    def cells(self) -> int:
        """Cells along an axis, padding included."""
        return max(self.inputs) + 1 + self.around + self.extra

    def taps(self, at: int) -> set[int]:
        first = at * (1 if self.transposed else self.s)
        return {first + tap * self.d for tap in range(self.k)}


GUIDE = {
    "no padding, no strides": Scenario(4, 3, 1, 0, 2),
    "arbitrary padding": Scenario(5, 4, 1, 2, 6),
    "half padding": Scenario(5, 3, 1, 1, 5),
    "full padding": Scenario(5, 3, 1, 2, 7),
    "strides": Scenario(5, 3, 2, 0, 2),
    "padding and strides": Scenario(5, 3, 2, 1, 3),
    "padding and strides, odd": Scenario(6, 3, 2, 1, 3),
    "no padding, transposed": Scenario(2, 3, 1, 0, 4, transposed=True),
    "arbitrary padding, transposed": Scenario(6, 4, 1, 2, 5, transposed=True),
    "half padding, transposed": Scenario(5, 3, 1, 1, 5, transposed=True),
    "full padding, transposed": Scenario(7, 3, 1, 2, 5, transposed=True),
    "strides, transposed": Scenario(2, 3, 2, 0, 5, transposed=True),
    "padding and strides, transposed": Scenario(3, 3, 2, 1, 5, transposed=True),
    "padding and strides, odd, transposed": Scenario(3, 3, 2, 1, 6, transposed=True, extra=1),
    "dilation": Scenario(7, 3, 1, 0, 3, d=2),
}


class Seen:
    """The cells of one frame, by their colours."""

    def __init__(self, picture: Image.Image, rows: Pair, columns: Pair, cell: int = CELL) -> None:
        grids = cell * sum(columns) + 2 * GAP
        top, high = MARGIN + LINE * 1.5, cell * max(rows)
        left = (picture.width - grids) / 2
        corners = ((left, rows[0], columns[0]),
                   (left + cell * columns[0] + 2 * GAP, rows[1], columns[1]))  # fmt: skip
        self.picture, self.cell = picture, cell
        self.places = [
            {
                (row, column): (
                    round(start + column * cell),
                    round(top + (high - cell * height) // 2 + row * cell),
                )
                for row in range(height)
                for column in range(width)
            }
            for start, height, width in corners
        ]

    def of(self, color: Any, *, grid: int) -> set[Pair]:
        """The cells that have this colour, a little inside their corner: there is no text."""
        return {
            place
            for place, (x, y) in self.places[grid].items()
            if near(self.picture.getpixel((x + 4, y + 4)), color)
        }

    def edges(self, place: Pair) -> int:
        """How often the colour changes along a cell's lower edge, inside its corners."""
        x, y = self.places[0][place]
        line = [self.picture.getpixel((x + 2 + step, y + self.cell - 1)) for step in range(30)]
        return sum(one != other for one, other in pairwise(line))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", GUIDE)
def test_the_guide_s_scenarios_come_out(tmp_path: Path, name: str, theme: Theme) -> None:
    scenario = GUIDE[name]
    word = "dark" if theme is DARK else "light"
    pictures = drawn(tmp_path, *scenario.options, "--theme", word)
    assert len(pictures) == scenario.o**2
    square = set(np.ndindex(scenario.cells, scenario.cells))
    inputs = {(row, column) for row in scenario.inputs for column in scenario.inputs}
    outputs = list(np.ndindex(scenario.o, scenario.o))
    for number, (at, picture) in enumerate(zip(outputs, pictures, strict=True)):
        seen = Seen(picture, (scenario.cells, scenario.o), (scenario.cells, scenario.o))
        taps = {(row, column) for row in scenario.taps(at[0]) for column in scenario.taps(at[1])}
        assert len(taps) == scenario.k**2
        assert seen.of(theme.window, grid=0) == taps & inputs
        assert seen.of(theme.window_on_padding, grid=0) == taps - inputs
        assert seen.of(theme.cell, grid=0) == inputs - taps
        assert seen.of(theme.page, grid=0) == square - inputs - taps
        assert seen.of(theme.current, grid=1) == {at}
        assert seen.of(theme.output, grid=1) == set(outputs[:number])
        assert seen.of(theme.blank, grid=1) == set(outputs[number + 1 :])
    first_row = [(0, column) for column in range(scenario.cells - 1)]
    seen = Seen(pictures[-1], (scenario.cells, scenario.o), (scenario.cells, scenario.o))
    for place in first_row:
        if place not in taps:
            assert (seen.edges(place) >= 4) == (place not in inputs)


@pytest.mark.parametrize(
    ("options", "rows", "columns", "kernel"),
    [
        (("--h", "5", "--w", "8", "--k", "2x3", "--s", "2x1"), (5, 2), (8, 6), (2, 3)),
        (("--h", "6", "--k", "3", "--p", "same", "--s", "2"), (7, 3), (7, 3), (3, 3)),
        (("--h", "5", "--k", "4", "--p", "same-lower"), (8, 5), (8, 5), (4, 4)),
        (("--h", "3", "--k", "2", "--p", "1.0.0.2"), (4, 3), (5, 4), (2, 2)),
        (("--h", "6", "--pool", "max:3,s=2,ceil"), (7, 3), (7, 3), (3, 3)),
        (("--h", "4", "--pool", "avg:2"), (4, 2), (4, 2), (2, 2)),
        (("--h", "9", "--pool", "max:4,p=2,ceil"), (13, 3), (13, 3), (4, 4)),
    ],
)
def test_other_windows_shade_as_many_cells_as_they_have(
    tmp_path: Path, options: Sequence[str], rows: Pair, columns: Pair, kernel: Pair
) -> None:
    pictures = drawn(tmp_path, *options)
    assert len(pictures) == rows[1] * columns[1]
    for number, picture in enumerate(pictures):
        seen = Seen(picture, rows, columns)
        on_input = seen.of(LIGHT.window, grid=0)
        beside = seen.of(LIGHT.window_on_padding, grid=0)
        assert len(on_input) + len(beside) == kernel[0] * kernel[1]
        assert len(seen.of(LIGHT.output, grid=1)) == number


def test_same_padding_with_a_stride_pads_at_the_far_end(tmp_path: Path) -> None:
    pictures = drawn(tmp_path, "--h", "6", "--k", "3", "--p", "same", "--s", "2")
    first, last = (Seen(pictures[at], (7, 3), (7, 3)) for at in (0, -1))
    assert first.of(LIGHT.window_on_padding, grid=0) == set()
    assert last.of(LIGHT.window_on_padding, grid=0) == {(4, 6), (5, 6), (6, 6), (6, 4), (6, 5)}


# ---- numbers -----------------------------------------------------------------------------------


def grid_file(folder: Path, values: Any = INPUT) -> Path:
    path = folder / "input.csv"
    np.savetxt(path, values, delimiter=",", fmt="%.10g")
    return path


def scene_of(folder: Path, *arguments: str | Path) -> Scene:
    """The scene that the command makes, which is not drawn."""
    with patch.object(animate, "_write_frames") as write:
        done = here("animate", *arguments, "--frames", "out", cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    scene: Scene = write.call_args.args[0]
    return scene


def results(scene: Scene) -> NDArray[Any]:
    return np.array([float(step.result) for step in scene.steps]).reshape(scene.output)


NUMERIC: dict[str, tuple[tuple[str, ...], list[list[float]]]] = {
    "convolution": (("-k", KERNEL), [[12, 12, 17], [10, 17, 19], [9, 6, 14]]),
    "convolution with padding and strides": (
        ("-k", KERNEL, "-p", "1", "-s", "2", "--padding-mode", "zero"),
        [[6, 17, 3], [8, 17, 13], [6, 4, 4]],
    ),
    "average": (("--pool", "avg:3,s=1"), [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]]),
    "maximum": (("--pool", "max:3,s=1"), [[3, 3, 3], [3, 3, 3], [3, 2, 3]]),
}


@pytest.mark.parametrize("name", NUMERIC)
def test_the_guide_s_numbers_come_out(tmp_path: Path, name: str) -> None:
    options, expected = NUMERIC[name]
    scene = scene_of(tmp_path, grid_file(tmp_path), *options)
    assert_allclose(results(scene), expected, atol=0.051)
    with overheard() as heard:
        drawn(tmp_path, grid_file(tmp_path), *options)
    for number, words in enumerate([word for word, _ in sheet] for sheet in heard()):
        drawn_results = [step.result for step in scene.steps[: number + 1]]
        texts = [text for row in scene.texts for text in row]
        said = " ".join(words[1 + len(texts) + number + 1 :])
        assert words[0] == scene.title
        assert words[1 : 1 + len(texts)] == texts
        assert words[1 + len(texts) : 1 + len(texts) + number + 1] == drawn_results
        assert said == scene.steps[number].words


@pytest.mark.parametrize("name", NUMERIC)
def test_the_guide_s_numeric_figures_are_shaded_as_its_others_are(
    tmp_path: Path, name: str
) -> None:
    options, _ = NUMERIC[name]
    pictures = drawn(tmp_path, grid_file(tmp_path), *options)
    assert len(pictures) == 9
    side = 7 if "-p" in options else 5
    scene = scene_of(tmp_path, grid_file(tmp_path), *options)
    widest = max(text_width(step.result, TEXT) for step in scene.steps)
    for number, picture in enumerate(pictures):
        seen = Seen(picture, (side, 3), (side, 3), max(CELL, math.ceil(widest) + 8))
        shaded = seen.of(LIGHT.window, grid=0) | seen.of(LIGHT.window_on_padding, grid=0)
        step = 2 if "-s" in options else 1
        row, column = (at * step for at in divmod(number, 3))
        assert shaded == {(row + u, column + v) for u, v in np.ndindex(3, 3)}


def test_the_words_below_are_the_sum_that_makes_the_result(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, grid_file(tmp_path), "-k", KERNEL, "-p", "1")
    assert scene.steps[0].words == "3·0 + 3·1 + 3·2 + 3·2 + 3·2 + 3·0 + 0·0 + 0·1 + 0·2 = 21"
    for step in scene.steps:
        words, _, result = step.words.rpartition(" = ")
        assert eval(words.replace("·", "*")) == float(result)


@pytest.mark.parametrize("options", ["avg:3,p=1,s=2,nopad", "avg:2,ceil", "avg:3,p=1,s=2"])
def test_a_mean_in_words_is_the_mean(tmp_path: Path, options: str) -> None:
    """What does not count is not in the list: padding, or what lies beyond it."""
    scene = scene_of(tmp_path, grid_file(tmp_path), "--pool", options)
    for step in scene.steps:
        words, _, result = step.words.rpartition(" = ")
        assert words.startswith("mean(")
        values = [float(word) for word in words[5:-1].split(", ")]
        assert_allclose(np.mean(values), float(result), atol=0.006)


def engine_s(options: Sequence[str]) -> NDArray[Any]:
    """The engine's own answer to some options, by its library functions."""
    x = INPUT[np.newaxis].astype(float)
    weights = np.array([[[[0.0, 1, 2], [2, 2, 0], [0, 1, 2]]]])
    engines: dict[str, Callable[[], NDArray[Any]]] = {
        "conv": lambda: conv2d(x, weights, padding=2, stride=(2, 1), padding_mode="circular"),
        "dilated": lambda: conv2d(x, weights, dilation=2, bias=None),
        "flipped": lambda: conv2d(x, weights[..., ::-1, ::-1], padding="same"),
        "tconv": lambda: conv_transpose2d(x, weights, stride=2, padding=1, output_padding=1),
        "maxpool": lambda: max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
        "avgpool": lambda: avg_pool2d(x, 2, stride=1, padding=1, count_include_pad=False),
    }
    first: NDArray[Any] = engines[options[0]]()[0]
    return first


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("conv", ("-k", KERNEL, "-p", "2", "-s", "2x1", "--padding-mode", "circular")),
        ("dilated", ("-k", KERNEL, "-d", "2")),
        ("flipped", ("-k", KERNEL, "--flip", "-p", "same", "--padding-mode", "zero")),
        ("tconv", ("-k", KERNEL, "-s", "2", "-p", "1", "--output-padding", "1", "--transposed")),
        ("maxpool", ("--pool", "max:3,s=2,p=1,ceil")),
        ("avgpool", ("--pool", "avg:2,s=1,p=1,nopad")),
    ],
)
def test_the_numbers_are_the_engine_s(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    scene = scene_of(tmp_path, grid_file(tmp_path), *options)
    assert_allclose(results(scene), engine_s([name]), rtol=6e-3)
    if not options[0].startswith("--pool"):
        for step in scene.steps:
            words, _, result = step.words.rpartition(" = ")
            assert eval(words.replace("·", "*")) == float(result)


def test_a_kernel_s_bias_is_in_the_sum(tmp_path: Path) -> None:
    kernel = SAMPLES / "kernels" / "engrave.json"
    scene = scene_of(tmp_path, GRID, "-k", kernel)
    words, _, result = scene.steps[0].words.rpartition(" = ")
    assert words.endswith(" + 128")
    assert eval(words.replace("·", "*")) == float(result)


@pytest.mark.parametrize("options", [(), ("--flip",), ("-s", "2")])
def test_a_kernel_s_origin_lies_on_the_output_s_own_pixel(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "k.json").write_text('{"kernel": [[1, 2, 3], [4, 5, 6]], "origin": [0, 2]}')
    given: list[str | Path] = [GRID, "-k", "k.json", "-p", "same", *options]
    printed = here("apply", *given, "--print", cwd=tmp_path).rows
    assert_allclose(results(scene_of(tmp_path, *given)), np.array(printed))


def test_a_photograph_s_corner_can_be_animated_in_grey(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(SAMPLES / "cat.jpg"))[100:106, 200:206]
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    scene = scene_of(tmp_path, tmp_path / "corner.png", "-k", "identity")
    grey = pixels @ [0.299, 0.587, 0.114]
    assert_allclose(results(scene), grey[1:-1, 1:-1], rtol=0.01)


# ---- the files ---------------------------------------------------------------------------------


def replayed(path: Path) -> Iterator[Image.Image]:
    with Image.open(path) as film:
        for number in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(number)
            yield film.convert("RGB")


@pytest.mark.parametrize(("name", "kind"), [("a.gif", "GIF"), ("a.png", "PNG"), ("a.APNG", "PNG")])
def test_a_film_is_written_by_its_suffix(tmp_path: Path, name: str, kind: str) -> None:
    done = convcli(
        "animate", "--h", "5", "--k", "3", "--s", "2", "-o", name, "--fps", "4", cwd=tmp_path
    )
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Image.open(tmp_path / name) as film:
        assert (film.format, film.n_frames) == (kind, 4)  # type: ignore[attr-defined]
        film.seek(1)
        assert film.info["duration"] == 250
        assert film.info["loop"] == 0
    stills = drawn(tmp_path, "--h", "5", "--k", "3", "--s", "2")
    for moving, still in zip(replayed(tmp_path / name), stills, strict=True):
        away = np.abs(np.asarray(moving, int) - np.asarray(still, int))
        assert away.mean() < 4


@pytest.mark.parametrize(("fps", "duration"), [("1", 1000), ("10", 100), ("50", 20)])
def test_frames_a_second(tmp_path: Path, fps: str, duration: int) -> None:
    done = here("animate", "--h", "3", "--k", "2", "-o", "a.gif", "--fps", fps, cwd=tmp_path)
    assert done.code == 0
    with Image.open(tmp_path / "a.gif") as film:
        assert film.info["duration"] == duration


@pytest.mark.parametrize("loop", [0, 1, 5])
def test_a_film_plays_as_often_as_is_said(tmp_path: Path, loop: int) -> None:
    """An APNG counts plays; a GIF counts repeats after the first, and 0 is for ever."""
    for name in ("a.png", "a.gif"):
        done = here("animate", "--h", "3", "--k", "2", "-o", name, "--loop", str(loop),
                    cwd=tmp_path)  # fmt: skip
        assert done.code == 0
    with Image.open(tmp_path / "a.png") as film:
        assert film.info["loop"] == loop
    with Image.open(tmp_path / "a.gif") as film:
        repeats = film.info.get("loop")
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


def test_a_film_is_not_written_over_another_or_over_its_input(tmp_path: Path) -> None:
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
            seen = Seen(picture, (4, 2), (4, 2), size)
            assert len(seen.of(LIGHT.window, grid=0)) == 9
            assert len(seen.of(LIGHT.output, grid=1)) == number


# ---- limits and what is refused ----------------------------------------------------------------


def test_more_than_400_frames_are_said_not_drawn(tmp_path: Path) -> None:
    said = refused(tmp_path, "--h", "224", "--k", "3", "-o", "a.gif")
    assert said == "convcli: the animation would have 49,284 frames; --max-frames allows 400\n"
    cat = SAMPLES / "cat.jpg"
    said = refused(tmp_path, cat, "-k", "blur", "-o", "a.gif", code=1)
    assert f"{cat}: the animation would have 133,504 frames" in said
    assert list(tmp_path.iterdir()) == []


def test_400_frames_are_drawn_and_more_when_asked_for(tmp_path: Path) -> None:
    assert len(scene_of(tmp_path, "--h", "22", "--k", "3").steps) == 400
    refused(tmp_path, "--h", "23", "--w", "22", "--k", "3", "-o", "a.gif")
    more = scene_of(tmp_path, "--h", "23", "--w", "22", "--k", "3", "--max-frames", "420")
    assert len(more.steps) == 420
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
    ],
)
def test_frames_that_no_memory_would_hold_are_refused(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with patch.object(animate, "draw_frames", side_effect=AssertionError("it began to draw")):
        refused(tmp_path, *options, "-o", "a.gif")


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
