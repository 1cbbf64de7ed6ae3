"""One layer and its sweeps: every combination worked out, and how they are laid out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.layers import CONVOLUTIONS, POOLS, Layer
from convcli.arithmetic.measure import Measured, measure
from convcli.arithmetic.notation import format_padding, format_size
from convcli.cli.output import comma_separated, json_text, markdown, table
from convcli.errors import LimitError

SWEPT = (
    "height", "width", "c_in", "kernel", "stride", "padding", "dilation", "groups", "channels",
    "output_padding",
)  # fmt: skip

MOST_ROWS = 10_000  # of a sweep


def measured(options: dict[str, Any]) -> list[Measured]:
    """Work out every combination of the swept values."""
    base = _base(options)
    swept = {name: options[name] for name in SWEPT if options[name] is not None}
    count = math.prod(map(len, swept.values()))
    if count > MOST_ROWS:
        raise LimitError(f"this sweep has {count:,} rows; the most is {MOST_ROWS:,}: narrow it")
    found = []
    for values in product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        height = chosen.pop("height")
        size = (height, chosen.pop("width", height))
        channels = chosen.pop("c_in", None)
        layer = replace(base, **chosen)
        if base.op in POOLS and options["kernel"] and not options["stride"]:
            layer = replace(layer, stride=chosen["kernel"])
        found.append(measure(layer, size, channels))
    return found


def _base(options: dict[str, Any]) -> Layer:
    """The layer that the swept values are put into."""
    if options["pool"] is not None:
        pool: Layer = options["pool"]
        return replace(pool, ceil=pool.ceil or options["ceil"])
    return Layer(op="tconv" if options["transposed"] else "conv")


def as_document(one: Measured) -> dict[str, Any]:
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
    if layer.op == "tconv":
        document["output_padding"] = layer.output_padding
    if one.channels is not None:
        document |= {"params": one.params, "macs": one.macs}
    return document


def as_rows(found: list[Measured]) -> tuple[list[str], list[list[str]]]:
    """Headings and a row for every operation."""
    headings = ["op", "input", "kernel", "stride", "padding", "dilation", "output", "dropped"]
    extras = any(one.layer.op == "tconv" for one in found)
    costs = any(one.channels is not None for one in found)
    rows = [
        [
            one.layer.op,
            _by(one.size),
            _by(one.layer.window.kernel),
            format_size(one.layer.stride),
            format_padding(one.padding),
            format_size(one.layer.dilation),
            _by(one.output),
            format_size(one.dropped),
            *([format_size(one.layer.output_padding)] if extras else []),
            *([str(one.params), str(one.macs)] if costs else []),
        ]
        for one in found
    ]
    headings += ["output padding"] if extras else []
    return headings + (["params", "macs"] if costs else []), rows


def written_out(one: Measured) -> str:
    """One operation as one would write it down: the formula, the numbers put in, the result."""
    from convcli.arithmetic.explanation import aligned, size_formula, size_working

    layer = one.layer
    rows, columns = one.axes
    settings = [f"stride {format_size(layer.stride)}", f"padding {format_padding(one.padding)}"]
    if layer.dilation != (1, 1):
        settings.append(f"dilation {format_size(layer.dilation)}")
    if layer.output_padding != (0, 0):
        settings.append(f"output padding {format_size(layer.output_padding)}")
    title = f"{layer.op} {_by(layer.window.kernel)}, {', '.join(settings)}"
    lines = {
        "output": size_formula(rows),
        "height": size_working(rows),
        "width": size_working(columns),
    }
    if any(one.dropped):
        rows_and_columns = f"rows: {one.dropped[0]}, columns: {one.dropped[1]}"
        lines["dropped"] = f"{rows_and_columns}, at the far ends of the padded input"
    if one.channels is not None:
        from convcli.arithmetic.explanation import cost_workings
        from convcli.arithmetic.shapes import output_channels

        maps = output_channels(layer, one.channels) if layer.op in CONVOLUTIONS else one.channels
        lines |= cost_workings(layer, (one.channels, *one.size), (maps, *one.output))
    counted = "\n   (MACs: products of the convolution; no biases)" if "MACs" in lines else ""
    return f"{title}: {_by(one.size)} -> {_by(one.output)}\n{aligned(lines)}{counted}"


def explained_all(found: list[Measured]) -> str:
    """Each operation as a walk of one layer: its receptive field, too."""
    from convcli.arithmetic.explanation import explained
    from convcli.arithmetic.network import walk

    return "\n\n".join(
        explained(walk([one.layer], (one.channels or 1, *one.size)), costs=one.channels is not None)
        for one in found
    )


def _as_text(found: list[Measured]) -> str:
    return written_out(found[0]) if len(found) == 1 else LISTS["table"](found)


def _as_json(found: list[Measured]) -> str:
    return json_text(as_document(found[0])) if len(found) == 1 else LISTS["json"](found)


def _by(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


LISTS: dict[str, Callable[[list[Measured]], str]] = {
    "table": lambda found: table(*as_rows(found), left=["op"]),
    "json": lambda found: json_text([as_document(one) for one in found]),
    "csv": lambda found: comma_separated(*as_rows(found)),
    "markdown": lambda found: markdown(*as_rows(found)),
}
# One operation alone is written out, and is one JSON object.
LAYOUTS = LISTS | {"table": _as_text, "json": _as_json}
