"""Operations that cut off, add, combine or reorder positions and channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.network_oracle import Seen
from support.oracles import MODES, pad, reals, seeds, whole_numbers
from support.peers import require_peer

from convcli.arithmetic.layers import output_shape
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.errors import ShapeError

TEXTS = [
    "flatten",
    "reshape:12x60x1",
    "reshape:12x6x10",
    "reshape:720",
    "crop:1",
    "crop:0.1.2.3",
    "pad:1",
    "pad:0.1.2.3,mode=reflect",
    "pad:1x2,mode=replicate",
    "pad:2.1.0.3,mode=circular",
    "pad:1,mode=constant:2.5",
    "slice:2..5",
    "slice:..10,step=3",
    "slice:4..",
    "channelshuffle:4",
    "channelshuffle:3",
    "pixelshuffle:2",
    "pixelshuffle:2,dcr",
    "pixelunshuffle:2",
    "pixelunshuffle:2,dcr",
    "magnitude",
]
SHAPE = (12, 6, 10)


def run(text: str, *inputs: Array) -> Array:
    layer = parse_layer(text)
    result = find_function(layer.operation)(layer, inputs, NO_WEIGHTS)
    assert result.shape == output_shape(layer, [values.shape for values in inputs])
    return result


# ---- position by position ------------------------------------------------------------------------

sides = st.tuples(st.integers(0, 5), st.integers(0, 5))


@settings(max_examples=40)
@given(seeds, st.tuples(sides, sides), st.sampled_from([*MODES, "constant:7"]))
def test_a_padding_is_that_of_a_convolution(seed: int, margin: Any, mode: str) -> None:
    x = whole_numbers(seed, 2, 3, 4)
    (top, bottom), (left, right) = margin
    found = run(f"pad:{top}.{bottom}.{left}.{right},mode={mode}", x)
    assert_array_equal(found, pad(x, margin, mode))
    assert_array_equal(run(f"crop:{top}.{bottom}.{left}.{right}", found), x)


def test_a_crop_may_cut_each_side_by_itself() -> None:
    x = reals(1, 2, 6, 9)
    assert_array_equal(run("crop:1.2.3.4", x), x[:, 1:4, 3:5])


def test_channels_are_taken_from_the_first_to_before_the_last() -> None:
    x = reals(1, 10, 2, 3)
    assert_array_equal(run("slice:2..5", x), x[[2, 3, 4]])
    assert_array_equal(run("slice:..3", x), x[[0, 1, 2]])
    assert_array_equal(run("slice:8..", x), x[[8, 9]])
    assert_array_equal(run("slice:1..10,step=4", x), x[[1, 5, 9]])
    assert_array_equal(run("slice:3..5", x[:, 0, 0]), x[[3, 4], 0, 0])


@settings(max_examples=40)
@given(seeds, st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_a_block_is_a_position_of_more_channels(
    seed: int, channels: int, r: int, dcr: bool
) -> None:
    x = whole_numbers(seed, channels * r * r, 2, 3)
    flag = ",dcr" if dcr else ""
    found = run(f"pixelshuffle:{r}{flag}", x)
    for c, row, column in np.ndindex(found.shape):
        block = row % r * r + column % r
        source = block * channels + c if dcr else c * r * r + block
        assert found[c, row, column] == x[source, row // r, column // r]
    assert_array_equal(run(f"pixelunshuffle:{r}{flag}", found), x)


@settings(max_examples=40)
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_shuffled_channels_come_from_the_groups_by_turns(seed: int, groups: int, size: int) -> None:
    x = whole_numbers(seed, groups * size, 1, 2)
    found = run(f"channelshuffle:{groups}", x)
    for channel in range(groups * size):
        assert_array_equal(found[channel], x[channel % groups * size + channel // groups])


@pytest.mark.parametrize("text", TEXTS)
def test_float32_stays_and_the_input_is_left_alone(text: str) -> None:
    x = reals(3, *SHAPE).astype(np.float32)
    copy = x.copy()
    assert run(text, x).dtype == np.float32
    assert_array_equal(x, copy)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reshape:5x5x5", r"12x6x10 = 720 values cannot be reshaped to 5x5x5 = 125"),
        ("crop:3", r"a 6x10 map cannot be cropped to 0x4"),
        ("slice:10..13", r"channels 10\.\.13 do not lie in those of 12x6x10"),
        ("slice:12..", r"channels 12\.\. do not lie in those of 12x6x10"),
        ("channelshuffle:5", r"5 groups do not divide 12 channels"),
        ("pixelshuffle:3", r"blocks of 3x3 take a multiple of 9 channels, not 12"),
        ("pixelunshuffle:4", r"blocks of 4x4 do not divide a map of 6x10"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        output_shape(parse_layer(text), [SHAPE])


# ---- what they see -------------------------------------------------------------------------------


def seen(text: str, axis: int, output: int, size: tuple[int, int]) -> Seen:
    """The positions of the input that change an output, by changing one after the other."""
    x = np.zeros((4, *size))
    places = []
    for position in range(size[axis]):
        marked = x.copy()
        marked.swapaxes(0, axis + 1)[position] = 1
        result = run(text, marked) - run(text, x)
        if result.swapaxes(0, axis + 1)[output].any():
            places.append(position)
    return (places[0], places[-1]) if places else None


@pytest.mark.parametrize(
    "text", ["crop:0.1.1.0", "pad:2.1.0.3,mode=constant:5", "pixelshuffle:2", "pixelunshuffle:2"]
)
def test_an_output_depends_on_what_its_field_says(text: str) -> None:
    size = (6, 8)
    report = walk([text], (4, *size)).layers[-1]
    for axis in (0, 1):
        for output in range(report.output[1 + axis]):
            interval = report.fields[axis].at(output)
            assert interval is not None
            inside = max(interval[0], 0), min(interval[1], size[axis] - 1)
            found = seen(text, axis, output, size)
            assert found == (inside if inside[0] <= inside[1] else None)


def test_a_map_of_another_shape_sees_the_whole_input() -> None:
    found = walk(["conv:3,p=1", "reshape:5x2x10"], (1, 10, 10)).layers[-1]
    assert (found.receptive_field, found.local_receptive_field) == ((10, 10), (0, 0))
    assert found.coverage == (10, 10)
    assert not found.is_map
    kept = walk(["conv:3,p=1", "reshape:1x10x10"], (1, 10, 10)).layers[-1]
    assert (kept.receptive_field, kept.is_map) == ((3, 3), True)


# ---- other libraries -----------------------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.parametrize("text", [text for text in TEXTS if "magnitude" not in text])
def test_the_code_for_pytorch_does_the_same(text: str) -> None:
    nn, torch = require_peer("torch.nn"), require_peer("torch")
    layer, x = parse_layer(text), reals(4, *SHAPE)
    output = output_shape(layer, [SHAPE])
    if text.startswith("slice") or "dcr" in text:
        return
    code = layer.operation.torch(layer, SHAPE, output)
    modules = eval(f"nn.Sequential({code})", {"nn": nn})
    expected = modules(torch.from_numpy(x)[None])[0].numpy()
    assert_array_equal(run(text, x), expected)


ONNX_NODES: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("pixelshuffle:2", "DepthToSpace", {"blocksize": 2, "mode": "CRD"}, []),
    ("pixelshuffle:2,dcr", "DepthToSpace", {"blocksize": 2}, []),
    ("pixelunshuffle:2,dcr", "SpaceToDepth", {"blocksize": 2}, []),
    ("slice:1..9,step=3", "Slice", {}, [[1], [9], [1], [3]]),
    ("crop:1.2.3.4", "Slice", {}, [[1, 3], [4, 6], [2, 3]]),
    ("pad:1.3.2.4", "Pad", {}, [[0, 0, 1, 2, 0, 0, 3, 4]]),
    ("pad:1.3.2.4,mode=reflect", "Pad", {"mode": "reflect"}, [[0, 0, 1, 2, 0, 0, 3, 4]]),
    ("pad:1.3.2.4,mode=edge", "Pad", {"mode": "edge"}, [[0, 0, 1, 2, 0, 0, 3, 4]]),
    ("pad:1.3.2.4,mode=wrap", "Pad", {"mode": "wrap"}, [[0, 0, 1, 2, 0, 0, 3, 4]]),
    ("flatten", "Flatten", {}, []),
    ("reshape:6x4x30", "Reshape", {}, [[0, 6, -1, 30]]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "operator", "attributes", "more"), ONNX_NODES)
def test_they_are_those_of_onnx(
    text: str, operator: str, attributes: dict[str, Any], more: list[Any]
) -> None:
    helper, reference = require_peer("onnx.helper"), require_peer("onnx.reference")
    names = ["x", *(f"a{number}" for number in range(len(more)))]
    node = helper.make_node(operator, names, ["y"], **attributes)
    x = reals(5, *SHAPE).astype(np.float32)
    feeds = {"x": x[np.newaxis]} | {
        name: np.array(values) for name, values in zip(names[1:], more, strict=True)
    }
    (expected,) = reference.ReferenceEvaluator(node).run(None, feeds)
    assert_allclose(run(text, x), expected[0])
