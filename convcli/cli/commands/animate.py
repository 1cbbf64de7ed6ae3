"""`convcli animate`: the kernel sliding over its input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, Sides, parse_number, parse_real, parse_size
from convcli.cli.options import (
    PADDING,
    POOL,
    SIZE,
    SIZE0,
    TextType,
    dilation_option,
    padding_mode_option,
    padding_option,
    refuse_typed,
    stride_option,
    whole_number,
)
from convcli.errors import ArgumentError, FileError
from convcli.images.color import to_gray
from convcli.images.read import read_input
from convcli.kernels import load_kernel
from convcli.pictures.animation import FORMATS, Style, write_animation, write_frames
from convcli.pictures.layer_scene import numbers_scene, size_scene
from convcli.pictures.scene import Scene
from convcli.pictures.theme import CELL, THEMES
from convcli.pipeline.plan import check_limits, flip_origin

MAX_FRAMES = 400
KERNEL_OPTIONS = ("padding", "stride", "dilation", "flip", "transposed", "output_padding")
NUMBER_OPTIONS = ("flip", "padding_mode")
MAX_LOOPS = 65_535  # a GIF counts no further


def _fps(text: str) -> float:
    fps = parse_real(text, "it")
    if not 0.05 <= fps <= 50:
        raise ArgumentError(f"it must be from 0.05 to 50, not {text}")
    return fps


def _loops(text: str) -> int:
    loops = parse_number(text, "it")
    if loops > MAX_LOOPS:
        raise ArgumentError(f"it must be at most {MAX_LOOPS}, not {loops}")
    return loops


FPS = TextType("X", _fps)
LOOPS = TextType("N", _loops)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimateOptions:
    """The options of `animate`, as the user typed them."""

    source: str | None
    height: int | None
    width: int | None
    kernel: str | None
    stride: Pair
    padding: str | Sides
    padding_mode: str
    dilation: Pair
    flip: bool
    pool: Layer | None
    transposed: bool
    output_padding: Pair
    output: str | None
    folder: str | None
    fps: float
    loop: int
    cell: int
    theme: str
    max_frames: int
    force: bool


@click.command(no_args_is_help=True)
@click.argument("source", metavar="[INPUT]", type=str, required=False)
@click.option("--h", "height", type=whole_number("N", least=1), help="Input height, without INPUT.")
@click.option(
    "--w", "width", type=whole_number("N", least=1), help="Width; as the height if left out."
)
@click.option(
    "-k",
    "--k",
    "--kernel",
    "kernel",
    metavar="N|HxW|SPEC",
    help="A size; with INPUT, a kernel as in apply.",
)
@padding_option(PADDING, default="valid", show_default=True, help="As in apply.")
@padding_mode_option("replicate")
@stride_option(SIZE, default="1", show_default=True, help="Step of the window.")
@dilation_option(SIZE, default="1", show_default=True, help="Distance between the taps.")
@click.option("--flip", is_flag=True, help="True convolution: the kernel turned by 180 degrees.")
@click.option("--pool", type=POOL, help="A pool instead of a kernel.")
@click.option("--transposed", is_flag=True, help="A transposed convolution.")
@click.option("--output-padding", type=SIZE0, default="0", help="Of a transposed convolution.")
@click.option("-o", "--output", metavar="PATH", help="A .gif, or a .png or .apng that moves.")
@click.option("--frames", "folder", metavar="DIR", help="Numbered PNGs instead; made if missing.")
@click.option(
    "--fps",
    type=FPS,
    default="2",
    show_default=True,
    help="Frames a second.",
)
@click.option(
    "--loop",
    type=LOOPS,
    default="0",
    show_default=True,
    help="How often it plays; 0 is for ever.",
)
@click.option(
    "--size",
    "cell",
    type=whole_number("N", least=8),
    default=str(CELL),
    show_default=True,
    help="The side of a cell, in pixels; larger where numbers need it.",
)
@click.option(
    "--theme",
    type=click.Choice(tuple(THEMES)),
    default="light",
    show_default=True,
    help="The colours.",
)
@click.option(
    "--max-frames",
    type=whole_number("N", least=1),
    default=str(MAX_FRAMES),
    show_default=True,
    help="The most frames to draw.",
)
@click.option("-f", "--force", is_flag=True, help="Replace an existing file.")
def animate(**options: Any) -> None:
    """Draw the kernel sliding over its input, the output filling up.

    From sizes alone, or from INPUT with its numbers and the sum of products in words. Padding and
    what a transposed convolution puts between inputs are dashed.

    \b
    convcli animate --h 5 --k 3 --p 1 --s 2 -o conv.gif
    convcli animate samples/grid5.csv -k sobel-x -o sobel.gif --theme dark
    convcli animate --h 3 --k 3 --s 2 --p 1 --transposed --frames steps
    """
    typed = AnimateOptions(**options)
    _check(typed)
    scene, style = _make_scene(typed), Style(THEMES[typed.theme], typed.cell)
    if typed.output is None:
        write_frames(typed.folder or "", scene, style, force=typed.force)
        return
    write_animation(
        typed.output,
        scene,
        style,
        fps=typed.fps,
        loop=typed.loop,
        force=typed.force,
        inputs=[] if typed.source is None else [typed.source],
    )


def _check(options: AnimateOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    if options.pool is not None:
        refuse_typed(
            KERNEL_OPTIONS, "is of a kernel, and --pool has settings of its own: max:3,s=2,p=1"
        )
    if options.source is None:
        refuse_typed(NUMBER_OPTIONS, "needs numbers: give INPUT")
    if (options.output is None) == (options.folder is None):
        raise click.UsageError("give either -o, like -o conv.gif, or --frames DIR")
    if options.output is not None and Path(options.output).suffix.lower() not in FORMATS:
        raise click.UsageError(f"output {options.output!r} must end in {', '.join(FORMATS)}")
    if (options.source is None) == (options.height is None):
        raise click.UsageError("give either INPUT or its height, like --h 5")
    if options.source is not None and options.width is not None:
        raise click.UsageError("--w goes with --h: INPUT has its own width")
    if (options.kernel is None) == (options.pool is None):
        raise click.UsageError("give either --kernel, like --k 3, or --pool, like --pool max:2")
    if options.output_padding != (0, 0) and not options.transposed:
        raise click.UsageError("--output-padding goes with --transposed")


def _make_scene(options: AnimateOptions) -> Scene:
    """Return what is animated: a layer over an input's numbers, or over sizes alone."""
    if options.source is None:
        kernel = options.kernel
        layer = _make_layer(
            options, None if kernel is None else parse_size(kernel, "without INPUT, --kernel")
        )
        height = options.height or 1
        return size_scene(layer, (height, options.width or height), options.max_frames)
    loaded = None if options.kernel is None else load_kernel(options.kernel)
    if loaded is not None and loaded.matrix.ndim != 2:
        raise ArgumentError(
            f"kernel {options.kernel!r} has {loaded.matrix.ndim} axes; two can slide"
        )
    layer = _make_layer(options, None if loaded is None else loaded.size)
    if loaded is not None:
        layer = replace(layer, origin=flip_origin(loaded, flip=options.flip))
    plane = to_gray(read_input(options.source).values)[:, :, 0].astype(np.float64)
    try:
        return numbers_scene(layer, plane, loaded, flip=options.flip, max_frames=options.max_frames)
    except ArgumentError as error:
        raise FileError(options.source, str(error)) from error


def _make_layer(options: AnimateOptions, kernel: Pair | None) -> Layer:
    if options.pool is not None:
        return options.pool
    layer = Layer(
        op="tconv" if options.transposed else "conv",
        kernel=kernel,
        stride=options.stride,
        padding=options.padding,
        dilation=options.dilation,
        output_padding=options.output_padding,
        mode=options.padding_mode,
    )
    check_limits(layer)
    return layer
