"""Bounds of rounding errors: a map whose values differ by less is flat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convcli.arithmetic.bounds import Bound
from convcli.arithmetic.notation import INPUT, input_indices
from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array
from convcli.images.color import find_visible
from convcli.images.quantize import find_bounds
from convcli.pipeline.alpha import Transparency
from convcli.pipeline.computation import Computation
from convcli.pipeline.plan import Step
from convcli.pipeline.preprocess import FeatureMap
from convcli.records import NamedTuple

PREPROCESSING_ROUNDINGS = 4  # decode, multiply by alpha, take the luma, resample


class MapBounds(NamedTuple):
    """The bounds of a map before it is divided by alpha, and of its alpha."""

    values: Bound
    alpha: Bound

    def error_of(self, colors: Array, transparency: Transparency | None) -> float:
        """Return the error of visible colors, (H, W, C), which may have been divided by alpha."""
        if transparency is None or not transparency.is_premultiplied:
            return self.values.error
        is_visible = find_visible(transparency.alpha)
        if not is_visible.any():
            return 0.0
        least = float(transparency.alpha.min(initial=transparency.white, where=is_visible))
        largest = max(map(abs, find_bounds(colors, is_visible)))
        return (self.values.error * transparency.white + largest * self.alpha.error) / least


def bound_maps(source: FeatureMap, computation: Computation) -> list[MapBounds]:
    """Return the bounds of every map of a preprocessed picture."""
    plan, transparency = computation.plan, source.transparency
    if transparency is None or computation.alpha is None:
        is_exact = not (plan.linear or plan.gray or plan.resize)
        bounds = bound_errors(source.values, computation, is_exact=is_exact)
        return [MapBounds(bound, Bound(0.0, 0.0)) for bound in bounds]
    bounds = bound_errors(source.values, computation, is_exact=False)
    is_alpha_exact = plan.resize is None
    alpha_bounds = bound_errors(transparency.alpha, computation.alpha, is_exact=is_alpha_exact)
    return [MapBounds(*pair) for pair in zip(bounds, alpha_bounds, strict=True)]


def encode_error(error: float, colors: Array, encoded: Array, is_visible: Array | None) -> float:
    """Return the error of encoded colors, of which only that of flat ones is of use.

    The slope of a curve near black has no bound: what is flat is found before it is encoded.
    """
    low, high = find_bounds(colors, is_visible)
    if high - low > error:
        return 0.0
    low, high = find_bounds(encoded, is_visible)
    return high - low


def bound_errors(values: Array, computation: Computation, *, is_exact: bool) -> list[Bound]:
    """Return the bound of every map, before it is divided by alpha.

    Parameters
    ----------
    values : ndarray
        Preprocessed.
    computation : Computation
    is_exact : bool
        Whether they are those of the input: nothing rounded them.
    """
    plan, epsilon = computation.plan, float(np.finfo(computation.dtype).eps)
    ends = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)  # without NaN
    largest = max(abs(float(end)) for end in ends)
    rounding = 0 if is_exact else PREPROCESSING_ROUNDINGS * epsilon * largest
    source = Bound(largest, rounding)
    channels = values.shape[2]
    starts = [_bound_convolution(step, source, channels, epsilon) for step in plan.kernels]
    starts = starts or [source]
    if plan.combine is not None:
        starts = [_combine(starts, plan.combine, epsilon)]
    return [
        _bound_layers(start, computation, number, epsilon) for number, start in enumerate(starts)
    ]


def _bound_layers(start: Bound, computation: Computation, number: int, epsilon: float) -> Bound:
    steps, shapes = computation.plan.layers, computation.shapes[number]
    indices = input_indices([step.layer for step in steps])
    bounds = {INPUT: start}
    sizes: dict[int, Shape] = {INPUT: shapes.start, **dict(enumerate(shapes.layers))}
    for index, (step, inputs) in enumerate(zip(steps, indices, strict=True)):
        arguments = [bounds[source] for source in inputs]
        bounds[index] = _bound_step(step, arguments, sizes[inputs[0]], epsilon)
    return bounds[len(steps) - 1] if steps else start


def _bound_step(step: Step, inputs: Sequence[Bound], shape: Shape, epsilon: float) -> Bound:
    """Return the bound of a layer; the shape is (C, H, W) of its first input."""
    layer = step.layer
    if layer.operation.needs_kernel:
        return _bound_convolution(step, inputs[0], shape[0], epsilon)
    return layer.operation.bound(layer, inputs, shape, epsilon)


def _bound_convolution(step: Step, source: Bound, channels: int, epsilon: float) -> Bound:
    weights, _ = step.weights(channels)
    maps = len(weights) if weights.ndim == 4 else 1
    magnitudes = np.abs(weights).reshape(maps, -1).sum(axis=1)
    count = weights.size // maps
    if step.layer.operation.is_transposed:  # whose first axis is that of the input
        magnitudes, count = magnitudes.sum(keepdims=True), weights.size
    return source.sum(float(magnitudes.max()), count, epsilon, float(np.abs(step.bias).max()))


def _combine(parts: Sequence[Bound], how: str, epsilon: float) -> Bound:
    """Return the bound of combined maps; a length is at most the sum, and errs as much."""
    if how == "direction":
        return Bound(360.0, 360.0 * epsilon)
    if how == "max":
        return parts[0].union(parts[1:])
    joint = parts[0].plus(parts[1:], epsilon)
    return joint.scale(1 / len(parts)) if how == "mean" else joint
