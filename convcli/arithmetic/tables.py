"""What follows from layers and networks, as rows of text and as tables of plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from convcli.arithmetic.documents import map_bytes, summary_document
from convcli.arithmetic.footprint import FLOAT32, Storage
from convcli.arithmetic.layers import LayerSize
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.arithmetic.text_table import format_table
from convcli.arithmetic.values import format_padding, format_shape, format_size

Count: TypeAlias = Callable[[int], str]  # how a number of parameters, MACs or bytes is written

LAYER_HEADINGS = (
    "name", "layer", "output", "rf", "jump", "start", "eff. padding", "dropped", "params", "MACs",
    "bytes",
)  # fmt: skip
SUMMARY_HEADINGS = (
    "name", "input", "output", "rf", "params", "MACs", "activation bytes", "weight bytes",
    "peak bytes",
)  # fmt: skip
TEXT_HEADINGS = ("name", "layer", "op")  # of columns that are aligned left
UNKNOWN = "?"
POSITIONS = ("jump", "start", "effective_padding")
UNITS = "MGTPE"  # of a million and up, by thousands


def format_count(number: int) -> str:
    """Write a count: with separators, and from a million on with two decimals and a unit.

    >>> format_count(1728), format_count(11_689_512), format_count(999_999_999)
    ('1,728', '11.69 M', '1.00 G')
    """
    if number < 1_000_000:
        return f"{number:,}"
    for power, unit in enumerate(UNITS, start=2):
        scale = 1000**power
        hundredths = (200 * number + scale) // (2 * scale)
        if hundredths < 100_000:
            return f"{hundredths // 100}.{hundredths % 100:02} {unit}"
    from decimal import Decimal  # takes long to load, and is rarely needed

    return f"{Decimal(number):.2e}"


def layer_rows(
    walk: Walk, storage: Storage = FLOAT32, *, count: Count = format_count
) -> list[list[str]]:
    """Return a row for every layer, with `LAYER_HEADINGS`, and one for the totals."""
    rows = [_layer_row(report, storage, count) for report in walk.layers]
    last = walk.last_map
    field = ["", "", "", ""] if last is None else _field_cells(last)
    costs = (walk.params, walk.macs, sum(map_bytes(report, storage) for report in walk.layers))
    return [*rows, ["total", "", format_shape(walk.output), *field, "", *map(count, costs)]]


def _layer_row(report: LayerReport, storage: Storage, count: Count) -> list[str]:
    return [
        report.name,
        format_layer(report.layer._replace(name=None)),
        format_shape(report.output),
        *_field_cells(report),
        format_size(report.dropped),
        *map(count, (report.params, report.macs, map_bytes(report, storage))),
    ]


def _field_cells(report: LayerReport) -> list[str]:
    """Return the receptive field with what is really seen, jump, start and effective padding."""
    if report.fields is None:
        return [UNKNOWN] * (1 + len(POSITIONS))
    positions = (getattr(report, name) for name in POSITIONS)
    return [format_field(report), *map(format_size, positions)]


def format_field(report: LayerReport) -> str:
    """Write the receptive field of a layer; with what is seen, if it reaches past the input."""
    if report.fields is None:
        return UNKNOWN
    field = format_size(report.receptive_field)
    if report.has_gate:
        whole = "whole" if report.sees_whole_input else field
        return f"{whole} (local {format_size(report.local_receptive_field)})"
    if report.coverage == report.receptive_field:
        return field
    holes = ", with holes" if report.has_holes else ""
    return f"{field} (sees {format_size(report.coverage)}{holes})"


def summary_row(
    walk: Walk, storage: Storage = FLOAT32, *, count: Count = format_count
) -> list[str]:
    """Return the totals of a network, with `SUMMARY_HEADINGS`."""
    total = summary_document(walk, storage)["total"]
    field = "1" if walk.last_map is None else format_field(walk.last_map)
    names = ("params", "macs", "bytes", "weight_bytes", "peak_bytes")
    costs = [count(total[name]) for name in names]
    shapes = "+".join(map(format_shape, walk.inputs.values()))
    return [walk.name, shapes, format_shape(walk.output), field, *costs]


def walk_table(walk: Walk) -> str:
    """Return the rows of a network as a table of plain text."""
    return format_table(LAYER_HEADINGS, layer_rows(walk), left=TEXT_HEADINGS, total=True)


def report_table(report: LayerReport) -> str:
    """Return the row of a layer as a table of plain text."""
    row = _layer_row(report, FLOAT32, format_count)
    return format_table(LAYER_HEADINGS, [row], left=TEXT_HEADINGS)


def size_rows(
    sizes: Sequence[LayerSize], *, count: Count = format_count
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the sizes of layers, and a row for each."""
    documents = [size.to_dict() for size in sizes]
    for document in documents:
        document.pop("flops", None)  # twice the MACs, which stand beside
    rows = [[_size_cell(*item, count) for item in document.items()] for document in documents]
    return [name.replace("_", " ") for name in documents[0]], rows


def _size_cell(name: str, value: Any, count: Count) -> str:
    if name in ("params", "macs"):
        return count(value)
    if name in ("input", "kernel", "output"):
        return format_shape(value)
    if name == "padding":
        return format_padding(value)
    return value if isinstance(value, str) else format_size(value)


def size_table(sizes: Sequence[LayerSize]) -> str:
    """Return the sizes of layers as a table of plain text."""
    return format_table(*size_rows(sizes), left=TEXT_HEADINGS)
