"""Operations that can overwrite an input with their output: those that would else copy a map.

Each gives the values that its function in `FUNCTIONS` gives. It takes the layer, the input that is
overwritten, the other inputs in any order, and the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.operations import NO_WEIGHTS, Weights, find_function

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

INFINITY = float("inf")  # to clip values to it takes a quarter of the time of their maximum with 0

OverwritingFunction: TypeAlias = "Callable[[Layer, Array, Sequence[Array], Weights], object]"


def _add(_: Layer, target: Array, others: Sequence[Array], __: Weights) -> None:
    for other in others:
        target += other


def overwrite(layer: Layer, values: Array) -> None:
    """Run an elementwise operation without weights in place, on values of any shape."""
    function = IN_PLACE.get(layer.op)
    if function is not None:
        function(layer, values, (), NO_WEIGHTS)
        return
    result = find_function(layer.operation)(layer, [values], NO_WEIGHTS)
    if result is not values:
        values[...] = result


IN_PLACE: dict[str, OverwritingFunction] = {
    "relu": lambda _, target, __, ___: np.clip(target, 0, INFINITY, out=target),
    "add": _add,
}
