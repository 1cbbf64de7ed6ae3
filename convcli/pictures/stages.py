"""The figure of a filter: input, kernel, feature map side by side; a row a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.pictures.figure import sheet
from convcli.pictures.panels import Panel, kernel_panel, map_panel
from convcli.pictures.theme import LIGHT, Theme

Values = NDArray[Any]

# A stage's title, its map (H, W, C), and the weights that it was filtered with.
Stage = tuple[str, Values, Values | None]


def stages_figure(
    name: str,
    values: Values,
    ways: Sequence[Sequence[Stage]],
    *,
    white: float | None,
    suffix: str,
    theme: Theme = LIGHT,
) -> bytes:
    """Draw the way of an input through its kernels and layers.

    Parameters
    ----------
    name : str
        The input's.
    values : ndarray, (H, W, C)
        The input.
    ways : sequence of sequences of (title, values, weights or None)
        A row for each: every stage with its kernel, if it has one, and its map.
    white : float, optional
        The input's own white, where it has one: what lies within 0..white is shown on that scale.
    suffix : {".png", ".svg"}

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    rows = [
        [
            _map(name, values, white),
            *(panel for stage in way for panel in _stage_panels(*stage, white, theme)),
        ]
        for way in ways
    ]
    return sheet(rows, suffix, theme)


def _stage_panels(
    title: str, values: Values, weights: Values | None, white: float | None, theme: Theme
) -> list[Panel]:
    if weights is None:
        return [_map(title, values, white)]
    return [kernel_panel(title, weights, theme), _map("feature map", values, white)]


def _map(title: str, values: Values, white: float | None) -> Panel:
    """A map on the input's own scale where it fits, else on its least to largest value."""
    fits = white is not None and values.min() >= 0 and values.max() <= white
    return map_panel(title, np.asarray(values), **({"black": 0.0, "white": white} if fits else {}))
