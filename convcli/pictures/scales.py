"""Scales: which color a number has on a picture, and the legend that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convcli.engine.arrays import Array
from convcli.pictures.boxes import Point
from convcli.pictures.canvas import Canvas, Panel
from convcli.pictures.fonts import text_width
from convcli.pictures.text import format_cell
from convcli.pictures.theme import LINE, TEXT, Theme, gray_levels, heat_map

BAR_HEIGHT = 8  # pixels of a legend's colors
LEGEND_HEIGHT = BAR_HEIGHT + LINE + 8  # with the gap above and the numbers below
MIN_BAR, MAX_BAR = 60, 240  # pixels of its width
TICK = 4  # pixels of a mark below the colors
TICK_ROOM = 6  # pixels between two numbers
BAR_STEPS = 129  # colors in a legend, zero in the middle of them

MAX_EXACT = 4096  # values of a map whose scale holds all; of larger ones, most
SHOWN_PERCENT = 99.5  # of them
SHOWN_SIGNED_PERCENT = 97.0  # of a signed map, near zero where a picture has no edges
MAX_SAMPLE = 1_000_000  # values that are sorted to find these
MAX_OUTSIDE = 0.02  # of all that a picture's values sum to: with more beyond 0..white it is none
MIN_SHARE = 1 / 4  # of the largest number on a common scale: a smaller map would be too faint


@dataclass(frozen=True, slots=True)
class Scale:
    """The colors of numbers: from black to white, or from one hue over a neutral zero to another.

    Parameters
    ----------
    low, high : float
        The numbers at the ends; what lies beyond has the colors of the ends.
    is_diverging : bool
        Whether zero is neutral, and equally far from both ends as a number's magnitude has it.
    unit : str
        What follows the numbers of its legend.
    """

    low: float
    high: float
    is_diverging: bool = False
    unit: str = ""

    def paint(self, values: Array, theme: Theme) -> Array:
        """Return the colors, (..., 3) of 8 bits; NaN has a color that is on no scale.

        Where both ends are one number it is black.
        """
        if self.is_diverging:
            most = max(abs(self.low), abs(self.high)) or 1.0
            colors = _diverging_colors(theme)[gray_levels(values, -most, most)]
        elif self.high > self.low:
            levels = gray_levels(values, self.low, self.high)
            colors = np.repeat(levels[..., np.newaxis], 3, axis=-1)
        else:
            colors = np.zeros((*values.shape, 3), np.uint8)
        return mark_missing(colors, values, theme)

    @property
    def ticks(self) -> list[float]:
        """The numbers that a legend names: both ends, and zero if it lies between them."""
        middle = [0.0] if self.low < 0 < self.high else []
        return [self.low, *middle, self.high] if self.high > self.low else [self.low]

    def format(self, tick: float) -> str:
        """Format a number for its legend."""
        return f"{format_cell(tick)}{self.unit}"

    def __str__(self) -> str:
        ends = " to ".join(map(self.format, dict.fromkeys((self.low, self.high))))
        return f"scale {ends}"


def mark_missing(colors: Array, values: Array, theme: Theme) -> Array:
    """Give NaN its color, in place, where there is any."""
    if values.dtype.kind == "f" and (is_missing := np.isnan(values)).any():
        colors[is_missing] = theme.missing
    return colors


def _diverging_colors(theme: Theme) -> Array:
    """The colors of the levels 0 to 255, of which 128 is zero."""
    levels = np.arange(256) - 128.0
    return heat_map(np.where(levels < 0, levels / 128, levels / 127), 1.0, theme)


def find_range(maps: Sequence[Array]) -> tuple[float, float]:
    """Return the least and the largest finite number of maps; zero twice if there are none."""
    ends = [_find_ends(values) for values in maps if values.size]
    lows = [low for low, _ in ends if np.isfinite(low)]
    return (min(lows), max(high for _, high in ends if np.isfinite(high))) if lows else (0.0, 0.0)


def _find_ends(values: Array) -> tuple[float, float]:
    """The least and the largest finite number of a map; NaN twice if there are none."""
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high  # without a copy, as nearly always
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)


def find_extent(maps: Sequence[Array]) -> tuple[float, float]:
    """Return what most numbers of each map lie between: a few of many do not stretch a scale."""
    ends = []
    for values in maps:
        low, high = find_range([values])
        if values.size > MAX_EXACT and high > low:
            sample = values.ravel()[:: -(-values.size // MAX_SAMPLE)]
            sizes = np.abs(sample[np.isfinite(sample) & (sample != 0)])
            percent = SHOWN_SIGNED_PERCENT if low < 0 else SHOWN_PERCENT
            most = float(np.percentile(sizes, percent)) if sizes.size else max(-low, high)
            low, high = max(low, -most), min(high, most)
        ends.append((low, high))
    return min(low for low, _ in ends), max(high for _, high in ends)


def note_beyond(values: Array, scale: Scale) -> list[str]:
    """Return a caption that says how many numbers lie beyond the ends of a scale, if any do."""
    most = max(abs(scale.low), abs(scale.high))
    low, high = (-most, most) if scale.is_diverging else (scale.low, scale.high)
    count = int(np.count_nonzero(values < low) + np.count_nonzero(values > high))
    share = f"{count / values.size:.1%}"
    return [f"{'under 0.1%' if share == '0.0%' else share} beyond the scale"] if count else []


def choose_scale(maps: Sequence[Array], white: float | None = None) -> Scale:
    """Return the common scale of maps that are not drawn as they are written.

    Parameters
    ----------
    maps : sequence of ndarray
    white : float, optional
        Of a picture: maps whose values lie within 0..white, but for a few, are seen on that scale.

    Returns
    -------
    Scale
        Around a neutral zero if any number is negative, else from 0 to the largest, but for a few
        of many.
    """
    if white is not None and all(_is_picture(values, white) for values in maps):
        return Scale(0.0, white)
    return _scale_to(*find_extent(maps))


def _scale_to(low: float, high: float) -> Scale:
    """Return the scale of numbers between two: around zero if any is negative, else from 0."""
    if low < 0:
        most = max(-low, high)
        return Scale(-most, most, is_diverging=True)
    return Scale(0.0, high)


def share_scales(rows: Sequence[Sequence[Array]], white: float | None = None) -> list[list[Scale]]:
    """Return the scale of each map of each row.

    Those of a row share one, as do rows that are signed, and rows that are not: an input without
    negative numbers is not made pale by a map that has some. Maps have a scale of their own where
    the common one would not show them: much smaller ones, those that are zero throughout, and
    pictures.
    """
    scales: list[list[Scale | None]] = [[None] * len(row) for row in rows]
    groups: dict[bool, list[tuple[int, int]]] = {False: [], True: []}  # places of maps
    for index, row in enumerate(rows):
        left = []
        for place, values in enumerate(row):
            if not np.any(values) or (white is not None and _is_picture(values, white)):
                scales[index][place] = choose_scale([values], white)
            else:
                left.append((index, place))
        groups[any(find_range([row[place]])[0] < 0 for _, place in left)] += left
    for places in groups.values():
        maps = [rows[index][place] for index, place in places]
        for (index, place), scale in zip(places, _share_by_size(maps), strict=True):
            scales[index][place] = scale
    return [[scale for scale in row if scale is not None] for row in scales]


def _share_by_size(maps: Sequence[Array]) -> list[Scale]:
    """Return the scale of each map: one for the largest and all that it shows, and so on."""
    extents = [find_extent([values]) for values in maps]
    sizes = [max(-low, high) for low, high in extents]
    scales: dict[int, Scale] = {}
    while len(scales) < len(maps):
        rest = [index for index in range(len(maps)) if index not in scales]
        least = max(sizes[index] for index in rest) * MIN_SHARE
        group = [index for index in rest if sizes[index] >= least]
        lows, highs = zip(*(extents[index] for index in group), strict=True)
        scales |= dict.fromkeys(group, _scale_to(min(lows), max(highs)))
    return [scales[index] for index in range(len(maps))]


def kernel_scale(weights: Array) -> Scale:
    """Return the scale of a kernel's weights: around a neutral zero, as far as they go."""
    low, high = find_range([weights])
    most = max(abs(low), abs(high))
    return Scale(-most if low < 0 else 0.0, most if high > 0 else 0.0, is_diverging=True)


def _is_picture(values: Array, white: float) -> bool:
    """Whether little of a map lies beyond 0..white, as it is of sharpened pictures."""
    low, high = find_range([values])
    if low >= 0 and high <= white:
        return True
    beyond = np.maximum(-values, 0) + np.maximum(values - white, 0)
    return bool(np.nansum(beyond) <= MAX_OUTSIDE * np.nansum(np.abs(values)))


@dataclass(frozen=True)
class ScaledPanel(Panel):
    """A panel with a legend below its content.

    Parameters
    ----------
    scale : Scale, optional
        Without one there is no legend.
    """

    scale: Scale | None = None

    @property
    def content(self) -> Point:
        """The width and height of what stands above the legend."""
        raise NotImplementedError

    def draw_content(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw what stands above the legend, with its top left corner at this position."""
        raise NotImplementedError

    @property
    def details(self) -> Sequence[str]:
        """The ends of its scale, too, which its legend shows."""
        return [*self.captions, *([] if self.scale is None else [str(self.scale)])]

    @property
    def axis(self) -> float:
        """How far below its top the middle of its content lies."""
        return LINE * 1.5 + self.content[1] / 2

    @property
    def body(self) -> Point:
        """The width and height of the content and its legend."""
        width, height = self.content
        if self.scale is None:
            return width, height
        return max(width, legend_width(self.scale, width)), height + LEGEND_HEIGHT

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the content, and the legend below its middle."""
        (width, height), whole = self.content, self.body[0]
        self.draw_content(canvas, left + (whole - width) // 2, top, theme)
        if self.scale is not None:
            bar = legend_width(self.scale, width)
            draw_legend(canvas, (left + (whole - bar) // 2, top + height), bar, self.scale, theme)


def legend_width(scale: Scale, width: float) -> float:
    """The width of a legend below a content of some width: its numbers stand apart."""
    numbers = [text_width(scale.format(tick), TEXT) for tick in scale.ticks]
    least = sum(numbers) + TICK_ROOM * (len(numbers) - 1)
    if scale.is_diverging and len(numbers) == 3:  # zero stands in the middle
        least = 2 * max(numbers[0], numbers[2]) + numbers[1] + 2 * TICK_ROOM
    return max(min(max(width, MIN_BAR), MAX_BAR), least)


def draw_legend(canvas: Canvas, corner: Point, width: float, scale: Scale, theme: Theme) -> None:
    """Draw the colors of a scale, and its numbers below them: both ends, and zero marked.

    Zero has no number where one of the ends is too near.
    """
    left, top = corner[0], corner[1] + 6
    box = (left, top, width, BAR_HEIGHT)
    parts = np.linspace(0.0, 1.0, BAR_STEPS)
    # The difference of the ends may be beyond what floating point holds; their halves' is not.
    colors = scale.paint(scale.low * (1 - parts) + scale.high * parts, theme)
    canvas.picture(box, colors[np.newaxis])
    canvas.rectangle(box, outline=theme.faint)
    *others, last = scale.ticks
    ends: list[tuple[float, float]] = []  # of the numbers that stand
    for tick in (last, *others):
        reach = text_width(scale.format(tick), TEXT) / 2
        share = (tick / 2 - scale.low / 2) / ((scale.high / 2 - scale.low / 2) or 1.0)
        x = left + width * (share if scale.high > scale.low else 0.5)
        canvas.lines([((x, top + BAR_HEIGHT), (x, top + BAR_HEIGHT + TICK))], theme.faint)
        center = min(max(x, left + reach), left + width - reach)
        if all(center + reach < start or end < center - reach for start, end in ends):
            ends.append((center - reach, center + reach))
            at = (center, top + BAR_HEIGHT + TICK + LINE / 2)
            canvas.text(at, scale.format(tick), size=TEXT, color=theme.faint)
