"""`convcli animate`: the kernel sliding over its input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import (
    Pair,
    Sides,
    format_padding,
    format_size,
    parse_number,
    parse_real,
    parse_size,
)
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
from convcli.engine.filter2d import filter2d
from convcli.engine.gradients import conv_transpose2d
from convcli.engine.padding import pad2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.files import atomic_write, check_output, make_folder
from convcli.images.color import to_gray
from convcli.images.read import read_input
from convcli.kernels import load_kernel
from convcli.pictures.animation import Style, draw_frames, save_animation
from convcli.pictures.scene import Numbers, Scene, input_index, make_scene, padded_size
from convcli.pictures.theme import CELL, THEMES
from convcli.pipeline.plan import check_limits, flip_origin

MOST_FRAMES = 400
MOST_CELLS = 64  # a side of a grid that can still be drawn
OF_KERNELS = ("padding", "stride", "dilation", "flip", "transposed", "output_padding")
OF_NUMBERS = ("flip", "padding_mode")
MOST_PIXELS = 1_000_000_000  # of all frames together
MOST_LOOPS = 65_535  # a GIF counts no further
KINDS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG"}


def _fps(text: str) -> float:
    found = parse_real(text, "it")
    if not 0.05 <= found <= 50:
        raise ArgumentError(f"it must be from 0.05 to 50, not {text}")
    return found


def _loops(text: str) -> int:
    found = parse_number(text, "it")
    if found > MOST_LOOPS:
        raise ArgumentError(f"it must be at most {MOST_LOOPS}, not {found}")
    return found


FPS = TextType("X", _fps)
LOOPS = TextType("N", _loops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The options of `animate`, as they were typed."""

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
    default=str(MOST_FRAMES),
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
    typed = Typed(**options)
    _check(typed)
    scene = _from_sizes(typed) if typed.source is None else _from_numbers(typed, typed.source)
    look = Style(THEMES[typed.theme], typed.cell)
    _check_pixels(scene, look)
    if typed.folder is not None:
        _write_frames(scene, look, typed)
        return
    path = typed.output or ""
    check_output(path, force=typed.force, inputs=[typed.source] if typed.source else [])
    with atomic_write(path) as stream:
        kind = KINDS[Path(path).suffix.lower()]
        save_animation(stream, scene, look, kind, fps=typed.fps, loop=typed.loop)


def _check(typed: Typed) -> None:
    """Refuse options that contradict each other, or would have no effect."""
    if typed.pool is not None:
        refuse_typed(
            OF_KERNELS, "is of a kernel, and --pool has settings of its own: max:3,s=2,p=1"
        )
    if typed.source is None:
        refuse_typed(OF_NUMBERS, "needs numbers: give INPUT")
    if (typed.output is None) == (typed.folder is None):
        raise click.UsageError("give either -o, like -o conv.gif, or --frames DIR")
    if typed.output is not None and Path(typed.output).suffix.lower() not in KINDS:
        raise click.UsageError(f"output {typed.output!r} must end in {', '.join(KINDS)}")
    if (typed.source is None) == (typed.height is None):
        raise click.UsageError("give either INPUT or its height, like --h 5")
    if typed.source is not None and typed.width is not None:
        raise click.UsageError("--w goes with --h: INPUT has its own width")
    if (typed.kernel is None) == (typed.pool is None):
        raise click.UsageError("give either --kernel, like --k 3, or --pool, like --pool max:2")
    if typed.output_padding != (0, 0) and not typed.transposed:
        raise click.UsageError("--output-padding goes with --transposed")


def _layer(typed: Typed, size: Pair | None) -> Layer:
    if typed.pool is not None:
        return typed.pool
    layer = Layer(
        op="tconv" if typed.transposed else "conv",
        kernel=size,
        stride=typed.stride,
        padding=typed.padding,
        dilation=typed.dilation,
        output_padding=typed.output_padding,
        mode=typed.padding_mode,
    )
    check_limits(layer)
    return layer


def _from_sizes(typed: Typed) -> Scene:
    kernel = None if typed.kernel is None else parse_size(typed.kernel, "without INPUT, --kernel")
    layer = _layer(typed, kernel)
    height = typed.height or 1
    size = (height, typed.width or height)
    _check_size(layer, size, typed.max_frames)
    return make_scene(_title(layer, size), size, layer.window, op=layer.op)


def _from_numbers(typed: Typed, source: str) -> Scene:
    loaded = None if typed.kernel is None else load_kernel(typed.kernel)
    if loaded is not None and loaded.matrix.ndim != 2:
        raise ArgumentError(f"kernel {typed.kernel!r} has {loaded.matrix.ndim} axes; two can slide")
    layer = _layer(typed, None if loaded is None else loaded.size)
    if loaded is not None:
        layer = replace(layer, origin=flip_origin(loaded, flip=typed.flip))
    plane = to_gray(read_input(source).values)[:, :, 0].astype(np.float64)
    size = (plane.shape[0], plane.shape[1])
    try:
        _check_size(layer, size, typed.max_frames)
        weights = None if loaded is None else np.asarray(loaded, np.float64)
        if weights is not None and typed.flip:
            weights = weights[::-1, ::-1]
        bias = 0.0 if loaded is None else loaded.bias
        numbers = _numbers(plane, layer, weights, bias)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    title = _title(layer, size)
    if loaded is not None:
        title = f"{loaded.name}, {title}"
    return make_scene(title, size, layer.window, op=layer.op, numbers=numbers)


def _check_size(layer: Layer, size: Pair, most: int) -> None:
    """Refuse what nobody could look at, before it is drawn."""
    rows, columns = layer.window.output(size)
    if rows * columns > most:
        raise LimitError(
            f"the animation would have {rows * columns:,} frames; --max-frames allows {most:,}"
        )
    cells = [padded_size(axis) for axis in layer.window.axes(size)]
    if max(cells) > MOST_CELLS:
        raise LimitError(
            f"a padded input of {cells[0]}x{cells[1]} cells is too large to draw: "
            f"the most is {MOST_CELLS} a side"
        )


def _check_pixels(scene: Scene, look: Style) -> None:
    """Refuse frames that would not fit the memory, by arithmetic alone."""
    rows, columns = len(scene.kinds) + 2, len(scene.kinds[0]) + scene.output[1] + 2
    pixels = rows * columns * look.cell**2
    if pixels * len(scene.steps) > MOST_PIXELS:
        raise LimitError(
            f"{len(scene.steps)} frames of about {pixels:,} pixels are too many: the most is "
            f"{MOST_PIXELS:,} in all; give a smaller --size"
        )


def _numbers(plane: Any, layer: Layer, weights: Any, bias: float) -> Numbers:
    """The numbers of every cell: the padded input's and the outputs', from the engine."""
    window, size = layer.window, (plane.shape[0], plane.shape[1])
    if layer.op == "conv":
        results = filter2d(
            plane, weights, bias=bias, stride=layer.stride, padding=window.sides(size),
            padding_mode=layer.mode, dilation=layer.dilation,
        )  # fmt: skip
        return Numbers(pad2d(plane, window.sides(size), layer.mode), results, weights, bias)
    if layer.op == "tconv":
        results = conv_transpose2d(
            plane[np.newaxis], weights[np.newaxis, np.newaxis], stride=layer.stride,
            padding=layer.padding, output_padding=layer.output_padding, dilation=layer.dilation,
        )[0] + bias  # fmt: skip
        return Numbers(_spread(plane, layer, 0.0), results, weights[::-1, ::-1], bias)
    pool = (
        max_pool2d
        if layer.op == "maxpool"
        else partial(avg_pool2d, count_include_pad=layer.count_padding)
    )
    pooled = pool(
        plane[np.newaxis], window.kernel, stride=layer.stride, padding=layer.padding,
        dilation=layer.dilation, ceil_mode=layer.ceil,
    )[0]  # fmt: skip
    if layer.op == "maxpool":
        return Numbers(_spread(plane, layer, -np.inf), pooled)
    counts = 0.0 if layer.count_padding else np.nan
    return Numbers(_spread(plane, layer, counts, beyond=np.nan), pooled)


def _spread(plane: Any, layer: Layer, elsewhere: float, beyond: float | None = None) -> Any:
    """The input in its cells, another value in all the others; `beyond` past the padding."""
    axes = layer.window.axes((plane.shape[0], plane.shape[1]))
    cells = np.full([padded_size(axis) for axis in axes], elsewhere)
    if beyond is not None:
        rows, columns = (axis.before + axis.size + axis.after for axis in axes)
        cells[rows:] = cells[:, columns:] = beyond
    for row in range(cells.shape[0]):
        for column in range(cells.shape[1]):
            inside = input_index(axes[0], row), input_index(axes[1], column)
            if None not in inside:
                cells[row, column] = plane[inside]
    return cells


def _title(layer: Layer, size: Pair) -> str:
    window = layer.window
    parts = [f"{layer.op} {format_size(window.kernel)}"]
    if layer.stride != (1, 1):
        parts.append(f"stride {format_size(layer.stride)}")
    sides = window.sides(size)
    if sides != ((0, 0), (0, 0)):
        parts.append(f"padding {format_padding(sides)}")
    if layer.dilation != (1, 1):
        parts.append(f"dilation {format_size(layer.dilation)}")
    if layer.output_padding != (0, 0):
        parts.append(f"output padding {format_size(layer.output_padding)}")
    rows, columns = window.output(size)
    return f"{', '.join(parts)}: {size[0]}x{size[1]} -> {rows}x{columns}"


def _write_frames(scene: Scene, look: Style, typed: Typed) -> None:
    """Write numbered PNGs; none is written where one is in the way."""
    folder = Path(typed.folder or "")
    make_folder(str(folder))
    digits = max(len(str(len(scene.steps))), 3)
    paths = [
        str(folder / f"frame-{place:0{digits}}.png") for place in range(1, len(scene.steps) + 1)
    ]
    for path in paths:
        check_output(path, force=typed.force, inputs=[])
    for path, picture in zip(paths, draw_frames(scene, look), strict=True):
        with atomic_write(path) as stream:
            picture.save(stream, "PNG", optimize=True)
