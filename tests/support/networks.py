"""Networks with random weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convcli import Network
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array


def random_network(layers: Sequence[Layer | str], shape: Shape, seed: int = 0) -> Network:
    """Return a network of one input with random weights that keep values near 1."""
    random = np.random.default_rng(seed)
    stack = [parse_layer(layer) if isinstance(layer, str) else layer for layer in layers]
    weights: dict[str, dict[str, Array]] = {}
    for report in walk(stack, shape).layers:
        operation, before = report.layer.operation, report.inputs[0]
        shapes = operation.weights(report.layer, before)
        shapes |= operation.statistics(report.layer, before)
        arrays = {name: _random_array(random, name, size) for name, size in shapes.items()}
        if arrays and report.layer.spec is None:
            weights[report.name] = arrays
    return Network("random", stack, inputs={"input": shape}, weights=weights)


def _random_array(random: np.random.Generator, name: str, shape: Shape) -> Array:
    values = random.standard_normal(shape).astype(np.float32)
    if name == "weight":
        return values / np.float32(math.sqrt(math.prod(shape[1:])))
    return np.exp(values / 4) if name in ("scale", "variance") else values / 4
