"""The positions of everything in a frame: grids, labels, signs and the sum below them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from convcli.arithmetic.values import Pair
from convcli.pictures.boxes import Box, Point
from convcli.pictures.cells import fit_cells
from convcli.pictures.fonts import text_width
from convcli.pictures.scene import Frame, Scene
from convcli.pictures.text import format_cells
from convcli.pictures.theme import CELL, GAP, LINE, MARGIN, TEXT, TITLE

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
    texts += [measures.text_width(make_note(scene)) for scene in scenes]
    width = math.ceil(max(MIN_WIDTH, grids, *texts))
    measures = replace(measures, width=width, grids_width=grids)
    top, layouts = float(MARGIN), []
    for scene in scenes:
        layouts.append(_place_scene(scene, measures, top))
        top = layouts[-1].bottom + GAP
    return (width + 2 * MARGIN, math.ceil(top - GAP) + MARGIN), tuple(layouts)


# ---- positions ---------------------------------------------------------------------------------


def _cell_texts(scene: Scene) -> Iterator[Sequence[str]]:
    """All texts that stand in cells, row by row."""
    grids = [*scene.planes, *format_weights(scene)]
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
    first = top + measures.line * (2.5 if make_note(scene) else 1.5)
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
    lines = max(len(fold_formula(frame, measures)) for frame in scene.frames)
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


def make_note(scene: Scene) -> str:
    """Return the line below the title: what the input is, and what hatches mean."""
    return "; ".join(part for part in (scene.note, HATCHED if scene.unused else "") if part)


def _name(letter: str, channel: int, scene: Scene) -> str:
    """The name of an array, with its channel where there are several."""
    return f"{letter}[{channel}]" if len(scene.planes) > 1 else letter


def _kernel_label(scene: Scene, channel: int) -> str:
    return _name("K", channel, scene) + (", turned 180°" if scene.is_turned else "")


def _products_label(scene: Scene, frame: Frame, channel: int) -> str:
    """The label of a grid of products, with their sum where it is a term of the formula."""
    return f"products, sum {frame.sums[channel]}" if len(scene.planes) > 1 else "products"


def make_label(scene: Scene, frame: Frame, grid: Grid) -> str:
    """Return the label of a grid in a frame."""
    if grid.name == "products":
        return _products_label(scene, frame, grid.channel)
    return grid.label


def format_weights(scene: Scene) -> list[list[list[str]]]:
    """Return the texts of the weights of each channel; none without a kernel."""
    return [] if scene.kernel is None else [format_cells(plane) for plane in scene.kernel]


def fold_formula(frame: Frame, measures: Measures) -> list[str]:
    """Return the lines of a frame's formula."""
    if frame.formula is None:
        return []
    return frame.formula.fold(measures.width, measures.text_width)
