import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.oracles import (
    Geometry,
    geometries,
    onnx_run,
    paint,
    pairs,
    reals,
    scipy_convolve,
    seeds,
    transposes,
    whole_numbers,
)
from support.peers import require_peer

from convcli.arithmetic.geometry import window
from convcli.engine.conv2d import conv2d
from convcli.engine.gradients import conv2d_backward
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import ArgumentError, ShapeError

channels = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
batches = st.sampled_from([(), (1,), (2,)])
NUMBERS = ("number", "pair", "sides")
MB = 1 << 20

# ---- the transposed convolution ----------------------------------------------------------------


@given(geometries(forms=(*NUMBERS, "valid", "full")), seeds, channels, batches)
@settings(max_examples=120)
def test_the_transposed_convolution_is_the_adjoint(
    geometry: Geometry, seed: int, counts: tuple[int, int, int], batch: tuple[int, ...]
) -> None:
    groups, depth, filters = counts
    asked = {"groups": groups, **geometry.settings}
    x = whole_numbers(seed, *batch, groups * depth, *geometry.size)
    weight = whole_numbers(seed + 1, groups * filters, depth, *geometry.kernel)
    y = whole_numbers(seed + 2, *batch, groups * filters, *geometry.output)
    dropped = window(geometry.kernel, **geometry.settings).dropped(geometry.size)
    assume(
        all(d < max(s) for d, *s in zip(dropped, geometry.stride, geometry.dilation, strict=True))
    )
    back = conv_transpose2d(y, weight, output_padding=dropped, **asked)
    assert back.shape == x.shape
    assert_allclose((conv2d(x, weight, **asked) * y).sum(), (x * back).sum())
    assert_allclose(conv2d_backward(y, x, weight, **asked)[0], back)


@given(
    st.sampled_from(["same", "same-lower"]),
    pairs(1, 4),
    pairs(1, 5),
    st.tuples(pairs(1, 3), pairs(1, 2)),
    seeds,
)
@settings(max_examples=120)
def test_same_is_the_adjoint_of_same(
    name: str, size: tuple[int, int], kernel: tuple[int, int], steps: Any, seed: int
) -> None:
    stride, dilation = steps
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    assume(all(reach >= step for reach, step in zip(spans, stride, strict=True)))
    asked = {"stride": stride, "padding": name, "dilation": dilation}
    y, weight = whole_numbers(seed, 2, *size), whole_numbers(seed + 1, 2, 3, *kernel)
    x = whole_numbers(seed + 2, 3, size[0] * stride[0], size[1] * stride[1])
    back = conv_transpose2d(y, weight, **asked)
    assert back.shape == x.shape
    assert_allclose((conv2d(x, weight, **asked) * y).sum(), (x * back).sum())


@given(transposes(), seeds, channels, batches, st.booleans())
@settings(max_examples=120)
def test_every_value_paints_the_kernel(
    transpose: Any, seed: int, counts: tuple[int, int, int], batch: tuple[int, ...], with_bias: bool
) -> None:
    asked, kernel, size = transpose
    groups, depth, filters = counts
    x = whole_numbers(seed, *batch, groups * depth, *size)
    weight = whole_numbers(seed + 1, groups * depth, filters, *kernel)
    bias = whole_numbers(seed + 2, groups * filters) if with_bias else None
    painted = paint(
        x if batch else x[np.newaxis],
        weight,
        groups=groups,
        sides=asked["padding"],
        **{key: asked[key] for key in ("stride", "dilation", "output_padding")},
    )
    if bias is not None:
        painted += bias[:, np.newaxis, np.newaxis]
    result = conv_transpose2d(x, weight, bias, groups=groups, **asked)
    assert_allclose(result, painted if batch else painted[0])
    expected = window(kernel, transposed=True, **asked).output(size)
    assert result.shape == (*batch, groups * filters, *expected)


@pytest.mark.peers
@given(transposes(), pairs(0, 2), seeds, channels, batches)
@settings(max_examples=60)
def test_the_transposed_convolution_is_torchs(
    transpose: Any,
    padding: tuple[int, int],
    seed: int,
    counts: tuple[int, int, int],
    batch: tuple[int, ...],
) -> None:
    torch = require_peer("torch")
    asked, kernel, size = transpose
    asked["padding"] = padding
    groups, depth, filters = counts
    x = reals(seed, *batch, groups * depth, *size)
    weight = reals(seed + 1, groups * depth, filters, *kernel)
    bias = reals(seed + 2, groups * filters)
    try:
        expected = torch.nn.functional.conv_transpose2d(
            *map(torch.from_numpy, (x, weight, bias)), groups=groups, **asked
        )
    except RuntimeError:  # an empty output
        with pytest.raises(ShapeError):
            conv_transpose2d(x, weight, bias, groups=groups, **asked)
        return
    result = conv_transpose2d(x, weight, bias, groups=groups, **asked)
    assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-9)


@pytest.mark.peers
@given(transposes(), seeds, channels)
@settings(max_examples=60)
def test_the_transposed_convolution_is_onnx_runtimes(
    transpose: Any, seed: int, counts: tuple[int, int, int]
) -> None:
    asked, kernel, size = transpose
    groups, depth, filters = counts
    # Runtime refuses what PyTorch allows: an output padding between the stride and the dilation
    extra = tuple(
        min(e, s - 1) for e, s in zip(asked["output_padding"], asked["stride"], strict=True)
    )
    asked["output_padding"] = extra
    x = whole_numbers(seed, 2, groups * depth, *size)
    weight = whole_numbers(seed + 1, groups * depth, filters, *kernel)
    try:
        result = conv_transpose2d(x, weight, groups=groups, **asked)
    except ShapeError:
        assume(False)
    (top, bottom), (left, right) = asked["padding"]
    expected = onnx_run(
        "ConvTranspose",
        x,
        weight,
        strides=asked["stride"],
        dilations=asked["dilation"],
        pads=(top, left, bottom, right),
        output_padding=extra,
        group=groups,
    )
    assert_allclose(result, expected)


def test_output_padding_adds_rows_at_the_bottom_and_columns_on_the_right() -> None:
    x, weight = whole_numbers(1, 1, 2, 2), whole_numbers(2, 1, 1, 3, 3)
    small = conv_transpose2d(x, weight, stride=2)
    large = conv_transpose2d(x, weight, stride=2, output_padding=(1, 0))
    assert large.shape == (1, 6, 5)
    assert_allclose(large[:, :5], small)
    assert_allclose(large[:, 5], np.zeros((1, 5)))
    # with padding, what it adds is what the padding had cut off
    cut = conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
    assert_allclose(cut, small[:, 1:, 1:])


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_bands_of_a_large_image_leave_no_seam(stride: tuple[int, int]) -> None:
    x, weight = whole_numbers(1, 3, 160, 200), whole_numbers(2, 3, 4, 9, 8)
    painted = conv_transpose2d(x, weight, stride=stride)
    spread = np.zeros((3, 159 * stride[0] + 1, 199 * stride[1] + 1))
    spread[:, :: stride[0], :: stride[1]] = x
    expected = sum(scipy_convolve(spread[c], weight[c, 1], "full") for c in range(3))
    assert_allclose(painted[1], expected, atol=1e-6)


def test_memory_does_not_grow_with_the_kernel() -> None:
    x, weight = np.ones((3, 600, 800), np.float32), np.ones((3, 1, 15, 15), np.float32)
    tracemalloc.start()
    try:
        painted = conv_transpose2d(x, weight)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_allclose(painted[:, 300, 400], 3 * 15 * 15)
    assert peak < x.nbytes + painted.nbytes + 64 * MB  # the columns would take 432 MB


def test_one_value_paints_one_kernel() -> None:
    weight = whole_numbers(1, 1, 2, 3, 2)
    assert_allclose(conv_transpose2d([[[2.0]]], weight), 2 * weight[0])


@pytest.mark.parametrize(
    ("dtype", "result"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.uint8, np.float32)],
)
def test_floats_stay_and_integers_become_float32(dtype: Any, result: Any) -> None:
    painted = conv_transpose2d(np.ones((1, 2, 2), dtype), np.ones((1, 1, 2, 2)), np.ones(1))
    assert painted.dtype == result


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding 'some' is none of"),
        ({"dilation": "2"}, "dilation must be"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"output_padding": 1}, r"output padding 1 must be below .*\(here 1 and 1\)"),
        ({"output_padding": -1}, "output padding must be at least 0, not -1"),
        ({"stride": 2, "output_padding": (0, 2)}, r"output padding 2 .*\(here 2 and 1\)"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(settings: dict[str, Any], message: str) -> None:
    x, weight = np.ones((2, 4, 4)), np.ones((2, 2, 3, 3))
    with pytest.raises(ArgumentError, match=message):
        conv_transpose2d(x, weight, **settings)
    if "output_padding" not in settings:
        with pytest.raises(ArgumentError, match=message):
            conv2d_backward(np.ones((2, 2, 2)), x, weight, **settings)


@pytest.mark.parametrize(
    ("x", "weight", "settings", "message"),
    [
        ((4, 4), (1, 1, 3, 3), {}, r"x must be .* not \(4, 4\)"),
        ((1, 4, 4), (3, 3), {}, r"weight must be .* not \(3, 3\)"),
        ((2, 4, 4), (3, 1, 3, 3), {}, r"the 2 channels of the input.* not \(3, 1, 3, 3\)"),
        ((3, 4, 4), (3, 1, 3, 3), {"groups": 2}, "the 3 channels of the input in 2 groups"),
        ((1, 1, 1), (1, 1, 3, 3), {"padding": 2}, r"empty: height \(1 - 1\)\*1 - 2 - 2"),
        ((1, 1, 1), (1, 1, 1, 1), {"stride": 2, "padding": "same"}, "spans the stride 2, not 1"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    x: Any, weight: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        conv_transpose2d(np.ones(x), np.ones(weight), **settings)


def test_a_bias_is_one_number_a_map() -> None:
    with pytest.raises(ShapeError, match=r"bias must have the shape \(4,\), not \(2,\)"):
        conv_transpose2d(np.ones((2, 3, 3)), np.ones((2, 2, 1, 1)), np.ones(2), groups=2)
