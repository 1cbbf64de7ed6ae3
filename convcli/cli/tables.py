"""Tables of `shape` and `solve`: layers, sweeps and networks as text, JSON, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.layers import CONVOLUTIONS, POOLS, Layer, LayerSize, measure
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair, format_padding, format_size
from convcli.cli.output import format_csv, format_json, format_markdown, format_table
from convcli.errors import LimitError

if TYPE_CHECKING:
    from fractions import Fraction

    from convcli.arithmetic.network import LayerReport, Walk

SWEPT = (
    "height", "width", "c_in", "kernel", "stride", "padding", "dilation", "groups", "channels",
    "output_padding",
)  # fmt: skip

MAX_ROWS = 10_000  # of a sweep


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
        if base.op in POOLS and options["kernel"] and not options["stride"]:
            layer = replace(layer, stride=chosen["kernel"])
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
    if layer.op == "tconv":
        document["output_padding"] = layer.output_padding
    if one.channels is not None:
        document |= {"params": one.params, "macs": one.macs}
    return document


def sweep_rows(found: list[LayerSize]) -> tuple[list[str], list[list[str]]]:
    """Headings and a row for every operation."""
    headings = ["op", "input", "kernel", "stride", "padding", "dilation", "output", "dropped"]
    extras = any(one.layer.op == "tconv" for one in found)
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
    from convcli.arithmetic.formulas import align, size_formula, size_working

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
        "height": size_working(rows),
        "width": size_working(columns),
    }
    if any(one.dropped):
        rows_and_columns = f"rows: {one.dropped[0]}, columns: {one.dropped[1]}"
        lines["dropped"] = f"{rows_and_columns}, at the far ends of the padded input"
    if one.channels is not None:
        from convcli.arithmetic.formulas import cost_workings
        from convcli.arithmetic.layers import output_channels

        maps = output_channels(layer, one.channels) if layer.op in CONVOLUTIONS else one.channels
        lines |= cost_workings(layer, (one.channels, *one.size), (maps, *one.output))
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


def _layer_text(found: list[LayerSize]) -> str:
    return worked_text(found[0]) if len(found) == 1 else SWEEP_TABLES["table"](found)


def _layer_json(found: list[LayerSize]) -> str:
    return format_json(layer_document(found[0])) if len(found) == 1 else SWEEP_TABLES["json"](found)


def _size_text(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


SWEEP_TABLES: dict[str, Callable[[list[LayerSize]], str]] = {
    "table": lambda found: format_table(*sweep_rows(found), left=["op"]),
    "json": lambda found: format_json([layer_document(one) for one in found]),
    "csv": lambda found: format_csv(*sweep_rows(found)),
    "markdown": lambda found: format_markdown(*sweep_rows(found)),
}
# One operation alone is written out, and is one JSON object.
LAYER_TABLES = SWEEP_TABLES | {"table": _layer_text, "json": _layer_json}


TEXT_COLUMNS = ("name", "layer")
MAX_FLOAT = 10**300
HEADINGS = [
    *TEXT_COLUMNS, "output", "rf", "jump", "start", "padding", "dropped", "params", "MACs", "bytes"
]  # fmt: skip


def network_document(walk: Walk) -> dict[str, Any]:
    """A walk for JSON."""
    last = walk.last_map
    total: dict[str, Any] = {
        "params": walk.params,
        "macs": walk.macs,
        "bytes": walk.bytes,
        "output": walk.output,
    }
    if last is None:  # the input itself is the last map
        total |= {"receptive_field": [1, 1], "jump": [1, 1], "effective_padding": [0, 0]}
    else:
        total |= {
            "receptive_field": last.receptive_field,
            "jump": _json_numbers(last.jump),
            "effective_padding": _json_numbers(last.effective_padding),
            **_coverage(last),
        }
    return {
        "name": walk.name,
        "input": walk.input,
        "layers": [_report_document(walked) for walked in walk.layers],
        "total": total,
    }


def network_rows(walk: Walk) -> list[list[str]]:
    """A row for every layer, and one for the totals."""
    from convcli.arithmetic.values import format_shape

    rows = [_report_row(walked) for walked in walk.layers]
    last = walk.last_map
    seen = (
        ["", "", ""]
        if last is None
        else [_receptive_field_text(last), _pair_text(last.jump), _pair_text(last.start)]
    )
    padding = "" if last is None else _pair_text(last.effective_padding)
    costs = [str(walk.params), str(walk.macs), str(walk.bytes)]
    return [*rows, ["total", "", format_shape(walk.output), *seen, padding, "", *costs]]


def _report_row(walked: LayerReport) -> list[str]:
    from convcli.arithmetic.values import format_shape

    named_beside = replace(walked.layer, name=None)
    return [
        walked.name,
        format_layer(named_beside),
        format_shape(walked.output),
        _receptive_field_text(walked),
        _pair_text(walked.jump),
        _pair_text(walked.start),
        _pair_text(walked.effective_padding),
        format_size(walked.dropped),
        str(walked.params),
        str(walked.macs),
        str(walked.bytes),
    ]


def _report_document(walked: LayerReport) -> dict[str, Any]:
    return {
        "name": walked.name,
        "op": walked.layer.op,
        "layer": format_layer(walked.layer),
        "output": walked.output,
        "receptive_field": walked.receptive_field,
        "jump": _json_numbers(walked.jump),
        "start": _json_numbers(walked.start),
        "effective_padding": _json_numbers(walked.effective_padding),
        "dropped": walked.dropped,
        "params": walked.params,
        "macs": walked.macs,
        "bytes": walked.bytes,
        **_coverage(walked),
    }


def _coverage(walked: LayerReport) -> dict[str, Any]:
    """What is really seen, where the receptive field reaches beyond the input."""
    return {} if walked.coverage == walked.receptive_field else {"coverage": walked.coverage}


def _receptive_field_text(walked: LayerReport) -> str:
    field = format_size(walked.receptive_field)
    if walked.coverage == walked.receptive_field:
        return field
    return f"{field} (sees {format_size(walked.coverage)})"


def _json_numbers(values: Sequence[Fraction]) -> list[int | float]:
    return [_json_number(value) for value in values]


def _json_number(value: Fraction) -> int | float:
    """A fraction as a JSON number; beyond what a float holds, where halves are lost, an integer."""
    if value.denominator == 1 or abs(value) > MAX_FLOAT:
        return int(value)
    return float(value)


def _pair_text(values: Sequence[Fraction]) -> str:
    rows, columns = map(str, values)
    return rows if rows == columns else f"{rows}x{columns}"


NETWORK_TABLES: dict[str, Callable[[Walk], str]] = {
    "table": lambda walk: format_table(HEADINGS, network_rows(walk), left=TEXT_COLUMNS, total=True),
    "json": lambda walk: format_json(network_document(walk)),
    "csv": lambda walk: format_csv(HEADINGS, network_rows(walk)),
    "markdown": lambda walk: format_markdown(HEADINGS, network_rows(walk)),
}
