"""The named kernels, number by number as their sources have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from convcli import load_kernel
from convcli.kernels.bank import bank

Rows = Sequence[Sequence[float]]

ROOT_2 = 1.4142135623730951
BANK: dict[str, Rows] = {
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "box-3x3": ((1 / 9, 1 / 9, 1 / 9),) * 3,
    "blur": ((1 / 16, 2 / 16, 1 / 16), (2 / 16, 4 / 16, 2 / 16), (1 / 16, 2 / 16, 1 / 16)),
    "gaussian-3x3": ((1 / 16, 2 / 16, 1 / 16), (2 / 16, 4 / 16, 2 / 16), (1 / 16, 2 / 16, 1 / 16)),
    "gaussian-5x5": [
        [a / 256 for a in row]
        for row in (
            (1, 4, 6, 4, 1),
            (4, 16, 24, 16, 4),
            (6, 24, 36, 24, 6),
            (4, 16, 24, 16, 4),
            (1, 4, 6, 4, 1),
        )
    ],
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "unsharp-5x5": [
        [a / -256 for a in row]
        for row in (
            (1, 4, 6, 4, 1),
            (4, 16, 24, 16, 4),
            (6, 24, -476, 24, 6),
            (4, 16, 24, 16, 4),
            (1, 4, 6, 4, 1),
        )
    ],
    "outline": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "laplacian-8": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "laplacian-4": ((0, -1, 0), (-1, 4, -1), (0, -1, 0)),
    "log-5x5": (
        (0, 0, -1, 0, 0),
        (0, -1, -2, -1, 0),
        (-1, -2, 16, -2, -1),
        (0, -1, -2, -1, 0),
        (0, 0, -1, 0, 0),
    ),
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    "sobel-x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel-y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "left-sobel": ((1, 0, -1), (2, 0, -2), (1, 0, -1)),
    "right-sobel": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "top-sobel": ((1, 2, 1), (0, 0, 0), (-1, -2, -1)),
    "bottom-sobel": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "prewitt-x": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "prewitt-y": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "scharr-x": ((-3, 0, 3), (-10, 0, 10), (-3, 0, 3)),
    "scharr-y": ((-3, -10, -3), (0, 0, 0), (3, 10, 3)),
    "roberts-1": ((1, 0), (0, -1)),
    "roberts-2": ((0, 1), (-1, 0)),
    "kirsch-n": ((5, 5, 5), (-3, 0, -3), (-3, -3, -3)),
    "kirsch-ne": ((-3, 5, 5), (-3, 0, 5), (-3, -3, -3)),
    "kirsch-e": ((-3, -3, 5), (-3, 0, 5), (-3, -3, 5)),
    "kirsch-se": ((-3, -3, -3), (-3, 0, 5), (-3, 5, 5)),
    "kirsch-s": ((-3, -3, -3), (-3, 0, -3), (5, 5, 5)),
    "kirsch-sw": ((-3, -3, -3), (5, 0, -3), (5, 5, -3)),
    "kirsch-w": ((5, -3, -3), (5, 0, -3), (5, -3, -3)),
    "kirsch-nw": ((5, 5, -3), (5, 0, -3), (-3, -3, -3)),
    "frei-chen-x": ((-1, 0, 1), (-ROOT_2, 0, ROOT_2), (-1, 0, 1)),
    "vertical-edge": ((1, 0, -1), (1, 0, -1), (1, 0, -1)),
    "vertical-line": ((0, 1, 0), (0, 1, 0), (0, 1, 0)),
    "horizontal-line": ((0, 0, 0), (1, 1, 1), (0, 0, 0)),
}
SMOOTHING = {"identity", "box-3x3", "blur", "gaussian-3x3", "gaussian-5x5"}
SHARPENING = {"sharpen", "unsharp-5x5", "emboss"}
LINES = {"vertical-line", "horizontal-line"}


def test_the_bank_has_these_kernels_and_no_other() -> None:
    assert sorted(bank()) == sorted(BANK)


@pytest.mark.parametrize("name", BANK)
def test_a_named_kernel_has_the_numbers_of_its_source(name: str) -> None:
    kernel = load_kernel(name)
    np.testing.assert_allclose(kernel.matrix, BANK[name], rtol=1e-15)
    assert kernel.name == name
    assert kernel.bias == 0


@pytest.mark.parametrize("name", BANK)
def test_a_name_may_be_written_with_underscores_and_capitals(name: str) -> None:
    assert load_kernel(name.replace("-", "_").upper()).name == name


@pytest.mark.parametrize("name", BANK)
def test_weights_that_are_zero_have_no_sign(name: str) -> None:
    matrix = load_kernel(name).matrix
    assert not np.signbit(matrix[matrix == 0]).any()


@pytest.mark.parametrize("name", sorted(SMOOTHING | SHARPENING))
def test_smoothing_and_sharpening_keep_the_brightness_of_a_flat_area(name: str) -> None:
    assert load_kernel(name).sum == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", sorted(BANK.keys() - SMOOTHING - SHARPENING - LINES))
def test_edge_kernels_do_not_see_a_flat_area(name: str) -> None:
    assert load_kernel(name).sum == 0


def test_the_weights_of_a_kernel_cannot_be_changed_behind_its_back() -> None:
    matrix = load_kernel("blur").matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 7
