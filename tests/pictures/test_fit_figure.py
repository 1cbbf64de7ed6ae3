"""The figure of `fit`: what is left is what SciPy says, on a scale where little is not much."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from scipy import signal

from convcli import fit_kernel
from convcli.pictures import fit_figure
from convcli.pictures.fit_figure import FittedPair, draw_fit_figure, measure_residual

RNG = np.random.default_rng(1)
EDGE = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])


def clipped(before: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of SciPy in a frame, as pixels."""
    planes = [
        signal.correlate2d(before[:, :, channel], kernel, mode="same") for channel in range(3)
    ]
    return np.asarray(np.clip(np.rint(np.stack(planes, axis=2)), 0, 255), np.uint8)


BEFORE = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)
AFTER = clipped(BEFORE.astype(float), EDGE)


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("band", [1, 10_000])
def test_the_residual_is_after_less_the_clipped_sums(
    step: int, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_figure, "BAND_PIXELS", band)
    after = AFTER.copy()
    after[20, 30, 1] += 9
    found = fit_kernel(BEFORE, after, 3)
    sums = [
        signal.correlate2d(BEFORE[:, :, channel].astype(float), found.kernel, mode="valid")
        for channel in range(3)
    ]
    rest = after[1:-1, 1:-1] - np.clip(np.stack(sums, axis=2), 0, 255)
    expected = np.take_along_axis(rest, np.abs(rest).argmax(axis=2)[..., None], axis=2)
    assert_allclose(
        measure_residual(BEFORE, after, found, step), expected[::step, ::step], atol=1e-9
    )


def test_what_is_explained_leaves_nothing() -> None:
    found = fit_kernel(BEFORE, AFTER, 3)
    assert not measure_residual(BEFORE, AFTER, found).any()
    floats = BEFORE[:, :, :1] / 7
    assert not measure_residual(floats, floats, fit_kernel(floats, floats, 3)).any()


def test_rounding_alone_is_hardly_seen_and_what_is_not_explained_is() -> None:
    blur = np.outer([1, 2, 1], [1, 2, 1]) / 16
    rounded = clipped(BEFORE.astype(float), blur)
    other = rounded.copy()
    other[15:25, 15:25] = 255 - other[15:25, 15:25]
    scales = [
        fit_figure._residual_scale(  # noqa: SLF001
            measure_residual(BEFORE, after, fit_kernel(BEFORE, after, 3)), after
        )
        for after in (rounded, other)
    ]
    assert scales[0].high > 4 * 0.5
    assert scales[1].high > 10 * scales[0].high
    assert all(scale.low == -scale.high for scale in scales)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("shape", [(9, 8, 1), (40, 50, 1), (40, 50, 3), (40, 50, 5)])
def test_every_kind_of_pair_is_drawn(suffix: str, shape: tuple[int, int, int]) -> None:
    before = RNG.integers(0, 256, shape).astype(np.uint8)
    found = fit_kernel(before, before, 1, bias=True)
    pair = FittedPair(("one.png", "two.png"), before, before, 255.0)
    content = draw_fit_figure(pair, found, suffix=suffix, notes=("explains it",))
    if suffix == ".png":
        assert np.asarray(Image.open(BytesIO(content)).convert("L")).std() > 1
        return
    text = content.decode()
    for words in ("one.png", "two.png", "kernel", "explains it", "rms"):
        assert words in text
    assert re.search(r"<title>[^<]*one\.png[^<]*two\.png", text)


def test_a_large_picture_is_drawn_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fit_kernel(BEFORE, AFTER, 3)
    pair = FittedPair(("one.png", "two.png"), BEFORE, AFTER, 255.0)
    assert b"1 of every" not in draw_fit_figure(pair, found, suffix=".svg")
    monkeypatch.setattr(fit_figure, "MAX_PIXELS", 500)
    assert b"1 of every 2 rows and columns" in draw_fit_figure(pair, found, suffix=".svg")
