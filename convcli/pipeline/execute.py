"""Execute a computation on a picture: kernels, their combination, layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convcli.arithmetic.notation import INPUT, format_layer, input_indices, last_uses
from convcli.engine.arrays import (
    Array,
    check_exact,
    check_weights,
    largest_exact_value,
    sum_dtype,
)
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.errors import OVERFLOW, ArgumentError
from convcli.images import NO_METADATA, PLACEHOLDER, Picture
from convcli.images.color import find_visible
from convcli.pipeline.plan import Plan, Step
from convcli.pipeline.preprocess import FeatureMap, encode, preprocess
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer
    from convcli.engine.filter2d.plan import FilterPlan
    from convcli.pipeline.alpha import Transparency
    from convcli.pipeline.computation import Computation, StepFilters
    from convcli.pipeline.rounding import MapBounds


class Stage(NamedTuple):
    """The output of one step, as `on_stage` gets it.

    Parameters
    ----------
    title : str
        The kernel's name, how kernels were combined, or the layer in the notation.
    values : ndarray, (H, W, C)
    step : Step, optional
        The kernel or the layer; None of kernels that were combined, and of others.
    """

    title: str
    values: Array
    step: Step | None = None


# Called with the number of the map and its stage, after every step.
StageCallback: TypeAlias = Callable[[int, Stage], None]


def compute_maps(
    picture: Picture,
    computation: Computation,
    on_stage: StageCallback | None = None,
    *,
    source: FeatureMap | None = None,
    with_errors: bool = False,
) -> list[Picture]:
    """Return the feature maps of a picture with their alpha and its metadata.

    Parameters
    ----------
    picture : Picture
        Of the header that the computation was planned for.
    computation : Computation
    on_stage : callable, optional
        Called after every step; kernels that are combined count as maps, too.
    source : FeatureMap, optional
        The picture, preprocessed.
    with_errors : bool
        Whether a bound of the rounding errors of each map is wanted.

    Raises
    ------
    ArgumentError
        For values that are not finite.
    """
    plan = computation.plan
    if computation.network is not None:
        from convcli.pipeline.inference.run import run_network

        return run_network(picture, computation, on_stage)
    with np.errstate(over="ignore", invalid="ignore"):
        source = source or preprocess(picture, plan)
        bounds = _bound_maps(source, computation) if with_errors else []
        maps = _run_plan(source, computation, on_stage)
        del source
        pictures = []
        for number in range(len(maps)):
            result, maps[number] = maps[number], FeatureMap(PLACEHOLDER)  # which can be released
            pictures.append(_finish(result, picture, plan, bounds[number] if bounds else None))
            del result
    _check_finite([result.values for result in pictures], plan)
    return pictures


def _bound_maps(source: FeatureMap, computation: Computation) -> list[MapBounds]:
    from convcli.pipeline.rounding import bound_maps

    return bound_maps(source, computation)


def _finish(result: FeatureMap, picture: Picture, plan: Plan, bounds: MapBounds | None) -> Picture:
    """Return a map of a picture with its alpha and metadata: divided by alpha, and encoded."""
    values, transparency = result
    alpha = None
    if transparency is not None:
        values = transparency.divide(values)
        alpha = transparency.alpha.clip(0, transparency.white)
    error = 0.0 if bounds is None else bounds.error_of(values, transparency)
    if plan.linear:
        colors, values = values, encode(values, picture)
        if bounds is not None:
            from convcli.pipeline.rounding import encode_error

            error = encode_error(
                error, colors, values, None if alpha is None else find_visible(alpha)
            )
    metadata = NO_METADATA if plan.strip else picture.metadata
    return Picture(values, picture.depth, alpha, metadata, error=error)


def finish_unfiltered(source: FeatureMap, picture: Picture, plan: Plan) -> Picture:
    """Return a picture that was preprocessed as what `compute_maps` returns without any filter."""
    return _finish(_to_sums(source), picture, plan, None)


def _run_plan(
    source: FeatureMap, computation: Computation, on_stage: StageCallback | None = None
) -> list[FeatureMap]:
    """Run every kernel on a preprocessed picture, combine the results, and run the layers."""
    plan, report = computation.plan, on_stage or (lambda *_: None)
    starts: Iterable[FeatureMap] = _run_kernels(source, computation, report)  # each when needed
    first = 0
    if plan.combine is not None:
        first, starts = len(plan.kernels), [_combine_maps(list(starts), computation)]
        report(first, Stage(plan.combine, starts[0].values))
    return [
        _run_layers(start, computation.layer_steps(number), partial(report, first + number))
        for number, start in enumerate(starts)
    ]


def _run_kernels(
    source: FeatureMap, computation: Computation, report: StageCallback
) -> Iterator[FeatureMap]:
    """Yield the output of each kernel; without any, the picture itself."""
    steps = computation.kernel_steps()
    if not steps:
        yield _to_sums(source)
    for index, filters in enumerate(steps):
        step = filters.step
        output = _convolve_map(source, filters)
        report(index, Stage(step.kernel.name if step.kernel else "", output.values, step))
        yield output


def _to_sums(source: FeatureMap) -> FeatureMap:
    """Return a picture with values of the type of sums."""
    values, transparency = source
    unit = np.ones((1, 1))
    check_exact(values, largest_exact_value(values.dtype, unit), unit)
    if transparency is not None:
        alpha = transparency.alpha
        transparency = transparency._replace(alpha=alpha.astype(sum_dtype(alpha.dtype)))
    return FeatureMap(values.astype(sum_dtype(values.dtype)), transparency)


def _combine_maps(maps: Sequence[FeatureMap], computation: Computation) -> FeatureMap:
    """Combine the outputs of all kernels."""
    from convcli.engine.operations.joins import combine

    how = computation.plan.combine or "sum"
    values = combine([part.values for part in maps], how)
    if computation.alpha is None:
        return FeatureMap(values)
    from convcli.pipeline.alpha import combine_transparencies

    parts, alpha_how = _transparencies(maps), computation.alpha.plan.combine or "max"
    transparency = combine_transparencies(parts, how, alpha_how)
    return FeatureMap(transparency.add_bias(values, computation.deferred_bias), transparency)


def _transparencies(maps: Sequence[FeatureMap]) -> list[Transparency]:
    return [part.transparency for part in maps if part.transparency is not None]


def _run_layers(
    start: FeatureMap, steps: Sequence[StepFilters], report: Callable[[Stage], None]
) -> FeatureMap:
    """Run the layers on a map; the output of a layer is released after its last use."""
    inputs = input_indices([step.layer for step, *_ in steps])
    last_use = last_uses(inputs)
    outputs = {INPUT: start}
    for user, (filters, indices) in enumerate(zip(steps, inputs, strict=True)):
        step = filters.step
        arguments = [outputs[index] for index in indices]
        if step.layer.operation.needs_kernel:
            outputs[user] = _convolve_map(arguments[0], filters)
        else:
            outputs[user] = _apply_layer(filters, arguments)
        report(Stage(format_layer(step.layer), outputs[user].values, step))
        del arguments
        for index in set(indices):
            if last_use[index] == user:
                del outputs[index]
    values, transparency = outputs[len(inputs) - 1]
    return FeatureMap(np.ascontiguousarray(values), transparency)


def _apply_layer(filters: StepFilters, inputs: Sequence[FeatureMap]) -> FeatureMap:
    """Return the output of a layer without weights."""
    layer, operation = filters.step.layer, filters.step.layer.operation
    function = partial(_run_operation, layer)
    values, parts = [part.values for part in inputs], _transparencies(inputs)
    if not parts or filters.alpha_step is None:
        return FeatureMap(function(values))
    from convcli.pipeline.alpha import add_transparencies, join_colors

    transparency, joined_by = parts[0], operation.joined_by
    if joined_by in ("sum", "difference", "mean"):
        transparency = add_transparencies(parts, joined_by)
    elif operation.is_join:
        colors, transparency = join_colors(values, parts)
        return FeatureMap(transparency.multiply(function(colors)), transparency)
    elif operation.filters_alpha:
        alpha = _run_operation(filters.alpha_step.layer, [part.alpha for part in parts])
        transparency = transparency._replace(alpha=np.ascontiguousarray(alpha))
    elif not operation.is_homogeneous:
        own = transparency.clear_hidden(function([transparency.divide(values[0])]))
        return FeatureMap(transparency.multiply(own), transparency)
    return FeatureMap(function(values), transparency)


def _run_operation(layer: Layer, inputs: Sequence[Array]) -> Array:
    """Run an operation without weights on maps, (H, W, C)."""
    maps = [values.transpose(2, 0, 1) for values in inputs]
    return find_function(layer.operation)(layer, maps, NO_WEIGHTS).transpose(1, 2, 0)


def _convolve_map(source: FeatureMap, filters: StepFilters) -> FeatureMap:
    """Run a convolution on a map and on its alpha."""
    step = filters.step
    if source.transparency is None or filters.alpha_step is None:
        return FeatureMap(_convolve_step(source.values, step, filters.colors))
    values = _convolve_step(source.values, step._replace(bias=0.0), filters.colors)
    alpha = _convolve_step(source.transparency.alpha, filters.alpha_step, filters.alpha)
    transparency = source.transparency.convolve(alpha, step)
    return FeatureMap(transparency.add_bias(values, step.bias), transparency)


def _convolve_step(values: Array, step: Step, filter_plan: FilterPlan | None) -> Array:
    """Run a convolution, for which a filter was planned, or a transposed one."""
    if filter_plan is None:
        return convolve_transposed(values, step)
    return convolve(values, filter_plan, sum_dtype(values.dtype))


def convolve(values: Array, filter_plan: FilterPlan, dtype: np.dtype[Any]) -> Array:
    """Run a filter on (H, W, C) values; return its sums, (H, W, C), in the values' units."""
    if filter_plan.problem.nan != "refuse" and values.dtype.kind == "f":
        from convcli.engine.filter2d.missing import filter_missing

        return filter_missing(filter_plan, values)
    sums = np.atleast_3d(np.empty(filter_plan.shape, dtype))
    filter_plan.run_into(values, sums)
    return sums


def convolve_transposed(values: Array, step: Step) -> Array:
    """Run a transposed convolution on (H, W, C) values."""
    from convcli.engine.transposed import conv_transpose2d

    layer = step.layer
    weights, groups = step.weights(values.shape[2])
    check_weights(weights, sum_dtype(values.dtype))
    maps: Array = conv_transpose2d(
        values.transpose(2, 0, 1),
        weights,
        stride=layer.stride,
        padding=layer.padding,
        output_padding=layer.output_padding,
        dilation=layer.dilation,
        groups=groups,
    ).transpose(1, 2, 0)
    return np.asarray(maps + np.asarray(step.bias, maps.dtype))


def _check_finite(maps: Sequence[Array], plan: Plan) -> None:
    """Refuse values that are not finite, but the -inf of padding alone and planned NaN."""
    can_be_infinite = any(step.layer.operation.can_be_infinite for step in plan.layers)
    for values in maps:
        least, largest = values.min(), values.max()
        if plan.nan != "refuse" and np.isnan(least):
            least, largest = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
        elif np.isnan(least):
            raise ArgumentError(infinity_cause(step.layer for step in plan.layers))
        if np.isposinf(largest) or (np.isneginf(least) and not can_be_infinite):
            raise ArgumentError(infinity_cause(step.layer for step in plan.layers))


def infinity_cause(layers: Iterable[Layer]) -> str:
    """Return why values are not finite: a layer that takes some alone, or an overflow."""
    for layer in layers:
        if domain := layer.operation.domain:
            return (
                f"{layer.op} is finite for values {domain[0]} alone, and its input holds "
                f"others; a layer like {domain[1]} before it leaves none"
            )
    return OVERFLOW
