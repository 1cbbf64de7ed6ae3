"""The worked examples of the textbooks, through the real command.

What should come out is worked out here with plain loops, or stands here as in the textbook.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import SAMPLES, convcli, here
from support.oracles import assert_rounded, convolve, scipy_correlate

Rows = list[list[float]]

LETTER_A = {
    *[(2, 4), (2, 5), (2, 6), (3, 3), (3, 7), (4, 2), (4, 7), (5, 2), (5, 7), (6, 2), (6, 7)],
    *[(7, 3), (7, 6), (7, 7), (8, 8), (8, 9), (7, 10), (8, 4), (8, 5)],
}
LETTER_H = {(7, column) for column in range(3, 12)} | {
    (row, column) for row in range(4, 12) for column in (3, 12)
}
GRID5: Rows = [[1, 2, 0, 1, 2], [0, 1, 3, 1, 0], [2, 1, 0, 2, 1], [1, 0, 2, 1, 3], [2, 1, 1, 0, 1]]


def drawn(points: set[tuple[int, int]], side: int) -> Rows:
    return [[float((row, column) in points) for column in range(side)] for row in range(side)]


def windows(
    grid: Rows, size: int, stride: int, value: Callable[[Rows], float], margin: int = 0
) -> Rows:
    """Slide a window over a grid with zeros around it, and take a value of each."""
    width = len(grid[0]) + 2 * margin
    blank = [[0.0] * width for _ in range(margin)]
    sides = [0.0] * margin
    padded = [*blank, *([*sides, *row, *sides] for row in grid), *blank]
    return [
        [
            value([row[left : left + size] for row in padded[top : top + size]])
            for left in range(0, width - size + 1, stride)
        ]
        for top in range(0, len(padded) - size + 1, stride)
    ]


def total(seen: Rows) -> float:
    return sum(map(sum, seen))


def weighed(*kernel: tuple[float, ...]) -> Callable[[Rows], float]:
    """The sum of a window's products with a kernel."""
    return lambda seen: sum(
        a * b
        for row, weights in zip(seen, kernel, strict=True)
        for a, b in zip(row, weights, strict=True)
    )


@pytest.mark.parametrize(
    ("size", "stride", "side"),
    [(3, 1, 10), (3, 2, 5), (3, 3, 4), (4, 1, 9), (5, 1, 8), (5, 2, 4), (2, 1, 11), (2, 2, 6)],
)
def test_a_letter_filtered_with_ones_counts_its_pixels(
    tmp_path: Path, size: int, stride: int, side: int
) -> None:
    letter = SAMPLES / "letter_a.csv"
    settings = ("-k", f"ones:{size}", "-p", "valid", "-s", str(stride), "--print")
    done = here("apply", letter, *settings, cwd=tmp_path)
    assert done.code == 0
    assert done.rows == windows(drawn(LETTER_A, 12), size, stride, total)
    assert [len(row) for row in done.rows] == [side] * side


@pytest.mark.parametrize(
    ("kind", "value"),
    [("max", lambda seen: max(map(max, seen))), ("avg", lambda seen: total(seen) / 4)],
)
def test_pools_of_a_letter_at_stride_1_are_11_by_11(
    tmp_path: Path, kind: str, value: Callable[[Rows], float]
) -> None:
    letter = SAMPLES / "letter_a.csv"
    done = here("apply", letter, "--pool", f"{kind}:2,s=1", "--print", cwd=tmp_path)
    assert done.rows == windows(drawn(LETTER_A, 12), 2, 1, value)
    assert [len(row) for row in done.rows] == [11] * 11


def test_a_vertical_edge_answers_30_where_the_edge_is(tmp_path: Path) -> None:
    edge = (SAMPLES / "edge.csv", "-k", "vertical-edge", "--print")
    done = convcli("apply", *edge, "-p", "valid", cwd=tmp_path)
    assert done.rows == [[0, 30, 30, 0, 0]] * 6
    assert done.rows[0][0] == 0  # one step: three tens to the left, three to the right


@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (0, 2), (1, 2)])
def test_the_edge_with_zeros_around_it_and_with_longer_steps(
    tmp_path: Path, padding: int, stride: int
) -> None:
    grid = [[10.0] * 3 + [0.0] * 4 for _ in range(8)]
    kernel = weighed((1, 0, -1), (1, 0, -1), (1, 0, -1))
    settings = ("-p", str(padding), "--padding-mode", "zero", "-s", str(stride), "--print")
    done = here("apply", SAMPLES / "edge.csv", "-k", "vertical-edge", *settings, cwd=tmp_path)
    assert done.rows == windows(grid, 3, stride, kernel, padding)


@pytest.mark.parametrize(
    ("size", "padding", "side"), [(3, "valid", 222), (5, "valid", 220), (3, "1", 224)]
)
def test_sizes_of_a_224_picture(tmp_path: Path, size: int, padding: str, side: int) -> None:
    Image.new("L", (224, 224), 90).save(tmp_path / "gray.png")
    settings = ("-k", f"box:{size}", "-p", padding, "-o", "out.png")
    assert here("apply", "gray.png", *settings, cwd=tmp_path).code == 0
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (side, side)


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        ("blur", [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]]),
        ("outline", [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    ],
)
def test_a_224_picture_with_and_without_clamping(tmp_path: Path, name: str, matrix: Rows) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (224, 224), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "gray.png")
    exact = scipy_correlate(pixels, np.array(matrix), "replicate")
    here("apply", "gray.png", "-k", name, "-o", "out.png", cwd=tmp_path)
    here("apply", "gray.png", "-k", name, "-o", "out.npy", cwd=tmp_path)
    assert_rounded(np.asarray(Image.open(tmp_path / "out.png")), exact)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), exact, rtol=1e-6)


@pytest.mark.parametrize("method", ["auto", "naive"])
def test_a_left_sobel_over_a_5_by_5_grid(tmp_path: Path, method: str) -> None:
    done = here(
        *("apply", SAMPLES / "grid5.csv", "-k", "1 0 -1; 2 0 -2; 1 0 -1", "-p", "valid"),
        *("--print", "--method", method),
        cwd=tmp_path,
    )
    assert done.rows == [[-3, 0, 3], [0, -3, 0], [1, -2, -3]]
    assert done.rows == windows(GRID5, 3, 1, weighed((1, 0, -1), (2, 0, -2), (1, 0, -1)))


def test_a_step_answers_4_beside_it_and_at_a_border_of_zeros(tmp_path: Path) -> None:
    step = ("apply", SAMPLES / "step.csv", "-k", "sobel-x", "-p", "1", "--print")
    inner = slice(1, 15)
    zeros = here(*step, "--padding-mode", "zero", cwd=tmp_path)
    assert zeros.rows[inner] == [[0] * 7 + [4, 4] + [0] * 6 + [-4]] * 14
    repeated = here(*step, cwd=tmp_path)
    assert repeated.rows == [[0] * 7 + [4, 4] + [0] * 7] * 16


def test_the_help_says_that_a_border_of_zeros_is_an_edge(tmp_path: Path) -> None:
    words = " ".join(convcli("apply", "--help", cwd=tmp_path).text.split())
    assert "With zero padding the border itself is an edge" in words


def test_im2col_agrees_with_the_loops_on_8_filters_over_3_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 16, 16)).astype(np.float32)
    weights = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x.transpose(1, 2, 0))
    np.save(tmp_path / "w.npy", weights)
    maps = {}
    for method in ("im2col", "naive"):
        settings = ("-k", "w.npy", "-p", "valid", "--method", method, "-o", f"{method}.npy")
        assert here("apply", "x.npy", *settings, cwd=tmp_path).code == 0
        maps[method] = np.load(tmp_path / f"{method}.npy")
    assert maps["im2col"].shape == (14, 14, 8)
    assert maps["im2col"].dtype == np.float32
    assert np.abs(maps["im2col"] - maps["naive"]).max() < 1e-5
    expected = convolve(x[np.newaxis], weights)[0].transpose(1, 2, 0)
    np.testing.assert_allclose(maps["im2col"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [("full", [4, 13, 28, 27, 18]), ("same", [13, 28, 27]), ("valid", [28])],
)
def test_a_signal_is_a_grid_of_one_row(tmp_path: Path, padding: str, expected: list[float]) -> None:
    settings = ("-k", "4 5 6", "--flip", "-p", padding, "--padding-mode", "zero", "--print")
    done = here("apply", "-", *settings, cwd=tmp_path, stdin=b"1 2 3\n")
    assert done.rows == [expected]


def test_a_flipped_kernel_of_one_column_takes_the_other_column(tmp_path: Path) -> None:
    settings = ("-k", "1 0; 1 0", "--flip", "-p", "valid", "--print")
    done = convcli("apply", "-", *settings, cwd=tmp_path, stdin=b"1 2 3\n4 5 6\n7 8 9\n")
    assert done.rows == [[7, 9], [13, 15]]


@pytest.mark.parametrize(
    ("spec", "kernel"),
    [
        ("identity", ((0, 0, 0), (0, 1, 0), (0, 0, 0))),
        ("0 .2 0; .2 .2 .2; 0 .2 0", ((0, 0.2, 0), (0.2, 0.2, 0.2), (0, 0.2, 0))),
        ("vertical-line", ((0, 1, 0), (0, 1, 0), (0, 1, 0))),
        ("horizontal-line", ((0, 0, 0), (1, 1, 1), (0, 0, 0))),
    ],
)
def test_strokes_and_a_bar_under_a_blur_and_under_lines(
    tmp_path: Path, spec: str, kernel: tuple[tuple[float, ...], ...]
) -> None:
    settings = ("-k", spec, "-p", "same", "--padding-mode", "zero", "--print")
    done = here("apply", SAMPLES / "letter_h.csv", *settings, cwd=tmp_path)
    expected = windows(drawn(LETTER_H, 16), 3, 1, weighed(*kernel), 1)
    np.testing.assert_allclose(done.rows, expected, atol=1e-12)
