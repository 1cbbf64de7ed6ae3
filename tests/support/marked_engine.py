"""What outputs depend on, by running the engine's functions: one row of the input is changed, and
the outputs that change with it depend on it.

Weights are random and positive, and so is the input: then nothing cancels, and a changed value is
the largest of its window (or, changed the other way, the smallest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from convcli.arithmetic.layers import OPERATIONS, Layer, output_shape
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT, input_indices, parse_layer
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.values import Shape
from convcli.engine.operations import find_function
from convcli.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[np.float64]]

CHANNELS = 8
# Those that do not run; of equal inputs, the differences and quotients that do not change; and
# exp, of which the changed value is infinite.
LEFT_OUT = {name for name, one in OPERATIONS.items() if one.is_opaque or one.is_source}
LEFT_OUT |= {"sub", "div", "exp"}
SMALL = 1e-6  # a relative difference that rounding makes
CHANGE = 1e6


@dataclass(frozen=True)
class Drawn:
    """A network that its input fits through."""

    layers: tuple[Layer, ...]
    shape: Shape

    def walk(self) -> Walk:
        return walk(self.layers, self.shape)


@st.composite
def drawn_networks(draw: st.DrawFn, most: int = 5) -> Drawn:
    """A random network of any operations that there are, each as its example or with a window."""
    shape = (CHANNELS, draw(st.integers(5, 11)), draw(st.integers(5, 11)))
    layers: tuple[Layer, ...] = ()
    for number in range(draw(st.integers(2, most))):
        name = draw(st.sampled_from(sorted(OPERATIONS.keys() - LEFT_OUT)))
        name = draw(st.sampled_from([name] * 3 + ["conv", "maxpool", "tconv", "mul", "add"]))
        layer = draw(_layer(name, [INPUT, *range(number)]))
        longer = (*layers, layer._replace(name=f"l{number}"))
        try:
            found = walk(longer, shape)
        except ArgumentError:
            continue
        output = found.output
        if len(output) != 3 or max(output[1:]) <= 24 >= output[0]:
            layers = longer
    return Drawn(layers or (parse_layer("relu"),), shape)


@st.composite
def _layer(draw: st.DrawFn, name: str, earlier: Sequence[int]) -> Layer:
    operation = OPERATIONS[name]
    layer = parse_layer(operation.example)
    names = st.sampled_from(["input" if index == INPUT else f"l{index}" for index in earlier])
    if operation.is_join:
        return layer._replace(sources=(draw(names), draw(names)))
    if draw(st.integers(0, 3)) == 0:
        layer = layer._replace(sources=(draw(names),))
    if layer.like is not None:
        return layer._replace(like=draw(names))
    if not operation.is_window:
        return layer._replace(mode="zero")
    sides, steps = st.integers(1, 4), st.integers(1, 3)
    pads = st.integers(0, 2)
    layer = layer._replace(
        kernel=(draw(sides), draw(sides)),
        stride=(draw(steps), draw(steps)),
        dilation=draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (3, 2)])),
        padding=((draw(pads), draw(pads)), (draw(pads), draw(pads))),
    )
    return layer if layer.channels is None else layer._replace(channels=CHANNELS)


def _weights(layer: Layer, shape: Shape, random: np.random.Generator) -> dict[str, Array]:
    operation = layer.operation
    shapes = operation.weights(layer, shape) | operation.statistics(layer, shape)
    return {name: random.uniform(0.5, 1, size) / prod(size[1:]) for name, size in shapes.items()}


class Engine:
    """A network with weights, whose outputs of all layers are computed."""

    def __init__(self, drawn: Drawn) -> None:
        self._layers, self._indices = drawn.layers, input_indices(drawn.layers)
        random = np.random.default_rng(1)
        self._input = random.uniform(0.4, 0.6, drawn.shape)
        self._changes = random.uniform(1, 2, drawn.shape) * CHANGE
        self._weights: list[dict[str, Array]] = []
        for layer, indices in zip(self._layers, self._indices, strict=True):
            shapes = [drawn.shape, *(one.output for one in drawn.walk().layers)]
            self._weights.append(_weights(layer, shapes[indices[0] + 1], random))
        self._outputs = self._run(self._input)

    def _run(self, x: Array) -> list[Array]:
        outputs = [x]
        for layer, indices, weights in zip(self._layers, self._indices, self._weights, strict=True):
            inputs = [outputs[index + 1] for index in indices]
            with np.errstate(all="ignore"):
                outputs.append(find_function(layer.operation)(layer, inputs, weights))
            assert outputs[-1].shape == output_shape(layer, [one.shape for one in inputs])
        return outputs[1:]

    def seen(self, axis: int) -> list[list[set[int]]]:
        """Of each layer, for each of its outputs along an axis, the input's positions."""
        found: list[list[set[int]]] = [
            [set() for _ in range(one.shape[axis] if one.ndim == 3 else 1)] for one in self._outputs
        ]
        for position in range(self._input.shape[axis]):
            where = [slice(None)] * 3
            where[axis] = slice(position, position + 1)
            for sign in (1, -1):
                x = self._input.copy()
                x[tuple(where)] += sign * self._changes[tuple(where)]
                for layer, after in enumerate(self._run(x)):
                    for output in _changed(self._outputs[layer], after, axis):
                        found[layer][output].add(position)
        return found

    def pixels(self, layer: int, at: tuple[int, int]) -> set[tuple[int, int]]:
        """The rows and columns of the input that an output of a layer depends on."""
        found = set()
        before = self._outputs[layer][:, at[0], at[1]]
        for pixel in np.ndindex(*self._input.shape[1:]):
            where = (slice(None), *pixel)
            for sign in (1, -1):
                x = self._input.copy()
                x[where] += sign * self._changes[where]
                after = self._run(x)[layer][:, at[0], at[1]]
                if _differs(before, after).any():
                    found.add((pixel[0], pixel[1]))
        return found


def _differs(before: Array, after: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where values differ by more than rounding does."""
    with np.errstate(all="ignore"):
        is_close = np.abs(after - before) <= SMALL * np.abs(before)
    differs: np.ndarray[Any, np.dtype[np.bool_]] = ~(is_close | (after == before))
    return differs  # infinite ones may be the same, too


def _changed(before: Array, after: Array, axis: int) -> list[int]:
    """The outputs along an axis that differ by more than rounding does."""
    differs = _differs(before, after)
    if before.ndim == 1:
        return [0] if differs.any() else []
    others = tuple(one for one in range(3) if one != axis)
    return [int(one) for one in np.flatnonzero(differs.any(axis=others))]
