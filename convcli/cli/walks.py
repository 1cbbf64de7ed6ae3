"""How a walk is laid out: JSON, table, CSV, Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from convcli.arithmetic.network import Walk, Walked
from convcli.arithmetic.notation import format_layer, format_size
from convcli.arithmetic.shapes import format_shape
from convcli.cli.output import comma_separated, json_text, markdown, table

WORDS = ("name", "layer")
MOST_FLOAT = 10**300
HEADINGS = [
    *WORDS, "output", "rf", "jump", "start", "padding", "dropped", "params", "MACs", "bytes"
]  # fmt: skip


def as_document(walk: Walk) -> dict[str, Any]:
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
            "jump": _numbers(last.jump),
            "effective_padding": _numbers(last.effective_padding),
            **_coverage(last),
        }
    return {
        "name": walk.name,
        "input": walk.input,
        "layers": [_layer_document(walked) for walked in walk.layers],
        "total": total,
    }


def as_rows(walk: Walk) -> list[list[str]]:
    """A row for every layer, and one for the totals."""
    rows = [_row(walked) for walked in walk.layers]
    last = walk.last_map
    seen = ["", "", ""] if last is None else [_field(last), _pair(last.jump), _pair(last.start)]
    padding = "" if last is None else _pair(last.effective_padding)
    costs = [str(walk.params), str(walk.macs), str(walk.bytes)]
    return [*rows, ["total", "", format_shape(walk.output), *seen, padding, "", *costs]]


def _row(walked: Walked) -> list[str]:
    named_beside = replace(walked.layer, name=None)
    return [
        walked.name,
        format_layer(named_beside),
        format_shape(walked.output),
        _field(walked),
        _pair(walked.jump),
        _pair(walked.start),
        _pair(walked.effective_padding),
        format_size(walked.dropped),
        str(walked.params),
        str(walked.macs),
        str(walked.bytes),
    ]


def _layer_document(walked: Walked) -> dict[str, Any]:
    return {
        "name": walked.name,
        "op": walked.layer.op,
        "layer": format_layer(walked.layer),
        "output": walked.output,
        "receptive_field": walked.receptive_field,
        "jump": _numbers(walked.jump),
        "start": _numbers(walked.start),
        "effective_padding": _numbers(walked.effective_padding),
        "dropped": walked.dropped,
        "params": walked.params,
        "macs": walked.macs,
        "bytes": walked.bytes,
        **_coverage(walked),
    }


def _coverage(walked: Walked) -> dict[str, Any]:
    """What is really seen, where the receptive field reaches beyond the input."""
    return {} if walked.coverage == walked.receptive_field else {"coverage": walked.coverage}


def _field(walked: Walked) -> str:
    field = format_size(walked.receptive_field)
    if walked.coverage == walked.receptive_field:
        return field
    return f"{field} (sees {format_size(walked.coverage)})"


def _numbers(values: Sequence[Fraction]) -> list[int | float]:
    return [_number(value) for value in values]


def _number(value: Fraction) -> int | float:
    """A fraction as a JSON number; beyond what a float holds, where halves are lost, an integer."""
    if value.denominator == 1 or abs(value) > MOST_FLOAT:
        return int(value)
    return float(value)


def _pair(values: Sequence[Fraction]) -> str:
    rows, columns = map(str, values)
    return rows if rows == columns else f"{rows}x{columns}"


LAYOUTS: dict[str, Callable[[Walk], str]] = {
    "table": lambda walk: table(HEADINGS, as_rows(walk), left=WORDS, total=True),
    "json": lambda walk: json_text(as_document(walk)),
    "csv": lambda walk: comma_separated(HEADINGS, as_rows(walk)),
    "markdown": lambda walk: markdown(HEADINGS, as_rows(walk)),
}
