"""One frame of an animation, or one step alone: input, kernel, products, output, and the sum.

A `Drawing` of scenes gives the picture or the file of any frame. `draw_scene` draws one on a
`Canvas` of pixels or of SVG, at the positions that `make_layouts` found for all frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TypeAlias

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.pictures.boxes import Box, Point, grid_box
from convcli.pictures.canvas import DEFAULT_STYLE, Canvas, make_canvas
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.fonts import text_width
from convcli.pictures.raster import Raster
from convcli.pictures.scene import Frame, Scene
from convcli.pictures.text import format_cells
from convcli.pictures.theme import CELL, GAP, LINE, MARGIN, TEXT, TITLE, Style, Theme, heat_map

MIN_WIDTH = 320  # pixels of a frame: room for the formula
MAX_PRODUCTS_SIDE = 7  # of a kernel whose products are drawn as a grid
HATCHED = "hatched: under no window"


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid of cells below its label.

    Parameters
    ----------
    name : {"input", "kernel", "products", "output"}
    label : str
        The widest of all frames.
    size : (rows, columns)
    channel : int
    corner : (left, top)
        Of its first cell, in pixels.
    """

    name: str
    label: str
    size: Pair
    channel: int = 0
    corner: Point = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Measures:
    """What all scenes of a picture share, in pixels.

    Parameters
    ----------
    cell : int
        The side of a cell.
    cell_type : float
        The size of type in cells.
    type_scale : float
        Times the size of all other type: above 1 where cells are to be larger than usual.
    width, grids_width : float
        The most of a line of text, and of all grids of a scene.
    """

    cell: int
    cell_type: float
    type_scale: float
    width: float = 0.0
    grids_width: float = 0.0

    @property
    def line(self) -> float:
        """From one line of text to the next."""
        return LINE * self.type_scale

    def font(self, size: int) -> int:
        """The size of type that has this size where cells are as usual."""
        return round(size * self.type_scale)

    def text_width(self, text: str, size: int = TEXT) -> float:
        """The width of a text in type of a size."""
        return text_width(text, size) * self.type_scale

    def width_of(self, grid: Grid) -> float:
        """The width of a grid and of its label."""
        return max(self.cell * grid.size[1], self.text_width(grid.label))

    def height_of(self, grids: Sequence[Grid]) -> float:
        """The height of grids one below the other, with their labels."""
        rows = sum(grid.size[0] for grid in grids)
        return self.cell * rows + self.line * len(grids) + GAP / 2 * (len(grids) - 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of a scene's parts, in pixels.

    Parameters
    ----------
    measures : Measures
    center : float
        Of everything, from left to right.
    top, formula_top, bottom : float
    grids : tuple of Grid
    signs : tuple of (text, center)
        Between the grids.
    """

    measures: Measures
    center: float
    top: float
    formula_top: float
    bottom: float
    grids: tuple[Grid, ...]
    signs: tuple[tuple[str, Point], ...]

    def find_grid(self, name: str, channel: int = 0) -> Grid:
        """Return the grid of this name."""
        return next(grid for grid in self.grids if (grid.name, grid.channel) == (name, channel))


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

    def draw_image(self, number: int) -> Image.Image:
        """Draw a frame, counted from 0, as pixels."""
        style = self.style
        canvas = Raster(
            *self.size, style.theme.page, scale=style.scale, is_transparent=style.is_transparent
        )
        self._draw(canvas, number)
        return canvas.image

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


def make_layouts(scenes: Sequence[Scene], cell: int = CELL) -> tuple[Pair, tuple[Layout, ...]]:
    """Lay out scenes one above the other, each with room for its longest formula.

    Parameters
    ----------
    scenes : sequence of Scene
    cell : int
        The side of a cell in pixels; all are larger where a number needs it.

    Returns
    -------
    size : (width, height)
        Of every frame, in pixels.
    layouts : tuple of Layout
    """
    side, cell_type = fit_cells(chain(*map(_cell_texts, scenes)), cell)
    measures = Measures(side, cell_type, max(1.0, cell / CELL))
    grids = max(_grids_width(_arrange(scene), measures) for scene in scenes)
    texts = [measures.text_width(scene.title, TITLE) for scene in scenes]
    texts += [measures.text_width(_note(scene)) for scene in scenes]
    width = math.ceil(max(MIN_WIDTH, grids, *texts))
    measures = replace(measures, width=width, grids_width=grids)
    top, layouts = float(MARGIN), []
    for scene in scenes:
        layouts.append(_place_scene(scene, measures, top))
        top = layouts[-1].bottom + GAP
    return (width + 2 * MARGIN, math.ceil(top - GAP) + MARGIN), tuple(layouts)


def draw_scene(canvas: Canvas, scene: Scene, number: int, layout: Layout, theme: Theme) -> None:
    """Draw one output being computed, with all outputs before it."""
    measures, center = layout.measures, layout.center
    line, frame = measures.line, scene.frames[number]
    write = partial(canvas.text, color=theme.ink)
    write((center, layout.top + line / 2), scene.title, size=measures.font(TITLE))
    note = (center, layout.top + line * 1.5)
    canvas.text(note, _note(scene), size=measures.font(TEXT), color=theme.faint)
    for grid in layout.grids:
        left, top = grid.corner
        label = (left + grid.size[1] * measures.cell / 2, top - line / 2)
        write(label, _label(scene, frame, grid), size=measures.font(TEXT))
        cells = _CELLS[grid.name](scene, number, grid, theme)
        draw_cells(canvas, grid.corner, measures.cell, cells, theme, size=measures.cell_type)
        if grid.name == "input":
            (upper, first), (lower, last) = frame.taps[0], frame.taps[-1]
            window = grid_box(grid.corner, (upper, lower), (first, last), measures.cell)
            canvas.rectangle(window, outline=theme.ink, width=2)
    for sign, at in layout.signs:
        write(at, sign, size=measures.font(TITLE))
    for index, text in enumerate(_fold_formula(frame, measures)):
        at = (center, layout.formula_top + line * (index + 0.5))
        write(at, text, size=measures.font(TEXT))


# ---- positions ---------------------------------------------------------------------------------


def _cell_texts(scene: Scene) -> Iterator[Sequence[str]]:
    """All texts that stand in cells, row by row."""
    grids = [*scene.planes, *_weights(scene)]
    if _has_products(scene):
        grids += chain(*(frame.products for frame in scene.frames))
    yield from chain(*grids)
    yield [frame.result for frame in scene.frames]


def _has_products(scene: Scene) -> bool:
    """Whether the products of each step are drawn as a grid."""
    return scene.kernel is not None and max(scene.kernel.shape[1:]) <= MAX_PRODUCTS_SIDE


def _grids_width(columns: Sequence[Sequence[Sequence[Grid]]], measures: Measures) -> float:
    widths = [max(map(measures.width_of, chain(*column))) for column in columns]
    return sum(widths) + 2 * GAP * (len(columns) - 1)


def _arrange(scene: Scene) -> list[list[list[Grid]]]:
    """The columns of a scene: in each a list for each channel of the grids that it has there."""
    channels = range(len(scene.planes))
    size = len(scene.kinds), len(scene.kinds[0])
    columns = [[[Grid("input", _name("X", channel, scene), size, channel)] for channel in channels]]
    if scene.kernel is not None:
        kernel = scene.kernel.shape[1], scene.kernel.shape[2]
        columns.append([])
        for channel in channels:
            grids = [Grid("kernel", _kernel_label(scene, channel), kernel, channel)]
            if _has_products(scene):
                labels = (_products_label(scene, frame, channel) for frame in scene.frames)
                grids.append(Grid("products", max(labels, key=len), kernel, channel))
            columns[-1].append(grids)
    return [*columns, [[Grid("output", "Y", scene.output)]]]


def _place_scene(scene: Scene, measures: Measures, top: float) -> Layout:
    columns = _arrange(scene)
    count = len(scene.planes)
    rows = [  # the height of each channel's
        max(measures.height_of(column[channel]) for column in columns[:-1])
        for channel in range(count)
    ]
    height = max(sum(rows) + GAP / 2 * (count - 1), measures.height_of(columns[-1][0]))
    first = top + measures.line * (2.5 if _note(scene) else 1.5)
    widths = [max(map(measures.width_of, chain(*column))) for column in columns]
    center = MARGIN + measures.width / 2
    left = center - measures.grids_width / 2
    grids: list[Grid] = []
    for column, width in zip(columns, widths, strict=True):
        own = rows if len(column) == count else [height]
        y = first + (height - sum(own) - GAP / 2 * (len(own) - 1)) // 2
        for group, row_height in zip(column, own, strict=True):
            grids += _stack(group, measures, (left, y, width, row_height))
            y += row_height + GAP / 2
        left += width + 2 * GAP
    formula_top = first + height + measures.line * 0.5
    lines = max(len(_fold_formula(frame, measures)) for frame in scene.frames)
    return Layout(
        measures, center, top, formula_top, formula_top + measures.line * lines,
        tuple(grids), tuple(_place_signs(grids, measures)),
    )  # fmt: skip


def _stack(grids: Sequence[Grid], measures: Measures, box: Box) -> list[Grid]:
    """Place grids one below the other, centered in a box."""
    left, top, width, height = box
    y = top + (height - measures.height_of(grids)) // 2
    found = []
    for grid in grids:
        x = left + (width - measures.cell * grid.size[1]) // 2
        found.append(replace(grid, corner=(x, y + measures.line)))
        y += measures.height_of([grid]) + GAP / 2
    return found


def _place_signs(grids: Sequence[Grid], measures: Measures) -> Iterator[tuple[str, Point]]:
    """Place the signs of the equation: before each kernel, and before the output."""
    has_kernel = any(grid.name == "kernel" for grid in grids)
    signs = {"kernel": "∗", "output": "=" if has_kernel else "→"}
    for grid in grids:
        if grid.name in signs:
            left = grid.corner[0] + (grid.size[1] * measures.cell - measures.width_of(grid)) / 2
            top = grid.corner[1] + grid.size[0] * measures.cell / 2
            yield signs[grid.name], (left - GAP, top)


# ---- texts -------------------------------------------------------------------------------------


def _describe(frame: Frame) -> str:
    """What a frame shows, in words."""
    at = f"Y[{frame.at[0]},{frame.at[1]}]"
    return (
        f"The output {at} and all before it" if frame.formula is None else f"{at}: {frame.formula}"
    )


def _note(scene: Scene) -> str:
    """The line below the title."""
    return "; ".join(part for part in (scene.note, HATCHED if scene.unused else "") if part)


def _name(letter: str, channel: int, scene: Scene) -> str:
    """The name of an array, with its channel where there are several."""
    return f"{letter}[{channel}]" if len(scene.planes) > 1 else letter


def _kernel_label(scene: Scene, channel: int) -> str:
    return _name("K", channel, scene) + (", turned 180°" if scene.is_turned else "")


def _products_label(scene: Scene, frame: Frame, channel: int) -> str:
    """The label of a grid of products, with their sum where it is a term of the formula."""
    return f"products, sum {frame.sums[channel]}" if len(scene.planes) > 1 else "products"


def _label(scene: Scene, frame: Frame, grid: Grid) -> str:
    if grid.name == "products":
        return _products_label(scene, frame, grid.channel)
    return grid.label


def _weights(scene: Scene) -> list[list[list[str]]]:
    """The texts of the weights of each channel."""
    return [] if scene.kernel is None else [format_cells(plane) for plane in scene.kernel]


def _fold_formula(frame: Frame, measures: Measures) -> list[str]:
    if frame.formula is None:
        return []
    return frame.formula.fold(measures.width, measures.text_width)


# ---- cells -------------------------------------------------------------------------------------

Cells: TypeAlias = list[list[Cell]]


def _input_cells(scene: Scene, number: int, grid: Grid, theme: Theme) -> Cells:
    """The padded input, the cells under the window's taps shaded, each with its weight."""
    frame, texts = scene.frames[number], scene.planes[grid.channel]
    weights: list[str | None] = [None] * len(frame.taps)
    if scene.kernel is not None:
        weights = [*chain(*_weights(scene)[grid.channel])]
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
        for row in zip(colors, _weights(scene)[grid.channel], strict=True)
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
