"""Execute a computation on a picture: preprocess, kernels, their combination, layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from convcli.arithmetic.notation import INPUT, format_layer, input_indices, last_uses
from convcli.arithmetic.values import Resize, Shape
from convcli.engine.arrays import (
    Array,
    check_exact,
    check_weights,
    largest_exact_value,
    sum_dtype,
)
from convcli.engine.operations import OPERATIONS, combine
from convcli.errors import OVERFLOW, ArgumentError
from convcli.images import NO_METADATA, Header, Picture
from convcli.images.color import from_linear, premultiply, resize, to_gray, to_linear, unpremultiply
from convcli.kernels import Kernel
from convcli.pipeline.plan import Plan, Step

if TYPE_CHECKING:
    from convcli.engine.filter2d.plan import FilterPlan
    from convcli.pipeline.computation import Computation


class Stage(NamedTuple):
    """The output of one step, as `on_stage` gets it.

    Parameters
    ----------
    title : str
        The kernel's name, how kernels were combined, or the layer in the notation.
    values : ndarray, (H, W, C)
    kernel : Kernel, optional
        The kernel of a convolution.
    """

    title: str
    values: Array
    kernel: Kernel | None = None


# Called with the number of the map and its stage, after every step.
StageCallback: TypeAlias = Callable[[int, Stage], None]


def preprocess(picture: Picture, plan: Plan) -> Array:
    """Return the values to filter: linearized, premultiplied, gray, resampled, as planned."""
    values = picture.values
    if plan.linear:
        if picture.depth is None:
            raise ArgumentError(
                "--linear goes with pictures of 8 or 16 bits, whose values are sRGB"
            )
        values = to_linear(values, picture.white)
    if picture.alpha is not None:
        values = premultiply(values, picture.alpha, picture.white)
    if plan.gray:
        values = to_gray(values)
    if plan.resize is not None:
        values = resize(values, plan.resized(values.shape[:2]))
    return values


def has_preprocessing(plan: Plan, header: Header) -> bool:
    """Whether the values to filter are others than the input's own."""
    return plan.linear or header.has_alpha or plan.gray or plan.resize is not None


def preprocessed_shape(plan: Plan, header: Header) -> Shape:
    """Return the shape, (C, H, W), of what `preprocess` will return."""
    height, width, channels = header.shape
    return 1 if plan.gray else channels, *plan.resized((height, width))


def preprocessed_dtype(plan: Plan, header: Header) -> np.dtype[Any]:
    """Return the type of what `preprocess` will return, found with a single pixel."""
    if not has_preprocessing(plan, header):
        return header.dtype
    values = np.zeros((1, 1, header.shape[2]), header.dtype)
    pixel = Picture(values, header.depth, values[:, :, :1] if header.has_alpha else None)
    return preprocess(pixel, plan._replace(resize=plan.resize and Resize(1, 1))).dtype


def compute_maps(
    picture: Picture, computation: Computation, on_stage: StageCallback | None = None
) -> list[Picture]:
    """Return the feature maps of a picture with their alpha and its metadata.

    Parameters
    ----------
    picture : Picture
        Of the header that the computation was planned for.
    computation : Computation
    on_stage : callable, optional
        Called after every step; kernels that are combined count as maps, too.

    Raises
    ------
    ArgumentError
        For values that are not finite.
    """
    plan, white = computation.plan, picture.white
    with np.errstate(over="ignore", invalid="ignore"):
        maps = _run_plan(preprocess(picture, plan), computation, on_stage)
        alphas: list[Array | None] = [None] * len(maps)
        if picture.alpha is not None and computation.alpha is not None:
            own = preprocess(Picture(picture.alpha), computation.alpha.plan)
            clipped = [values.clip(0, white) for values in _run_plan(own, computation.alpha)]
            alphas = [*clipped]
            if (biases := computation.deferred_bias) is not None:
                maps = [
                    unpremultiply(values, alpha, white) + values.dtype.type(bias)
                    for values, alpha, bias in zip(maps, clipped, biases, strict=True)
                ]
        if plan.linear:
            maps = [from_linear(values, white) for values in maps]
    _check_finite(maps, plan)
    metadata = NO_METADATA if plan.strip else picture.metadata
    return [
        Picture(values, picture.depth, alpha, metadata)
        for values, alpha in zip(maps, alphas, strict=True)
    ]


def _run_plan(
    values: Array, computation: Computation, on_stage: StageCallback | None = None
) -> list[Array]:
    """Run every kernel on preprocessed values, combine the results, and run the layers."""
    plan, report = computation.plan, on_stage or (lambda *_: None)
    starts: Iterable[Array] = _run_kernels(values, computation, report)  # each when it is needed
    first = 0
    if plan.combine is not None:
        first, starts = len(plan.kernels), [combine(list(starts), plan.combine)]
        report(first, Stage(plan.combine, starts[0]))
    return [
        _run_layers(start, computation, filters, partial(report, first + index))
        for index, (start, filters) in enumerate(zip(starts, computation.layers, strict=True))
    ]


def _run_kernels(values: Array, computation: Computation, report: StageCallback) -> Iterator[Array]:
    """Yield the output of each kernel; without any, the values themselves."""
    steps = computation.plan.kernels
    if not steps:
        unit = np.ones((1, 1))
        check_exact(values, largest_exact_value(values.dtype, unit), unit)
        yield values.astype(computation.dtype)
    for index, (step, filter_plan) in enumerate(zip(steps, computation.kernels, strict=True)):
        output = convolve(values, filter_plan, computation.dtype)
        report(index, Stage(step.kernel.name if step.kernel else "", output, step.kernel))
        yield output


def _run_layers(
    values: Array,
    computation: Computation,
    filters: Sequence[FilterPlan | None],
    report: Callable[[Stage], None],
) -> Array:
    """Run the layers on a map; the output of a layer is released after its last use."""
    steps = computation.plan.layers
    inputs = input_indices([step.layer for step in steps])
    last_use = last_uses(inputs)
    outputs = {INPUT: values}
    for user, (step, filter_plan, indices) in enumerate(zip(steps, filters, inputs, strict=True)):
        arguments = [outputs[index] for index in indices]
        outputs[user] = _apply_step(step, arguments, filter_plan, computation.dtype)
        report(Stage(format_layer(step.layer), outputs[user], step.kernel))
        del arguments
        for index in set(indices):
            if last_use[index] == user:
                del outputs[index]
    return np.ascontiguousarray(outputs[len(inputs) - 1])


def _apply_step(
    step: Step, inputs: Sequence[Array], filter_plan: FilterPlan | None, dtype: np.dtype[Any]
) -> Array:
    """Return the output of one layer."""
    if filter_plan is not None:
        return convolve(inputs[0], filter_plan, dtype)
    if step.layer.operation.needs_kernel:
        return convolve_transposed(inputs[0], step)
    return OPERATIONS[step.layer.op](step.layer, inputs)


def convolve(values: Array, filter_plan: FilterPlan, dtype: np.dtype[Any]) -> Array:
    """Run a filter on (H, W, C) values; return its sums, (H, W, C), in the values' units."""
    sums = np.atleast_3d(np.empty(filter_plan.shape, dtype))
    filter_plan.run_into(values, sums)
    return sums


def convolve_transposed(values: Array, step: Step) -> Array:
    """Run a transposed convolution on (H, W, C) values."""
    from convcli.engine.gradients import conv_transpose2d

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
    """Refuse values that are not finite, but -inf, the maximum of padding alone."""
    can_be_infinite = any(step.layer.operation.can_be_infinite for step in plan.layers)
    for values in maps:
        least, largest = values.min(), values.max()
        if np.isnan(least) or np.isposinf(largest) or (np.isneginf(least) and not can_be_infinite):
            raise ArgumentError(OVERFLOW)
