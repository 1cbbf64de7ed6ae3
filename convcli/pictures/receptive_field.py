"""The receptive field as a picture: the region of every map that one output depends on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from convcli.arithmetic.intervals import Interval, Region, backtrace, clip
from convcli.arithmetic.notation import INPUT
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.traces import Grid, trace_positions
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.errors import ArgumentError, LimitError
from convcli.files.output import atomic_write, check_output
from convcli.images import Picture, ReadSettings
from convcli.images.color import resize
from convcli.images.quantize import quantize
from convcli.images.read import read_within
from convcli.pictures.boxes import Box, Point, cell_box, grid_box
from convcli.pictures.canvas import DEFAULT_STYLE, Canvas, Panel, render
from convcli.pictures.text import format_sides
from convcli.pictures.theme import DASH, Style, Theme, mix

MAP_SIDE = 190  # pixels of a map's longer side
MIN_REGION = 2  # pixels of a region's side: less would not be seen
MIN_GAP = 1  # pixels between parts of a region: less would not be seen
MIN_OUTLINED = 6  # pixels of a part's side that lets what is in it be seen
MAX_GRID_SIDE = 20  # positions a side that are drawn as cells
MAX_SIDE = 10**12  # positions of a map or a region, which are drawn at a scale
MAX_PICTURE_PIXELS = 1 << 22  # of the input's picture: far more than are drawn
MAX_MAPS = 24  # of a deeper network, the last map of each size is drawn
PANELS_PER_ROW = 5


@dataclass(frozen=True)
class ReceptiveFieldPanel(Panel):
    """One map with the region that an output depends on; beyond the map's border is padding.

    Parameters
    ----------
    extent : (height, width)
        The map's.
    region : Region
    picture : ndarray, optional
        Drawn in the map's place: (h, w) or (h, w, 3) of uint8.
    grids : sequence of Grid, optional
        The positions in the region that the output really depends on; left out, all.
    """

    extent: Pair = (1, 1)
    region: Region = (None, None)
    picture: Array | None = None
    grids: Sequence[Grid] | None = None

    @property
    def scale(self) -> float:
        """Pixels of a position."""
        return MAP_SIDE / max(self.extent)

    @property
    def bounds(self) -> Box:
        """The map and the region together, in pixels from the map's top left corner."""
        rows, columns = (
            (min(first, 0), max(last, size - 1))
            for (first, last), size in zip(
                (interval or (0, 0) for interval in self.region), self.extent, strict=True
            )
        )
        return grid_box((0, 0), rows, columns, self.scale)

    @property
    def body(self) -> Point:
        """Width and height, with what the region has beyond the map."""
        return self.bounds[2] + 2, self.bounds[3] + 2

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the map, and the region over it."""
        corner = (left - self.bounds[0], top - self.bounds[1])
        height, width = self.extent
        area = grid_box(corner, (0, height - 1), (0, width - 1), self.scale)
        if self.picture is None:
            canvas.rectangle(area, fill=theme.cell)
        else:
            canvas.picture(area, self.picture)
        self._draw_region(canvas, corner, theme)
        if max(self.extent) <= MAX_GRID_SIDE:
            for at in product(range(height), range(width)):
                canvas.rectangle(cell_box(corner, at, self.scale), outline=theme.page)
        canvas.rectangle(area, outline=theme.faint)

    def _draw_region(self, canvas: Canvas, corner: Point, theme: Theme) -> None:
        """Draw what is seen of the map, and an outline of the region where that is less."""
        rows, columns = self.region
        if rows is None or columns is None:
            return
        seen = self._seen_areas()
        for area in seen:
            is_alone = len(seen) == 1
            box = _enlarge(grid_box(corner, *area, self.scale))
            if self.picture is None or (not is_alone and min(box[2:]) < MIN_OUTLINED):
                canvas.rectangle(box, fill=theme.window)
            else:
                canvas.rectangle(box, outline=theme.window, width=3 if is_alone else 1)
        if seen != [self.region]:
            box = _enlarge(grid_box(corner, rows, columns, self.scale))
            canvas.rectangle(box, outline=mix(theme.ink, theme.window, 0.5), dash=DASH)

    def _seen_areas(self) -> list[tuple[Pair, Pair]]:
        """Return what is seen of the map, as areas of rows and columns without holes."""
        if self.grids is None:
            inside = tuple(map(clip, self.region, ((0, side - 1) for side in self.extent)))
            return [(rows, columns) for rows, columns in [inside] if rows and columns]
        # Positions are drawn so large that they can be seen, and are to stay apart.
        gap = max(MIN_GAP, MIN_REGION + MIN_GAP - self.scale) / self.scale
        return [
            area
            for grid in self.grids
            for area in product(find_runs(grid.rows, gap), find_runs(grid.columns, gap))
        ]


def find_runs(positions: Iterable[int], gap: float) -> list[Pair]:
    """Return positions as runs, the first and the last of each, with `gap` or more between them.

    >>> find_runs([0, 1, 2, 5, 9], 3)
    [(0, 5), (9, 9)]
    """
    runs: list[Pair] = []
    for position in sorted(positions):
        if runs and position - runs[-1][1] - 1 < max(gap, 1):
            runs[-1] = runs[-1][0], position
        else:
            runs.append((position, position))
    return runs


def write_receptive_field(
    walk: Walk,
    path: str,
    image: str | None,
    *,
    style: Style = DEFAULT_STYLE,
    keep_damaged: bool,
    timeout: float | None,
    force: bool,
) -> tuple[str, ...]:
    """Write the receptive field of the middle output of a network's last map, as PNG or SVG.

    Parameters
    ----------
    walk : Walk
    path : str
        Ends in .png or .svg.
    image : str, optional
        The path of a picture to draw the input's region on.
    style : Style
    keep_damaged : bool
        Draw what the picture holds if it is damaged.
    timeout : float, optional
        The most seconds that reading it may take.
    force : bool
        Replace an existing file.

    Returns
    -------
    tuple of str
        What is to be said of the picture.
    """
    check_output(path, force=force, inputs=[] if image is None else [image])
    maps, grids = choose_maps(walk), trace_maps(walk)
    pixels: Array | None = None
    notes: tuple[str, ...] = ()
    if image is not None:
        picture = read_within(image, ReadSettings(keep_damaged=keep_damaged), timeout)
        pixels, notes = _draw_picture(picture, (walk.input[1], walk.input[2])), picture.notes
    suffix, title = Path(path).suffix.lower(), f"receptive field: {walk.name}"
    content = draw_receptive_field(
        maps, suffix, grids=grids, picture=pixels, style=style, title=title
    )
    with atomic_write(path, force=force) as stream:
        stream.write(content)
    return notes


def choose_maps(walk: Walk) -> list[tuple[str, Pair, Region]]:
    """Return the input and the maps that windows make: title, (height, width) and region.

    Raises
    ------
    ArgumentError
        For a network without a feature map.
    LimitError
        For a map or a region too large to draw.
    """
    regions = backtrace(walk, *_find_output(walk))
    maps = []
    for index in _choose_indices(walk, regions):
        size, region = _size_of(walk, index), regions[index]
        largest = max(*size, *map(_length, region))
        if largest > MAX_SIDE:
            raise LimitError(f"a map with a side of {largest} is too large to draw")
        maps.append(("input" if index == INPUT else walk.layers[index].name, size, region))
    return maps


def trace_maps(walk: Walk) -> list[Sequence[Grid]] | None:
    """Return the positions of each of these maps that the output depends on.

    None if there are too many to follow.
    """
    index, at = _find_output(walk)
    grids = trace_positions(walk, index, at)
    return None if grids is None else [grids[each] for each in _choose_indices(walk, grids)]


def _find_output(walk: Walk) -> tuple[int, Pair]:
    """Return the last map's layer, and the row and the column of its middle output."""
    last = walk.last_map
    if last is None:
        raise ArgumentError("there is no feature map to draw")
    return walk.layers.index(last), (last.output[1] // 2, last.output[2] // 2)


def _choose_indices(walk: Walk, seen: Iterable[int]) -> list[int]:
    """Return the input, the output and the maps that windows make, of those that are seen."""
    indices = [
        index
        for index in sorted(seen)
        if index in (INPUT, max(seen)) or walk.layers[index].layer.kernel is not None
    ]
    if len(indices) > MAX_MAPS:
        last_of_size = {_size_of(walk, index): index for index in indices}
        indices = sorted({INPUT, *last_of_size.values()})
    return indices


def _size_of(walk: Walk, index: int) -> Pair:
    """Return the height and the width of a map."""
    shape = walk.input if index == INPUT else walk.layers[index].output
    return shape[1], shape[2]


def draw_receptive_field(
    maps: Sequence[tuple[str, Pair, Region]],
    suffix: str,
    *,
    grids: Sequence[Sequence[Grid]] | None = None,
    picture: Array | None = None,
    style: Style = DEFAULT_STYLE,
    title: str = "",
) -> bytes:
    """Draw the regions that one output depends on, the input's first.

    Parameters
    ----------
    maps : sequence of (title, (height, width), region)
    suffix : {".png", ".svg"}
    grids : sequence of sequences of Grid, optional
        Of each map, the positions in the region that the output depends on; left out, all.
    picture : ndarray, optional
        The input itself: (h, w) or (h, w, 3) of uint8.
    style : Style
    title : str
        The network's name.

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    known: Sequence[Sequence[Grid] | None] = grids or [None] * len(maps)
    panels: list[Panel] = [
        ReceptiveFieldPanel(
            title,
            [
                format_sides(*size),
                f"sees {format_sides(*map(_length, region))}",
                *_describe_holes(region, size, seen),
            ],
            size,
            region,
            picture if index == 0 else None,
            seen,
        )
        for index, ((title, size, region), seen) in enumerate(zip(maps, known, strict=True))
    ]
    starts = range(0, len(panels), PANELS_PER_ROW)
    rows = [panels[start : start + PANELS_PER_ROW] for start in starts]
    return render(rows, suffix, style, title=title)


def _draw_picture(picture: Picture, size: Pair) -> Array:
    """Return a picture as (h, w) or (h, w, 3) of uint8, resized to (height, width)."""
    shrink = min(1.0, math.sqrt(MAX_PICTURE_PIXELS / (size[0] * size[1])))
    height, width = (max(int(side * shrink), 1) for side in size)
    values = resize(picture.values, (height, width))
    if picture.depth == 16:
        values = values / 257
    pixels = quantize(values, "rescale" if picture.depth is None else "clamp", 8).pixels
    return pixels[:, :, :3] if values.shape[2] >= 3 else pixels[:, :, 0]


def _describe_holes(region: Region, size: Pair, grids: Sequence[Grid] | None) -> list[str]:
    """Return how much of a region is seen, if that is less than what lies on the map."""
    if grids is None:
        return []
    inside = [clip(part, (0, side - 1)) for part, side in zip(region, size, strict=True)]
    if len(grids) == 1:
        (rows, columns) = map(len, grids[0])
        return (
            []
            if [rows, columns] == list(map(_length, inside))
            else [f"only {format_sides(rows, columns)}"]
        )
    count = len({at for grid in grids for at in product(*grid)})
    return [f"only {count} positions"]


def _length(interval: Interval) -> int:
    return 0 if interval is None else interval[1] - interval[0] + 1


def _enlarge(box: Box) -> Box:
    """A box whose sides can be seen."""
    return (*box[:2], max(box[2], MIN_REGION), max(box[3], MIN_REGION))
