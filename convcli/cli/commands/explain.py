"""`convcli explain`: the window, the kernel, their products and the sum behind one output."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, Sides, parse_number
from convcli.cli.options import (
    FILE,
    PADDING,
    POOL,
    REAL,
    SIZE,
    SPEC,
    TextType,
    dilation_option,
    json_option,
    kernel_option,
    padding_mode_option,
    padding_option,
    refuse_typed,
    stride_option,
)
from convcli.cli.output import format_json, print_data
from convcli.engine.explain import (
    Explanation,
    explain_convolution,
    explain_im2col,
    explain_pool,
)
from convcli.errors import ArgumentError, FileError
from convcli.images.color import to_gray
from convcli.images.read import read_input
from convcli.kernels import Kernel, load_kernel
from convcli.pictures.text import format_explanation, format_matrices
from convcli.pipeline.plan import check_limits, make_convolution

KERNEL_OPTIONS = ("padding", "padding_mode", "stride", "dilation", "flip", "bias")


def _position(text: str) -> Pair:
    row, comma, column = text.partition(",")
    if not comma:
        raise ArgumentError(f"it must be ROW,COL, like 0,1, not {text!r}")
    return parse_number(row.strip(), "ROW"), parse_number(column.strip(), "COL")


@click.command(no_args_is_help=True)
@click.argument("source", metavar="INPUT", type=FILE)
@kernel_option(SPEC, help="As in apply.")
@click.option(
    "--at",
    "positions",
    type=TextType("ROW,COL", _position),
    multiple=True,
    help="Which output to explain; repeat for several.",
)
@padding_option(PADDING, default="valid", show_default=True, help="As in apply.")
@padding_mode_option("replicate")
@stride_option(SIZE, default="1", show_default=True, help="Step of the window.")
@dilation_option(SIZE, default="1", show_default=True, help="Distance between the weights.")
@click.option("--flip", is_flag=True, help="True convolution: rotate the kernel by 180 degrees.")
@click.option("--bias", type=REAL, default="0", show_default=True, help="Added to the sum.")
@click.option("--pool", type=POOL, help="Explain a pool instead of a kernel.")
@click.option("--gray", is_flag=True, help="Convert a color picture to gray first.")
@click.option("--im2col", "as_columns", is_flag=True, help="Show the whole product of matrices.")
@json_option("A JSON object; for several outputs a list.")
def explain(source: str, *, kernel: str | None, as_json: bool, **options: Any) -> None:
    """Show what lies behind one output: the window, the kernel, their products, the sum.

    X is the input, Y the output; numbers in brackets are padding. Every channel is explained by
    itself, or, where a kernel sums them, all together.

    \b
    convcli explain samples/grid5.csv -k sobel-x --at 0,1
    convcli explain samples/grid5.csv --pool max:2 --at 1,1
    convcli explain samples/grid5.csv -k ones:3 --im2col
    """
    _check(kernel, options)
    layer = _make_layer(options)
    check_limits(layer)
    loaded = None if kernel is None else load_kernel(kernel)
    flip = options["flip"]
    if loaded is not None:
        layer = make_convolution(layer, loaded, "auto", flip=flip).layer
    values = read_input(source).values
    values = to_gray(values) if options["gray"] else values
    bias = 0.0 if loaded is None else loaded.bias + options["bias"]
    settings = {"padding_mode": layer.mode, "bias": bias, "flip": flip}
    try:
        if loaded is not None and options["as_columns"]:
            matrices = explain_im2col(values, loaded, layer.window, **settings)
            print_data(_format_product(matrices, as_json=as_json))
            return
        found = _explain(values, layer, loaded, options["positions"], settings)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    print_data(_format_records(found) if as_json else _format_text(found))


def _check(kernel: str | None, options: dict[str, Any]) -> None:
    pool: Layer | None = options["pool"]
    if pool is not None:
        refuse_typed(
            KERNEL_OPTIONS, "is of a kernel, and --pool has settings of its own: max:3,s=2,p=1"
        )
    if (kernel is None) == (pool is None):
        raise click.UsageError(
            "give either --kernel, like -k sobel-x, or --pool, like --pool max:2"
        )
    if pool is not None and options["as_columns"]:
        raise click.UsageError("--im2col goes with --kernel: a pool has no weights")
    if not options["positions"] and not options["as_columns"]:
        raise click.UsageError("give the output's position, like --at 0,1")
    if options["positions"] and options["as_columns"]:
        raise click.UsageError("--im2col shows every output: leave --at out")


def _make_layer(options: dict[str, Any]) -> Layer:
    if options["pool"] is not None:
        pool: Layer = options["pool"]
        return pool
    padding: str | Sides = options["padding"]
    return Layer(
        op="conv",
        stride=options["stride"],
        padding=padding,
        dilation=options["dilation"],
        mode=options["padding_mode"],
    )


def _explain(
    values: Any,
    layer: Layer,
    kernel: Kernel | None,
    positions: tuple[Pair, ...],
    settings: dict[str, Any],
) -> list[Explanation]:
    """Explain every position and channel."""
    found: list[Explanation] = []
    for at in positions:
        if kernel is not None:
            found += explain_convolution(values, kernel, at, layer.window, **settings)
        else:
            found += explain_pool(
                values, at, layer.window, op=layer.op, count_include_pad=layer.count_padding
            )
    return found


def _format_product(matrices: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return format_json({name: matrix.tolist() for name, matrix in matrices.items()})
    return format_matrices(matrices["columns"], matrices["weights"], matrices["product"])


def _format_text(found: list[Explanation]) -> str:
    has_channels = any(explanation.channel > 0 for explanation in found)
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    return "\n\n".join(
        format_explanation(explanation, show_channel=has_channels, width=width)
        for explanation in found
    )


def _format_records(found: list[Explanation]) -> str:
    records = [_make_record(explanation) for explanation in found]
    return format_json(records[0] if len(records) == 1 else records)


def _make_record(explanation: Explanation) -> dict[str, Any]:
    """One explanation for JSON; matrices of a single channel have two axes."""
    has_channels = len(explanation.window) > 1

    def matrix(planes: Any) -> Any:
        finite: Any = np.where(np.isfinite(planes), planes, None)
        return (finite if has_channels else finite[0]).tolist()

    return {
        "at": explanation.at,
        "slice": [[axis[0], axis[-1] + 1] for axis in (explanation.rows, explanation.columns)],
        "window": matrix(explanation.window),
        "kernel": matrix(explanation.kernel),
        "products": matrix(explanation.products),
        "sum": explanation.total if np.isfinite(explanation.total) else None,
        "bias": explanation.bias,
        "value": explanation.value if np.isfinite(explanation.value) else None,
    }
