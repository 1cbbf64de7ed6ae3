"""The receptive field as a picture: the region of every map that one output depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from convcli.arithmetic.intervals import Interval, Region, backtrace
from convcli.arithmetic.notation import INPUT
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.errors import ArgumentError, LimitError
from convcli.files.output import atomic_write, check_output
from convcli.images import Picture, ReadSettings
from convcli.images.color import resize
from convcli.images.quantize import quantize
from convcli.images.read import read_within
from convcli.pictures.canvas import (
    DEFAULT_STYLE,
    Box,
    Canvas,
    Panel,
    Point,
    cell_box,
    grid_box,
    render,
)
from convcli.pictures.text import format_sides
from convcli.pictures.theme import DASH, Style, Theme, mix

MAP_SIDE = 190  # pixels of a map's longer side
MIN_REGION = 2  # pixels of a region's side: less would not be seen
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
    """

    extent: Pair = (1, 1)
    region: Region = (None, None)
    picture: Array | None = None

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
        """Draw the region inside the map, and an outline of all of it where it reaches beyond."""
        rows, columns = self.region
        if rows is None or columns is None:
            return
        inside_rows, inside_columns = (
            (max(first, 0), min(last, size - 1))
            for (first, last), size in zip((rows, columns), self.extent, strict=True)
        )
        inside_box = grid_box(corner, inside_rows, inside_columns, self.scale)
        if inside_box[2] > 0 and inside_box[3] > 0:
            if self.picture is None:
                canvas.rectangle(_enlarge(inside_box), fill=theme.window)
            else:
                canvas.rectangle(_enlarge(inside_box), outline=theme.window, width=3)
        if (inside_rows, inside_columns) != self.region:
            box = _enlarge(grid_box(corner, rows, columns, self.scale))
            canvas.rectangle(box, outline=mix(theme.ink, theme.window, 0.5), dash=DASH)


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
    maps = choose_maps(walk)
    pixels: Array | None = None
    notes: tuple[str, ...] = ()
    if image is not None:
        picture = read_within(image, ReadSettings(keep_damaged=keep_damaged), timeout)
        pixels, notes = _draw_picture(picture, (walk.input[1], walk.input[2])), picture.notes
    suffix, title = Path(path).suffix.lower(), f"receptive field: {walk.name}"
    content = draw_receptive_field(maps, suffix, picture=pixels, style=style, title=title)
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
    last = walk.last_map
    if last is None:
        raise ArgumentError("there is no feature map to draw")
    output = walk.layers.index(last)
    regions = backtrace(walk, output, (last.output[1] // 2, last.output[2] // 2))
    shapes = {INPUT: walk.input} | {index: layer.output for index, layer in enumerate(walk.layers)}
    indices = [
        index
        for index in sorted(regions)
        if index in (INPUT, output) or walk.layers[index].layer.kernel is not None
    ]
    if len(indices) > MAX_MAPS:
        last_of_size = {shapes[index][1:3]: index for index in indices}
        indices = sorted({INPUT, *last_of_size.values()})
    for index in indices:
        sides = *shapes[index][1:3], *map(_length, regions[index])
        if max(sides) > MAX_SIDE:
            raise LimitError(f"a map with a side of {max(sides)} is too large to draw")
    return [
        (
            "input" if index == INPUT else walk.layers[index].name,
            (shapes[index][1], shapes[index][2]),
            regions[index],
        )
        for index in indices
    ]


def draw_receptive_field(
    maps: Sequence[tuple[str, Pair, Region]],
    suffix: str,
    *,
    picture: Array | None = None,
    style: Style = DEFAULT_STYLE,
    title: str = "",
) -> bytes:
    """Draw the regions that one output depends on, the input's first.

    Parameters
    ----------
    maps : sequence of (title, (height, width), region)
    suffix : {".png", ".svg"}
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
    panels: list[Panel] = [
        ReceptiveFieldPanel(
            title,
            [format_sides(*size), f"sees {format_sides(*map(_length, region))}"],
            size,
            region,
            picture if index == 0 else None,
        )
        for index, (title, size, region) in enumerate(maps)
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


def _length(interval: Interval) -> int:
    return 0 if interval is None else interval[1] - interval[0] + 1


def _enlarge(box: Box) -> Box:
    """A box whose sides can be seen."""
    return (*box[:2], max(box[2], MIN_REGION), max(box[3], MIN_REGION))
