"""Joins of maps: of one shape, or of a map and what spreads over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import reals, seeds
from support.peers import require_peer

from convcli.arithmetic.layers import OPERATIONS, output_shape
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.errors import ShapeError

VALUES: dict[str, Callable[[Sequence[float]], float]] = {
    "add": math.fsum,
    "mul": math.prod,
    "sub": lambda values: values[0] - values[1],
    "div": lambda values: values[0] / values[1],
    "max": max,
    "min": min,
    "mean": lambda values: math.fsum(values) / len(values),
}
ONNX_NAMES = {"add": "Sum", "mul": "Mul", "sub": "Sub", "div": "Div"}
SHAPES = [
    [(3, 4, 5), (3, 4, 5)],
    [(3, 4, 5), (3, 1, 1)],
    [(1, 4, 5), (3, 4, 5)],
    [(3, 4, 1), (3, 1, 5)],
    [(3, 4, 5), (1, 1, 1)],
    [(6,), (6,)],
    [(6,), (1,)],
]


def join(name: str, inputs: Sequence[Array]) -> Array:
    sources = "+".join(f"x{number}" for number in range(len(inputs)))
    layer = parse_layer(f"{name}:from={sources}")
    result = find_function(layer.operation)(layer, inputs, NO_WEIGHTS)
    assert result.shape == output_shape(layer, [values.shape for values in inputs])
    return result


def test_every_join_of_values_is_tried() -> None:
    joins = [operation.name for operation in OPERATIONS.values() if operation.is_join]
    assert sorted([*VALUES, "concat"]) == sorted(joins)


@st.composite
def shapes(draw: st.DrawFn, count: int) -> list[tuple[int, ...]]:
    """Shapes that spread over one another; only the first has the full size for sure."""
    whole = draw(st.tuples(*[st.integers(1, 4)] * 3))
    masks = [draw(st.tuples(*[st.booleans()] * 3)) for _ in range(count)]
    return [
        tuple(1 if is_one else side for side, is_one in zip(whole, mask, strict=True))
        for mask in masks
    ]


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=25)
@given(st.data(), seeds)
def test_each_value_is_made_of_those_at_its_position(name: str, data: Any, seed: int) -> None:
    count = 2 if name in ("sub", "div") else data.draw(st.integers(2, 4))
    given_shapes = data.draw(shapes(count))
    inputs = [reals(seed + number, *shape) for number, shape in enumerate(given_shapes)]
    found = join(name, inputs)
    for place in np.ndindex(found.shape):
        here = [
            float(values[tuple(np.minimum(place, np.array(values.shape) - 1))]) for values in inputs
        ]
        assert found[place] == pytest.approx(VALUES[name](here), rel=1e-12)


@pytest.mark.parametrize("name", VALUES)
def test_flat_values_beside_a_map_are_one_a_channel(name: str) -> None:
    values, gate = reals(1, 3, 3, 3), reals(2, 3)
    assert_allclose(join(name, [values, gate]), join(name, [values, gate.reshape(3, 1, 1)]))
    assert_allclose(join(name, [gate, values]), join(name, [gate.reshape(3, 1, 1), values]))


@pytest.mark.parametrize("name", VALUES)
def test_float32_stays_and_inputs_are_left_alone(name: str) -> None:
    inputs = [reals(seed, 2, 3, 4).astype(np.float32) for seed in range(2)]
    copies = [values.copy() for values in inputs]
    assert join(name, inputs).dtype == np.float32
    for values, copy in zip(inputs, copies, strict=True):
        assert_array_equal(values, copy)


def test_a_division_by_zero_is_infinite_or_no_number_without_a_warning() -> None:
    found = join("div", [np.array([1.0, -1.0, 0.0]), np.zeros(3)])
    assert_array_equal(found, [np.inf, -np.inf, np.nan])


def test_concat_puts_channels_one_after_the_other() -> None:
    parts = [reals(seed, 1 + seed, 2, 3) for seed in range(3)]
    found = join("concat", parts)
    assert_array_equal(found[0], parts[0][0])
    assert_array_equal(found[1:3], parts[1])
    assert_array_equal(found[3:], parts[2])


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "inputs",
    [
        [(3, 4, 5), (3, 4, 4)],
        [(3, 4, 5), (2, 4, 5)],
        [(3, 4, 5), (4,)],
        [(3,), (2,)],
        [(3, 2, 1), (3, 1, 5), (3, 4, 5)],
    ],
)
def test_maps_that_do_not_fit_are_refused_with_their_shapes(
    name: str, inputs: list[tuple[int, ...]]
) -> None:
    if name in ("sub", "div") and len(inputs) > 2:
        return
    layer = parse_layer(f"{name}:from={'+'.join('abc'[: len(inputs)])}")
    words = rf"^{name} needs inputs of one shape, or of one channel or one position to spread over"
    with pytest.raises(ShapeError, match=words) as refusal:
        output_shape(layer, inputs)
    assert str(refusal.value).endswith("x".join(map(str, inputs[-1])))


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("shapes", SHAPES)
def test_joins_are_those_of_onnx(name: str, shapes: list[tuple[int, ...]]) -> None:
    helper, reference = require_peer("onnx.helper"), require_peer("onnx.reference")
    inputs = [reals(seed, *shape).astype(np.float32) for seed, shape in enumerate(shapes)]
    operator = ONNX_NAMES.get(name, name.capitalize())
    node = helper.make_node(operator, [f"x{number}" for number in range(len(inputs))], ["y"])
    feeds = {f"x{number}": values for number, values in enumerate(inputs)}
    if operator in ("Sum", "Max", "Min", "Mean"):  # whose reference does not spread values
        feeds = dict(zip(feeds, np.broadcast_arrays(*inputs), strict=True))
    (expected,) = reference.ReferenceEvaluator(node).run(None, feeds)
    assert_allclose(join(name, inputs), expected, rtol=1e-6)
