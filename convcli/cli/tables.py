"""Tables of `shape` and `solve`: layers, sweeps and networks as text, JSON, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.layers import Layer, LayerSize, measure, output_shape
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair, format_padding, format_size
from convcli.cli.output import format_json, format_rows
from convcli.errors import LimitError

if TYPE_CHECKING:
    from fractions import Fraction

    from convcli.arithmetic.network import LayerReport, Walk

SWEPT = (
    "height", "width", "c_in", "kernel", "stride", "padding", "dilation", "groups", "channels",
    "output_padding",
)  # fmt: skip

MAX_ROWS = 10_000  # of a sweep
MAX_FLOAT = 10**300
TEXT_COLUMNS = ("name", "layer")
HEADINGS = [
    *TEXT_COLUMNS, "output", "rf", "jump", "start", "padding", "dropped", "params", "MACs", "bytes"
]  # fmt: skip
COSTS = ("params", "macs", "bytes")
REPORT_FIELDS = (
    "output", "receptive_field", "jump", "start", "effective_padding", "dropped", *COSTS
)  # fmt: skip


def compute_sweep(options: dict[str, Any]) -> list[LayerSize]:
    """Work out every combination of the swept values."""
    base = _base_layer(options)
    swept = {name: options[name] for name in SWEPT if options[name] is not None}
    count = math.prod(map(len, swept.values()))
    if count > MAX_ROWS:
        raise LimitError(f"this sweep has {count:,} rows; the most is {MAX_ROWS:,}: narrow it")
    found = []
    for values in product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        height = chosen.pop("height")
        size = (height, chosen.pop("width", height))
        channels = chosen.pop("c_in", None)
        layer = replace(base, **chosen)
        if options["kernel"] and not options["stride"]:
            layer = replace(layer, **base.operation.implied(layer))
        found.append(measure(layer, size, channels))
    return found


def _base_layer(options: dict[str, Any]) -> Layer:
    """The layer that the swept values are put into."""
    if options["pool"] is not None:
        pool: Layer = options["pool"]
        return replace(pool, ceil=pool.ceil or options["ceil"])
    return Layer(op="tconv" if options["transposed"] else "conv")


def layer_document(one: LayerSize) -> dict[str, Any]:
    """One operation for JSON."""
    layer = one.layer
    document: dict[str, Any] = {
        "op": layer.op,
        "input": one.size,
        "kernel": layer.kernel,
        "stride": layer.stride,
        "padding": one.padding,
        "dilation": layer.dilation,
        "output": one.output,
        "dropped": one.dropped,
    }
    if layer.operation.is_transposed:
        document["output_padding"] = layer.output_padding
    if one.channels is not None:
        document |= {"params": one.params, "macs": one.macs}
    return document


def sweep_rows(found: list[LayerSize]) -> tuple[list[str], list[list[str]]]:
    """Headings and a row for every operation."""
    headings = ["op", "input", "kernel", "stride", "padding", "dilation", "output", "dropped"]
    extras = any(one.layer.operation.is_transposed for one in found)
    costs = any(one.channels is not None for one in found)
    rows = [
        [
            one.layer.op,
            _size_text(one.size),
            _size_text(one.layer.window.kernel),
            format_size(one.layer.stride),
            format_padding(one.padding),
            format_size(one.layer.dilation),
            _size_text(one.output),
            format_size(one.dropped),
            *([format_size(one.layer.output_padding)] if extras else []),
            *([str(one.params), str(one.macs)] if costs else []),
        ]
        for one in found
    ]
    headings += ["output padding"] if extras else []
    return headings + (["params", "macs"] if costs else []), rows


def worked_text(one: LayerSize) -> str:
    """One operation as one would write it down: the formula, the numbers put in, the result."""
    from convcli.arithmetic.formulas import align, size_calculation, size_formula

    layer = one.layer
    rows, columns = one.axes
    settings = [f"stride {format_size(layer.stride)}", f"padding {format_padding(one.padding)}"]
    if layer.dilation != (1, 1):
        settings.append(f"dilation {format_size(layer.dilation)}")
    if layer.output_padding != (0, 0):
        settings.append(f"output padding {format_size(layer.output_padding)}")
    title = f"{layer.op} {_size_text(layer.window.kernel)}, {', '.join(settings)}"
    lines = {
        "output": size_formula(rows),
        "height": size_calculation(rows),
        "width": size_calculation(columns),
    }
    if any(one.dropped):
        rows_and_columns = f"rows: {one.dropped[0]}, columns: {one.dropped[1]}"
        lines["dropped"] = f"{rows_and_columns}, at the far ends of the padded input"
    if one.channels is not None:
        from convcli.arithmetic.formulas import cost_calculations

        shape = (one.channels, *one.size)
        lines |= cost_calculations(layer, shape, output_shape(layer, [shape]))
    counted = "\n   (MACs: products of the convolution; no biases)" if "MACs" in lines else ""
    return f"{title}: {_size_text(one.size)} -> {_size_text(one.output)}\n{align(lines)}{counted}"


def explain_layers(found: list[LayerSize]) -> str:
    """Each operation as a walk of one layer: its receptive field, too."""
    from convcli.arithmetic.formulas import explain_walk
    from convcli.arithmetic.network import walk

    return "\n\n".join(
        explain_walk(
            walk([one.layer], (one.channels or 1, *one.size)), costs=one.channels is not None
        )
        for one in found
    )


def _size_text(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


def network_document(walk: Walk) -> dict[str, Any]:
    """Return a walk through a network, for JSON."""
    last = walk.last_map
    if last is None:  # the input itself is the last map
        field: dict[str, Any] = {
            "receptive_field": [1, 1], "jump": [1, 1], "effective_padding": [0, 0]
        }  # fmt: skip
    else:
        names = ("receptive_field", "jump", "effective_padding")
        field = {name: _json_value(getattr(last, name)) for name in names} | _coverage(last)
    return {
        "name": walk.name,
        "input": walk.input,
        "layers": [_report_document(report) for report in walk.layers],
        "total": {name: getattr(walk, name) for name in (*COSTS, "output")} | field,
    }


def _report_document(report: LayerReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "op": report.layer.op,
        "layer": format_layer(report.layer),
        **{name: _json_value(getattr(report, name)) for name in REPORT_FIELDS},
        **_coverage(report),
    }


def network_rows(walk: Walk) -> list[list[str]]:
    """Return a row for every layer, and one for the totals."""
    from convcli.arithmetic.values import format_shape

    rows = [
        [
            report.name,
            format_layer(replace(report.layer, name=None)),
            format_shape(report.output),
            *_field_cells(report),
            format_size(report.dropped),
            *(str(getattr(report, name)) for name in COSTS),
        ]
        for report in walk.layers
    ]
    field = [""] * 4 if walk.last_map is None else _field_cells(walk.last_map)
    costs = [str(getattr(walk, name)) for name in COSTS]
    return [*rows, ["total", "", format_shape(walk.output), *field, "", *costs]]


def _field_cells(report: LayerReport) -> list[str]:
    """Return the cells about the receptive field; its coverage, if it reaches past the input."""
    field = format_size(report.receptive_field)
    if report.coverage != report.receptive_field:
        field += f" (sees {format_size(report.coverage)})"
    pairs = (report.jump, report.start, report.effective_padding)
    return [field, *(_format_pair(pair) for pair in pairs)]


def _coverage(report: LayerReport) -> dict[str, Any]:
    """Return what is really seen, where the receptive field reaches past the input."""
    return {} if report.coverage == report.receptive_field else {"coverage": report.coverage}


def _json_value(value: Fraction | Sequence[Any]) -> Any:
    """Return integers and fractions as JSON numbers.

    Beyond what a float holds, where halves are lost, a fraction becomes an integer.
    """
    if isinstance(value, Sequence):
        return [_json_value(item) for item in value]
    is_integer = value.denominator == 1 or abs(value) > MAX_FLOAT
    return int(value) if is_integer else float(value)


def _format_pair(values: Sequence[Fraction]) -> str:
    rows, columns = map(str, values)
    return rows if rows == columns else f"{rows}x{columns}"


def format_sweep(sizes: list[LayerSize], layout: str) -> str:
    """Lay out sizes of layers, a row each, or as a JSON list."""
    if layout == "json":
        return format_json([layer_document(size) for size in sizes])
    return format_rows(layout, *sweep_rows(sizes), left=["op"])


def format_layers(sizes: list[LayerSize], layout: str) -> str:
    """Lay out sizes of layers; a single one is worked out, or a JSON object."""
    if len(sizes) > 1 or layout not in ("table", "json"):
        return format_sweep(sizes, layout)
    return worked_text(sizes[0]) if layout == "table" else format_json(layer_document(sizes[0]))


def format_network(walk: Walk, layout: str) -> str:
    """Lay out a walk through a network, a row a layer, or as a JSON object."""
    if layout == "json":
        return format_json(network_document(walk))
    return format_rows(layout, HEADINGS, network_rows(walk), left=TEXT_COLUMNS, total=True)
