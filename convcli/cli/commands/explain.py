"""`convcli explain`: the window, the kernel, their products and the sum of one output."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from typing import Any

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import MAX_KERNEL_SIDE, Pair, format_shape, parse_number
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import format_json, log_kernel_notes, log_notes, print_data
from convcli.engine.explain import Explanation, explain_convolution, explain_pool
from convcli.engine.explain_matrices import explain_im2col
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.images import ReadSettings
from convcli.images.color import to_gray
from convcli.images.read import read_within
from convcli.kernels import Kernel, load_kernel
from convcli.pictures.explanations import format_explanation, format_matrices
from convcli.pipeline.plan import check_limits, make_convolution

KERNEL_OPTIONS = ("padding", "padding_mode", "stride", "dilation", "flip", "bias")


def _read_position(text: str) -> Pair:
    row, comma, column = text.partition(",")
    if not comma:
        raise ArgumentError(f"it must be ROW,COL, like 0,1, not {text!r}")
    return parse_number(row.strip(), "ROW"), parse_number(column.strip(), "COL")


POSITION = opt.TextType("ROW,COL", _read_position)


class ExplainOptions(opt.WindowOptions):
    """The input and the options of `explain`, as they were typed."""

    source: str

    gray: bool = flag("Input", "--gray", "Convert a color picture to gray first.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input")

    kernel: str | None = option("Kernel", opt.KERNEL, opt.SPEC, "As in apply.")
    flip: bool = flag("Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees.")
    bias: float = option("Kernel", "--bias", opt.REAL, "Added to the sum.", default="0")
    pool: Layer | None = option("Kernel", "--pool", opt.POOL, "Explain a pool instead of a kernel.")

    at: tuple[Pair, ...] = option(
        "Output", "--at", POSITION, "The output to explain; repeat for several.", multiple=True
    )
    im2col: bool = flag("Output", "--im2col", "Show the whole product of matrices.")
    json: bool = flag("Output", "--json", "Print a JSON object; for several outputs a list.")
    restrict: str | None = opt.restrict_option("Output")


@opt.command(ExplainOptions, no_args_is_help=True)
@click.argument("source", metavar="INPUT", type=opt.FILE)
def explain(**values: Any) -> None:
    """Show how one output is computed: the window, the kernel, their products, the sum.

    X is the input, Y the output; numbers in brackets are padding, and a dot is what an average does
    not count. Every channel is explained by itself, or, where a kernel sums them, all together.

    \b
    convcli explain samples/grid5.csv -k sobel-x --at 0,1
    convcli explain samples/grid5.csv --pool max:2 --at 1,1
    convcli explain samples/grid5.csv -k ones:3 --im2col
    """
    options = ExplainOptions(**values)
    _check(options)
    layer = options.pool or options.make_layer()
    check_limits(layer)
    kernel = None if options.kernel is None else load_kernel(options.kernel)
    if kernel is not None:
        layer = make_convolution(layer, kernel, "auto", flip=options.flip).layer
    if kernel is not None and kernel.outer is not None:
        raise LimitError(
            f"kernel {options.kernel!r} has {format_shape(kernel.size)} weights, and a window of "
            f"more than {MAX_KERNEL_SIDE} a side is not shown"
        )
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    picture = read_within(options.source, settings, options.timeout)
    log_notes(options.source, picture.notes)
    pixels = picture.values
    try:
        print_data(_explain(to_gray(pixels) if options.gray else pixels, layer, kernel, options))
    except ArgumentError as error:
        raise FileError(options.source, str(error)) from error
    log_kernel_notes([kernel])


def _check(options: ExplainOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    if options.pool is not None:
        opt.refuse_typed(KERNEL_OPTIONS, opt.NOT_OF_POOL)
    if (options.kernel is None) == (options.pool is None):
        raise click.UsageError(
            "give either --kernel, like -k sobel-x, or --pool, like --pool max:2"
        )
    if options.pool is not None and options.im2col:
        raise click.UsageError("--im2col goes with --kernel: a pool has no weights")
    if not options.at and not options.im2col:
        raise click.UsageError("give the output's position, like --at 0,1")
    if options.at and options.im2col:
        raise click.UsageError("--im2col shows every output: leave --at out")


def _explain(pixels: Any, layer: Layer, kernel: Kernel | None, options: ExplainOptions) -> str:
    """Return the explanation of every position and channel, or the product of im2col."""
    if kernel is None:
        explain_at = partial(
            explain_pool, pixels, op=layer.op, count_include_pad=layer.count_padding
        )
    else:
        bias = kernel.bias + options.bias
        settings: dict[str, Any] = {"padding_mode": layer.mode, "bias": bias, "flip": options.flip}
        if options.im2col:
            matrices = explain_im2col(pixels, kernel, layer.window, **settings)
            if options.json:
                return format_json({name: matrix.tolist() for name, matrix in matrices.items()})
            return format_matrices(**matrices, width=_find_width())
        explain_at = partial(explain_convolution, pixels, kernel, **settings)
    found = [explanation for at in options.at for explanation in explain_at(at, layer.window)]
    if not options.json:
        return _format_text(found)
    records = [_make_record(explanation) for explanation in found]
    return format_json(records[0] if len(records) == 1 else records)


def _format_text(found: list[Explanation]) -> str:
    has_channels = any(explanation.channel > 0 for explanation in found)
    return "\n\n".join(
        format_explanation(explanation, show_channel=has_channels, width=_find_width())
        for explanation in found
    )


def _find_width() -> int | None:
    """Return the width of the terminal; what goes into a file or a pipe is not folded."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if on_terminal else None


def _make_record(explanation: Explanation) -> dict[str, Any]:
    """One explanation for JSON; matrices of a single channel have two axes."""
    planes = 0 if len(explanation.window) == 1 else slice(None)
    counted = True if explanation.is_counted is None else explanation.is_counted

    def finite(values: Any, *, is_counted: Any = True) -> Any:
        found: Any = np.where(np.isfinite(values) & is_counted, values, None)
        return found.tolist()

    return {
        "at": explanation.at,
        "slice": [[axis[0], axis[-1] + 1] for axis in (explanation.rows, explanation.columns)],
        "window": finite(explanation.window[planes], is_counted=counted),
        "kernel": finite(explanation.kernel[planes]),
        "products": finite(explanation.products[planes], is_counted=counted),
        "sum": finite(explanation.total),
        "bias": explanation.bias,
        "value": finite(explanation.value),
    }
