"""Maps resampled to other sizes: nearest, bilinear and bicubic, with every rule of coordinates."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import reals, seeds
from support.peers import require_peer

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.errors import ShapeError

COORDINATES = (
    "half-pixel",
    "asymmetric",
    "align-corners",
    "pytorch-half-pixel",
    "half-pixel-symmetric",
    "tf-half-pixel",
)
ROUNDINGS = ("floor", "ceil", "round-down", "round-up")


def run(text: str | Layer, x: Array) -> Array:
    layer = parse_layer(text) if isinstance(text, str) else text
    result = find_function(layer.operation)(layer, [x], NO_WEIGHTS)
    assert result.shape == output_shape(layer, [x.shape])
    return result


# ---- position by position, in exact fractions ----------------------------------------------------


def position(coords: str, u: int, size: int, outputs: int, scale: Fraction) -> Fraction:
    half = Fraction(1, 2)
    if coords == "asymmetric":
        return u / scale
    if coords == "align-corners":
        return Fraction(u * (size - 1), outputs - 1) if outputs > 1 else Fraction(0)
    if coords == "pytorch-half-pixel" and outputs == 1:
        return Fraction(0)
    if coords == "tf-half-pixel":
        return (u + half) / scale
    moved = Fraction(0)
    if coords == "half-pixel-symmetric":
        moved = Fraction(size, 2) * (1 - outputs / (size * scale))
    return moved + (u + half) / scale - half


def rounded(place: Fraction, rounding: str) -> int:
    if rounding == "floor":
        return math.floor(place)
    if rounding == "ceil":
        return math.ceil(place)
    low = math.floor(place)
    over = place - low
    if over == Fraction(1, 2):
        return low if rounding == "round-down" else low + 1
    return low if over < Fraction(1, 2) else low + 1


def cubic_weight(distance: Fraction, a: Fraction) -> Fraction:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else Fraction(0)


class Case(NamedTuple):
    """A resampling of a map."""

    size: tuple[int, int]
    scales: tuple[Fraction, Fraction]
    by_size: bool
    coords: str
    mode: str
    rounding: str = "floor"
    a: str = "-0.75"
    inside: bool = False


def taps(place: Fraction, size: int, case: Case) -> dict[int, Fraction]:
    """What an output takes of each position of an axis."""
    found = dict.fromkeys(range(size), Fraction(0))
    if case.mode == "nearest":
        found[min(max(rounded(place, case.rounding), 0), size - 1)] = Fraction(1)
        return found
    low = math.floor(place)
    for tap in range(low - 1, low + 3):
        distance = place - tap
        weight = max(1 - abs(distance), Fraction(0))
        if case.mode == "bicubic":
            weight = cubic_weight(distance, Fraction(case.a))
        if case.inside and not 0 <= tap < size:
            continue
        found[min(max(tap, 0), size - 1)] += weight
    total = sum(found.values())
    return {tap: weight / total for tap, weight in found.items()} if case.inside else found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    scale = st.fractions(Fraction(1, 4), 4, max_denominator=7)
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    scales = draw(st.tuples(scale, scale))
    shared = size, scales, draw(st.booleans()), draw(st.sampled_from(COORDINATES))
    mode = draw(st.sampled_from(["nearest", "bilinear", "bicubic"]))
    if mode == "nearest":
        return Case(*shared, mode, draw(st.sampled_from(ROUNDINGS)))
    if mode == "bilinear":
        return Case(*shared, mode)
    return Case(
        *shared, mode, a=draw(st.sampled_from(["-0.75", "-0.5"])), inside=draw(st.booleans())
    )


@settings(max_examples=80)
@given(seeds, cases())
def test_each_output_is_the_weighted_sum_of_the_positions_around(seed: int, case: Case) -> None:
    size, scales = case.size, case.scales
    sides = tuple(int(side * scale) for side, scale in zip(size, scales, strict=True))
    assume(min(sides) > 0)
    text = f"upsample:{scales[0]}x{scales[1]}"
    if case.by_size:
        scales = (Fraction(sides[0], size[0]), Fraction(sides[1], size[1]))
        text = f"resize:{sides[0]}x{sides[1]}"
    text += f",mode={case.mode},coords={case.coords},nearest={case.rounding}"
    if case.mode == "bicubic":
        text += f",a={case.a}" + ",inside" * case.inside
    x = reals(seed, 2, *size)
    expected = x
    for axis in (1, 2):
        outputs = []
        for u in range(sides[axis - 1]):
            place = position(case.coords, u, size[axis - 1], sides[axis - 1], scales[axis - 1])
            weights = taps(place, size[axis - 1], case)
            outputs.append(sum(
                float(weight) * expected.take(tap, axis) for tap, weight in weights.items()
            ))  # fmt: skip
        expected = np.stack(outputs, axis)
    assert_allclose(run(text, x), expected, atol=1e-12)


@given(seeds, st.integers(1, 4), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_upsampling_by_a_whole_number_repeats(seed: int, scale: int, size: tuple[int, int]) -> None:
    x = reals(seed, 2, *size).astype(np.float32)
    assert_array_equal(run(f"upsample:{scale}", x), x.repeat(scale, 1).repeat(scale, 2))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_float32_stays_a_large_map_is_made_in_parts_and_its_input_left_alone(mode: str) -> None:
    x = reals(1, 3, 400, 300).astype(np.float32)
    copy = x.copy()
    found = run(f"upsample:2x3,mode={mode}", x)
    assert found.dtype == np.float32
    assert_array_equal(x, copy)
    small = run(f"upsample:2x3,mode={mode}", x[:, 95:205])
    assert_array_equal(found[:, 200:400], small[:, 10:210])


def test_fractions_of_any_size_are_exact() -> None:
    x = reals(1, 1, 1, 5)
    text = f"upsample:1x{2 * 10**30 + 1}/{10**30}"
    assert_array_equal(run(text, x), x[:, :, [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]])
    assert parse_layer("upsample:0.60000002384185791015625").value("scales")[0] == (
        float(np.float32(0.6)).as_integer_ratio()
    )


def test_a_map_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^a map of 3x9 scaled by 0\.25 is empty$"):
        output_shape(parse_layer("upsample:0.25"), [(1, 3, 9)])


# ---- what it sees --------------------------------------------------------------------------------


@pytest.mark.parametrize("coords", ["half-pixel", "asymmetric", "align-corners"])
@pytest.mark.parametrize(
    "text",
    [
        "upsample:2",
        "upsample:3/2",
        "resize:4x7",
        "upsample:2,mode=bilinear",
        "upsample:2/5,mode=bilinear",
        "resize:11x5,mode=bilinear",
        "upsample:3,mode=bicubic",
        "resize:7x13,mode=bicubic",
    ],
)
def test_an_output_depends_on_what_its_field_says(text: str, coords: str) -> None:
    size = (8, 9)
    text = f"{text},coords={coords}"
    report = walk([text], (1, *size)).layers[-1]
    assert report.fields is not None
    for axis in (0, 1):
        marks = np.zeros((size[axis], *size))
        marks.swapaxes(1, axis + 1)[range(size[axis]), range(size[axis])] = 1  # one map a position
        found = run(text, marks)
        seen = np.any(found.swapaxes(1, axis + 1), axis=2)  # (position, output)
        for output in range(report.output[1 + axis]):
            interval = report.fields[axis].at(output)
            assert interval is not None
            places = np.flatnonzero(seen[:, output])
            inside = (max(interval[0], 0), min(interval[1], size[axis] - 1))
            if inside[0] <= inside[1]:
                assert (places[0], places[-1]) == inside
            else:  # the edge is taken
                assert places.tolist() == [0 if interval[1] < 0 else size[axis] - 1]


def test_fields_worked_out_by_hand() -> None:
    fields = {
        "upsample:2": (1, Fraction(1, 2), Fraction(-1, 4)),
        "upsample:2,mode=bilinear": (2, Fraction(1, 2), Fraction(-1, 4)),
        "upsample:2,mode=bilinear,coords=align-corners": (2, Fraction(7, 15), Fraction(0)),
        "upsample:2,mode=bicubic": (4, Fraction(1, 2), Fraction(-1, 4)),
        "resize:4": (1, Fraction(2), Fraction(0)),
        "resize:4,mode=bilinear": (2, Fraction(2), Fraction(1, 2)),
    }
    for text, (field, jump, start) in fields.items():
        report = walk([text], (1, 8, 8)).layers[-1]
        assert report.receptive_field == (field, field)
        assert (report.jump, report.start) == ((jump, jump), (start, start))


@pytest.mark.parametrize("coords", ["align-corners", "pytorch-half-pixel"])
@pytest.mark.parametrize("size", [1, 7])
def test_one_output_sees_the_first_position(coords: str, size: int) -> None:
    report = walk([f"resize:1,mode=bilinear,coords={coords}"], (1, size, size)).layers[-1]
    assert report.receptive_field == report.coverage == (1, 1)
    assert report.fields is not None
    assert report.fields[0].at(0) == (0, 0)


# ---- other libraries -----------------------------------------------------------------------------

TORCH = [
    "upsample:2",
    "upsample:1.5x3",
    "upsample:0.5",
    "upsample:2,coords=half-pixel,nearest=round-up",
    "resize:7x4",
    "resize:5x9,mode=bilinear",
    "resize:5x9,mode=bilinear,coords=align-corners",
    "upsample:2,mode=bilinear",
    "upsample:2.5,mode=bilinear",
    "upsample:2,mode=bilinear,coords=align-corners",
    "upsample:3,mode=bicubic",
    "resize:13x3,mode=bicubic",
    "resize:13x3,mode=bicubic,coords=align-corners",
]


@pytest.mark.peers
@pytest.mark.parametrize("text", TORCH)
def test_the_code_for_pytorch_does_the_same(text: str) -> None:
    nn, torch = require_peer("torch.nn"), require_peer("torch")
    layer, x = parse_layer(text), reals(4, 3, 8, 7)
    code = layer.operation.torch(layer, x.shape, output_shape(layer, [x.shape]))
    expected = eval(code, {"nn": nn})(torch.from_numpy(x)[None])[0].numpy()
    assert_allclose(run(text, x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.peers
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("coords", ["half-pixel", "asymmetric", "align-corners"])
@pytest.mark.parametrize("size", [(16, 14), (4, 3), (12, 21)])
def test_nearest_is_onnx_runtimes(coords: str, rounding: str, size: tuple[int, int]) -> None:
    names = {"round-down": "round_prefer_floor", "round-up": "round_prefer_ceil"}
    x = reals(2, 2, 8, 7).astype(np.float32)
    expected = onnx_resize(x, size, "nearest", coords, nearest_mode=names.get(rounding, rounding))
    text = f"resize:{size[0]}x{size[1]},coords={coords},nearest={rounding}"
    assert_array_equal(run(text, x), expected)


@pytest.mark.peers
@pytest.mark.parametrize("coords", COORDINATES[:5])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(16, 14), (4, 3), (11, 5), (1, 1)])
def test_interpolations_are_onnx_runtimes(coords: str, mode: str, size: tuple[int, int]) -> None:
    x = reals(3, 2, 8, 7).astype(np.float32)
    onnx_mode = {"bilinear": "linear", "bicubic": "cubic"}[mode]
    expected = onnx_resize(x, size, onnx_mode, coords)
    text = f"resize:{size[0]}x{size[1]},mode={mode},coords={coords}"
    assert_allclose(run(text, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.peers
def test_a_cubic_without_the_outside_is_onnx_runtimes() -> None:
    x = reals(3, 2, 8, 7).astype(np.float32)
    own = {"exclude_outside": 1, "cubic_coeff_a": -0.5}
    expected = onnx_resize(x, (16, 21), "cubic", "half-pixel", **own)
    found = run("resize:16x21,mode=bicubic,a=-0.5,inside", x)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def onnx_resize(
    x: Array, size: tuple[int, int], mode: str, coords: str, **attributes: Any
) -> Array:
    """Run ONNX Runtime's Resize to a size."""
    onnx, runtime = require_peer("onnx"), require_peer("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], mode=mode,
        coordinate_transformation_mode=coords.replace("-", "_"), **attributes,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1, *x.shape])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
        [helper.make_tensor("sizes", kinds.INT64, [4], [1, len(x), *size])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x[np.newaxis]})[0][0])


# ---- joins with what was not resampled -----------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "upsampled"),
    [
        (16, "upsample:2,mode=bilinear,coords=align-corners"),
        (13, "resize:13,mode=bilinear"),
        (13, "resize:13"),
        (15, "resize:15,mode=bicubic"),
    ],
)
def test_a_join_with_a_map_of_about_the_same_jump_sees_what_both_see(
    size: int, upsampled: str
) -> None:
    layers = ["conv:1,s=2,name=a", f"{upsampled},name=b", "add:from=b+input", "conv:3,p=1"]
    reports = walk(layers, (1, size, size)).layers
    (note,) = reports[2].notes
    assert note.startswith("its branches drift apart, by resampling: their jumps are ")
    alone = walk(layers[:2], (1, size, size)).layers[-1]
    assert alone.fields is not None
    joined, after = reports[2].fields, reports[3].fields
    assert joined is not None
    assert after is not None
    for output in range(size):
        first, last = alone.fields[0].window_at(output) or (output, output)
        assert joined[0].at(output) == (min(first, output), max(last, output))
    assert after[0].jump == 1
    middle = size // 2
    around = [joined[0].at(output) or (0, 0) for output in range(middle - 1, middle + 2)]
    assert after[0].at(middle) == (min(around)[0], max(last for _, last in around))
