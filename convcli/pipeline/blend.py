"""Blend feature maps with their picture, where a selection says so.

Of a pixel with weight m, the result is m·filtered + (1 - m)·original. Where m is 0 it is the
original to the bit, and where m is 1 the filtered value. With alpha, both are weighted by their
alpha, too, so that what is invisible gives no color.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from convcli.images import NO_METADATA, Picture, Values
from convcli.images.color import find_visible, map_rows, row_slices, to_gray
from convcli.images.quantize import DEGREES, Span, quantize
from convcli.pipeline.computation import Computation
from convcli.pipeline.execute import Stage, StageCallback, compute_maps, finish_unfiltered
from convcli.pipeline.preprocess import preprocess
from convcli.pipeline.selection import Selection
from convcli.records import NamedTuple

# Range policies, which neither round nor clip here, on values and the depth of a picture.
SCALES: dict[str | None, Callable[[Values, int], Values]] = {
    "abs": lambda values, _: np.abs(values),
    "offset": lambda values, depth: values + values.dtype.type(2 ** (depth - 1)),
}


class Weights(NamedTuple):
    """How much of each pixel is filtered.

    Parameters
    ----------
    values : ndarray, (H, W, 1)
        From 0 to `white`.
    white : float
        The value of a pixel that is filtered alone.
    """

    values: Values
    white: float

    def read_rows(self, rows: slice) -> Values:
        """Return some rows as float64 from 0 to 1."""
        unit: Values = self.values[rows] / np.float64(self.white)
        return unit


class SelectedMaps(NamedTuple):
    """The maps of a picture, blended with it.

    Parameters
    ----------
    maps : list of Picture
    spans : list of Span or None
        Of what is selected of each map, before it is blended; None where nothing is, and where they
        were not asked for.
    notes : tuple of str
        Remarks for the user.
    """

    maps: list[Picture]
    spans: list[Span | None]
    notes: tuple[str, ...] = ()


def select_maps(
    selection: Selection,
    picture: Picture,
    computation: Computation,
    weights: Weights | None,
    policy: str | None,
    *,
    spans: Sequence[Span | None] = (),
    on_stage: StageCallback | None = None,
) -> SelectedMaps:
    """Return the feature maps of a picture, blended with it.

    Parameters
    ----------
    selection : Selection
    picture : Picture
    computation : Computation
        From `plan_selection`.
    weights : Weights, optional
        Of the mask.
    policy : str, optional
        The range policy of the filtered values, which are then blended on the scale of the output;
        None for numbers.
    spans : sequence of Span or None
        What is rescaled to the whole range, for each map; by default what is selected of it.
    on_stage : callable, optional
        As in `compute_maps`; each blended map is a stage more.
    """
    plan = computation.plan
    original, source, filtered = _filter(picture, computation, on_stage)
    first = len(plan.kernels) if plan.combine is not None else 0
    results = SelectedMaps([], [])
    notes: dict[str, None] = {}
    for index in range(len(filtered)):
        blender = _Blender(selection, original, source, filtered[index], weights)
        own = blender.find_span() if policy == "rescale" else None
        results.spans.append(own)
        wanted = spans[index] if spans else own
        result, note = blender.blend(policy, wanted)
        filtered[index] = result  # so that the filtered values can be released
        results.maps.append(result)
        notes |= {} if note is None else {note: None}
        if on_stage is not None:
            on_stage(first + index, Stage(str(selection), result.values))
    return results._replace(notes=tuple(notes))


def _filter(
    picture: Picture, computation: Computation, on_stage: StageCallback | None
) -> tuple[Picture, Picture, list[Picture]]:
    """Return what maps are blended with, what they are made of, and the maps.

    They are made of a picture itself, or of its luma.
    """
    original, source = picture, None
    with_errors = computation.plan.filter_policy(picture.depth) == "rescale"
    if computation.base is not None:
        source = preprocess(picture, computation.base)
        original = finish_unfiltered(source, picture, computation.base)
    if not computation.is_of_luma:
        maps = compute_maps(picture, computation, on_stage, source=source, with_errors=with_errors)
        return original, picture, maps
    del source
    if original.depth is not None and computation.base is not None:  # whole, as it is written
        white = original.white
        rounded = map_rows(lambda part: np.rint(part).clip(0, white), original.values)
        original = original._replace(values=rounded)
    values = map_rows(to_gray, original.values)
    alpha = None if original.alpha is None else original.alpha.astype(values.dtype)
    # The curve of light, if its profile has one for all colors, is that of luma, too.
    metadata = original.metadata._replace(color_mode="L")
    luma = original._replace(values=values, alpha=alpha, metadata=metadata)
    maps = compute_maps(luma, computation, on_stage, with_errors=with_errors)
    kept = NO_METADATA if computation.plan.strip else picture.metadata
    return original, luma, [result._replace(metadata=kept) for result in maps]


class _Blender:
    """One map and its picture, blended some rows at a time."""

    def __init__(
        self,
        selection: Selection,
        original: Picture,
        source: Picture,
        filtered: Picture,
        weights: Weights | None,
    ) -> None:
        self._selection = selection
        self._chosen = selection.choose(
            original.values.shape[2], has_alpha=original.alpha is not None
        )
        self._original = original
        self._luma = source.values
        self._filtered = filtered
        self._weights = weights

    def find_span(self) -> Span | None:
        """Return the span of what is selected, and visible, of the map."""
        low, high = math.inf, -math.inf
        for rows in row_slices(self._filtered.values):
            selected = self._read_weights(rows) > 0
            if self._filtered.alpha is not None:
                selected = selected & find_visible(self._filtered.alpha[rows])
            values = self._filtered.values[rows]
            if not self._chosen.is_luma:
                values = values[:, :, list(self._chosen.colors)]
            values = values[selected[:, :, 0]]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        return None if low > high else Span((low, high), self._filtered.error)

    def blend(self, policy: str | None, span: Span | None) -> tuple[Picture, str | None]:
        """Return the blended map, and a remark on its range.

        Parameters
        ----------
        policy : str, optional
        span : Span, optional
            What is rescaled; None if nothing is selected.
        """
        original, filtered = self._original, self._filtered
        scaled, note = filtered.values, None
        depth = original.depth or 8
        if span is not None:
            quantized = quantize(scaled, "rescale", depth, span.bounds, error=span.error)
            scaled, note = quantized.pixels, quantized.note
        elif policy == DEGREES:
            quantized = quantize(scaled, policy, depth)
            scaled, note = quantized.pixels, quantized.note
        values = np.empty(original.values.shape, filtered.values.dtype)
        alpha = None if original.alpha is None else np.empty_like(filtered.alpha)
        for rows in row_slices(values):
            levels = scaled[rows].astype(values.dtype, copy=False)
            if policy in SCALES:
                levels = SCALES[policy](levels, depth)
            if filtered.alpha is not None:
                levels = np.where(find_visible(filtered.alpha[rows]), levels, 0)
            values[rows], new_alpha = self._blend_rows(rows, levels)
            if alpha is not None:
                alpha[rows] = new_alpha
        return filtered._replace(values=values, alpha=alpha), note

    def _read_weights(self, rows: slice) -> Values:
        """Return the weights of some rows, (h, W, 1): booleans if there is no mask."""
        selected = self._selection.find_pixels(rows, self._original.size)
        if self._weights is None:
            count, width = self._original.values[rows].shape[:2]
            return np.ones((count, width, 1), bool) if selected is None else selected
        weights = self._weights.read_rows(rows)
        return weights if selected is None else np.where(selected, weights, 0.0)

    def _blend_rows(self, rows: slice, levels: Values) -> tuple[Values, Values | None]:
        """Return some rows of the blended values, and of alpha."""
        original, threshold = self._original, self._selection.threshold
        weights = self._read_weights(rows)
        if not weights.any():
            return original.values[rows], None if original.alpha is None else original.alpha[rows]
        alpha = None
        if original.alpha is not None and self._filtered.alpha is not None:
            own, new = original.alpha[rows], self._filtered.alpha[rows]
            alpha = own
            if self._chosen.has_alpha:
                new = _drop_small_changes(new, own, threshold)
                alpha = mix(new, own, weights)
                weights = _weigh_by_alpha(weights, new, own)
            else:
                weights = np.where(find_visible(new), weights, False)  # else there is no color
        colors = original.values[rows]
        if self._chosen.is_luma:
            change = _drop_small_changes(levels, self._luma[rows], threshold) - self._luma[rows]
            return self._add_to_colors(colors, np.where(weights > 0, change * weights, 0)), alpha
        result = mix(_drop_small_changes(levels, colors, threshold), colors, weights)
        kept = [c for c in range(colors.shape[2]) if c not in self._chosen.colors]
        result[:, :, kept] = colors[:, :, kept]
        return result, alpha

    def _add_to_colors(self, colors: Values, change: Values) -> Values:
        """Add a change of luma to all colors alike, as far as none leaves its range."""
        colors = colors.astype(change.dtype)
        if self._original.depth is not None:
            room = self._original.white - colors.max(axis=2, keepdims=True)
            change = np.rint(change).clip(-colors.min(axis=2, keepdims=True), room)
        return colors + change


def mix(new: Values, old: Values, weights: Values) -> Values:
    """Return weights·new + (1 - weights)·old; exactly one of them where a weight is 1 or 0.

    >>> mix(np.array([9.0, 9.0, 9.0]), np.array([1.0, 1.0, 1.0]), np.array([0, 0.5, 1]))
    array([1., 5., 9.])
    """
    exact = np.where(weights > 0, new, old)
    if weights.dtype == bool:
        return exact
    is_exact = (weights <= 0) | (weights >= 1)
    return np.where(is_exact, exact, weights * new + (1 - weights) * old)


def _drop_small_changes(new: Values, old: Values, threshold: float) -> Values:
    """Return the new values, but the old ones where they differ by less than the threshold."""
    if not threshold:
        return new
    changes = np.abs(new.astype(np.float64) - old)
    return np.where(changes < threshold, old, new)


def _weigh_by_alpha(weights: Values, new: Values, old: Values) -> Values:
    """Return the share of the new color where two of different alpha are mixed."""
    if weights.dtype == bool:
        return weights
    total = weights * new + (1 - weights) * old
    shares = np.divide(weights * new, total, out=np.zeros(total.shape), where=total > 0)
    is_exact = (weights <= 0) | (weights >= 1)
    return np.where(is_exact, weights, shares)
