"""`convcli page`: a page on which a convolution can be touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from convcli import __version__
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import MAX_KERNEL_SIDE, Pair, format_shape, parse_size
from convcli.cli import options as opt
from convcli.cli.networks import with_kernel_sizes
from convcli.cli.options import flag, option
from convcli.cli.output import escape_control, log_kernel_notes, log_notes
from convcli.engine.arrays import Array
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.files import STDOUT
from convcli.files.output import atomic_write, check_output
from convcli.images import ReadSettings
from convcli.images.quantize import POLICIES
from convcli.images.read import read_within
from convcli.kernels import Kernel, load_kernel
from convcli.pictures.page import make_page
from convcli.pictures.page.state import (
    WINDOWS,
    PageInput,
    PageState,
    can_follow,
    make_input,
    swap_filters,
)
from convcli.pipeline.plan import check_limits, make_convolution

KERNEL_OPTIONS = ("padding", "stride", "dilation", "flip", "bias", "transposed", "output_padding",
                  "padding_mode")  # fmt: skip
NUMBER_OPTIONS = ("gray", "keep_damaged", "timeout", "flip", "padding_mode", "bias", "range")
SUFFIXES = (".html", ".htm")


class PageOptions(opt.WindowOptions):
    """The input and the options of `page`, as they were typed."""

    source: str | None

    height: int | None = option("Input", "--h", opt.POSITIVE, "Input height, without INPUT.")
    width: int | None = option("Input", "--w", opt.POSITIVE, "Input width; default: the height.")
    gray: bool = flag("Input", "--gray", "Convert a color picture to gray first.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input")

    kernel: str | None = option(
        "Kernel", opt.KERNEL, opt.SIZE_OR_SPEC, "A size; with INPUT, a kernel as in apply."
    )
    flip: bool = flag("Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees.")
    bias: float = option("Kernel", "--bias", opt.REAL, "Added to the sum.", default="0")
    pool: Layer | None = option("Kernel", "--pool", opt.POOL, "Show a pool instead of a kernel.")
    transposed: bool = flag("Kernel", "--transposed", "Show a transposed convolution.")
    output_padding: Pair = option(
        "Kernel", "--output-padding", opt.SIZE0, "Of a transposed convolution.", default="0",
        show_default=False
    )  # fmt: skip

    activation: str | None = option(
        "Layers", "--activation", click.Choice(("relu",)), "Applied to each sum."
    )
    layer: tuple[Layer, ...] = option(
        "Layers", "-l --layer", opt.LAYER, "A layer after this one, like maxpool:2, whose sizes "
        "and receptive field are shown; repeat for a stack.", multiple=True
    )  # fmt: skip
    range: str | None = option(
        "Values", "--range", click.Choice(POLICIES), "How values become the pixels of a picture: "
        "as in apply; default: clamp."
    )  # fmt: skip

    at: Pair | None = option(
        "Output", "--at", opt.POSITION, "The output that is explained first; default: the middle "
        "of a picture, else 0,0."
    )  # fmt: skip
    output: str = option(
        "Output", "-o --output", opt.PATH, "An .html file, or - for standard output.",
        required=True
    )  # fmt: skip
    force: bool = flag("Output", "-f --force", "Replace an existing file.")
    restrict: str | None = opt.restrict_option("Output")


@opt.command(PageOptions, no_args_is_help=True)
@click.argument("source", metavar="[INPUT]", type=opt.FILE, required=False)
def page(**values: Any) -> None:
    """Write a page on which the window can be moved, and kernel and input be edited.

    One HTML file for any browser, which needs no network: from sizes alone, a grid of numbers, or a
    picture, of which a large one is resampled.

    \b
    convcli page samples/grid5.csv -k sobel-x -o sobel.html
    convcli page cat.jpg -k sharpen -o sharpen.html
    convcli page --h 5 --k 3 --s 2 --p 1 -o sizes.html
    """
    options = PageOptions(**values)
    _check(options)
    inputs = [] if options.source is None else [options.source]
    if options.output != STDOUT:
        check_output(options.output, force=options.force, inputs=inputs)
    kernel = None
    if options.kernel is not None and options.source is not None:
        kernel = _load(options.kernel)
    state = _make_state(options, kernel)
    try:
        content = make_page(state, version=__version__)
    except ArgumentError as error:
        if options.source is None:
            raise
        raise FileError(options.source, str(error)) from error
    log_kernel_notes([kernel])
    with atomic_write(options.output, force=options.force) as stream:
        stream.write(content)


def _check(options: PageOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    if options.pool is not None:
        opt.refuse_typed(KERNEL_OPTIONS, opt.NOT_OF_POOL)
    if options.source is None:
        opt.refuse_typed(NUMBER_OPTIONS, "needs numbers: give INPUT")
    if options.transposed:
        opt.refuse_typed(("padding_mode",), "does not go with --transposed, which pads nothing")
    if options.output != STDOUT and Path(options.output).suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"output {options.output!r} must end in {' or '.join(SUFFIXES)}")
    if (options.source is None) == (options.height is None):
        raise click.UsageError("give either INPUT or its height, like --h 5")
    if options.source is not None and options.width is not None:
        raise click.UsageError("--w goes with --h: INPUT has its own width")
    if (options.kernel is None) == (options.pool is None):
        raise click.UsageError("give either --kernel, like --k 3, or --pool, like --pool max:2")
    if options.output_padding != (0, 0) and not options.transposed:
        raise click.UsageError("--output-padding goes with --transposed")
    _check_layers(options.layer)


def _check_layers(layers: Sequence[Layer]) -> None:
    for layer in layers:
        if not can_follow(layer):
            raise click.UsageError(
                f"layer {format_layer(layer)!r} does not go on a page, which has a chain of "
                f"{', '.join(WINDOWS)} and what works on each value by itself"
            )


def _load(spec: str) -> Kernel:
    kernel = load_kernel(spec)
    if kernel.outer is not None:
        raise LimitError(
            f"kernel {spec!r} has {format_shape(kernel.size)} weights, and a window of more than "
            f"{MAX_KERNEL_SIDE} a side is not shown"
        )
    return kernel


def _make_state(options: PageOptions, kernel: Kernel | None) -> PageState:
    """Return what the page shows first: a layer over an input's numbers, or over sizes alone."""
    layer = _make_layer(options, kernel)
    page_input = _read(options)
    own_bias = 0.0 if kernel is None or np.ndim(kernel.bias) else float(kernel.bias)
    return PageState(
        title=_make_title(options, layer),
        layer=layer,
        input=page_input,
        weights=None if kernel is None else _order_weights(kernel, options),
        flip=options.flip,
        bias=options.bias + own_bias,
        map_biases=_map_biases(kernel),
        relu=options.activation is not None,
        layers=tuple(layer._replace(spec=None) for layer in with_kernel_sizes(options.layer)),
        value_range=options.range or ("clamp" if page_input.is_picture else "none"),
        at=options.at,
        source=options.source,
        spec=None if kernel is None else options.kernel,
        spec_bias=own_bias,
    )


def _order_weights(kernel: Kernel, options: PageOptions) -> Array:
    """Return the weights with output maps first, as the page has them."""
    weights = np.asarray(kernel.matrix)
    if options.transposed and weights.ndim == 4:
        return swap_filters(weights, kernel.groups)
    return weights


def _map_biases(kernel: Kernel | None) -> tuple[float, ...]:
    return () if kernel is None or np.ndim(kernel.bias) == 0 else tuple(np.ravel(kernel.bias))


def _make_layer(options: PageOptions, kernel: Kernel | None) -> Layer:
    if options.pool is not None:
        layer = options.pool
    else:
        text, op = options.kernel or "", "tconv" if options.transposed else "conv"
        size = kernel.size if kernel else parse_size(text, "without INPUT, --kernel")
        layer = options.make_layer(op, kernel=size, output_padding=options.output_padding)
        if kernel is None:
            layer = layer._replace(mode="zero")  # no values are beyond the border of sizes alone
        else:
            step = make_convolution(layer, kernel, "auto", flip=options.flip)
            layer = layer._replace(origin=step.layer.origin)
    check_limits(layer)
    return layer


def _read(options: PageOptions) -> PageInput:
    """Return the input, and print what is to be said of it."""
    if options.source is None:
        height = options.height or 1
        return PageInput((height, options.width or height))
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    picture = read_within(options.source, settings, options.timeout)
    try:
        page_input = make_input(picture, is_gray=options.gray)
    except ArgumentError as error:
        raise FileError(options.source, str(error)) from error
    log_notes(options.source, (*picture.notes, *page_input.notes))
    return page_input


def _make_title(options: PageOptions, layer: Layer) -> str:
    """Return the kernel or the operation, and the input: `sobel-x on grid5.csv`."""
    if options.source is None:
        height = options.height or 1
        return f"{format_layer(layer)} on {height}×{options.width or height}"
    name = format_layer(layer)
    if options.kernel is not None:
        paths = opt.kernel_paths(options.kernel)
        name = Path(paths[0]).name if paths else options.kernel
    return escape_control(f"{name} on {Path(options.source).name}")
