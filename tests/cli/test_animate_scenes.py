"""The scenes of `animate`: every step counted, and its numbers those of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.animate import GRID, Pair, Seen, drawn, evaluated, scene_of, widest_cell
from support.command import SAMPLES, here
from support.looking import overheard
from support.oracles import span

from convcli.engine.conv2d import conv2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.engine.transposed import conv_transpose2d
from convcli.pictures.scene import Scene
from convcli.pictures.text import format_cell
from convcli.pictures.theme import DARK, LIGHT, Theme

# The figures of V. Dumoulin and F. Visin, "A guide to convolution arithmetic": their 5x5 input,
# their kernel, and the outputs that they print.
INPUT = np.array(
    [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
)  # fmt: skip
KERNEL = "0 1 2; 2 2 0; 0 1 2"


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
    reached = {cell for at in range(scenario.o) for cell in scenario.taps(at)}
    sizes = (scenario.cells, scenario.o)
    is_hatched = len(reached) < scenario.cells
    for number, (at, picture) in enumerate(zip(outputs, pictures, strict=True)):
        seen = Seen(picture, sizes, sizes, is_hatched=is_hatched)
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
    seen = Seen(pictures[-1], sizes, sizes, is_hatched=is_hatched)
    for place in first_row:
        if place not in taps:
            assert (seen.edges(place) >= 4) == (place not in inputs)


@pytest.mark.parametrize(
    ("options", "rows", "columns", "kernel", "is_hatched"),
    [
        (("--h", "5", "--w", "8", "--k", "2x3", "--s", "2x1"), (5, 2), (8, 6), (2, 3), True),
        (("--h", "6", "--k", "3", "--p", "same", "--s", "2"), (7, 3), (7, 3), (3, 3), False),
        (("--h", "5", "--k", "4", "--p", "same-lower"), (8, 5), (8, 5), (4, 4), False),
        (("--h", "3", "--k", "2", "--p", "1.0.0.2"), (4, 3), (5, 4), (2, 2), False),
        (("--h", "6", "--pool", "max:3,s=2,ceil"), (7, 3), (7, 3), (3, 3), False),
        (("--h", "4", "--pool", "avg:2"), (4, 2), (4, 2), (2, 2), False),
        (("--h", "9", "--pool", "max:4,p=2,ceil"), (13, 3), (13, 3), (4, 4), True),
    ],
)
def test_other_windows_shade_as_many_cells_as_they_have(
    tmp_path: Path,
    options: Sequence[str],
    *,
    rows: Pair,
    columns: Pair,
    kernel: Pair,
    is_hatched: bool,
) -> None:
    pictures = drawn(tmp_path, *options)
    assert len(pictures) == rows[1] * columns[1]
    for number, picture in enumerate(pictures):
        seen = Seen(picture, rows, columns, is_hatched=is_hatched)
        on_input = seen.of(LIGHT.window, grid=0)
        beside = seen.of(LIGHT.window_on_padding, grid=0)
        assert len(on_input) + len(beside) == kernel[0] * kernel[1]
        assert len(seen.of(LIGHT.output, grid=1)) == number


def test_same_padding_with_a_stride_pads_at_the_far_end(tmp_path: Path) -> None:
    pictures = drawn(tmp_path, "--h", "6", "--k", "3", "--p", "same", "--s", "2")
    first, last = (Seen(pictures[at], (7, 3), (7, 3)) for at in (0, -1))
    assert first.of(LIGHT.window_on_padding, grid=0) == set()
    assert last.of(LIGHT.window_on_padding, grid=0) == {(4, 6), (5, 6), (6, 6), (6, 4), (6, 5)}


def grid_file(folder: Path, values: Any = INPUT) -> Path:
    path = folder / "input.csv"
    np.savetxt(path, values, delimiter=",", fmt="%.10g")
    return path


def results(scene: Scene) -> NDArray[Any]:
    return np.array([evaluated(frame.result) for frame in scene.frames]).reshape(scene.output)


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
        frame = scene.frames[number]
        texts = [text for row in scene.planes[0] for text in row]
        drawn_results = [frame.result for frame in scene.frames[: number + 1]]
        assert words[0] == scene.title
        start = words.index("X") + 1
        shown = words[start : words.index("K")] if "K" in words else words[start:]
        if scene.kernel is not None:  # every tap has its weight, after its value
            weights = [format_cell(weight) for weight in scene.kernel.ravel().tolist()]
            for tap, weight in sorted(zip(frame.taps, weights, strict=True), reverse=True):
                position = tap[0] * len(scene.kinds[0]) + tap[1] + 1
                taps_before = sum(other < tap for other in frame.taps)
                assert shown.pop(position + taps_before) == weight
            products = words.index("products") + 1
            product_texts = [text for row in frame.products[0] for text in row]
            assert words[products : products + len(product_texts)] == product_texts
        assert shown[: len(texts)] == texts
        start = words.index("Y") + 1
        assert words[start : start + len(drawn_results)] == drawn_results
        assert " ".join(words).endswith(str(frame.formula))


@pytest.mark.parametrize("name", NUMERIC)
def test_the_guide_s_numeric_figures_are_shaded_as_its_others_are(
    tmp_path: Path, name: str
) -> None:
    options, _ = NUMERIC[name]
    pictures = drawn(tmp_path, grid_file(tmp_path), *options)
    assert len(pictures) == 9
    side = 7 if "-p" in options else 5
    scene = scene_of(tmp_path, grid_file(tmp_path), *options)
    kernel = (3, 3) if scene.kernel is not None else None
    for number, picture in enumerate(pictures):
        seen = Seen(picture, (side, 3), (side, 3), widest_cell(scene), kernel=kernel)
        shaded = seen.of(LIGHT.window, grid=0) | seen.of(LIGHT.window_on_padding, grid=0)
        shaded |= seen.of(LIGHT.current, grid=0)  # the maximum
        step = 2 if "-s" in options else 1
        row, column = (at * step for at in divmod(number, 3))
        assert shaded == {(row + u, column + v) for u, v in np.ndindex(3, 3)}


def test_the_words_below_are_the_sum_that_makes_the_result(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, grid_file(tmp_path), "-k", KERNEL, "-p", "1")
    assert str(scene.frames[0].formula) == (
        "3 × 0 + 3 × 1 + 3 × 2 + 3 × 2 + 3 × 2 + 3 × 0 + 0 × 0 + 0 × 1 + 0 × 2 = 21"
    )
    for frame in scene.frames:
        words, _, result = str(frame.formula).rpartition(" = ")
        assert evaluated(words) == evaluated(result)


@pytest.mark.parametrize("options", ["avg:3,p=1,s=2,nopad", "avg:2,ceil", "avg:3,p=1,s=2"])
def test_a_mean_in_words_is_the_mean(tmp_path: Path, options: str) -> None:
    """What does not count is not in the list: padding, or what lies beyond it."""
    scene = scene_of(tmp_path, grid_file(tmp_path), "--pool", options)
    for frame in scene.frames:
        words, _, result = str(frame.formula).rpartition(" = ")
        assert words.startswith("mean(")
        values = [evaluated(word) for word in words[5:-1].split(", ")]
        assert_allclose(np.mean(values), evaluated(result), atol=0.006)


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
        for frame in scene.frames:
            words, _, result = str(frame.formula).rpartition(" = ")
            assert evaluated(words) == evaluated(result)


def test_a_kernel_s_bias_is_in_the_sum(tmp_path: Path) -> None:
    kernel = SAMPLES / "kernels" / "engrave.json"
    scene = scene_of(tmp_path, GRID, "-k", kernel)
    words, _, result = str(scene.frames[0].formula).rpartition(" = ")
    assert words.endswith(" + 128")
    assert evaluated(words) == evaluated(result)


@pytest.mark.parametrize("options", [(), ("--flip",), ("-s", "2")])
def test_a_kernel_s_origin_lies_on_the_output_s_own_pixel(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "k.json").write_text('{"kernel": [[1, 2, 3], [4, 5, 6]], "origin": [0, 2]}')
    given: list[str | Path] = [GRID, "-k", "k.json", "-p", "same", *options]
    printed = here("apply", *given, "--print", cwd=tmp_path).rows
    assert_allclose(results(scene_of(tmp_path, *given)), np.array(printed))


def test_a_photograph_s_corner_can_be_animated_in_gray(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(SAMPLES / "cat.jpg"))[100:106, 200:206]
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    scene = scene_of(tmp_path, tmp_path / "corner.png", "-k", "identity", "--gray")
    gray = pixels @ [0.299, 0.587, 0.114]
    assert_allclose(results(scene), gray[1:-1, 1:-1], rtol=0.01)
