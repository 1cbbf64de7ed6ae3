"""Transparency through kernels, combinations and layers, against exact fractions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.pipeline import compute_pictures, make_plan

from convcli.arithmetic.values import Resize
from convcli.errors import ArgumentError
from convcli.images import Picture
from convcli.kernels import load_kernel

# Exact values of one channel: rows of fractions.
Plane: TypeAlias = list[list[Fraction]]

HALF = Fraction(1, 2)


def exact(values: Any) -> Plane:
    return [[Fraction(float(value)) for value in row] for row in values]


def correlate(plane: Plane, weights: Any) -> Plane:
    """The sums of products over the windows, with the edges repeated; each by its definition."""
    kernel, height, width = exact(weights), len(plane), len(plane[0])
    top, left = (len(kernel) - 1) // 2, (len(kernel[0]) - 1) // 2
    return [
        [
            sum(
                (
                    weight
                    * plane[min(max(row + i - top, 0), height - 1)][
                        min(max(column + j - left, 0), width - 1)
                    ]
                    for i, line in enumerate(kernel)
                    for j, weight in enumerate(line)
                ),
                Fraction(0),
            )
            for column in range(width)
        ]
        for row in range(height)
    ]


def each(function: Callable[..., Fraction], *planes: Plane) -> Plane:
    rows = zip(*planes, strict=True)
    return [[function(*values) for values in zip(*lines, strict=True)] for lines in rows]


def premultiplied(colors: Plane, alpha: Plane) -> Plane:
    return each(lambda color, share: color * share / 255, colors, alpha)


def divided(colors: Plane, alpha: Plane) -> Plane:
    """The colors of what is visible, and 0 elsewhere."""
    return each(lambda c, a: c * 255 / a if a > HALF else Fraction(0), colors, alpha)


def channel(picture: Picture, index: int) -> Plane:
    return exact(picture.values[:, :, index])


def assert_is(found: Picture, channels: Sequence[Plane], alpha: Plane, gain: float = 1) -> None:
    """Compare a map with exact colors; a division by little alpha has fewer digits."""
    assert found.alpha is not None
    expected_alpha = np.array([[float(min(max(a, Fraction(0)), Fraction(255))) for a in row]
                               for row in alpha])  # fmt: skip
    np.testing.assert_allclose(found.alpha[:, :, 0], expected_alpha, atol=2e-3)
    # Where alpha is half a level but for rounding, either is right.
    is_sure = np.abs(np.array([[float(a - HALF) for a in row] for row in alpha])) > 1e-3
    digits = 2e-3 + gain * 0.05 / np.maximum(expected_alpha, 0.5)
    for index, colors in enumerate(channels):
        expected = np.array([[float(color) for color in row] for row in colors])
        away = np.abs(found.values[:, :, index] - expected)
        assert (away <= digits * np.maximum(1, np.abs(expected) / 255))[is_sure].all()


pixels = arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(4)))


def picture_of(values: Any) -> Picture:
    return Picture(values[..., :-1], 8, values[..., -1:])


weight = st.integers(-9, 9)
kernels = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda size: arrays(np.int64, size, elements=weight)
)


def text(weights: Any) -> str:
    return ";".join(" ".join(map(str, row)) for row in np.asarray(weights).tolist()) + ";"


@settings(max_examples=8)
@given(pixels, kernels.filter(lambda weights: weights.sum() != 0))
def test_a_color_is_the_sum_of_weighted_colors_divided_by_that_of_their_weights(
    values: Any, weights: Any
) -> None:
    picture, total = picture_of(values), int(weights.sum())
    (found,) = compute_pictures(picture, make_plan([text(weights)]))
    alpha = exact(values[..., 3])
    sums = each(lambda a: a / total, correlate(alpha, weights))
    colors = [
        divided(correlate(premultiplied(channel(picture, index), alpha), weights), sums)
        for index in range(3)
    ]
    assert_is(found, colors, sums, gain=float(np.abs(weights).sum()))


@settings(max_examples=8)
@given(pixels, kernels.filter(lambda weights: weights.sum() != 0), st.integers(0, 255))
def test_an_area_of_one_color_keeps_it_wherever_it_ends(
    values: Any, weights: Any, shade: int
) -> None:
    values = values.copy()
    values[..., :3] = shade
    (found,) = compute_pictures(picture_of(values), make_plan([text(weights)]))
    assert found.alpha is not None
    seen = np.broadcast_to(found.alpha > 0.51, found.values.shape)
    total = int(weights.sum())
    tolerance = 0.05 * np.abs(weights).sum() * max(abs(total), 1)
    np.testing.assert_allclose(found.values[seen], shade * total, rtol=1e-4, atol=tolerance)
    hidden = np.broadcast_to(found.alpha <= 0.49, found.values.shape)
    assert not found.values[hidden].any()


def test_sharpening_makes_no_rims() -> None:
    values = np.zeros((5, 6, 4), np.uint8)
    values[:, :3], values[:, 3:] = (200, 100, 50, 255), (0, 0, 255, 0)
    (found,) = compute_pictures(picture_of(values), make_plan(["sharpen"]))
    np.testing.assert_array_equal(found.values[:, :3], np.full((5, 3, 3), (200, 100, 50)))
    assert found.alpha is not None
    np.testing.assert_array_equal(found.alpha[:, :, 0], values[..., 3])
    assert not found.values[:, 3:].any()


@pytest.mark.parametrize("depth", [8, 16])
def test_opaque_alpha_changes_nothing(depth: int) -> None:
    dtype = {8: np.uint8, 16: np.uint16}[depth]
    colors = np.random.default_rng(3).integers(0, 2**depth, (7, 8, 3), dtype)
    alpha = np.full((7, 8, 1), 2**depth - 1, dtype)
    for layers in (
        ["abs"], ["leaky-relu:0.2"], ["sigmoid"], ["tanh"], ["relu"], ["magnitude"], ["crop:1"],
        ["maxpool:2"], ["avgpool:3,s=1"], ["globalavgpool"], ["adaptiveavgpool:3"],
        ["conv:kernel=box:3,mode=replicate,p=same,name=a", "add:from=a+input"],
        ["conv:kernel=sharpen,mode=replicate,p=same,name=a", "concat:from=a+input", "magnitude"],
        ["tconv:kernel=ones:2,s=2,p=0"], ["sigmoid", "conv:kernel=ones:3,p=0"],
    ):  # fmt: skip
        for specs in (["sharpen"], ["box:3"], ["2;"], ["-1 0 0; 0 -2 0;"]):
            plan = make_plan(specs, layers)
            (found,) = compute_pictures(Picture(colors, depth, alpha), plan)
            (opaque,) = compute_pictures(Picture(colors, depth), plan)
            assert found.alpha is not None
            np.testing.assert_allclose(found.alpha, 2**depth - 1, rtol=1e-5)
            np.testing.assert_allclose(found.values, opaque.values, rtol=1e-4, atol=0.1)


# ---- edges -------------------------------------------------------------------------------------


@settings(max_examples=8)
@given(pixels)
def test_an_edge_is_that_of_premultiplied_colors_with_the_alpha_of_its_pixel(values: Any) -> None:
    picture, weights = picture_of(values), load_kernel("sobel-x").matrix
    (found,) = compute_pictures(picture, make_plan(["sobel-x"]))
    alpha = exact(values[..., 3])
    hide = lambda color, a: color if a > HALF else Fraction(0)  # noqa: E731
    colors = [
        each(hide, correlate(premultiplied(channel(picture, index), alpha), weights), alpha)
        for index in range(3)
    ]
    assert_is(found, colors, alpha, gain=8)


def test_an_edge_beside_a_blur_changes_nothing_in_it() -> None:
    picture = picture_of(np.random.default_rng(4).integers(0, 256, (6, 7, 4), np.uint8))
    (alone,) = compute_pictures(picture, make_plan(["blur"]))
    _, beside = compute_pictures(picture, make_plan(["sobel-x", "blur"]))
    np.testing.assert_array_equal(beside.values, alone.values)


def test_a_matrix_of_colors_keeps_alpha_and_is_divided_by_it(tmp_path: Path) -> None:
    picture = picture_of(np.random.default_rng(5).integers(1, 256, (6, 7, 4), np.uint8))
    matrix = np.array([[0.4, 0.3, 0.3], [1, -1, 0], [0, 0.5, 2]])
    np.save(tmp_path / "matrix.npy", matrix[:, :, np.newaxis, np.newaxis])
    (found,) = compute_pictures(picture, make_plan([str(tmp_path / "matrix.npy")]))
    assert picture.alpha is not None
    assert found.alpha is not None
    np.testing.assert_allclose(found.values, picture.values @ matrix.T, atol=0.1)
    np.testing.assert_allclose(found.alpha, picture.alpha)


# ---- combinations --------------------------------------------------------------------------------


@settings(max_examples=8)
@given(pixels, kernels, kernels, st.sampled_from(["sum", "mean"]))
def test_a_sum_of_kernels_is_the_kernel_of_their_sum(
    values: Any, one: Any, other: Any, how: str
) -> None:
    def embed(weights: Any) -> Any:
        """The weights around the center of 5x5, where each has its origin."""
        whole = np.zeros((5, 5), np.int64)
        top, left = 2 - (weights.shape[0] - 1) // 2, 2 - (weights.shape[1] - 1) // 2
        whole[top : top + weights.shape[0], left : left + weights.shape[1]] = weights
        return whole

    joint = embed(one) + embed(other)
    if joint.sum() == 0:
        return
    picture, share = picture_of(values), 1 if how == "sum" else 0.5
    (found,) = compute_pictures(picture, make_plan([text(one), text(other)], combine=how))
    (expected,) = compute_pictures(picture, make_plan([text(joint)]))
    assert found.alpha is not None
    assert expected.alpha is not None
    np.testing.assert_allclose(found.alpha, expected.alpha, atol=2e-2)
    seen = np.broadcast_to(expected.alpha > 0.6, found.values.shape)
    digits = 0.2 * (np.abs(one).sum() + np.abs(other).sum())
    np.testing.assert_allclose(
        found.values[seen], share * expected.values[seen], rtol=1e-3, atol=digits
    )


@settings(max_examples=8)
@given(pixels)
def test_of_the_largest_of_several_maps_the_largest_alpha_counts(values: Any) -> None:
    picture, alpha = picture_of(values), exact(values[..., 3])
    (found,) = compute_pictures(picture, make_plan(["1 0 0", "0 0 1"], combine="max"))
    (length,) = compute_pictures(picture, make_plan(["1 0 0", "0 0 1"], combine="magnitude"))
    sides = [[[1, 0, 0]], [[0, 0, 1]]]
    largest = each(max, *(correlate(alpha, side) for side in sides))
    colors = []
    lengths = []
    for index in range(3):
        product = premultiplied(channel(picture, index), alpha)
        left, right = (correlate(product, side) for side in sides)
        colors.append(divided(each(max, left, right), largest))
        hypot = each(lambda x, y: Fraction(math.hypot(x, y)), left, right)
        lengths.append(divided(hypot, largest))
    assert_is(found, colors, largest)
    assert_is(length, lengths, largest, gain=2)


# ---- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        ("relu", abs),
        ("abs", abs),
        ("leaky-relu", abs),
        ("sigmoid", lambda x: Fraction(1 / (1 + math.exp(-x)))),
        ("tanh", lambda x: Fraction(math.tanh(x))),
    ],
)
@settings(max_examples=8)
@given(values=pixels)
def test_a_function_of_each_value_is_one_of_colors(
    layer: str, function: Callable[[Fraction], Fraction], values: Any
) -> None:
    picture, alpha = picture_of(values), exact(values[..., 3])
    (found,) = compute_pictures(picture, make_plan(layers=[layer]))
    colors = [
        each(lambda c, a: function(c) if a > 0 else Fraction(0), channel(picture, index), alpha)
        for index in range(3)
    ]
    assert_is(found, colors, alpha)


def test_a_bias_is_added_to_colors_wherever_it_is_given() -> None:
    picture = picture_of(np.full((4, 4, 4), (100, 110, 120, 128), np.uint8))
    biased = {"kernel": "identity", "bias": 20.0}
    for plan in (
        make_plan([biased]),
        make_plan([biased], ["relu"]),
        make_plan([biased], ["conv:kernel=box:3,mode=replicate,p=same"]),
        make_plan([biased, biased], combine="mean"),
        make_plan([{"kernel": "box:3", "bias": 30.0}, {**biased, "bias": 10.0}], combine="mean"),
        make_plan([biased, biased], combine="max"),
    ):
        (found,) = compute_pictures(picture, plan)
        np.testing.assert_allclose(found.values, np.full((4, 4, 3), (120, 130, 140)), rtol=1e-5)
        assert found.alpha is not None
        np.testing.assert_allclose(found.alpha, 128, rtol=1e-6)


@pytest.mark.parametrize("kernel", ["ones:3", "sharpen", "box:5", "unsharp:1:2"])
def test_a_sum_with_the_picture_is_divided_by_the_weights_of_both(kernel: str) -> None:
    """identity + kernel, as layers and as a kernel."""
    picture = picture_of(np.random.default_rng(6).integers(0, 256, (6, 7, 4), np.uint8))
    layers = [f"conv:kernel={kernel},p=same,mode=replicate,name=a", "add:from=a+input"]
    (found,) = compute_pictures(picture, make_plan(layers=layers))
    (expected,) = compute_pictures(picture, make_plan([kernel, "identity"], combine="sum"))
    assert found.alpha is not None
    assert expected.alpha is not None
    np.testing.assert_allclose(found.alpha, expected.alpha, atol=1e-3)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-3, atol=0.2)


def test_stacked_channels_keep_their_colors_under_the_largest_alpha() -> None:
    values = np.zeros((3, 6, 4), np.uint8)
    values[:, :3] = (200, 100, 50, 255)
    layers = ["conv:kernel=box:3,p=same,mode=replicate,name=a", "concat:from=a+input"]
    (found,) = compute_pictures(picture_of(values), make_plan(layers=layers))
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha[0, :, 0], [255, 255, 255, 85, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found.values[0, :4, 0], 200, rtol=1e-5)
    np.testing.assert_allclose(found.values[0, :4, 3], [200, 200, 200, 0], rtol=1e-5)


def two_colors() -> Picture:
    """Left and right of one color each, the left half transparent to a half."""
    values = np.full((2, 4, 4), (200, 100, 40, 255), np.uint8)
    values[:, :2] = (100, 50, 20, 128)
    return picture_of(values)


@pytest.mark.parametrize(
    ("joined", "left", "right"),
    [
        ("mean:from=input+b", (100, 50, 20), (200, 100, 40)),
        ("max:from=input+b", (100, 50, 20), (200, 100, 40)),
        ("min:from=input+b", (100, 50, 20), (200, 100, 40)),
        ("mul:from=input+b", (10_000, 2500, 400), (40_000, 10_000, 1600)),
        ("div:from=input+b", (1, 1, 1), (1, 1, 1)),
        ("add:from=input+b+b", (300, 150, 60), (600, 300, 120)),
    ],
)
def test_colors_are_joined_and_alpha_stays(
    joined: str, left: Sequence[int], right: Sequence[int]
) -> None:
    (found,) = compute_pictures(two_colors(), make_plan(layers=["relu:name=b", joined]))
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha[0, :, 0], [128, 128, 255, 255], rtol=1e-6)
    np.testing.assert_allclose(found.values[1], [left, left, right, right], rtol=1e-5)


def test_a_difference_keeps_the_largest_alpha_and_is_not_divided_by_it() -> None:
    layers = ["conv:kernel=2;,name=b", "relu:from=input,name=c", "sub:from=b+c"]
    (found,) = compute_pictures(two_colors(), make_plan(layers=layers))
    np.testing.assert_allclose(found.values[0, [0, 3]], [(100, 50, 20), (200, 100, 40)], rtol=1e-5)
    layers = ["relu:name=b", "sub:from=b+input"]
    (found,) = compute_pictures(two_colors(), make_plan(layers=layers))
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha[0, :, 0], [128, 128, 255, 255])
    assert not found.values.any()


def test_the_alpha_of_a_gate_has_no_part_in_that_of_its_product() -> None:
    values = np.full((2, 4, 4), (200, 100, 40, 255), np.uint8)
    values[:, :2, 3] = 0
    layers = ["globalavgpool:name=gate", "mul:from=input+gate"]
    (found,) = compute_pictures(picture_of(values), make_plan(layers=layers))
    assert found.alpha is not None
    assert found.alpha[0, :, 0].tolist() == [0, 0, 255, 255]
    np.testing.assert_allclose(found.values[0, 2:], [(40_000, 10_000, 1600)] * 2, rtol=1e-5)


def test_a_padding_has_an_alpha_of_its_own() -> None:
    def padded(mode: str) -> Picture:
        (found,) = compute_pictures(two_colors(), make_plan(layers=[f"pad:1,mode={mode}"]))
        assert found.alpha is not None
        np.testing.assert_allclose(found.values[1, 1:5], two_colors().values[0], rtol=1e-5)
        return found

    clear, filled, repeated = padded("zero"), padded("constant:9"), padded("edge")
    edges = [found.alpha[1, [0, 5], 0].tolist() for found in (clear, filled, repeated)]  # type: ignore[index]
    assert edges == [[0, 0], [255, 255], [128, 255]]
    assert [found.values[0, 0].tolist() for found in (clear, filled)] == [[0] * 3, [9] * 3]
    np.testing.assert_allclose(repeated.values[0, 0], (100, 50, 20), rtol=1e-5)


@pytest.mark.parametrize(
    "layer", ["upsample:2", "resize:5x7,mode=bilinear", "upsample:3,mode=bicubic"]
)
def test_resampling_an_area_of_one_color_keeps_it_and_resamples_alpha(layer: str) -> None:
    values = np.full((4, 6, 4), (200, 100, 40, 255), np.uint8)
    values[:, 3:] = (7, 8, 9, 0)
    (found,) = compute_pictures(picture_of(values), make_plan(layers=[layer]))
    (alpha,) = compute_pictures(Picture(values[..., 3:], 8), make_plan(layers=[layer]))
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha, alpha.values.clip(0, 255), rtol=1e-5)
    seen = found.values[found.alpha[:, :, 0] > 1]
    np.testing.assert_allclose(seen, np.broadcast_to([200, 100, 40], seen.shape), rtol=1e-3)


def test_channels_are_taken_and_alpha_stays() -> None:
    for layer, channels in (("slice:1..", [1, 2]), ("channelshuffle:3", [0, 1, 2])):
        (found,) = compute_pictures(two_colors(), make_plan(layers=[layer]))
        assert found.alpha is not None
        assert found.alpha[0, :, 0].tolist() == [128, 128, 255, 255]
        np.testing.assert_allclose(
            found.values, two_colors().values[..., channels], rtol=1e-5
        )  # fmt: skip


@pytest.mark.parametrize("layer", ["pixelunshuffle:2", "pixelshuffle:1"])
def test_channels_that_become_pixels_have_no_alpha(layer: str) -> None:
    words = rf"^layer '{layer}' has no meaning for a picture with alpha"
    with pytest.raises(ArgumentError, match=words):
        compute_pictures(two_colors(), make_plan(layers=[layer]))


def test_upsampling_keeps_colors_and_alpha() -> None:
    picture = picture_of(np.random.default_rng(7).integers(1, 256, (3, 4, 4), np.uint8))
    (found,) = compute_pictures(picture, make_plan(layers=["tconv:kernel=ones:2,s=2,p=0"]))
    assert picture.alpha is not None
    assert found.alpha is not None
    np.testing.assert_allclose(found.values, picture.values.repeat(2, 0).repeat(2, 1), rtol=1e-4)
    np.testing.assert_allclose(found.alpha, picture.alpha.repeat(2, 0).repeat(2, 1), rtol=1e-4)


# ---- resampling ----------------------------------------------------------------------------------


def bicubic(size: int, count: int) -> list[list[Fraction]]:
    """The weight of each position in each new one (Keys, 1981, a = -1/2, widened to shrink)."""
    scale = Fraction(size, count)
    width = max(scale, Fraction(1))

    def weight(x: Fraction) -> Fraction:
        if x < 1:
            return (Fraction(3, 2) * x - Fraction(5, 2)) * x * x + 1
        return ((Fraction(5, 2) - x / 2) * x - 4) * x + 2 if x < 2 else Fraction(0)

    rows = []
    for index in range(count):
        center = (index + HALF) * scale
        weights = [weight(abs(place + HALF - center) / width) for place in range(size)]
        rows.append([share / sum(weights) for share in weights])
    return rows


def resampled(plane: Plane, height: int, width: int) -> Plane:
    down, across = bicubic(len(plane), height), bicubic(len(plane[0]), width)
    return [
        [
            sum((v * h * plane[i][j] for i, v in enumerate(line) for j, h in enumerate(column)),
                Fraction(0))
            for column in across
        ]
        for line in down
    ]  # fmt: skip


@settings(max_examples=8)
@given(pixels, st.integers(1, 6), st.integers(1, 6))
def test_a_resampled_color_is_divided_by_the_resampled_alpha(
    values: Any, height: int, width: int
) -> None:
    picture, alpha = picture_of(values), exact(values[..., 3])
    plan = make_plan(resize=Resize(height, width))
    (found,) = compute_pictures(picture, plan)
    shares = resampled(alpha, height, width)
    lowest, highest = min(map(min, alpha)), max(map(max, alpha))
    clipped = each(lambda a: min(max(a, lowest), highest), shares)
    seen = values[..., 3] > 0
    least, most = (values[seen][:, :3].min(), values[seen][:, :3].max()) if seen.any() else (0, 0)
    colors = []
    for index in range(3):
        sums = resampled(premultiplied(channel(picture, index), alpha), height, width)
        ratio = divided(sums, shares)
        within = each(
            lambda c, a: min(max(c, Fraction(int(least))), Fraction(int(most))) if a > HALF
            else Fraction(0), ratio, clipped,
        )  # fmt: skip
        colors.append(within)
    assert_is(found, colors, clipped, gain=4)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_resampling_an_area_of_one_color_makes_no_rims(depth: int, gray: bool) -> None:
    dtype, white = {8: np.uint8, 16: np.uint16}[depth], 2**depth - 1
    alpha = np.random.default_rng(8).choice([0, 1, white // 3, white], (30, 40, 1)).astype(dtype)
    colors = np.full((30, 40, 3), (200, 100, 50), dtype)
    colors[alpha[:, :, 0] == 0] = (0, 255, 255)
    for size in ((13, 21), (70, 55), (30, 9)):
        plan = make_plan(resize=Resize(*size), gray=gray)
        (found,) = compute_pictures(Picture(colors, depth, alpha), plan)
        assert found.alpha is not None
        assert 0 <= found.alpha.min() <= found.alpha.max() <= white
        expected = [0.299 * 200 + 0.587 * 100 + 0.114 * 50] if gray else [200, 100, 50]
        seen = found.values[found.alpha[:, :, 0] > 0.51]
        np.testing.assert_allclose(seen, np.broadcast_to(expected, seen.shape), rtol=1e-4)
