"""Animations: the kernel sliding over its padded input, frame by frame."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.files.output import atomic_write, check_output, make_folder
from convcli.pictures.canvas import Canvas, Point, Raster, grid_box
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.fonts import text_width
from convcli.pictures.scene import Frame, Scene
from convcli.pictures.theme import CELL, GAP, LINE, MARGIN, TEXT, TITLE, Style, Theme

FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG"}  # by the suffix of a file's name
MIN_WIDTH = 320  # pixels of a frame: room for the formula
MIN_FRAME_MS = 20  # browsers slow down what is shorter
MAX_PIXELS = 1_000_000_000  # of all frames together
PALETTE_FRAMES = 16  # from which the palette is taken, where there are as many
CLEAR = 255  # the index of what is transparent, after all colors of the palette


@dataclass(frozen=True, slots=True)
class FrameStyle(Style):
    """How an animation looks and plays.

    Parameters
    ----------
    theme, scale, is_transparent
        As in `Style`.
    cell : int
        The side of a cell in pixels; cells are larger where their numbers need it.
    fps : float
        Frames a second.
    loop : int
        How often it plays; 0 is forever.
    """

    cell: int = CELL
    fps: float = 2.0
    loop: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of everything in a frame, in pixels.

    Parameters
    ----------
    size : (width, height)
    left_grid, right_grid : (left, top)
        Of the padded input and of the output.
    formula_top : float
    cell : int
        The side of a cell.
    type_size : int
        Of the numbers in the cells.
    """

    size: Pair
    left_grid: Point
    right_grid: Point
    formula_top: float
    cell: int
    type_size: int


def write_animation(
    path: str, scene: Scene, style: FrameStyle, *, force: bool = False, inputs: Sequence[str] = ()
) -> None:
    """Write a scene as a GIF or an animated PNG, by the suffix of the path.

    Parameters
    ----------
    path : str
        Ends in a key of `FORMATS`.
    scene : Scene
    style : Style
    force : bool
        Replace an existing file.
    inputs : sequence of str
        Paths that are never replaced.

    Raises
    ------
    LimitError
        For frames that are too large together.
    """
    check_pixels(scene, style)
    check_output(path, force=force, inputs=inputs)
    with atomic_write(path, force=force) as stream:
        save_animation(stream, scene, style, FORMATS[Path(path).suffix.lower()])


def write_frames(folder: str, scene: Scene, style: FrameStyle, *, force: bool = False) -> None:
    """Write a scene as numbered PNGs; none is written where one would replace a file.

    Parameters
    ----------
    folder : str
        Made where it is missing.
    scene, style, force
        As in `write_animation`.
    """
    check_pixels(scene, style)
    make_folder(folder)
    count = len(scene.frames)
    names = (f"frame-{number:0{max(len(str(count)), 3)}}.png" for number in range(1, count + 1))
    paths = [str(Path(folder) / name) for name in names]
    for path in paths:
        check_output(path, force=force, inputs=[])
    for path, picture in zip(paths, draw_frames(scene, style), strict=True):
        with atomic_write(path, force=force) as stream:
            picture.save(stream, "PNG", optimize=True)


def check_pixels(scene: Scene, style: FrameStyle) -> None:
    """Raise for frames that would not fit in memory, by arithmetic alone."""
    rows, columns = len(scene.kinds) + 2, len(scene.kinds[0]) + scene.output[1] + 2
    pixels = math.ceil(rows * columns * (style.cell * style.scale) ** 2)
    if pixels * len(scene.frames) > MAX_PIXELS:
        raise LimitError(
            f"{len(scene.frames)} frames of about {pixels:,} pixels are too many: the most is "
            f"{MAX_PIXELS:,} in all; give a smaller --size or --scale"
        )


def save_animation(stream: BinaryIO, scene: Scene, style: FrameStyle, file_format: str) -> None:
    """Write a scene to a stream as a "GIF" or an animated "PNG"; each frame is drawn once."""
    options: dict[str, Any] = {"duration": max(round(1000 / style.fps), MIN_FRAME_MS)}
    if file_format == "PNG":
        options["loop"] = style.loop
    else:
        options["disposal"] = 1
        if style.is_transparent:
            options["disposal"] = 2  # each frame clears the one before
        if style.loop != 1:  # a GIF counts what follows the first play
            options["loop"] = max(style.loop - 1, 0)
    if style.is_transparent:
        options["transparency"] = CLEAR
    layout = make_layout(scene, style)
    draw = partial(draw_frame, scene, layout=layout, style=style)
    count = len(scene.frames)
    spread = {index * (count - 1) // (PALETTE_FRAMES - 1) for index in range(PALETTE_FRAMES)}
    # The frames that the palette is taken from are kept, so that none is drawn twice.
    sample = {number: draw(number) for number in sorted(spread)}
    palette = choose_palette(sample.values(), style.theme)
    first, *others = (
        to_palette(sample.pop(number) if number in sample else draw(number), palette)
        for number in range(count)
    )
    encoded = io.BytesIO()
    first.save(encoded, file_format, save_all=True, append_images=others, optimize=True, **options)
    stream.write(encoded.getvalue())


def choose_palette(pictures: Iterable[Image.Image], theme: Theme) -> Array:
    """Return one palette for all frames, (n, 3): the theme's colors, then the most frequent.

    There is room for one more: `CLEAR`.
    """
    counts: Counter[tuple[int, ...]] = Counter()
    for picture in pictures:
        flat = picture.convert("RGB")
        for count, color in flat.getcolors(flat.width * flat.height) or []:
            counts[cast("tuple[int, ...]", color)] += count
    named = [theme.page, theme.ink, theme.faint, theme.cell, theme.output, theme.window,
            theme.window_on_padding, theme.current, theme.blank]  # fmt: skip
    colors = dict.fromkeys([*named, *(color for color, _ in counts.most_common())])
    return np.array(list(colors)[:CLEAR], np.uint8)


def to_palette(picture: Image.Image, palette: Array) -> Image.Image:
    """Map each pixel to the nearest color of a palette, (n, 3), or to `CLEAR` if it is clear."""
    codes = np.asarray(picture.convert("RGB").convert("RGBA")).view(np.uint32)[
        :, :, 0
    ]  # a number for each color
    unique, inverse = np.unique(codes, return_inverse=True)
    colors = unique.view(np.uint8).reshape(-1, 1, 4)[:, :, :3].astype(np.int64)  # (colors, 1, 3)
    nearest = ((colors - palette) ** 2).sum(axis=2).argmin(axis=1).astype(np.uint8)
    indices = nearest[inverse].reshape(codes.shape)
    if picture.mode == "RGBA":
        indices[np.asarray(picture)[:, :, 3] < 128] = CLEAR
    indexed = Image.fromarray(indices)
    indexed.putpalette(palette.tobytes())
    return indexed


def draw_frames(scene: Scene, style: FrameStyle | None = None) -> Iterator[Image.Image]:
    """Draw a scene, one picture for each output."""
    style = style or FrameStyle()
    layout = make_layout(scene, style)
    for number in range(len(scene.frames)):
        yield draw_frame(scene, number, layout, style)


def make_layout(scene: Scene, style: FrameStyle) -> Layout:
    """Lay out a scene: every frame has the same size, with room for the longest formula."""
    results = [frame.result for frame in scene.frames]
    cell, type_size = fit_cells([*scene.texts, results], style.cell)
    rows, columns = len(scene.kinds), len(scene.kinds[0])
    grids = cell * (columns + scene.output[1]) + 2 * GAP
    width = math.ceil(max(grids, MIN_WIDTH, text_width(scene.title, TITLE))) + 2 * MARGIN
    lines = max(len(wrap_text(frame.formula, width - 2 * MARGIN)) for frame in scene.frames)
    height = cell * max(rows, scene.output[0])
    top = MARGIN + LINE * 1.5
    left = (width - grids) / 2
    return Layout(
        size=(width, math.ceil(top + height + LINE * (lines + 0.5) + MARGIN)),
        left_grid=(left, top + (height - cell * rows) // 2),
        right_grid=(left + cell * columns + 2 * GAP, top + (height - cell * scene.output[0]) // 2),
        formula_top=top + height + LINE * 0.5,
        cell=cell,
        type_size=type_size,
    )


def wrap_text(text: str, width: float) -> list[str]:
    """Break text between words into lines of at most so many pixels.

    >>> wrap_text("", 100)
    []
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", TEXT) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def draw_frame(scene: Scene, number: int, layout: Layout, style: FrameStyle) -> Image.Image:
    """Draw one output being computed, with all outputs before it."""
    theme = style.theme
    canvas = Raster(
        *layout.size, theme.page, scale=style.scale, is_transparent=style.is_transparent
    )
    frame = scene.frames[number]
    center = layout.size[0] / 2
    canvas.text((center, MARGIN + LINE / 2), scene.title, size=TITLE, color=theme.ink)
    _draw_input(canvas, scene, frame, layout, theme)
    cells = []
    for index, other in enumerate(scene.frames):
        color = theme.blank if index > number else theme.output
        color = theme.current if index == number else color
        cells.append(Cell(color, other.result if index <= number else ""))
    starts = range(0, len(cells), scene.output[1])
    outputs = [cells[start : start + scene.output[1]] for start in starts]
    draw_cells(canvas, layout.right_grid, layout.cell, outputs, theme, size=layout.type_size)
    for line, text in enumerate(wrap_text(frame.formula, layout.size[0] - 2 * MARGIN)):
        at = (center, layout.formula_top + LINE * (line + 0.5))
        canvas.text(at, text, size=TEXT, color=theme.ink)
    return canvas.image


def _draw_input(canvas: Canvas, scene: Scene, frame: Frame, layout: Layout, theme: Theme) -> None:
    """Draw the padded input, the cells under the window's taps shaded and the window outlined."""
    taps = set(frame.taps)

    def make_cell(at: Pair, kind: str) -> Cell:
        text, is_tap = scene.texts[at[0]][at[1]], at in taps
        if kind == "input":
            return Cell(theme.window if is_tap else theme.cell, text)
        color = theme.window_on_padding if is_tap else theme.page
        return Cell(color, text, theme.ink if is_tap else theme.faint, is_dashed=True)

    cells = [
        [make_cell((row, column), kind) for column, kind in enumerate(kinds)]
        for row, kinds in enumerate(scene.kinds)
    ]
    draw_cells(canvas, layout.left_grid, layout.cell, cells, theme, size=layout.type_size)
    (top, left), (bottom, right) = frame.taps[0], frame.taps[-1]
    window = grid_box(layout.left_grid, (top, bottom), (left, right), layout.cell)
    canvas.rectangle(window, outline=theme.ink, width=2)
