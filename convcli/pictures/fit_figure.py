"""The figure of `fit`: two pictures, the kernel between them, and what it does not explain."""

from __future__ import annotations

import math

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.filter2d import filter2d
from convcli.engine.fit import Fit, align
from convcli.engine.scratch import split_range
from convcli.pictures.canvas import DEFAULT_STYLE, Panel, render
from convcli.pictures.layout import Sign, fold_line
from convcli.pictures.panels import make_kernel_panel, make_map_panel
from convcli.pictures.scales import Scale, choose_scale, find_extent
from convcli.pictures.text import format_cell
from convcli.pictures.theme import Style
from convcli.records import NamedTuple

CONVOLVE, NEARLY, MINUS = "\N{ASTERISK OPERATOR}", "\N{ALMOST EQUAL TO}", "\N{MINUS SIGN}"
MAX_PIXELS = 4_000_000  # of a picture that is drawn whole; of a larger one, every nth row
BAND_PIXELS = 1 << 18
MIN_SHARE = 1 / 64  # of the values after, from neutral to a full color: less is not seen
ROUNDING = 1e-12  # of the largest value after; smaller residuals are rounding errors


class FittedPair(NamedTuple):
    """A pair of pictures, each (H, W, C), as it is drawn.

    Parameters
    ----------
    names : (str, str)
        Of the picture before and of that after.
    before, after : ndarray
    white : float, optional
        Of pictures; grids of numbers have none.
    """

    names: tuple[str, str]
    before: Array
    after: Array
    white: float | None = None


def draw_fit_figure(
    pair: FittedPair,
    found: Fit,
    *,
    suffix: str,
    notes: tuple[str, ...] = (),
    style: Style = DEFAULT_STYLE,
) -> bytes:
    """Draw the equation before * kernel = after, and the residual, zero neutral.

    Parameters
    ----------
    pair : FittedPair
    found : Fit
    suffix : {".png", ".svg"}
    notes : tuple of str
        Captions of the kernel.
    style : Style

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    step = max(math.ceil(math.sqrt(pair.before[..., 0].size / MAX_PIXELS)), 1)
    before, after = (_choose_channels(values[::step, ::step]) for values in pair[1:3])
    residual = measure_residual(pair.before, pair.after, found, step)
    scale = Scale(0.0, pair.white) if pair.white else choose_scale([before, after])
    captions = (f"1 of every {step} rows and columns",) if step > 1 else ()
    theme = style.theme
    first, second = (
        make_map_panel(name, values, theme, scale=scale, notes=captions)
        for name, values in zip(pair.names, (before, after), strict=True)
    )
    if found.bias:
        notes = (f"bias {format_cell(found.bias)}", *notes)
    kernel = make_kernel_panel("kernel", found.kernel, theme, notes=notes)
    rms = found.rms if found.rms > _smallest_residual(pair.after) else 0.0
    rest = make_map_panel(
        f"after {MINUS} before {CONVOLVE} kernel",
        residual,
        theme,
        scale=_residual_scale(residual, pair.after),
        notes=(f"rms {format_cell(rms)}", *captions, *_note_channels(pair.after)),
    )
    line: list[list[Panel]] = [[first], [Sign(CONVOLVE), kernel], [Sign(NEARLY), second], [rest]]
    title = f"The kernel from {pair.names[0]} to {pair.names[1]}"
    return render([[fold_line(line)]], suffix, style, title=title)


def measure_residual(before: Array, after: Array, found: Fit, step: int = 1) -> Array:
    """Return what a kernel leaves unexplained: after - before * kernel, (h, w, 1) of float64.

    The sums are clipped as the type of `after` does. Of several channels, it is that of the largest
    magnitude.

    Parameters
    ----------
    before, after : ndarray, (H, W, C)
    found : Fit
    step : int
        Every so many rows and columns are taken.
    """
    size: Pair = (found.kernel.shape[0], found.kernel.shape[1])
    source, target = align(before, after, size)
    rows = range(0, target.shape[0], step)
    parts = []
    for chosen in split_range(len(rows), max(BAND_PIXELS // source[:step].size, 1)):
        start, stop = rows[chosen.start], rows[chosen.stop - 1] + 1
        sums = filter2d(
            source[start : stop + size[0] - 1].astype(np.float64),
            found.kernel,
            bias=found.bias,
            padding="valid",
            out_dtype=np.float64,
        )[::step, ::step]
        if target.dtype.kind == "u":
            sums = np.clip(sums, 0, np.iinfo(target.dtype).max)
        rest = target[start:stop:step, ::step] - sums
        largest = np.abs(rest).argmax(axis=2)[..., np.newaxis]
        parts.append(np.take_along_axis(rest, largest, axis=2))
    residual = np.concatenate(parts)
    residual[np.abs(residual) <= _smallest_residual(after)] = 0.0
    return residual


def _smallest_residual(after: Array) -> float:
    """Return what residuals up to are rounding errors."""
    return ROUNDING * max(-float(after.min()), float(after.max()))


def _residual_scale(residual: Array, after: Array) -> Scale:
    """Return a scale around zero on which what is small beside the values after is not seen."""
    if not residual.any():
        return Scale(0.0, 0.0)
    low, high = find_extent([residual])
    least = MIN_SHARE * (float(after.max()) - float(after.min()))
    most = max(-low, high, least)
    return Scale(-most, most, is_diverging=True)


def _choose_channels(values: Array) -> Array:
    """Return a picture of one or three channels; of others, the first."""
    return values if values.shape[2] in (1, 3) else values[:, :, :1]


def _note_channels(values: Array) -> tuple[str, ...]:
    return ("of the channels, the largest",) if values.shape[2] > 1 else ()
