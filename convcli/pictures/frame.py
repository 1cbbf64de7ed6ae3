"""One frame of an animation, or one step alone: input, kernel, products, output, and the sum.

A `Drawing` of scenes gives the picture or the file of any frame. `draw_scene` draws one on a
`Canvas` of pixels or of SVG, at the positions that `make_layouts` found for all frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, product
from typing import TypeAlias

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.pictures.boxes import grid_box
from convcli.pictures.canvas import DEFAULT_STYLE, Canvas, make_canvas
from convcli.pictures.cells import Cell, draw_cells
from convcli.pictures.fonts import text_width
from convcli.pictures.frame_layout import (
    Grid,
    Layout,
    Measures,
    fold_formula,
    format_weights,
    make_label,
    make_layouts,
    make_note,
)
from convcli.pictures.raster import Raster
from convcli.pictures.scene import Frame, Scene
from convcli.pictures.theme import CELL, TEXT, TITLE, Color, Style, Theme, heat_map


class Drawing:
    """The frames of scenes, one above the other: all have one size and one layout.

    A scene that has fewer frames than another rests at its last.

    Parameters
    ----------
    scenes : sequence of Scene
    style : Style
    cell : int
        The side of a cell in pixels; all are larger where a number needs it.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> from convcli.pictures.scene import size_scene
    >>> drawing = Drawing([size_scene(parse_layer("conv:3"), (4, 4), max_frames=100)])
    >>> drawing.count, drawing.render(0, ".svg")[:4]
    (4, b'<svg')
    """

    def __init__(
        self, scenes: Sequence[Scene], style: Style = DEFAULT_STYLE, cell: int = CELL
    ) -> None:
        self.scenes, self.style = scenes, style
        self.count = max(len(scene.frames) for scene in scenes)
        self.size, self.layouts = make_layouts(scenes, cell)
        self._last: tuple[int, Raster] | None = None  # the frame on the canvas

    @property
    def pixels(self) -> int:
        """The pixels of a frame, about."""
        return round(self.size[0] * self.size[1] * self.style.scale**2)

    def draw_image(self, number: int) -> Image.Image:
        """Draw a frame, counted from 0, as pixels: what differs from the last that was drawn."""
        style = self.style
        if self._last is None or style.is_transparent:
            canvas = Raster(
                *self.size, style.theme.page, scale=style.scale, is_transparent=style.is_transparent
            )
            self._draw(canvas, number)
        else:
            before, canvas = self._last
            for scene, layout in zip(self.scenes, self.layouts, strict=True):
                last = len(scene.frames) - 1
                frames = min(before, last), min(number, last)
                _redraw_scene(canvas, scene, frames, layout, style.theme)
        self._last = number, canvas
        return canvas.image.copy()

    def render(self, number: int, suffix: str) -> bytes:
        """Render a frame, counted from 0, as a ".png" or an ".svg" file."""
        canvas = make_canvas(self.size, suffix, self.style)
        self._draw(canvas, number)
        title = "; ".join(scene.title for scene in self.scenes)
        frames = [scene.frames[min(number, len(scene.frames) - 1)] for scene in self.scenes]
        return canvas.document(title, "; ".join(map(_describe, frames)))

    def _draw(self, canvas: Canvas, number: int) -> None:
        for scene, layout in zip(self.scenes, self.layouts, strict=True):
            frame = min(number, len(scene.frames) - 1)
            draw_scene(canvas, scene, frame, layout, self.style.theme)


def draw_scene(canvas: Canvas, scene: Scene, number: int, layout: Layout, theme: Theme) -> None:
    """Draw one output being computed, with all outputs before it."""
    measures, center = layout.measures, layout.center
    line, frame = measures.line, scene.frames[number]
    write = partial(canvas.text, color=theme.ink)
    write((center, layout.top + line / 2), scene.title, size=measures.font(TITLE))
    note = (center, layout.top + line * 1.5)
    canvas.text(note, make_note(scene), size=measures.font(TEXT), color=theme.faint)
    for grid in layout.grids:
        _write_label(canvas, make_label(scene, frame, grid), grid, measures, theme)
        cells = _CELLS[grid.name](scene, number, grid, theme)
        draw_cells(canvas, grid.corner, measures.cell, cells, theme, size=measures.cell_type)
        if grid.name == "input":
            _outline_window(canvas, frame, grid, measures.cell, theme.ink)
    for sign, at in layout.signs:
        write(at, sign, size=measures.font(TITLE))
    _write_formula(canvas, frame, layout, theme)


def _redraw_scene(canvas: Canvas, scene: Scene, frames: Pair, layout: Layout, theme: Theme) -> None:
    """Turn the picture of a frame into that of another: the first of both into the second."""
    before, number = frames
    measures, line = layout.measures, layout.measures.line
    old, new = scene.frames[before], scene.frames[number]
    for grid in layout.grids:
        (left, top), width = grid.corner, grid.size[1] * measures.cell
        labels = make_label(scene, old, grid), make_label(scene, new, grid)
        if labels[0] != labels[1]:
            reach = max(width, text_width(labels[0], measures.font(TEXT))) + 2
            area = (left + (width - reach) / 2, top - line, reach, line)
            canvas.rectangle(area, fill=theme.page)
            _write_label(canvas, labels[1], grid, measures, theme)
        drawn = {
            (row, column): cell
            for row, line_cells in enumerate(_CELLS[grid.name](scene, before, grid, theme))
            for column, cell in enumerate(line_cells)
        }
        if grid.name == "input":
            # Its outline lies on the cells around it, too.
            _outline_window(canvas, old, grid, measures.cell, theme.page)
            (upper, first), (lower, last) = old.taps[0], old.taps[-1]
            around = product(range(upper - 1, lower + 2), range(first - 1, last + 2))
            for at in around:
                drawn.pop(at, None)
        cells = _CELLS[grid.name](scene, number, grid, theme)
        draw_cells(
            canvas, grid.corner, measures.cell, cells, theme, size=measures.cell_type, drawn=drawn
        )
        if grid.name == "input":
            _outline_window(canvas, new, grid, measures.cell, theme.ink)
    count = len(fold_formula(old, measures))
    canvas.rectangle((0, layout.formula_top, 2 * layout.center, count * line), fill=theme.page)
    _write_formula(canvas, new, layout, theme)


def _write_label(canvas: Canvas, text: str, grid: Grid, measures: Measures, theme: Theme) -> None:
    """Write the label of a grid above it."""
    (left, top), width = grid.corner, grid.size[1] * measures.cell
    at = (left + width / 2, top - measures.line / 2)
    canvas.text(at, text, size=measures.font(TEXT), color=theme.ink)


def _outline_window(canvas: Canvas, frame: Frame, grid: Grid, cell: float, color: Color) -> None:
    (upper, first), (lower, last) = frame.taps[0], frame.taps[-1]
    window = grid_box(grid.corner, (upper, lower), (first, last), cell)
    canvas.rectangle(window, outline=color, width=2)


def _write_formula(canvas: Canvas, frame: Frame, layout: Layout, theme: Theme) -> None:
    """Write the sum below the grids, in as many lines as it has."""
    measures = layout.measures
    for index, text in enumerate(fold_formula(frame, measures)):
        at = (layout.center, layout.formula_top + measures.line * (index + 0.5))
        canvas.text(at, text, size=measures.font(TEXT), color=theme.ink)


def _describe(frame: Frame) -> str:
    """What a frame shows, in words."""
    at = f"Y[{frame.at[0]},{frame.at[1]}]"
    return (
        f"The output {at} and all before it" if frame.formula is None else f"{at}: {frame.formula}"
    )


# ---- cells -------------------------------------------------------------------------------------

Cells: TypeAlias = list[list[Cell]]


def _input_cells(scene: Scene, number: int, grid: Grid, theme: Theme) -> Cells:
    """The padded input, the cells under the window's taps shaded, each with its weight."""
    frame, texts = scene.frames[number], scene.planes[grid.channel]
    weights: list[str | None] = [None] * len(frame.taps)
    if scene.kernel is not None:
        weights = [*chain(*format_weights(scene)[grid.channel])]
    taps = dict(zip(frame.taps, weights, strict=True))
    no_weight = None if scene.kernel is None else ""

    def make_cell(at: Pair) -> Cell:
        text, weight, is_hatched = texts[at[0]][at[1]], taps.get(at, no_weight), at in scene.unused
        if at in frame.largest:
            return Cell(theme.current, text)
        if scene.kinds[at[0]][at[1]] == "input":
            color = theme.window if at in taps else theme.cell
            return Cell(color, text, weight=weight, is_hatched=is_hatched)
        color, ink = theme.page, theme.faint
        if at in taps:
            color, ink = theme.window_on_padding, theme.ink
        return Cell(color, text, ink, is_dashed=True, is_hatched=is_hatched, weight=weight)

    rows, columns = grid.size
    return [[make_cell((row, column)) for column in range(columns)] for row in range(rows)]


def _kernel_cells(scene: Scene, _: int, grid: Grid, theme: Theme) -> Cells:
    """The weights on the scale of all of them, zero neutral."""
    kernel = np.asarray(scene.kernel)
    colors = heat_map(kernel[grid.channel], float(np.abs(kernel).max()), theme).tolist()
    return [
        [Cell((red, green, blue), text) for (red, green, blue), text in zip(*row, strict=True)]
        for row in zip(colors, format_weights(scene)[grid.channel], strict=True)
    ]


def _products_cells(scene: Scene, number: int, grid: Grid, theme: Theme) -> Cells:
    """The products, each in the color of its value's cell."""
    frame = scene.frames[number]
    kinds = (scene.kinds[row][column] for row, column in frame.taps)
    colors = (theme.window if kind == "input" else theme.window_on_padding for kind in kinds)
    return [[Cell(next(colors), text) for text in row] for row in frame.products[grid.channel]]


def _output_cells(scene: Scene, number: int, grid: Grid, theme: Theme) -> Cells:
    """The outputs so far, and where the others will be; of a complete scene all outputs."""
    known = len(scene.frames) if scene.is_complete else number + 1
    cells = [
        Cell(theme.output, frame.result) if index < known else Cell(theme.blank)
        for index, frame in enumerate(scene.frames)
    ]
    cells[number] = Cell(theme.current, scene.frames[number].result)
    columns = grid.size[1]
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


_CELLS: dict[str, Callable[[Scene, int, Grid, Theme], Cells]] = {
    "input": _input_cells,
    "kernel": _kernel_cells,
    "products": _products_cells,
    "output": _output_cells,
}
