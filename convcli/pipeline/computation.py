"""Computation: a plan for inputs of one shape and type, with the filters of colors and alpha."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convcli.arithmetic.notation import INPUT, format_layer, input_indices
from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array, sum_dtype
from convcli.engine.filter2d.plan import CHANNELWISE_METHODS, FilterPlan, plan_filter
from convcli.engine.filter2d.problem import FilterSettings
from convcli.errors import ArgumentError
from convcli.images import Header
from convcli.kernels import ZERO_SUM, Kernel
from convcli.pipeline.execute import preprocessed_dtype
from convcli.pipeline.plan import MapShapes, Plan, Step, infer_shapes


class Computation(NamedTuple):
    """A plan for inputs of one shape and type, with a filter planned for every convolution.

    Parameters
    ----------
    plan : Plan
        What is computed; of pictures with alpha it may differ from what was asked for.
    dtype : dtype
        The type of the sums, in which all maps are kept.
    shapes : tuple of MapShapes
    kernels : tuple of FilterPlan
        The filter of each kernel.
    layers : tuple of tuple of (FilterPlan or None)
        For each map, the filter of each layer; None for layers other than convolutions.
    alpha : Computation, optional
        How alpha is filtered.
    deferred_bias : tuple of float, optional
        What is added to each map after the division by its alpha; None without a division.
    """

    plan: Plan
    dtype: np.dtype[Any]
    shapes: tuple[MapShapes, ...]
    kernels: tuple[FilterPlan, ...]
    layers: tuple[tuple[FilterPlan | None, ...], ...]
    alpha: Computation | None = None
    deferred_bias: tuple[float, ...] | None = None


def plan_computation(
    plan: Plan,
    header: Header,
    shape: Shape,
    shapes: tuple[MapShapes, ...],
    *,
    integer_output: bool = False,
) -> Computation:
    """Plan a filter for every convolution on frames with a header, and on their alpha.

    Parameters
    ----------
    plan : Plan
    header : Header
    shape : Shape
        (C, H, W) of the preprocessed frames.
    shapes : tuple of MapShapes
        From `infer_shapes`.
    integer_output : bool
        Whether the maps will be rounded, as those of a fused route are.
    """
    if not header.has_alpha:
        return _plan_filters(plan, header, shape, shapes, integer_output=integer_output)
    colors, bias = defer_bias(plan) if can_unpremultiply(plan) else (plan, None)
    computation = _plan_filters(colors, header, shape, shapes)
    alpha_plan, alpha_header = make_alpha_plan(plan), Header((*header.shape[:2], 1), header.dtype)
    alpha_shape = 1, *shape[1:]
    alpha_shapes = infer_shapes(alpha_plan, alpha_shape)
    alpha = _plan_filters(alpha_plan, alpha_header, alpha_shape, alpha_shapes)
    return computation._replace(alpha=alpha, deferred_bias=bias)


def _plan_filters(
    plan: Plan,
    header: Header,
    shape: Shape,
    shapes: tuple[MapShapes, ...],
    *,
    integer_output: bool = False,
) -> Computation:
    """Plan a filter for every convolution on preprocessed frames; equal maps share theirs."""
    dtype = preprocessed_dtype(plan, header)
    sums = sum_dtype(dtype)
    kernels = tuple(
        plan_convolution(step, shape, dtype, plan.method, integer_output=integer_output)
        for step in plan.kernels
    )
    inputs = input_indices([step.layer for step in plan.layers])
    layers: dict[MapShapes, tuple[FilterPlan | None, ...]] = {}
    for branch in shapes:
        if branch not in layers:
            outputs = {INPUT: branch.start, **dict(enumerate(branch.layers))}
            layers[branch] = tuple(
                plan_convolution(step, outputs[indices[0]], sums, plan.method)
                if step.layer.operation.needs_kernel and not step.layer.operation.is_transposed
                else None
                for step, indices in zip(plan.layers, inputs, strict=True)
            )
    return Computation(plan, sums, shapes, kernels, tuple(layers[branch] for branch in shapes))


def plan_convolution(
    step: Step, shape: Shape, dtype: np.dtype[Any], method: str, *, integer_output: bool = False
) -> FilterPlan:
    """Plan the filter of a convolution on an input of (C, H, W).

    Raises
    ------
    ArgumentError
        For a method that filters each channel by itself, of a kernel that sums over some.
    """
    channels, height, width = shape
    layer = step.layer
    weights, groups = step.weights(channels)
    if weights.ndim > 2 and method in CHANNELWISE_METHODS:
        raise ArgumentError(
            f"method {method!r} filters each channel by itself; "
            f"layer {format_layer(layer)!r} sums over some"
        )
    settings = FilterSettings(
        bias=step.bias,
        stride=layer.stride,
        padding=layer.window.pads((height, width)),
        padding_mode=layer.mode,
        dilation=layer.dilation,
        flip=step.flip,
        method=method,
        groups=groups,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that float32 cannot hold
        return plan_filter(
            (height, width, channels), dtype, weights, settings, integer_output=integer_output
        )


def make_alpha_plan(plan: Plan) -> Plan:
    """Return the plan for a picture's alpha: the same windows, with weights that sum to one.

    A kernel whose weights sum to zero, as those of edges do, passes the alpha at its origin on. Of
    joined layers and of combined kernels, the largest alpha counts.
    """
    return plan._replace(
        gray=False,
        linear=False,
        kernels=tuple(map(_alpha_step, plan.kernels)),
        combine=None if plan.combine is None else "max",
        layers=tuple(map(_alpha_step, plan.layers)),
    )


def can_unpremultiply(plan: Plan) -> bool:
    """Whether filtered colors are in proportion to filtered alpha, and can be divided by it.

    Averaged and sharpened colors are; edges of premultiplied colors stay as they are.
    """
    steps = (*plan.kernels, *plan.layers)
    return plan.combine in (None, "mean") and all(
        step.layer.operation.can_unpremultiply
        and (step.kernel is None or not _is_edge(step.kernel))
        for step in steps
    )


def defer_bias(plan: Plan) -> tuple[Plan, tuple[float, ...]]:
    """Return the plan without the biases of its kernels, and what to add to each map at the end.

    A bias is not in proportion to alpha, so it is added after the division. Those of layers, and
    of kernels before layers, stay.
    """
    if plan.layers:
        return plan, (0.0,) * max(len(plan.kernels), 1)
    biases = tuple(step.bias for step in plan.kernels)
    if plan.combine is not None:
        biases = (sum(biases) / len(biases),)
    kernels = tuple(step._replace(bias=0.0) for step in plan.kernels)
    return plan._replace(kernels=kernels), biases or (0.0,)


def _alpha_step(step: Step) -> Step:
    layer = step.layer
    if step.kernel is None:
        operation = layer.operation
        op = layer.op if operation.can_unpremultiply else operation.alpha_operation
        return step._replace(layer=layer._replace(op=op))
    plane = step.kernel.matrix.reshape(-1, *step.kernel.size).sum(axis=0)
    if _is_edge(step.kernel):
        plane = np.zeros(step.kernel.size)
        plane[step.kernel.anchor] = 1.0
    weights = Kernel("alpha", plane / plane.sum(), step.kernel.origin)
    layer = layer._replace(channels=None, groups="depthwise", kernel_channels=None)
    return Step(layer=layer, kernel=weights, flip=step.flip)


def _is_edge(kernel: Kernel) -> bool:
    """Whether the weights sum to zero, or mix channels, which have no part in alpha."""
    magnitudes: Array = np.abs(kernel.matrix)
    return kernel.matrix.ndim > 2 or abs(kernel.sum) <= ZERO_SUM * float(magnitudes.sum())
