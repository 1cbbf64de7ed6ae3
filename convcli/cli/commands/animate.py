"""`convcli animate`: the kernel sliding over its input."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import click

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, Sides, parse_number, parse_real, parse_size
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import log_kernel_notes, log_notes
from convcli.cli.parts import PART_OPTIONS, PartOptions, take_part
from convcli.cli.pictures import PictureOptions
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.images import ReadSettings
from convcli.images.read import read_within
from convcli.kernels import Kernel, load_kernel
from convcli.pictures.animation import (
    FORMATS,
    FRAME_SUFFIXES,
    Settings,
    write_animation,
    write_frames,
)
from convcli.pictures.scene import Scene, size_scene
from convcli.pictures.scene_numbers import numbers_scene
from convcli.pictures.theme import CELL
from convcli.pipeline.plan import check_limits, flip_origin

MAX_FRAMES = 400
MAX_CELL_PIXELS = 1000  # a side
MAX_SCENES = 8  # in one picture
MAX_REST_S = 600.0  # a GIF holds no more than 655
KERNEL_OPTIONS = (
    "padding", "padding_mode", "stride", "dilation", "flip", "transposed", "output_padding", "bias",
)  # fmt: skip
NUMBER_OPTIONS = ("keep_damaged", "timeout", "flip", "bias", "padding_mode", *PART_OPTIONS)
MOTION_OPTIONS = ("fps", "loop", "rest")
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


def _read_rest(text: str) -> float:
    seconds = parse_real(text, "it")
    if not 0 <= seconds <= MAX_REST_S:
        raise ArgumentError(f"it must be 0 to {MAX_REST_S:g} seconds, not {text}")
    return seconds


Sweep: TypeAlias = tuple[Any, ...]  # of values that were separated by commas

FPS = opt.TextType("X", _read_fps)
LOOPS = opt.TextType("N", _read_loops)
REST = opt.TextType("S", _read_rest)
SIDE = opt.whole_number("N", least=8, most=MAX_CELL_PIXELS)


class AnimateOptions(PictureOptions, PartOptions):
    """The input and the options of `animate`, as they were typed."""

    source: str | None

    height: int | None = option("Input", "--h", opt.POSITIVE, "Input height, without INPUT.")
    width: int | None = option("Input", "--w", opt.POSITIVE, "Input width; default: the height.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input")

    kernel: str | None = option(
        "Kernel", opt.KERNEL, opt.SIZE_OR_SPEC, "A size; with INPUT, a kernel as in apply."
    )
    flip: bool = flag("Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees.")
    bias: float = option("Kernel", "--bias", opt.REAL, "Added to the sum.", default="0")
    pool: Layer | None = option("Kernel", "--pool", opt.POOL, "Animate a pool instead of a kernel.")
    transposed: bool = flag("Kernel", "--transposed", "Animate a transposed convolution.")
    output_padding: Pair = option(
        "Kernel", "--output-padding", opt.SIZE0, "Of a transposed convolution.", default="0",
        show_default=False
    )  # fmt: skip

    stride: tuple[Pair, ...] = option(
        "Window", opt.STRIDE, opt.comma_list(opt.SIZE), "Step of the window. Values of this and of "
        "the next two that are separated by commas are drawn one above the other, in step.",
        default="1"
    )  # fmt: skip
    padding: tuple[str | Sides, ...] = option(
        "Window", opt.PADDING, opt.comma_list(opt.SIDES), "As in apply.", default="valid"
    )
    dilation: tuple[Pair, ...] = option(
        "Window", opt.DILATION, opt.comma_list(opt.SIZE), "Distance between the weights.",
        default="1"
    )  # fmt: skip
    padding_mode: str = option(
        "Window", "--padding-mode", opt.MODE, opt.PADDING_MODE_TEXT, default="replicate"
    )

    fps: float = option("Frames", "--fps", FPS, "Frames a second.", default="2")
    loop: int = option("Frames", "--loop", LOOPS, "Times to play; 0 is forever.", default="0")
    rest: float = option(
        "Frames", "--rest", REST, "Seconds that the last frame rests.", default="2"
    )
    cell: int = option(
        "Frames", "--size", SIDE, "Side of a cell, in pixels; larger where numbers need it.",
        default=str(CELL)
    )  # fmt: skip
    max_frames: int = option(
        "Frames", "--max-frames", opt.POSITIVE, "The most frames to draw.", default=str(MAX_FRAMES)
    )

    output: str | None = option(
        "Output", "-o --output", opt.PATH, "An animated .gif, .png, .apng or .webp."
    )
    folder: str | None = option(
        "Output", "--frames", opt.DIR, "Numbered pictures instead; created if missing."
    )
    to: str = option(
        "Output", "--to", click.Choice([suffix[1:] for suffix in FRAME_SUFFIXES]), "Their format.",
        default="png"
    )  # fmt: skip
    force: bool = flag(
        "Output", "-f --force", "Replace an existing file; of --frames, also remove those of a "
        "longer animation before."
    )  # fmt: skip
    restrict: str | None = opt.restrict_option("Output")


@opt.command(AnimateOptions, no_args_is_help=True)
@click.argument("source", metavar="[INPUT]", type=opt.FILE, required=False)
def animate(**values: Any) -> None:
    """Draw the kernel sliding over its input while the output fills up.

    From sizes alone, or from INPUT with its numbers: X is the input, with a weight in each cell of
    the window, K the kernel as it is applied, Y the output. Padding is dashed, and so is what a
    transposed convolution puts between inputs; what no window reaches is hatched. Channels that the
    kernel sums are drawn one below the other.

    \b
    convcli animate --h 5 --k 3 --p 1 --s 1,2 -o conv.gif
    convcli animate samples/grid5.csv -k sobel-x -o sobel.gif --theme dark
    convcli animate --h 3 --k 3 --s 2 --p 1 --transposed --frames steps --to svg
    convcli animate samples/cat.jpg -k blur --region 8x6+200+100 --gray -o a.webp
    """
    options = AnimateOptions(**values)
    _check(options)
    scenes = _make_scenes(options)
    settings = Settings(options.style, options.cell, options.fps, options.loop, options.rest)
    inputs = [] if options.source is None else [options.source]
    if options.output is not None:
        write_animation(options.output, scenes, settings, force=options.force, inputs=inputs)
    elif options.folder is not None:
        write_frames(
            options.folder, scenes, settings, suffix=f".{options.to}", force=options.force,
            inputs=inputs,
        )  # fmt: skip


def _check(options: AnimateOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    if options.pool is not None:
        opt.refuse_typed(KERNEL_OPTIONS, opt.NOT_OF_POOL)
    _check_input(options)
    _check_output(options)
    if (options.kernel is None) == (options.pool is None):
        raise click.UsageError("give either --kernel, like --k 3, or --pool, like --pool max:2")
    if options.transposed:
        opt.refuse_typed(("padding_mode",), "goes without --transposed: zeros lie around its input")
    elif options.output_padding != (0, 0):
        raise click.UsageError("--output-padding goes with --transposed")


def _check_input(options: AnimateOptions) -> None:
    if options.source is None:
        opt.refuse_typed(NUMBER_OPTIONS, "needs numbers: give INPUT")
    if (options.source is None) == (options.height is None):
        raise click.UsageError("give either INPUT or its height, like --h 5")
    if options.source is not None and options.width is not None:
        raise click.UsageError("--w goes with --h: INPUT has its own width")
    if options.gray and options.channel is not None:
        raise click.UsageError("--gray and --channel exclude each other")


def _check_output(options: AnimateOptions) -> None:
    if (options.output is None) == (options.folder is None):
        raise click.UsageError("give either -o, like -o conv.gif, or --frames DIR")
    if options.output is None:
        opt.refuse_typed(MOTION_OPTIONS, "goes with -o: numbered pictures do not move")
        return
    opt.refuse_typed(("to",), "goes with --frames; the suffix of -o is the format")
    suffix = Path(options.output).suffix.lower()
    if suffix not in FORMATS:
        hint = "; --frames DIR --to svg draws each frame" if suffix == ".svg" else ""
        raise click.UsageError(f"output {options.output!r} must end in {', '.join(FORMATS)}{hint}")


def _make_scenes(options: AnimateOptions) -> list[Scene]:
    """Return what is animated: layers over an input's numbers, or over sizes alone."""
    if options.source is None:
        text, height = options.kernel, options.height or 1
        kernel_size = None if text is None else parse_size(text, "without INPUT, --kernel")
        size = height, options.width or height
        return [
            size_scene(layer, size, options.max_frames)
            for layer in _make_layers(options, kernel_size)
        ]
    kernel = None if options.kernel is None else load_kernel(options.kernel)
    if kernel is not None and kernel.matrix.ndim > 3:
        raise ArgumentError(
            f"kernel {options.kernel!r} has {kernel.matrix.ndim} axes; one of two can slide, or of "
            "three, which sums channels"
        )
    layers = _make_layers(options, None if kernel is None else kernel.size)
    scenes = _make_numbers_scenes(options, options.source, layers, kernel)
    log_kernel_notes([kernel])
    return scenes


def _make_numbers_scenes(
    options: AnimateOptions, source: str, layers: list[Layer], kernel: Kernel | None
) -> list[Scene]:
    if kernel is not None:
        origin = flip_origin(kernel) if options.flip else kernel.origin
        layers = [layer._replace(origin=origin) for layer in layers]
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    picture = read_within(source, settings, options.timeout)
    log_notes(source, picture.notes)
    try:
        planes, note = take_part(picture.values, options)
        make_scene = partial(
            numbers_scene, flip=options.flip, bias=options.bias, note=note,
            max_frames=options.max_frames,
        )  # fmt: skip
        return [make_scene(layer, planes, kernel) for layer in layers]
    except LimitError as error:
        hint = "" if options.region else "; --region WxH+X+Y takes a part"
        raise FileError(source, f"{error}{hint}") from error
    except ArgumentError as error:
        raise FileError(source, str(error)) from error


def _make_layers(options: AnimateOptions, kernel: Pair | None) -> list[Layer]:
    """Return a layer for each value of the window's options that were separated by commas."""
    if options.pool is not None:
        return [options.pool]
    windows = [*product(options.stride, options.padding, options.dilation)]
    if len(windows) > MAX_SCENES:
        raise LimitError(f"{len(windows)} windows are too many for one picture: {MAX_SCENES}")
    layers = [
        Layer(
            op="tconv" if options.transposed else "conv", kernel=kernel, stride=stride,
            padding=padding, dilation=dilation, mode=options.padding_mode,
            output_padding=options.output_padding,
        )
        for stride, padding, dilation in windows
    ]  # fmt: skip
    for layer in layers:
        check_limits(layer)
    return layers
