"""How each figure of a layer comes about: the formula with its numbers put in.

What a student would write down: of sizes, receptive fields, parameters and MACs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convcli.arithmetic.geometry import Axis, formula
from convcli.arithmetic.graph import INPUT
from convcli.arithmetic.layers import (
    Layer,
)
from convcli.arithmetic.network import FLOAT_BYTES, LayerReport, Walk
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.receptive_field import ReceptiveField
from convcli.arithmetic.values import Shape, format_shape

MAX_SHOWN_PHASES = 16  # phases of a transposed convolution


def size_formula(axis: Axis) -> str:
    """The formula of an output size, in letters.

    >>> size_formula(Axis(size=5, kernel=3))
    'floor((i + before + after - d*(k - 1) - 1) / s) + 1'
    """
    if axis.transposed:
        return "(i - 1)*s - before - after + d*(k - 1) + op + 1"
    rounding = "ceil" if axis.ceil_mode else "floor"
    return f"{rounding}((i + before + after - d*(k - 1) - 1) / s) + 1"


def size_working(axis: Axis) -> str:
    """The formula with its numbers put in, and the result.

    >>> size_working(Axis(size=32, kernel=3, stride=2, before=1, after=1))
    'floor((32 + 1 + 1 - 1*(3 - 1) - 1) / 2) + 1 = 16'
    """
    rounded_up = -(-axis.slack // axis.stride) + 1
    if axis.ceil_mode and rounded_up != axis.output:
        reason = "less 1: the last window would start in the padding"
        return f"{formula(axis)} = {rounded_up}, {reason} = {axis.output}"
    return f"{formula(axis)} = {axis.output}"


def cost_workings(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    """How a layer's parameters and MACs come about; nothing where it has none.

    >>> from convcli.arithmetic.notation import parse_layer
    >>> cost_workings(parse_layer("conv:3,c=64"), (3, 32, 32), (64, 30, 30))["params"]
    '64*(3/1)*3*3 + 64 = 1,792'
    """
    operation = layer.operation
    formulas = operation.cost_formulas(layer, shape, output)
    results = {
        "params": operation.parameters(layer, shape),
        "MACs": operation.macs(layer, shape, output),
    }
    return {name: f"{text} = {results[name]:,}" for name, text in formulas.items()}


def explain_walk(walk: Walk, *, costs: bool = True) -> str:
    """Every layer of a walk, each figure with its formula; its costs only if asked for."""
    return "\n\n".join(_block(walk, place, costs=costs) for place in range(len(walk.layers)))


def _block(walk: Walk, place: int, *, costs: bool) -> str:
    walked = walk.layers[place]
    lines = {**_sizes(walked), **_seen(walk, walked)}
    if costs:
        lines |= cost_workings(walked.layer, walked.inputs[0], walked.output)
        lines["bytes"] = f"{FLOAT_BYTES}*{'*'.join(map(str, walked.output))} = {walked.bytes:,}"
    given = " and ".join(format_shape(shape) for shape in walked.inputs)
    title = f"{place + 1}. {walked.name}: {format_layer(walked.layer)}"
    return f"{title}\n   {given} -> {format_shape(walked.output)}\n{align(lines)}"


def align(lines: Mapping[str, str]) -> str:
    """Named lines, indented, their texts one below the other."""
    wide = max(map(len, lines), default=0)
    return "\n".join(f"   {what.ljust(wide)}  {text}" for what, text in lines.items())


def _sizes(walked: LayerReport) -> dict[str, str]:
    if not walked.layer.operation.is_window:
        return {}
    shape = walked.inputs[0]
    axes = walked.layer.window.axes((shape[1], shape[2]))
    return _by_side([size_working(axis) for axis in axes], "height", "width")


def _seen(walk: Walk, walked: LayerReport) -> dict[str, str]:
    """The receptive field, jump and start: of rows and columns apart where they differ."""
    before = [_sights(walk, place) for place in walked.places]
    lines: dict[str, str] = {}
    shape = walked.inputs[0]
    for what in ("rf", "jump", "start", "padding"):
        texts = []
        for side, sight in enumerate(walked.fields):
            if walked.layer.operation.is_window:
                axis = walked.layer.window.axes((shape[1], shape[2]))[side]
                workings = _window_workings(axis, before[0][side], sight)
            elif walked.layer.operation.is_join:
                workings = _join_workings([fields[side] for fields in before], sight)
            else:
                return lines
            texts.append(workings[what])
        lines |= _by_side(texts, f"{what} (h)", f"{what} (w)", both=what)
    return lines


def _window_workings(axis: Axis, before: ReceptiveField, after: ReceptiveField) -> dict[str, str]:
    extent, reach = axis.effective_kernel, f"({axis.effective_kernel} - 1)"
    if axis.transposed:
        field = f"the widest of {len(after.phases)} phases: {_phases(after)}"
        jump = f"{before.jump}/{axis.stride} = {after.jump}"
        start = f"{before.start} + ({axis.before} - {reach}/2)*{after.jump} = {after.start}"
    else:
        field = f"{before.receptive_field} + {reach}*{before.jump} = {after.receptive_field}"
        if before.receptive_field + (extent - 1) * before.jump != after.receptive_field:
            field = f"the widest of {len(after.phases)} phases: {_phases(after)}"
        jump = f"{before.jump}*{axis.stride} = {after.jump}"
        start = f"{before.start} + ({reach}/2 - {axis.before})*{before.jump} = {after.start}"
    return {"rf": field, "jump": jump, "start": start, "padding": _padding(after)}


def _join_workings(branches: Sequence[ReceptiveField], after: ReceptiveField) -> dict[str, str]:
    fields = ", ".join(str(branch.receptive_field) for branch in branches)
    paddings = ", ".join(str(branch.effective_padding) for branch in branches)
    starts = ", ".join(str(branch.start) for branch in branches)
    return {
        "rf": f"the union of {fields} with padding {paddings} = {after.receptive_field}",
        "jump": f"that of every branch = {after.jump}",
        "start": f"from {starts} = {after.start}" + ("" if after.aligned else ", not aligned"),
        "padding": _padding(after),
    }


def _padding(sight: ReceptiveField) -> str:
    return f"({sight.receptive_field} - 1)/2 - {sight.start} = {sight.effective_padding}"


def _phases(sight: ReceptiveField) -> str:
    shown = [str(seen[1] - seen[0] + 1 if seen else 0) for seen in sight.phases[:MAX_SHOWN_PHASES]]
    more = ", ..." if len(sight.phases) > MAX_SHOWN_PHASES else ""
    return f"{', '.join(shown)}{more} = {sight.receptive_field}"


def _sights(walk: Walk, place: int) -> tuple[ReceptiveField, ReceptiveField]:
    return (
        (ReceptiveField.of_input(), ReceptiveField.of_input())
        if place == INPUT
        else walk.layers[place].fields
    )


def _by_side(
    texts: Sequence[str], rows: str, columns: str, both: str | None = None
) -> dict[str, str]:
    """One line where both axes are alike, else a line each."""
    if texts[0] == texts[1]:
        return {both or f"{rows}, {columns}": texts[0]}
    return {rows: texts[0], columns: texts[1]}
