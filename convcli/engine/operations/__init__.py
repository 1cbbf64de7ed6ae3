"""The operations of the notation on arrays: a function each, in the module of its family.

A function takes the layer, its inputs, and its weights by their names, as the record of the
operation has them in `weights` and `statistics`. Inputs and output are maps, (C, H, W), or (N,)
once flat; there are several inputs for a join, and for `crop:like=NAME` the input and the output of
that layer. float32 stays float32. Inputs are not changed; an output may share their memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from convcli.engine.arrays import Array

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer
    from convcli.arithmetic.operations import Operation

Weights: TypeAlias = Mapping[str, Array]
LayerFunction: TypeAlias = "Callable[[Layer, Sequence[Array], Weights], Array]"

NO_WEIGHTS: Weights = {}
FUNCTIONS: dict[str, LayerFunction] = {}  # of the families that were used so far


def find_function(operation: Operation) -> LayerFunction:
    """Return the function of an operation; its family's module is loaded when it is first used."""
    if operation.name not in FUNCTIONS:
        FUNCTIONS.update(import_module(f"{__name__}.{operation.family}").FUNCTIONS)
    return FUNCTIONS[operation.name]


def on_each_value(function: Callable[[Array], Array]) -> LayerFunction:
    """Return the function of an operation that applies a function to each value."""
    return lambda _, inputs, __: function(inputs[0])
