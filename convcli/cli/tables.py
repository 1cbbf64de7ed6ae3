"""What `shape` and `solve` print: layers, sweeps and networks as text, JSON, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import compress, product
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.layers import Layer, LayerSize, measure, output_shape
from convcli.arithmetic.values import format_padding, format_shape, format_size
from convcli.cli.output import fold_for_terminal, format_json, format_rows
from convcli.errors import LimitError

if TYPE_CHECKING:
    from convcli.arithmetic.footprint import Storage
    from convcli.arithmetic.reports import Walk
    from convcli.arithmetic.sizes import SizeTrial

SWEPT = (
    "height", "width", "c_in", "kernel", "stride", "padding", "dilation", "groups", "channels",
    "output_padding",
)  # fmt: skip

MAX_ROWS = 10_000  # of a sweep
# Columns that are left out, in this order, on a terminal that is too narrow.
OPTIONAL_OF_SIZES = ("dropped", "output padding", "dilation")
OPTIONAL_OF_LAYERS = ("dropped", "start", "eff. padding", "jump", "bytes")
OPTIONAL_OF_TOTALS = ("activation bytes", "output")


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


def worked_text(size: LayerSize) -> str:
    """Return the arithmetic of a layer: the formula, the numbers put in, the result."""
    from convcli.arithmetic.formulas import align, size_calculation
    from convcli.arithmetic.geometry import size_formula

    layer = size.layer
    rows, columns = layer.window.axes(size.size)
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
    return f"{describe_layer(size)}: {sizes}\n{align(lines)}{note}"


def describe_layer(size: LayerSize) -> str:
    """Return the operation of a layer, its kernel and its settings."""
    layer = size.layer
    settings = [f"stride {format_size(layer.stride)}", f"padding {format_padding(size.padding)}"]
    if layer.dilation != (1, 1):
        settings.append(f"dilation {format_size(layer.dilation)}")
    if layer.output_padding != (0, 0):
        settings.append(f"output padding {format_size(layer.output_padding)}")
    return f"{layer.op} {format_shape(layer.window.kernel)}, {', '.join(settings)}"


def explain_layers(sizes: list[LayerSize]) -> str:
    """Explain each layer as a network of its own, with its receptive field."""
    from convcli.arithmetic.explain import explain_walk
    from convcli.arithmetic.network import walk

    texts = (
        explain_walk(
            walk([size.layer], (size.channels or 1, *size.size)), costs=size.channels is not None
        )
        for size in sizes
    )
    return fold_for_terminal("\n\n".join(texts))


def format_sweep(sizes: list[LayerSize], layout: str) -> str:
    """Lay out sizes of layers, a row each, or as a JSON list."""
    if layout == "json":
        return format_json([size.to_dict() for size in sizes])
    from convcli.arithmetic import tables

    headings, rows = tables.size_rows(sizes, count=_count_format(layout))
    return format_rows(
        layout, headings, rows, left=tables.TEXT_HEADINGS, optional=_optional_of_sizes(sizes)
    )


def format_stacks(stacks: list[list[LayerSize]], layout: str) -> str:
    """Lay out stacks of layers, a row a layer after the stack's number, or as JSON lists."""
    if layout == "json":
        return format_json([[size.to_dict() for size in stack] for stack in stacks])
    from convcli.arithmetic import tables

    numbers = [str(number) for number, stack in enumerate(stacks, start=1) for _ in stack]
    sizes = [size for stack in stacks for size in stack]
    headings, rows = tables.size_rows(sizes, count=_count_format(layout))
    numbered = [[number, *row] for number, row in zip(numbers, rows, strict=True)]
    return format_rows(
        layout, ["stack", *headings], numbered, left=tables.TEXT_HEADINGS,
        optional=_optional_of_sizes(sizes),
    )  # fmt: skip


def _optional_of_sizes(sizes: Sequence[LayerSize]) -> tuple[str, ...]:
    """Return the columns that may be left out; operation and input are, where they are all one."""
    operations, inputs = {size.layer.op for size in sizes}, {size.size for size in sizes}
    alike = {"op": len(operations) == 1, "input": len(inputs) == 1}
    return (*OPTIONAL_OF_SIZES, *compress(alike, alike.values()))


def format_layers(sizes: list[LayerSize], layout: str) -> str:
    """Lay out sizes of layers; a single one is worked out, or a JSON object."""
    if len(sizes) > 1 or layout not in ("table", "json"):
        return format_sweep(sizes, layout)
    if layout == "json":
        return format_json(sizes[0].to_dict())
    return fold_for_terminal(worked_text(sizes[0]))


def format_network(walk: Walk, layout: str, storage: Storage) -> str:
    """Lay out a walk through a network, a row a layer, or as a JSON object."""
    if layout == "json":
        return format_json(walk.to_dict(**storage._asdict()))
    from convcli.arithmetic import tables

    rows = tables.layer_rows(walk, storage, count=_count_format(layout))
    return format_rows(
        layout, tables.LAYER_HEADINGS, rows, left=tables.TEXT_HEADINGS, total=True,
        optional=OPTIONAL_OF_LAYERS,
    )  # fmt: skip


def format_totals(walks: Sequence[Walk], layout: str, storage: Storage) -> str:
    """Lay out the totals of networks, a row each; as JSON, one object or a list of several."""
    if layout == "json":
        from convcli.arithmetic.documents import summary_document

        documents = [summary_document(walk, storage) for walk in walks]
        return format_json(documents if len(documents) > 1 else documents[0])
    from convcli.arithmetic import tables

    rows = [tables.summary_row(walk, storage, count=_count_format(layout)) for walk in walks]
    return format_rows(
        layout, tables.SUMMARY_HEADINGS, rows, left=tables.TEXT_HEADINGS,
        optional=OPTIONAL_OF_TOTALS,
    )  # fmt: skip


def _count_format(layout: str) -> Callable[[int], str]:
    """Return how costs are written: for people with separators and units, for others exactly."""
    from convcli.arithmetic.tables import format_count

    return format_count if layout == "table" else str


def format_sizes(trials: Sequence[SizeTrial], layout: str) -> str:
    """Lay out what a network makes of sizes: a row for those of one result, or a JSON list."""
    if layout == "json":
        return format_json([trial.to_dict() for trial in trials])
    from convcli.arithmetic import sizes

    return format_rows(layout, sizes.HEADINGS, sizes.size_rows(trials), left=sizes.HEADINGS)
