"""The receptive fields of a layer's outputs along both axes, from those of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.operations import AxisMap
from convcli.arithmetic.receptive_field import (
    ReceptiveField,
    distinct_jumps,
    distinct_starts,
    have_one_jump,
    union,
    union_at_one_position,
)
from convcli.arithmetic.values import Shape, map_size

Fields: TypeAlias = tuple[ReceptiveField, ReceptiveField]  # along the rows, along the columns


def fields_of_input() -> Fields:
    """Return those of an input: each position depends on itself."""
    field = ReceptiveField.of_input()
    return field, field


def output_fields(
    layer: Layer,
    axes: tuple[AxisMap, AxisMap] | None,
    inputs: Sequence[Shape],
    output: Shape,
    before: Sequence[Fields | None],
) -> Fields | None:
    """Return the receptive fields of the outputs, from those of the inputs; None if unknown."""
    operation = layer.operation
    known = [fields for fields in before if fields is not None]
    if operation.is_opaque or (len(known) < len(before) and (operation.is_join or not before[0])):
        return None
    if operation.is_join:
        sizes, outputs = list(map(map_size, inputs)), map_size(output)
        along_rows, along_columns = (
            ([fields[side] for fields in known], [size[side] for size in sizes], outputs[side])
            for side in (0, 1)
        )
        joined = _join(*along_rows)
        return joined, joined if along_rows == along_columns else _join(*along_columns)
    rows, columns = known[0]
    if axes is None:
        if len(inputs[0]) < len(output) == 3:  # flat values as a map, each position of them all
            height, width = map_size(output)
            return _join([rows], [1], height), _join([columns], [1], width)
        return known[0]
    after = rows.after(axes[0])
    is_square = rows == columns and axes[0] == axes[1]
    return after, after if is_square else columns.after(axes[1])


def _join(branches: list[ReceptiveField], sizes: list[int], output: int) -> ReceptiveField:
    """Return the field of a join along one axis; what has one position there is spread over it."""
    if output == 1:
        return union_at_one_position(branches)
    if 1 in sizes:
        branches = [
            ReceptiveField.of_constant(field.at(0)) if size == 1 else field
            for field, size in zip(branches, sizes, strict=True)
        ]
    return union(branches, output)


def join_notes(
    before: Sequence[Fields | None], inputs: Sequence[Shape], output: Shape
) -> tuple[str, ...]:
    """Say where the branches of a join have different jumps or centers."""
    if None in before:
        return ()
    for side, axis in enumerate(("rows", "columns")):
        count = map_size(output)[side]
        branches = [
            fields[side]
            for fields, shape in zip(before, inputs, strict=True)
            if fields is not None and fields[side].slides and (count == map_size(shape)[side])
        ]
        if branches and not have_one_jump(branches):
            jumps = distinct_jumps(branches)
            found = " and ".join(map(str, jumps))
            if count > 1:
                return (f"its branches drift apart, by resampling: their jumps are {found}",)
            return (f"its branches, of one position, come from maps with different jumps: {found}",)
        if any(branch.start != branches[0].start for branch in branches):
            starts = distinct_starts(branches)
            found = " and ".join(map(str, starts))
            return (f"its branches are not aligned: their first {axis} are centered on {found}",)
    return ()
