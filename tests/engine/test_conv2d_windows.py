"""Windows copied into columns in long pieces, beside a loop over the taps of a padded array."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support.oracles import Geometry, geometries, seeds, whole_numbers

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import padding_value
from convcli.engine.conv2d.windows import can_copy_windows, copy_windows
from convcli.engine.padding import PaddedImage
from convcli.engine.scratch import Scratch

CONSTANTS = st.sampled_from(["zero", "constant:2"])


def copy_by_taps(x: Any, window: Window, pads: Any, value: float) -> Any:
    """All windows, (C, kh, kw, oh, ow)."""
    padded = np.pad(x, [(0, 0), *pads], constant_values=value)
    oh, ow = window.output(x.shape[-2:])
    (kh, kw), (dh, dw) = window.kernel, window.dilation
    taps = [
        padded[:, u * dh : u * dh + oh, v * dw : v * dw + ow] for u in range(kh) for v in range(kw)
    ]
    return np.stack(taps, axis=1).reshape(len(x), kh, kw, oh, ow)


@given(
    seed=seeds,
    geometry=geometries(),
    mode=CONSTANTS,
    first=st.integers(0, 9),
    count=st.integers(1, 9),
    is_mirrored=st.booleans(),
)
@settings(max_examples=300)
def test_windows_are_those_of_the_padded_image(
    *, seed: int, geometry: Geometry, mode: str, first: int, count: int, is_mirrored: bool
) -> None:
    x = whole_numbers(seed, 2, *geometry.size)
    x = x[:, :, ::-1] if is_mirrored else x
    shape = Window(geometry.kernel, (1, 1), geometry.sides, geometry.dilation)
    oh, ow = shape.output(geometry.size)
    start = min(first, oh - 1)
    rows = slice(start, min(start + count, oh))
    image, sides = PaddedImage(x, geometry.sides, mode), (rows.stop - start, ow)
    if not can_copy_windows(image, shape, sides):
        return
    target = np.full((2, *shape.kernel, *sides), 99.0)
    copy_windows(image, shape, rows, target, Scratch())
    value = padding_value(mode)
    assert value is not None
    assert_array_equal(target, copy_by_taps(x, shape, geometry.sides, value)[..., rows, :])


def make_window(kernel: int, padding: int, **settings: Any) -> Window:
    return Window(kernel=(kernel, kernel), padding=((padding, padding),) * 2, **settings)


@pytest.mark.parametrize(
    ("shape", "mode", "can"),
    [
        (make_window(3, 1), "zero", True),
        (make_window(1, 0), "constant:-1", True),
        (make_window(3, 2), "zero", True),  # outputs are wider than the image
        (make_window(3, 0), "zero", False),  # and here narrower
        (make_window(3, 1), "reflect", False),
        (make_window(3, 1, stride=(1, 2)), "zero", False),
        (make_window(9, 4), "zero", False),  # too many taps
        (make_window(3, 2, dilation=(2, 2)), "zero", True),
        (
            make_window(3, 30, dilation=(30, 30)),
            "zero",
            False,
        ),  # taps beyond its width
        (Window((1, 20), padding=((0, 0), (0, 19))), "zero", False),  # likewise, on the right alone
        # Windows that see less than the rows that they span.
        (Window((3, 1), padding=((30, 30), (0, 0)), dilation=(30, 1)), "zero", False),
    ],
)
def test_which_windows_can_be_copied(shape: Window, mode: str, can: bool) -> None:
    x = np.zeros((2, 8, 9))
    image = PaddedImage(x, shape.pads((8, 9)), mode)
    assert can_copy_windows(image, shape, shape.output((8, 9))) == can
