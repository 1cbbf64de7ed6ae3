"""A constant beyond the border, by every method and in every type; other tools' names of modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from support.oracles import convolve, filter_channels, pixels, reals, whole_numbers

from convcli import conv2d, conv2d_naive, filter2d, pad2d
from convcli.arithmetic.notation import format_layer, parse_layer
from convcli.arithmetic.values import as_padding_mode
from convcli.engine.explain import explain_convolution
from convcli.engine.filter2d.plan import METHODS
from convcli.errors import ArgumentError, NotationError

CONSTANTS = ("7", "255", "300", "-1", "0.5", "-1e3")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("zero", "zero"), ("zeros", "zero"), ("edge", "replicate"), ("nearest", "replicate"),
        ("wrap", "circular"), ("mirror", "reflect"), ("constant:0", "zero"),
        ("constant:-0.0", "zero"), ("constant:7", "constant:7"), ("constant:+7.0", "constant:7"),
        ("constant:1e-3", "constant:0.001"), ("constant:-.5", "constant:-0.5"),
        ("constant:1e300", "constant:1e+300"),
    ],
)  # fmt: skip
def test_a_mode_has_one_name_which_is_written(given: str, name: str) -> None:
    assert as_padding_mode(given) == as_padding_mode(name) == name
    written = format_layer(parse_layer(f"conv:3,mode={given}"))
    assert written == ("conv:3" if name == "zero" else f"conv:3,mode={name}")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("constant", "is none of zero, .*, constant:V"),
        ("constant:", "the constant of a padding must be a number"),
        ("constant:nan", "must be a number"),
        ("constant:1e400", "must be a number"),
        ("constant:1,5", "must be a number|'5' is not known"),
        ("Edge", "is none of"),
        ("", "is none of"),
    ],
)
def test_what_is_no_mode_is_refused(mode: str, words: str) -> None:
    for use in (as_padding_mode, lambda mode: pad2d([[1]], 1, mode)):
        with pytest.raises(ArgumentError, match=words):
            use(mode)
    with pytest.raises(NotationError, match=words):
        parse_layer(f"conv:3,mode={mode}")


def test_the_names_of_numpy_and_scipy_mean_what_they_mean_there() -> None:
    x = pixels(1, 4, 5)
    impulse = np.zeros((9, 9))
    impulse[0, 0] = 1  # sees the padded value 4 rows up and 4 columns to the left
    for name in ("edge", "wrap", "reflect", "symmetric"):
        np.testing.assert_array_equal(pad2d(x, 4, name), np.pad(x, 4, mode=name))
    for name in ("nearest", "wrap", "mirror"):
        found = filter2d(x, impulse, padding_mode=name)
        np.testing.assert_array_equal(found, ndimage.correlate(x, impulse, mode=name))
    theirs = ndimage.correlate(x, impulse, mode="reflect")
    np.testing.assert_array_equal(filter2d(x, impulse, padding_mode="symmetric"), theirs)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("constant", [*CONSTANTS, "1"])
def test_pad2d_pads_with_what_the_type_holds(dtype: Any, constant: str) -> None:
    x, value = np.ones((2, 3, 4), dtype), float(constant)
    if dtype == np.float32 or float(np.array(value).astype(dtype)) == value:
        found = pad2d(x, ((1, 2), (0, 3)), f"constant:{constant}")
        sides = [(0, 0), (1, 2), (0, 3)]
        np.testing.assert_array_equal(found, np.pad(x, sides, constant_values=dtype(value)))
        assert found.dtype == dtype
    else:
        with pytest.raises(ArgumentError, match="cannot hold the padding constant:"):
            pad2d(x, 1, f"constant:{constant}")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_sees_the_constant(dtype: Any, constant: str, method: str) -> None:
    image = pixels(2, 7, 9, 2, dtype=dtype) if dtype in (np.uint8, np.uint16) else None
    image = whole_numbers(2, 7, 9, 2).astype(dtype) if image is None else image
    mode, column = f"constant:{constant}", np.array([1.0, 2.0, 1.0])
    kernel = np.outer(column, [1.0, 0.0, -3.0])
    for stride, padding, sides in (
        (1, 1, ((1, 1), (1, 1))),
        (2, ((0, 3), (4, 0)), ((0, 3), (4, 0))),
    ):
        found = filter2d(
            image, kernel, padding_mode=mode, padding=padding, stride=stride, method=method,
            out_dtype=np.float64,
        )  # fmt: skip
        expected = filter_channels(
            image.astype(np.float64), kernel, mode=mode, sides=sides, stride=(stride, stride)
        )
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("constant", CONSTANTS)
def test_rounded_results_are_not_wrapped_by_a_constant_that_the_type_cannot_hold(
    constant: str,
) -> None:
    image, mode = pixels(3, 6, 6), f"constant:{constant}"
    for kernel in (np.ones((3, 3)), np.ones((3, 3)) / 9, -np.ones((1, 5))):
        rows, columns = (side // 2 for side in kernel.shape)
        sides = ((rows, rows), (columns, columns))
        exact = filter_channels(image.astype(np.float64), kernel, mode=mode, sides=sides)
        found = filter2d(image, kernel, padding_mode=mode)
        assert found.dtype == np.uint8
        assert np.abs(found - exact.clip(0, 255)).max() <= 0.5 + 1e-6 * np.abs(exact).max()


@pytest.mark.parametrize("method", ["im2col", "winograd", "naive"])
def test_a_layer_sees_the_constant(method: str) -> None:
    x, weight = reals(4, 2, 3, 8, 8).astype(np.float32), reals(5, 4, 3, 3, 3).astype(np.float32)
    found = conv2d(x, weight, padding=2, padding_mode="constant:-2.5", method=method)
    sides = ((2, 2), (2, 2))
    expected = convolve(x, weight, sides=sides, mode="constant:-2.5")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    one = conv2d_naive(
        [[[1.0]]], [[[[1.0, 10.0, 100.0]]]], padding=(0, 1), padding_mode="constant:2"
    )
    assert one.tolist() == [[[212.0]]]


def test_explained_windows_hold_the_constant() -> None:
    layer = parse_layer("conv:3,p=1,mode=constant:7")
    found = explain_convolution(
        [[1.0, 2.0], [3.0, 4.0]], np.ones((3, 3)), (0, 0), layer.window, padding_mode=layer.mode
    )[0]
    assert found.window[0].tolist() == [[7, 7, 7], [7, 1, 2], [7, 3, 4]]
    assert found.value == 5 * 7 + 10
