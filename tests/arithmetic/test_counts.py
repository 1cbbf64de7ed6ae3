"""How often each position is used is what sliding a window over it counts."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from support.oracles import Geometry, geometries, transposes
from support.peers import require_peer

from convcli.arithmetic.counts import count_uses
from convcli.arithmetic.layers import Layer, measure
from convcli.arithmetic.notation import parse_layer


@given(geometries())
def test_each_pixel_is_counted_once_for_each_window_that_it_is_in(geometry: Geometry) -> None:
    layer = Layer(
        op="conv", kernel=geometry.kernel, stride=geometry.stride, padding=geometry.padding
        if isinstance(geometry.padding, str) else geometry.sides, dilation=geometry.dilation,
    )  # fmt: skip
    counted = np.zeros(geometry.size, int)
    for at in np.ndindex(*geometry.output):
        for tap in np.ndindex(*geometry.kernel):
            row, column = (
                at[axis] * geometry.stride[axis] + tap[axis] * geometry.dilation[axis]
                - geometry.sides[axis][0] for axis in (0, 1)
            )  # fmt: skip
            if 0 <= row < geometry.size[0] and 0 <= column < geometry.size[1]:
                counted[row, column] += 1
    found = count_uses(measure(layer, geometry.size))
    assert found.pixels == counted.tolist()
    assert (found.least, found.most) == (counted.min(), counted.max())
    assert found.unused == (counted == 0).sum()


@given(transposes())
def test_each_pixel_of_a_transposed_convolution_is_counted_for_each_output_that_it_adds_to(
    asked: tuple[dict[str, Any], tuple[int, int], tuple[int, int]],
) -> None:
    settings, kernel, size = asked
    layer = Layer(op="tconv", kernel=kernel, **settings)
    output = layer.window.output(size)
    counted = np.zeros(size, int)
    for at, tap in product(np.ndindex(*size), np.ndindex(*kernel)):
        row, column = (
            at[axis] * settings["stride"][axis] + tap[axis] * settings["dilation"][axis]
            - settings["padding"][axis][0] for axis in (0, 1)
        )  # fmt: skip
        counted[at] += 0 <= row < output[0] and 0 <= column < output[1]
    assert count_uses(measure(layer, size)).pixels == counted.tolist()


def test_a_window_that_ceil_adds_counts_the_pixels_that_it_holds() -> None:
    counts = count_uses(measure(parse_layer("maxpool:2,s=2,ceil"), (5, 4)))
    assert counts == ((1, 1, 1, 1, 1), (1, 1, 1, 1))


@pytest.mark.peers
def test_counts_are_the_gradient_of_the_sum_of_a_convolution_with_ones() -> None:
    torch = require_peer("torch")
    for size, kernel, stride, padding, dilation in product(
        (5, 8), (1, 3), (1, 2, 4), (0, 2), (1, 2)
    ):
        x = torch.zeros(1, 1, size, size + 1, requires_grad=True)
        ones = torch.ones(1, 1, kernel, kernel)
        settings = {"stride": stride, "padding": padding, "dilation": dilation}
        torch.nn.functional.conv2d(x, ones, **settings).sum().backward()
        layer = parse_layer(f"conv:{kernel},s={stride},p={padding},d={dilation}")
        found = count_uses(measure(layer, (size, size + 1)))
        assert found.pixels == x.grad[0, 0].tolist()
