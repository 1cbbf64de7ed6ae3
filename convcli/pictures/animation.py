"""Animations: the kernel sliding over its padded input, frame by frame."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.pictures.canvas import Box, Canvas, Raster, text_width
from convcli.pictures.panels import Values, draw_cell
from convcli.pictures.scene import Frame, Scene
from convcli.pictures.theme import CELL, GAP, LIGHT, LINE, MARGIN, TEXT, TITLE, Color, Theme

MIN_WIDTH = 320  # of a frame: room for words


@dataclass(frozen=True, slots=True)
class Style:
    """How an animation looks.

    Parameters
    ----------
    theme : Theme
    cell : int
        The side of a cell, in pixels.
    """

    theme: Theme = LIGHT
    cell: int = CELL


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in a frame."""

    size: Pair  # width, height
    left_grid: tuple[float, float]
    right_grid: tuple[float, float]
    words_top: float
    cell: int


def draw_frames(scene: Scene, look: Style | None = None) -> Iterator[Image.Image]:
    """Draw a scene, a picture for each output."""
    chosen = look or Style()
    layout = make_layout(scene, chosen)
    for number in range(len(scene.steps)):
        yield draw_frame(scene, number, layout, chosen.theme)


def make_layout(scene: Scene, look: Style) -> Layout:
    """Measure a scene: every frame has the same size, with room for the longest words."""
    texts = [word for row in scene.texts for word in row] + [step.result for step in scene.steps]
    cell = max(look.cell, math.ceil(max(text_width(word, TEXT) for word in texts)) + 8)
    rows, columns = len(scene.kinds), len(scene.kinds[0])
    grids = cell * (columns + scene.output[1]) + 2 * GAP
    width = math.ceil(max(grids, MIN_WIDTH, text_width(scene.title, TITLE))) + 2 * MARGIN
    lines = max(len(wrap_text(step.words, width - 2 * MARGIN)) for step in scene.steps)
    high = cell * max(rows, scene.output[0])
    top = MARGIN + LINE * 1.5
    left = (width - grids) / 2
    return Layout(
        size=(width, math.ceil(top + high + LINE * (lines + 0.5) + MARGIN)),
        left_grid=(left, top + (high - cell * rows) // 2),
        right_grid=(left + cell * columns + 2 * GAP, top + (high - cell * scene.output[0]) // 2),
        words_top=top + high + LINE * 0.5,
        cell=cell,
    )


def draw_frame(scene: Scene, number: int, layout: Layout, theme: Theme) -> Image.Image:
    """Draw one output being computed; those before it are there already."""
    canvas = Raster(*layout.size, theme.page)
    step = scene.steps[number]
    middle = layout.size[0] / 2
    canvas.text((middle, MARGIN + LINE / 2), scene.title, size=TITLE, color=theme.ink)
    _draw_input(canvas, scene, step, layout, theme)
    _draw_output(canvas, scene, number, layout, theme)
    for line, words in enumerate(wrap_text(step.words, layout.size[0] - 2 * MARGIN)):
        at = (middle, layout.words_top + LINE * (line + 0.5))
        canvas.text(at, words, size=TEXT, color=theme.ink)
    return canvas.image


def wrap_text(words: str, width: float) -> list[str]:
    """Break words into lines that fit a width, between words.

    >>> wrap_text("", 100)
    []
    """
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}", TEXT) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def save_animation(
    stream: BinaryIO,
    scene: Scene,
    look: Style,
    kind: str,
    *,
    fps: float,
    loop: int,
) -> None:
    """Write a scene as a GIF or an animated PNG.

    Parameters
    ----------
    kind : {"GIF", "PNG"}
    fps : float
        Frames a second.
    loop : int
        How often it plays; 0 is for ever.
    """
    options: dict[str, Any] = {"duration": max(round(1000 / fps), 20)}
    if kind == "PNG":
        options["loop"] = loop
    else:
        options["disposal"] = 1
        if loop != 1:  # a GIF counts what follows the first play
            options["loop"] = max(loop - 1, 0)
    palette = _palette(scene, look)
    first, *others = (_indexed(picture, palette) for picture in draw_frames(scene, look))
    held = io.BytesIO()
    first.save(held, kind, save_all=True, append_images=others, optimize=True, **options)
    stream.write(held.getvalue())


def _palette(scene: Scene, look: Style) -> Values:
    """One palette for all frames, (n, 3): the theme's colours, and the most frequent of some."""
    layout = make_layout(scene, look)
    count = len(scene.steps)
    seen: Counter[tuple[int, ...]] = Counter()
    for number in sorted({place * (count - 1) // 15 for place in range(16)}):
        picture = draw_frame(scene, number, layout, look.theme)
        for times, color in picture.getcolors(picture.width * picture.height) or []:
            seen[cast("tuple[int, ...]", color)] += times
    theme = look.theme
    flat = [theme.page, theme.ink, theme.faint, theme.cell, theme.output, theme.window,
            theme.window_on_padding, theme.current, theme.blank]  # fmt: skip
    chosen = dict.fromkeys([*flat, *(color for color, _ in seen.most_common())])
    return np.array(list(chosen)[:256], np.uint8)


def _indexed(picture: Image.Image, palette: Values) -> Image.Image:
    """A picture in the colours of a palette, each pixel in the nearest."""
    parts = np.asarray(picture).astype(np.int64)
    codes = (parts[..., 0] << 16) + (parts[..., 1] << 8) + parts[..., 2]
    colors, places = np.unique(codes, return_inverse=True)
    split = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1)
    far = ((split[:, np.newaxis] - palette.astype(np.int64)) ** 2).sum(axis=2)
    nearest = far.argmin(axis=1).astype(np.uint8)
    indexed = Image.fromarray(nearest[places].reshape(codes.shape))
    indexed.putpalette(palette.tobytes())
    return indexed


def _draw_input(canvas: Canvas, scene: Scene, step: Frame, layout: Layout, theme: Theme) -> None:
    """Draw the padded input, the window's taps shaded and the window outlined."""
    shaded = set(step.taps)
    for row, kinds in enumerate(scene.kinds):
        for column, kind in enumerate(kinds):
            box = _cell(layout.left_grid, row, column, layout.cell)
            color = theme.cell if kind == "input" else theme.page
            if (row, column) in shaded:
                color = theme.window if kind == "input" else theme.window_on_padding
            word = scene.texts[row][column]
            if kind == "input":
                draw_cell(canvas, box, color, word, theme)
            else:
                canvas.rectangle(box, fill=color)
                canvas.rectangle(box, outline=theme.faint, dashed=True)
                _write(canvas, box, word, theme.faint if color == theme.page else theme.ink)
    left, top, side, _ = _cell(layout.left_grid, *step.corner, layout.cell)
    outline = (left, top, side * step.extent[1], side * step.extent[0])
    canvas.rectangle(outline, outline=theme.ink, width=2)


def _draw_output(canvas: Canvas, scene: Scene, number: int, layout: Layout, theme: Theme) -> None:
    """Draw the output as far as it is computed."""
    for place, step in enumerate(scene.steps):
        box = _cell(layout.right_grid, *step.at, layout.cell)
        done = place <= number
        color = theme.output if done else theme.blank
        if place == number:
            color = theme.current
        draw_cell(canvas, box, color, step.result if done else "", theme)


def _cell(corner: tuple[float, float], row: int, column: int, side: int) -> Box:
    return (corner[0] + column * side, corner[1] + row * side, side, side)


def _write(canvas: Canvas, box: Box, word: str, color: Color) -> None:
    if word:
        middle = (box[0] + box[2] / 2, box[1] + box[3] / 2)
        canvas.text(middle, word, size=TEXT, color=color)
