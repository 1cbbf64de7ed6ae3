"""What an output depends on, by changing one input position after the other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from convcli.arithmetic.intervals import input_interval
from convcli.arithmetic.layers import OPERATIONS, output_shape
from convcli.arithmetic.notation import parse_layer
from convcli.engine.operations import find_function

SHAPE = (4, 4, 5)
FAMILIES = ("elementwise", "normalization")
LAYERS = [
    *(found.example for found in OPERATIONS.values() if found.family in FAMILIES),
    *(
        f"{op}:axes={axes}"
        for op in ("layernorm", "softmax")
        for axes in ("c", "h", "w", "hw", "chw")
    ),
    *("globalmaxpool", "globalavgpool", "adaptiveavgpool:2", "adaptivemaxpool:2x3"),
    *("maxpool:2,s=1,p=1", "avgpool:3,s=2,p=1"),
]


@pytest.mark.parametrize("text", LAYERS)
def test_an_output_depends_on_what_the_axes_say(text: str) -> None:
    layer, random = parse_layer(text), np.random.default_rng(2)
    operation, x = layer.operation, random.uniform(0.5, 1.5, SHAPE)
    shapes = operation.weights(layer, SHAPE) | operation.statistics(layer, SHAPE)
    weights = {name: random.uniform(0.5, 1.5, shape) for name, shape in shapes.items()}
    function, axes = find_function(operation), operation.axes(layer, [SHAPE])
    before = function(layer, [x], weights)
    rows, columns = output_shape(layer, [SHAPE])[1:]
    changed = np.zeros((rows, columns, *SHAPE[1:]), bool)
    for row, column in np.ndindex(SHAPE[1:]):
        for factor in (0.1, 10):  # one of which is seen by a largest value
            other = x.copy()
            other[:, row, column] = other[::-1, row, column] * factor
            difference = function(layer, [other], weights) != before
            changed[:, :, row, column] |= difference.any(axis=0)
    for row, column in product(range(rows), range(columns)):
        expected = np.zeros(SHAPE[1:], bool)
        ends = [(row, row), (column, column)]
        if axes is not None:
            ends = [
                input_interval(axis, end) or (0, -1) for axis, end in zip(axes, ends, strict=True)
            ]
        (top, bottom), (left, right) = ((max(low, 0), high + 1) for low, high in ends)
        expected[top:bottom, left:right] = True
        np.testing.assert_array_equal(changed[row, column], expected)
