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
    PADDING,
    POOL,
    REAL,
    SIZE,
    TextType,
    dilation_option,
    json_option,
    padding_mode_option,
    padding_option,
    refuse_typed,
    stride_option,
)
from convcli.cli.output import format_json, print_data
from convcli.engine.explain import Explanation, explain_convolution, explain_pool
from convcli.engine.im2col import im2col
from convcli.engine.padding import pad2d
from convcli.errors import ArgumentError, FileError
from convcli.images.color import to_gray
from convcli.images.read import read_input
from convcli.kernels import load_kernel
from convcli.pictures.text import format_explanation, format_matrices
from convcli.pipeline.plan import Step, check_limits, make_convolution

OF_KERNELS = ("padding", "padding_mode", "stride", "dilation", "flip", "bias")
MOST_COLUMNS = 64  # of a columns matrix that is still read


def _position(text: str) -> Pair:
    row, comma, column = text.partition(",")
    if not comma:
        raise ArgumentError(f"it must be ROW,COL, like 0,1, not {text!r}")
    return parse_number(row.strip(), "ROW"), parse_number(column.strip(), "COL")


@click.command(no_args_is_help=True)
@click.argument("source", metavar="INPUT", type=str)
@click.option("-k", "--k", "--kernel", "kernel", metavar="SPEC", help="As in apply.")
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
@click.option("--flip", is_flag=True, help="True convolution: the kernel turned by 180 degrees.")
@click.option("--bias", type=REAL, default="0", show_default=True, help="Added to the sum.")
@click.option("--pool", type=POOL, help="Explain a pool instead of a kernel.")
@click.option("--gray", is_flag=True, help="Make a colour picture grey first.")
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
    layer = _layer(options)
    check_limits(layer)
    step = None
    if kernel is not None:
        loaded = load_kernel(kernel)
        step = make_convolution(layer, loaded, "auto", flip=options["flip"])
    values = read_input(source).values
    values = to_gray(values) if options["gray"] else values
    try:
        if options["as_columns"] and step is not None:
            print_data(_product(values, step, options, as_json=as_json))
            return
        traces = _traces(values, layer, step, options)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    print_data(format_json(_documents(traces)) if as_json else _text(traces))


def _check(kernel: str | None, options: dict[str, Any]) -> None:
    pool: Layer | None = options["pool"]
    if pool is not None:
        refuse_typed(
            OF_KERNELS, "is of a kernel, and --pool has settings of its own: max:3,s=2,p=1"
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


def _layer(options: dict[str, Any]) -> Layer:
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


def _traces(
    values: Any, layer: Layer, step: Step | None, options: dict[str, Any]
) -> list[Explanation]:
    """A trace for each position and channel."""
    traces: list[Explanation] = []
    for at in options["positions"]:
        if step is None or step.kernel is None:
            counted = layer.count_padding
            traces += explain_pool(values, at, layer.window, op=layer.op, count_include_pad=counted)
            continue
        traces += explain_convolution(
            values,
            step.kernel,
            at,
            step.layer.window,
            padding_mode=layer.mode,
            bias=step.kernel.bias + options["bias"],
            flip=options["flip"],
        )
    return traces


def _product(values: Any, step: Step, options: dict[str, Any], *, as_json: bool) -> str:
    """The columns matrix, the flattened kernel and their product, as im2col has them."""
    layer, kernel = step.layer, step.kernel
    assert kernel is not None  # noqa: S101  # a convolution's step has one
    planes = values.transpose(2, 0, 1).astype(np.float64)
    if kernel.matrix.ndim == 2 and len(planes) > 1:
        raise ArgumentError(
            f"it has {len(planes)} channels, each of which is filtered by itself; show one with "
            "--gray"
        )
    padded = pad2d(planes, layer.window.sides(values.shape[:2]), layer.mode)
    matrix = im2col(padded, kernel.size, stride=layer.stride, dilation=layer.dilation)
    if matrix.shape[1] > MOST_COLUMNS:
        raise ArgumentError(
            f"its columns matrix is {matrix.shape[0]}x{matrix.shape[1]}; "
            f"the most that is shown is {MOST_COLUMNS} columns"
        )
    turned = kernel.matrix[..., ::-1, ::-1] if options["flip"] else kernel.matrix
    weights = turned.reshape(len(turned) if turned.ndim == 4 else 1, -1)
    product = weights @ matrix + kernel.bias + options["bias"]
    if as_json:
        found = {"weights": weights, "columns": matrix, "product": product}
        return format_json({name: numbers.tolist() for name, numbers in found.items()})
    return format_matrices(matrix, weights, product)


def _text(traces: list[Explanation]) -> str:
    several = any(trace.channel > 0 for trace in traces)
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    return "\n\n".join(format_explanation(one, show_channel=several, width=width) for one in traces)


def _documents(traces: list[Explanation]) -> Any:
    found = [_document(trace) for trace in traces]
    return found[0] if len(found) == 1 else found


def _document(trace: Explanation) -> dict[str, Any]:
    """One trace for JSON; of a single channel the matrices have two axes."""
    single = len(trace.window) == 1

    def matrix(planes: Any) -> Any:
        finite: Any = np.where(np.isfinite(planes), planes, None)
        return (finite[0] if single else finite).tolist()

    return {
        "at": trace.at,
        "slice": [
            [trace.rows[0], trace.rows[-1] + 1],
            [trace.columns[0], trace.columns[-1] + 1],
        ],
        "window": matrix(trace.window),
        "kernel": matrix(trace.kernel),
        "products": matrix(trace.products),
        "sum": trace.total if np.isfinite(trace.total) else None,
        "bias": trace.bias,
        "value": trace.value if np.isfinite(trace.value) else None,
    }
