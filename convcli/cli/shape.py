"""`convcli shape`: the arithmetic of a convolution or a pool."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import click

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.layers import POOLS, Layer
from convcli.arithmetic.measure import Measured, cost_workings, measure, size_formula, size_working
from convcli.arithmetic.notation import format_padding, format_size, parse_layer
from convcli.cli.options import (
    PADDINGS,
    SIZES,
    dilation_option,
    json_option,
    padding_option,
    stride_option,
)
from convcli.cli.output import comma_separated, emit, json_text, markdown, table
from convcli.cli.types import EXTRA, Parsed, number, sweep
from convcli.errors import ArgumentError

FORMATS = ("table", "json", "csv", "markdown")
NUMBERS = sweep(number("N", least=1))


SWEPT = (
    "height",
    "width",
    "c_in",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "channels",
    "output_padding",
)
_NEEDS = {
    "ceil": "pool",  # a convolution rounds down
    "output_padding": "transposed",
    "channels": "c_in",
    "groups": "c_in",
}


def _pool(text: str) -> Layer:
    kind, colon, rest = text.partition(":")
    if kind not in ("max", "avg"):
        raise ArgumentError(f"it must be max or avg, maybe with its size (max:2), not {text!r}")
    return parse_layer(f"{kind}pool:{rest}") if colon else Layer(op=f"{kind}pool")


@click.command()
@click.option("--h", "height", type=NUMBERS, required=True, help="Height of the input.")
@click.option("--w", "width", type=NUMBERS, help="Width of the input; as the height if left out.")
@click.option("-k", "--k", "--kernel", "kernel", type=SIZES, help="Size of the window.")
@stride_option(SIZES, help="Step of the window; 1, and of a pool its size, if left out.")
@padding_option(PADDINGS, help="N, HxW, T.B.L.R, same, same-lower, valid or full; 0 if left out.")
@dilation_option(SIZES, help="Distance between the window's taps; 1 if left out.")
@click.option("--c-in", "c_in", type=NUMBERS, help="Channels of the input.")
@click.option(
    "--c-out", "channels", type=NUMBERS, help="Channels of the output; as the input's if left out."
)
@click.option("--groups", type=NUMBERS, help="Groups of channels; 1 if left out.")
@click.option(
    "--pool",
    type=Parsed("max|avg[:K]", _pool),
    help="A pool: max:2, or max with --k, --s, --p, --d.",
)
@click.option("--ceil", is_flag=True, help="Round a pool's size up.")
@click.option("--transposed", is_flag=True, help="A transposed convolution.")
@click.option(
    "--output-padding",
    "output_padding",
    type=sweep(EXTRA),
    help="Added to a transposed convolution's output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="Of the output.",
)
@json_option("Short for --format json.")
def shape(*, as_json: bool, form: str, **options: Any) -> None:
    """The arithmetic of a convolution or a pool, with its numbers put in.

    Values separated by commas are swept: a row for every combination.

    \b
    convcli shape --h 224 --k 3 --p 1 --s 2
    convcli shape --h 224 --k 3,5,7 --s 1,2 --p same --c-in 3 --c-out 64
    convcli shape --h 112 --pool max:3,s=2,p=1,ceil
    """
    sys.set_int_max_str_digits(0)  # exact for any integer that can be typed
    if as_json and form not in ("table", "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    _check(options)
    found = measured(options)
    emit(_LAYOUTS["json" if as_json else form](found))


def measured(options: dict[str, Any]) -> list[Measured]:
    """Work out every combination of the swept values."""
    base = _base(options)
    swept = {name: options[name] for name in SWEPT if options[name] is not None}
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


def _check(options: dict[str, Any]) -> None:
    """Refuse options that contradict each other, or would have no effect."""
    given = [name for name, value in options.items() if value not in (None, False)]
    for name, other in _NEEDS.items():
        if name in given and other not in given:
            raise click.UsageError(f"{_typed(name)} goes with {_typed(other)}")
    excluded: tuple[str, ...] = ()
    if options["pool"] is not None:
        excluded = ("transposed", "channels", "groups")
        if options["pool"].kernel is not None:
            excluded += ("kernel", "stride", "padding", "dilation")
    for name in excluded:
        if name in given:
            raise click.UsageError(f"{_typed(name)} and --pool exclude each other here")
    if "kernel" not in given and (options["pool"] is None or options["pool"].kernel is None):
        raise click.UsageError("the window's size is missing: give --k 3, or --pool max:2")


def _typed(name: str) -> str:
    """How an option is spelt."""
    return "--" + {"channels": "c-out"}.get(name, name).replace("_", "-")


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
            *([str(one.params), str(one.macs)] if costs else []),
        ]
        for one in found
    ]
    return headings + (["params", "macs"] if costs else []), rows


def explained(one: Measured) -> str:
    """One operation as one would write it down: the formula, the numbers put in, the result."""
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
    lines |= cost_workings(one)
    body = "\n".join(f"  {name:<8}{text}" for name, text in lines.items())
    counted = "\n  (MACs: products of the convolution; no biases)" if one.channels else ""
    return f"{title}: {_by(one.size)} -> {_by(one.output)}\n{body}{counted}"


def _as_json(found: list[Measured]) -> str:
    documents = [as_document(one) for one in found]
    return json_text(documents if len(documents) > 1 else documents[0])


def _as_table(found: list[Measured]) -> str:
    return explained(found[0]) if len(found) == 1 else table(*as_rows(found), left=["op"])


def _by(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


_LAYOUTS: dict[str, Callable[[list[Measured]], str]] = {
    "table": _as_table,
    "json": _as_json,
    "csv": lambda found: comma_separated(*as_rows(found)),
    "markdown": lambda found: markdown(*as_rows(found)),
}
