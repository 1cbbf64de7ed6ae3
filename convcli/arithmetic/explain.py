"""The layers of a network as formulas of all that follows from them, with their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convcli.arithmetic.footprint import FLOAT32, Storage
from convcli.arithmetic.formulas import align, cost_calculations, size_calculation
from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.notation import INPUT, format_layer
from convcli.arithmetic.receptive_field import ReceptiveField
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.arithmetic.values import DTYPE_BITS, format_shape, format_shapes, map_size

MAX_SHOWN_PHASES = 16


def explain_walk(walk: Walk, storage: Storage = FLOAT32, *, costs: bool = True) -> str:
    """Return every layer of a walk as a block of formulas, those of its costs if asked for."""
    blocks = (_block(walk, index, storage, costs=costs) for index in range(len(walk.layers)))
    return "\n\n".join(blocks)


def _block(walk: Walk, index: int, storage: Storage, *, costs: bool) -> str:
    report = walk.layers[index]
    lines = {**_size_lines(report), **_field_lines(walk, report)}
    if costs:
        lines |= cost_calculations(report.layer, report.inputs[0], report.output)
        lines["bytes"] = _bytes_calculation(report, storage)
    title = f"{index + 1}. {report.name}: {format_layer(report.layer)}"
    shapes = f"{format_shapes(report.inputs)} -> {format_shape(report.output)}"
    return f"{title}\n   {shapes}\n{align(lines)}"


def _bytes_calculation(report: LayerReport, storage: Storage) -> str:
    """Return the bytes of a value, times the batch, times the values of the output."""
    bits = DTYPE_BITS[storage.dtype]
    batch = [] if storage.batch == 1 else [storage.batch]
    values = "*".join(map(str, [*batch, *report.output]))
    product = f"{bits // 8}*{values}" if bits % 8 == 0 else f"ceil({bits}*{values} / 8)"
    return f"{product} = {storage.map_bytes(math.prod(report.output)):,}"


def _window_axes(report: LayerReport) -> tuple[Axis, Axis]:
    return report.layer.window.axes((report.inputs[0][1], report.inputs[0][2]))


def _size_lines(report: LayerReport) -> dict[str, str]:
    if not report.layer.operation.is_window:
        return {}
    rows, columns = map(size_calculation, _window_axes(report))
    return _merge_axes(rows, columns, "height", "width", both="height, width")


def _field_lines(walk: Walk, report: LayerReport) -> dict[str, str]:
    """Return the receptive field, jump, start and effective padding, of a window or a join."""
    operation = report.layer.operation
    if report.fields is None:
        return {"rf": "unknown"}
    if not operation.is_window and not operation.is_join:
        return {}
    calculations = []
    for side, after in enumerate(report.fields):
        before = _fields_before(walk, report, side)
        if operation.is_join:
            texts = _join_calculations(before, after)
        else:
            texts = _window_calculations(_window_axes(report)[side], before[0], after)
        texts["eff. padding"] = (
            f"({after.receptive_field} - 1)/2 - {after.start} = {after.effective_padding}"
            if after.slides
            else f"the rows or columns before 0 = {after.effective_padding}"
        )
        if after.constant is not None and report.receptive_field is not None:
            first, last = after.constant
            seen = f"the window of {after.receptive_field} and, for all outputs, {first}..{last}"
            texts = {
                "rf": f"{seen}, within the input = {report.receptive_field[side]}",
                "local rf": texts.pop("rf"),
                **texts,
            }
        calculations.append(texts)
    lines: dict[str, str] = {}
    for name in dict.fromkeys(name for texts in calculations for name in texts):
        rows, columns = (texts.get(name) for texts in calculations)
        lines |= _merge_axes(rows, columns, f"{name} (h)", f"{name} (w)", both=name)
    return lines


def _fields_before(walk: Walk, report: LayerReport, side: int) -> list[ReceptiveField]:
    """Return the fields of the inputs along one axis, without those of maps that are spread."""
    found = []
    for index, shape in zip(report.indices, report.inputs, strict=True):
        fields = None if index == INPUT else walk.layers[index].fields
        field = ReceptiveField.of_input() if fields is None else fields[side]
        is_spread = map_size(shape)[side] == 1 < map_size(report.output)[side]
        if not (report.layer.operation.is_join and is_spread):
            found.append(field)
    return found


def _window_calculations(
    axis: Axis, before: ReceptiveField, after: ReceptiveField
) -> dict[str, str]:
    extent = f"({axis.effective_kernel} - 1)"
    phases = f"the widest of {len(after.phases)} phases: {_phase_sizes(after)}"
    if axis.transposed:
        field = phases
        jump = f"{before.jump}/{axis.stride} = {after.jump}"
        start = f"{before.start} + ({axis.before} - {extent}/2)*{after.jump} = {after.start}"
    else:
        grown = before.receptive_field + (axis.effective_kernel - 1) * before.jump
        field = f"{before.receptive_field} + {extent}*{before.jump} = {after.receptive_field}"
        field = field if grown == after.receptive_field else phases
        jump = f"{before.jump}*{axis.stride} = {after.jump}"
        start = f"{before.start} + ({extent}/2 - {axis.before})*{before.jump} = {after.start}"
    return {"rf": field, "jump": jump, "start": start}


def _join_calculations(branches: Sequence[ReceptiveField], after: ReceptiveField) -> dict[str, str]:
    branches = [branch for branch in branches if branch.slides]
    if not branches:
        return {"rf": "the union of none = 0", "jump": "that of none = 0"}
    jumps = list(dict.fromkeys(branch.jump for branch in branches))
    is_one_jump = len(jumps) == 1
    fields = ", ".join(str(branch.receptive_field) for branch in branches)
    paddings = ", ".join(str(branch.effective_padding) for branch in branches)
    starts = ", ".join(str(branch.start) for branch in branches)
    return {
        "rf": f"the union of {fields} with padding {paddings} = {after.receptive_field}",
        "jump": (
            f"that of every branch = {after.jump}"
            if is_one_jump
            else f"of {', '.join(map(str, jumps))}, that of a map not resampled = {after.jump}"
            if after.is_resampled
            else f"the largest of {', '.join(map(str, jumps))}, rounded up = {after.jump}"
        ),
        "start": f"from {starts} = {after.start}" + ("" if after.aligned else ", not aligned"),
    }


def _phase_sizes(field: ReceptiveField) -> str:
    phases = field.phases[:MAX_SHOWN_PHASES]
    sizes = [str(phase[1] - phase[0] + 1 if phase else 0) for phase in phases]
    more = ", ..." if len(field.phases) > MAX_SHOWN_PHASES else ""
    return f"{', '.join(sizes)}{more} = {field.receptive_field}"


def _merge_axes(
    rows: str | None, columns: str | None, height: str, width: str, *, both: str
) -> dict[str, str]:
    """Return one line if both axes have the same text, else one for each that has any."""
    lines = {both: rows} if rows == columns else {height: rows, width: columns}
    return {name: text for name, text in lines.items() if text is not None}
