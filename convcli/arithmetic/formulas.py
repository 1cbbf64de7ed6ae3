"""The formulas of a layer's size, parameters and MACs, with their numbers and results."""

from __future__ import annotations

from collections.abc import Mapping

from convcli.arithmetic.geometry import Axis, formula
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Shape


def size_calculation(axis: Axis) -> str:
    """Return the formula of an output size with its numbers, and the result.

    >>> size_calculation(Axis(size=32, kernel=3, stride=2, before=1, after=1))
    'floor((32 + 1 + 1 - 1*(3 - 1) - 1) / 2) + 1 = 16'
    """
    rounded_up = -(-axis.slack // axis.stride) + 1
    if axis.ceil_mode and rounded_up != axis.output:
        reason = "less 1: the last window would start in the padding"
        return f"{formula(axis)} = {rounded_up}, {reason} = {axis.output}"
    return f"{formula(axis)} = {axis.output}"


def cost_calculations(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    """Return the formulas of a layer's parameters and MACs with their numbers, and the results.

    >>> from convcli.arithmetic.notation import parse_layer
    >>> cost_calculations(parse_layer("conv:3,c=64"), (3, 32, 32), (64, 30, 30))["params"]
    '64*(3/1)*3*3 + 64 = 1,792'
    """
    operation = layer.operation
    formulas = operation.cost_formulas(layer, shape, output)
    results = {
        "params": operation.parameters(layer, shape),
        "MACs": operation.macs(layer, shape, output),
    }
    return {name: f"{text} = {results[name]:,}" for name, text in formulas.items()}


def align(lines: Mapping[str, str]) -> str:
    """Return lines of a name and a text each, indented, the texts in one column."""
    width = max(map(len, lines), default=0)
    return "\n".join(f"   {name.ljust(width)}  {text}" for name, text in lines.items())
