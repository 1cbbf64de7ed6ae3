"""Tables of `shape` and `solve`: layers, sweeps and networks as text, JSON, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.layers import Layer, LayerSize, measure, output_shape
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import format_padding, format_shape, format_size
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
FIELD = ("receptive_field", "jump", "start", "effective_padding")
NUMBERS = ("output", *FIELD, "dropped", *COSTS)


def compute_sweep(options: Any) -> list[LayerSize]:
    """Compute the sizes for every combination of the values of the swept options."""
    base = Layer(op="tconv" if options.transposed else "conv")
    if options.pool is not None:
        base = options.pool._replace(ceil=options.pool.ceil or options.ceil)
    swept = {name: values for name in SWEPT if (values := getattr(options, name)) is not None}
    count = math.prod(map(len, swept.values()))
    if count > MAX_ROWS:
        raise LimitError(f"this sweep has {count:,} rows; the most is {MAX_ROWS:,}: narrow it")
    sizes = []
    for combination in product(*swept.values()):
        settings = dict(zip(swept, combination, strict=True))
        height = settings.pop("height")
        size = (height, settings.pop("width", height))
        channels = settings.pop("c_in", None)
        layer = base._replace(**settings)
        if options.kernel and not options.stride:
            layer = layer._replace(**base.operation.implied(layer))
        sizes.append(measure(layer, size, channels))
    return sizes


def layer_document(size: LayerSize) -> dict[str, Any]:
    """Return the size of a layer, for JSON."""
    layer = size.layer
    document: dict[str, Any] = {
        "op": layer.op,
        "input": size.size,
        "kernel": layer.kernel,
        "stride": layer.stride,
        "padding": size.padding,
        "dilation": layer.dilation,
        "output": size.output,
        "dropped": size.dropped,
    }
    if layer.operation.is_transposed:
        document["output_padding"] = layer.output_padding
    if size.channels is not None:
        document |= {"params": size.params, "macs": size.macs}
    return document


def worked_text(size: LayerSize) -> str:
    """Return the arithmetic of a layer: the formula, the numbers put in, the result."""
    from convcli.arithmetic.formulas import align, size_calculation
    from convcli.arithmetic.geometry import size_formula

    layer = size.layer
    rows, columns = layer.window.axes(size.size)
    settings = [f"stride {format_size(layer.stride)}", f"padding {format_padding(size.padding)}"]
    if layer.dilation != (1, 1):
        settings.append(f"dilation {format_size(layer.dilation)}")
    if layer.output_padding != (0, 0):
        settings.append(f"output padding {format_size(layer.output_padding)}")
    title = f"{layer.op} {format_shape(layer.window.kernel)}, {', '.join(settings)}"
    lines = {
        "output": size_formula(rows),
        "height": size_calculation(rows),
        "width": size_calculation(columns),
    }
    if any(size.dropped):
        rows_and_columns = f"rows: {size.dropped[0]}, columns: {size.dropped[1]}"
        lines["dropped"] = f"{rows_and_columns}, at the far ends of the padded input"
    if size.channels is not None:
        from convcli.arithmetic.formulas import cost_calculations

        shape = (size.channels, *size.size)
        lines |= cost_calculations(layer, shape, output_shape(layer, [shape]))
    note = "\n   (MACs: products of the convolution; no biases)" if "MACs" in lines else ""
    sizes = " -> ".join(map(format_shape, (size.size, size.output)))
    return f"{title}: {sizes}\n{align(lines)}{note}"


def explain_layers(sizes: list[LayerSize]) -> str:
    """Explain each layer as a network of its own, with its receptive field."""
    from convcli.arithmetic.formulas import explain_walk
    from convcli.arithmetic.network import walk

    return "\n\n".join(
        explain_walk(
            walk([size.layer], (size.channels or 1, *size.size)), costs=size.channels is not None
        )
        for size in sizes
    )


def network_document(walk: Walk) -> dict[str, Any]:
    """Return a walk through a network, for JSON."""
    # The input itself is the last map where no layer makes one.
    field: dict[str, Any] = {"receptive_field": [1, 1], "jump": [1, 1], "effective_padding": [0, 0]}
    if walk.last_map is not None:
        field = {name: _json_value(getattr(walk.last_map, name)) for name in field}
        field |= _coverage(walk.last_map)
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
        **{name: _json_value(getattr(report, name)) for name in NUMBERS},
        **_coverage(report),
    }


def network_rows(walk: Walk) -> list[list[str]]:
    """Return a row for every layer, and one for the totals."""
    rows = [
        [report.name, format_layer(report.layer._replace(name=None)), *_cells(report, NUMBERS)]
        for report in walk.layers
    ]
    field = [""] * len(FIELD) if walk.last_map is None else _cells(walk.last_map, FIELD)
    costs = [str(getattr(walk, name)) for name in COSTS]
    return [*rows, ["total", "", format_shape(walk.output), *field, "", *costs]]


def _cells(report: LayerReport, names: Sequence[str]) -> list[str]:
    """Return cells of a report; its coverage, if the receptive field reaches past the input."""
    cells = {name: _cell(name, getattr(report, name)) for name in names}
    if report.coverage != report.receptive_field:
        cells["receptive_field"] += f" (sees {format_size(report.coverage)})"
    return list(cells.values())


def _coverage(report: LayerReport) -> dict[str, Any]:
    """Return what is really seen, where the receptive field reaches past the input."""
    return {} if report.coverage == report.receptive_field else {"coverage": report.coverage}


def _json_value(value: Any) -> Any:
    """Return integers, fractions and tuples of them as JSON numbers and lists."""
    if isinstance(value, tuple):
        return [item if type(item) is int else _json_number(item) for item in value]
    return value


def _json_number(value: int | Fraction) -> float:
    """Return a number for JSON.

    Beyond what a float holds, where halves are lost, a fraction becomes an integer.
    """
    is_integer = value.denominator == 1 or not -MAX_FLOAT <= value <= MAX_FLOAT
    return int(value) if is_integer else float(value)


def format_sweep(sizes: list[LayerSize], layout: str) -> str:
    """Lay out sizes of layers, a row each, or as a JSON list."""
    if layout == "json":
        return format_json([layer_document(size) for size in sizes])
    documents = [layer_document(size) for size in sizes]
    headings = [name.replace("_", " ") for name in documents[0]]
    rows = [[_cell(*item) for item in document.items()] for document in documents]
    return format_rows(layout, headings, rows, left=["op"])


def format_stacks(stacks: list[list[LayerSize]], layout: str) -> str:
    """Lay out stacks of layers, a row a layer after the stack's number, or as JSON lists."""
    documents = [[layer_document(size) for size in stack] for stack in stacks]
    if layout == "json":
        return format_json(documents)
    headings = ["stack", *(name.replace("_", " ") for name in documents[0][0])]
    rows = [
        [str(number), *(_cell(*item) for item in document.items())]
        for number, stack in enumerate(documents, start=1)
        for document in stack
    ]
    return format_rows(layout, headings, rows, left=["op"])


def _cell(name: str, value: Any) -> str:
    if name in ("input", "kernel", "output"):
        return format_shape(value)
    if name == "padding":
        return format_padding(value)
    return format_size(value) if isinstance(value, tuple) else str(value)


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
