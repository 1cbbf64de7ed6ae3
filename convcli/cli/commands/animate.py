"""`convcli animate`: the kernel sliding over its input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, parse_number, parse_real, parse_size
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import log_kernel_notes, log_notes
from convcli.cli.pictures import PictureOptions
from convcli.errors import ArgumentError, FileError
from convcli.images import ReadSettings
from convcli.images.color import to_gray
from convcli.images.read import read_within
from convcli.kernels import load_kernel
from convcli.pictures.animation import FORMATS, FrameStyle, write_animation, write_frames
from convcli.pictures.scene import Scene, numbers_scene, size_scene
from convcli.pictures.theme import CELL
from convcli.pipeline.plan import check_limits, flip_origin

MAX_FRAMES = 400
KERNEL_OPTIONS = ("padding", "stride", "dilation", "flip", "transposed", "output_padding")
NUMBER_OPTIONS = ("keep_damaged", "timeout", "flip", "padding_mode")
MAX_LOOPS = 65_535  # a GIF counts no further


def _read_fps(text: str) -> float:
    fps = parse_real(text, "it")
    if not 0.05 <= fps <= 50:
        raise ArgumentError(f"it must be from 0.05 to 50, not {text}")
    return fps


def _read_loops(text: str) -> int:
    loops = parse_number(text, "it")
    if loops > MAX_LOOPS:
        raise ArgumentError(f"it must be at most {MAX_LOOPS}, not {loops}")
    return loops


FPS = opt.TextType("X", _read_fps)
LOOPS = opt.TextType("N", _read_loops)
SIDE = opt.whole_number("N", least=8)
SIZE_OR_SPEC = opt.TextType("N|HxW|SPEC", str, "kernel", opt.kernel_paths)


class AnimateOptions(PictureOptions, opt.WindowOptions):
    """The input and the options of `animate`, as they were typed."""

    source: str | None

    height: int | None = option("Input", "--h", opt.POSITIVE, "Input height, without INPUT.")
    width: int | None = option("Input", "--w", opt.POSITIVE, "Input width; default: the height.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input")

    kernel: str | None = option(
        "Kernel", opt.KERNEL, SIZE_OR_SPEC, "A size; with INPUT, a kernel as in apply."
    )
    flip: bool = flag("Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees.")
    pool: Layer | None = option("Kernel", "--pool", opt.POOL, "Animate a pool instead of a kernel.")
    transposed: bool = flag("Kernel", "--transposed", "Animate a transposed convolution.")
    output_padding: Pair = option(
        "Kernel", "--output-padding", opt.SIZE0, "Of a transposed convolution.", default="0",
        show_default=False
    )  # fmt: skip

    fps: float = option("Frames", "--fps", FPS, "Frames a second.", default="2")
    loop: int = option("Frames", "--loop", LOOPS, "Times to play; 0 is forever.", default="0")
    cell: int = option(
        "Frames", "--size", SIDE, "Side of a cell, in pixels; larger where numbers need it.",
        default=str(CELL)
    )  # fmt: skip
    max_frames: int = option(
        "Frames", "--max-frames", opt.POSITIVE, "The most frames to draw.", default=str(MAX_FRAMES)
    )

    output: str | None = option(
        "Output", "-o --output", opt.PATH, "An animated .gif, .png or .apng."
    )
    folder: str | None = option(
        "Output", "--frames", opt.DIR, "Numbered PNGs instead; created if missing."
    )
    force: bool = flag("Output", "-f --force", "Replace an existing file.")
    restrict: str | None = opt.restrict_option("Output")


@opt.command(AnimateOptions, no_args_is_help=True)
@click.argument("source", metavar="[INPUT]", type=opt.FILE, required=False)
def animate(**values: Any) -> None:
    """Draw the kernel sliding over its input while the output fills up.

    From sizes alone, or from INPUT with its numbers and every sum of products. Padding is dashed,
    and so is what a transposed convolution puts between inputs.

    \b
    convcli animate --h 5 --k 3 --p 1 --s 2 -o conv.gif
    convcli animate samples/grid5.csv -k sobel-x -o sobel.gif --theme dark
    convcli animate --h 3 --k 3 --s 2 --p 1 --transposed --frames steps
    """
    options = AnimateOptions(**values)
    _check(options)
    scene = _make_scene(options)
    looks = options.style
    style = FrameStyle(
        looks.theme, looks.scale, looks.is_transparent, options.cell, options.fps, options.loop
    )
    if options.output is None:
        write_frames(options.folder or "", scene, style, force=options.force)
    else:
        inputs = [] if options.source is None else [options.source]
        write_animation(options.output, scene, style, force=options.force, inputs=inputs)


def _check(options: AnimateOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    if options.pool is not None:
        opt.refuse_typed(KERNEL_OPTIONS, opt.NOT_OF_POOL)
    if options.source is None:
        opt.refuse_typed(NUMBER_OPTIONS, "needs numbers: give INPUT")
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
        text, height = options.kernel, options.height or 1
        size = None if text is None else parse_size(text, "without INPUT, --kernel")
        layer = _make_layer(options, size)
        return size_scene(layer, (height, options.width or height), options.max_frames)
    kernel = None if options.kernel is None else load_kernel(options.kernel)
    if kernel is not None and kernel.matrix.ndim != 2:
        raise ArgumentError(
            f"kernel {options.kernel!r} has {kernel.matrix.ndim} axes; two can slide"
        )
    layer = _make_layer(options, None if kernel is None else kernel.size)
    if kernel is not None:
        layer = layer._replace(origin=flip_origin(kernel, flip=options.flip))
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    picture = read_within(options.source, settings, options.timeout)
    log_notes(options.source, picture.notes)
    plane = to_gray(picture.values)[:, :, 0].astype(np.float64)
    try:
        scene = numbers_scene(
            layer, plane, kernel, flip=options.flip, max_frames=options.max_frames
        )
    except ArgumentError as error:
        raise FileError(options.source, str(error)) from error
    log_kernel_notes([kernel])
    return scene


def _make_layer(options: AnimateOptions, kernel: Pair | None) -> Layer:
    if options.pool is not None:
        return options.pool
    op = "tconv" if options.transposed else "conv"
    layer = options.make_layer(op, kernel=kernel, output_padding=options.output_padding)
    check_limits(layer)
    return layer
