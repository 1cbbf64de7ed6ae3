"""`convcli explain`: the window, the kernel, their products and the sum of one output."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import MAX_KERNEL_SIDE, Pair, format_shape
from convcli.cli import options as opt
from convcli.cli.explanations import (
    lay_out_explanations,
    lay_out_gradients,
    lay_out_matrices,
)
from convcli.cli.options import flag, option
from convcli.cli.output import log_kernel_notes, log_notes, print_data
from convcli.cli.pictures import STYLE_OPTIONS, PictureOptions
from convcli.engine.arrays import Array
from convcli.engine.explain import Explanation, explain_convolution, explain_pool, orient_weights
from convcli.engine.explain_gradients import as_output_gradient, explain_gradients
from convcli.engine.explain_matrices import explain_im2col
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.files import STDIN
from convcli.images import ReadSettings
from convcli.images.color import to_gray
from convcli.images.read import read_within
from convcli.kernels import Kernel, load_kernel
from convcli.pipeline.plan import check_limits, make_convolution

KERNEL_OPTIONS = (
    "padding", "padding_mode", "stride", "dilation", "flip", "bias", "transposed", "output_padding",
    "backward",
)  # fmt: skip


ExplainAt: TypeAlias = "Callable[..., list[Explanation]]"


class ExplainOptions(opt.WindowOptions, PictureOptions):
    """The input and the options of `explain`, as they were typed."""

    source: str

    gray: bool = flag("Input", "--gray", "Convert a color picture to gray first.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input")

    kernel: str | None = option("Kernel", opt.KERNEL, opt.SPEC, "As in apply.")
    flip: bool = flag("Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees.")
    bias: float = option("Kernel", "--bias", opt.REAL, "Added to the sum.", default="0")
    pool: Layer | None = option("Kernel", "--pool", opt.POOL, "Explain a pool instead of a kernel.")

    transposed: bool = flag("Kernel", "--transposed", "Explain a transposed convolution.")
    output_padding: Pair = option(
        "Kernel", "--output-padding", opt.SIZE0, "Of a transposed convolution.", default="0",
        show_default=False
    )  # fmt: skip

    at: tuple[Pair, ...] = option(
        "Output", "--at", opt.POSITION, "The output to explain, with --backward the input; repeat "
        "for several.", multiple=True
    )  # fmt: skip
    backward: bool = flag(
        "Output", "--backward", "Explain the gradients: dL/dX at the input, and dL/dW."
    )
    grad: str | None = option(
        "Output", "--grad", opt.FILE, "The gradient dL/dY, of the output's size; default: ones, as "
        "of L = sum(Y)."
    )  # fmt: skip
    im2col: bool = flag("Output", "--im2col", "Show the whole product of matrices.")
    figure: str | None = option(
        "Output", "--figure", opt.PATH, "Draw each step, one above the other: .png or .svg."
    )
    force: bool = flag("Output", "-f --force", "Replace an existing figure.")
    json: bool = flag("Output", "--json", "Print a JSON object; for several outputs a list.")
    restrict: str | None = opt.restrict_option("Output")


@opt.command(ExplainOptions, no_args_is_help=True)
@click.argument("source", metavar="INPUT", type=opt.FILE)
def explain(**values: Any) -> None:
    """Show how one output is computed: the window, the kernel, their products, the sum.

    X is the input, Y the output; numbers in brackets are padding, and a dot is what an average does
    not count. Every channel is explained by itself, or, where a kernel sums them, all together.

    With --transposed, the inputs and the weights are shown that meet in the output.

    With --backward, L is a loss: dL/dX of an input is the sum over the outputs that use it, or a
    copy of it in the padding, and dL/dW that over all outputs. W is the kernel as it is applied,
    with --flip rotated.

    \b
    convcli explain samples/grid5.csv -k sobel-x --at 0,1
    convcli explain samples/grid5.csv --pool max:2 --at 1,1
    convcli explain samples/grid5.csv -k ones:3 --im2col
    convcli explain samples/grid5.csv -k ones:3 -s 2 --transposed --at 2,2
    convcli explain samples/grid5.csv -k sobel-x --backward --at 1,2
    """
    options = ExplainOptions(**values)
    _check(options)
    layer, kernel = _make_layer(options)
    pixels = _read(options.source, options)
    pixels = to_gray(pixels) if options.gray else pixels
    try:
        if kernel is not None and options.backward:
            text = _explain_backward(pixels, layer, kernel, options)
        else:
            text = _explain(pixels, layer, kernel, options)
    except ArgumentError as error:
        raise FileError(options.source, str(error)) from error
    print_data(text)
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
        raise click.UsageError(
            f"give the {'input' if options.backward else 'output'}'s position, like --at 0,1"
        )
    if options.at and options.im2col:
        raise click.UsageError("--im2col shows every output: leave --at out")
    _check_direction(options)
    _check_figure(options)
    if options.source == options.grad == STDIN:
        raise click.UsageError("standard input is read once: INPUT and --grad are both -")


def _check_direction(options: ExplainOptions) -> None:
    """Raise for options without effect on a transposed convolution, or on gradients."""
    if options.transposed:
        opt.refuse_typed(("padding_mode",), "goes without --transposed, which pads nothing")
        opt.refuse_typed(("im2col", "backward"), "goes without --transposed")
    elif options.output_padding != (0, 0):
        raise click.UsageError("--output-padding goes with --transposed")
    if options.backward:
        opt.refuse_typed(("bias", "im2col"), "has no part in gradients: leave it out")
    elif options.grad is not None:
        raise click.UsageError("--grad goes with --backward")


def _check_figure(options: ExplainOptions) -> None:
    if options.figure is None:
        opt.refuse_typed(("force", *STYLE_OPTIONS), "goes with --figure")
        return
    opt.refuse_typed(("im2col", "backward"), "goes without --figure, which draws one output's step")
    if not options.figure.lower().endswith(opt.FIGURE_SUFFIXES):
        raise click.UsageError(f"--figure {options.figure!r} must end in .png or .svg")


def _make_layer(options: ExplainOptions) -> tuple[Layer, Kernel | None]:
    """Return the layer that is explained, with its kernel."""
    if options.pool is not None:
        check_limits(options.pool)
        return options.pool, None
    op = "tconv" if options.transposed else "conv"
    layer = options.make_layer(op, output_padding=options.output_padding)
    check_limits(layer)
    kernel = load_kernel(options.kernel or "")
    layer = make_convolution(layer, kernel, "auto", flip=options.flip).layer
    if kernel.outer is not None:
        raise LimitError(
            f"kernel {options.kernel!r} has {format_shape(kernel.size)} weights, and a window of "
            f"more than {MAX_KERNEL_SIDE} a side is not shown"
        )
    if options.transposed and kernel.groups > 1:
        raise LimitError(
            f"kernel {options.kernel!r} has {kernel.groups} groups of channels, and those of a "
            "transposed convolution are not shown"
        )
    return layer, kernel


def _read(path: str, options: ExplainOptions) -> Array:
    """Read the values of an input: (H, W, C)."""
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    picture = read_within(path, settings, options.timeout)
    log_notes(path, picture.notes)
    return picture.values


def _explain(pixels: Array, layer: Layer, kernel: Kernel | None, options: ExplainOptions) -> str:
    """Return the explanation of every position and channel, or the product of im2col."""
    if kernel is None:
        explain_at: ExplainAt = partial(
            explain_pool, pixels, window=layer.window, op=layer.op,
            count_include_pad=layer.count_padding,
        )  # fmt: skip
    else:
        bias = kernel.bias + options.bias
        settings: dict[str, Any] = {"padding_mode": layer.mode, "bias": bias, "flip": options.flip}
        if options.im2col:
            matrices = explain_im2col(pixels, kernel, layer.window, **settings)
            return lay_out_matrices(matrices, is_json=options.json)
        explain_at = partial(explain_convolution, pixels, kernel, window=layer.window, **settings)
    found = [explanation for at in options.at for explanation in explain_at(at=at)]
    if options.figure is not None:
        _draw(options.figure, (pixels, layer, kernel), explain_at, options)
    return lay_out_explanations(found, is_json=options.json)


def _draw(
    path: str,
    computation: tuple[Array, Layer, Kernel | None],
    explain_at: ExplainAt,
    options: ExplainOptions,
) -> None:
    """Draw the step of every position."""
    from convcli.pictures.step_figure import Subject, write_steps  # which text does not need

    pixels, layer, kernel = computation
    subject = Subject(layer, np.moveaxis(pixels, 2, 0), explain_at)
    if kernel is not None:
        weights = orient_weights(kernel, layer.window, flip=options.flip)
        subject = subject._replace(weights=weights, name=kernel.name, flip=options.flip)
    write_steps(
        path, subject, options.at, style=options.style, force=options.force,
        inputs=[options.source],
    )  # fmt: skip


def _explain_backward(pixels: Array, layer: Layer, kernel: Kernel, options: ExplainOptions) -> str:
    """Return the explanation of the gradients."""
    maps = len(kernel.matrix) if kernel.matrix.ndim == 4 else 1
    shape = (maps, *layer.window.output((pixels.shape[0], pixels.shape[1])))
    grad: Array | None = None
    if options.grad is not None:
        grad = _read(options.grad, options)
        try:
            as_output_gradient(grad, shape)
        except ArgumentError as error:
            raise FileError(options.grad, str(error)) from error
    found = explain_gradients(
        pixels, kernel, options.at, layer.window, grad=grad, padding_mode=layer.mode,
        flip=options.flip,
    )  # fmt: skip
    size = shape[1:] if maps == 1 else (*shape[1:], maps)
    return lay_out_gradients(found, size, options.grad, is_json=options.json)
