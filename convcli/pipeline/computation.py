"""Computation: a plan for inputs of one shape and type, with all shapes and filters.

Sizes are checked against their limits by arithmetic, before any memory is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convcli.arithmetic.layers import output_shape
from convcli.arithmetic.notation import INPUT, format_layer, input_indices
from convcli.arithmetic.values import Shape, format_shapes
from convcli.engine.arrays import sum_dtype
from convcli.engine.filter2d.plan import CHANNELWISE_METHODS, FilterPlan, plan_filter
from convcli.engine.filter2d.problem import FilterSettings
from convcli.errors import ArgumentError, LimitError, ShapeError
from convcli.images import MAX_PIXELS, Header
from convcli.pipeline.plan import Plan, Step, title_of
from convcli.pipeline.preprocess import preprocessed_dtype
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pipeline.inference.plan import NetworkRun


class MapShapes(NamedTuple):
    """The shapes, (C, H, W) each, of one feature map.

    Parameters
    ----------
    start : Shape
        The input of the layers: the output of a kernel, the combined one, or the input itself.
    layers : tuple of Shape
        The output of every layer.
    """

    start: Shape
    layers: tuple[Shape, ...]

    @property
    def output(self) -> Shape:
        """The shape of the feature map."""
        return self.layers[-1] if self.layers else self.start


class StepFilters(NamedTuple):
    """A step with the filters of its convolution.

    Parameters
    ----------
    step : Step
    colors : FilterPlan, optional
        None for other layers, and for transposed convolutions.
    alpha_step : Step, optional
        What alpha goes through; None if all is opaque.
    alpha : FilterPlan, optional
    """

    step: Step
    colors: FilterPlan | None
    alpha_step: Step | None = None
    alpha: FilterPlan | None = None


class Computation(NamedTuple):
    """A plan for inputs of one shape and type, with a filter planned for every convolution.

    Parameters
    ----------
    plan : Plan
        What is computed.
    dtype : dtype
        The type of the sums, in which all maps are kept.
    shapes : tuple of MapShapes
    kernels : tuple of FilterPlan
        The filter of each kernel.
    layers : tuple of tuple of (FilterPlan or None)
        For each map, the filter of each layer; None for layers other than convolutions.
    alpha : Computation, optional
        How alpha is filtered. Biases are then no part of the filters.
    selected_shape : Shape, optional
        Of a selection: the shape of what the maps are blended with, and which they have then.
    base : Plan, optional
        How a picture is preprocessed to be what the maps are blended with; None if it is that
        itself.
    network : NetworkRun, optional
        The network that makes the maps.
    """

    plan: Plan
    dtype: np.dtype[Any]
    shapes: tuple[MapShapes, ...]
    kernels: tuple[FilterPlan, ...]
    layers: tuple[tuple[FilterPlan | None, ...], ...]
    alpha: Computation | None = None
    selected_shape: Shape | None = None
    base: Plan | None = None
    network: NetworkRun | None = None

    @property
    def outputs(self) -> tuple[Shape, ...]:
        """The shape of every map, (C, H, W)."""
        return tuple(self.selected_shape or branch.output for branch in self.shapes)

    @property
    def is_of_luma(self) -> bool:
        """Whether the luma of a picture is filtered, and then added to its colors."""
        shape = self.selected_shape
        return shape is not None and self.shapes[0].output[0] != shape[0]

    @property
    def deferred_bias(self) -> float:
        """What is added to the colors of combined kernels.

        It is 0 unless their alphas count together, as one: then no single one is that of a bias.
        """
        if self.alpha is None or self.alpha.plan.combine != "sum":
            return 0.0
        total = math.fsum(float(step.bias) for step in self.plan.kernels)
        return total / len(self.plan.kernels) if self.plan.combine == "mean" else total

    def kernel_steps(self) -> list[StepFilters]:
        """Return each kernel with its filters."""
        steps = self._join_filters("kernels", self.kernels, self.alpha and self.alpha.kernels)
        if not self.deferred_bias:
            return steps
        return [each._replace(step=each.step._replace(bias=0.0)) for each in steps]

    def layer_steps(self, number: int) -> list[StepFilters]:
        """Return each layer with its filters, of one map."""
        alpha_filters = self.alpha and self.alpha.layers[number]
        return self._join_filters("layers", self.layers[number], alpha_filters)

    def _join_filters(
        self,
        kind: Literal["kernels", "layers"],
        filters: tuple[FilterPlan | None, ...],
        alpha_filters: tuple[FilterPlan | None, ...] | None,
    ) -> list[StepFilters]:
        steps: tuple[Step, ...] = getattr(self.plan, kind)
        if self.alpha is None or alpha_filters is None:
            return [StepFilters(*pair) for pair in zip(steps, filters, strict=True)]
        alpha_steps: tuple[Step, ...] = getattr(self.alpha.plan, kind)
        quadruples = zip(steps, filters, alpha_steps, alpha_filters, strict=True)
        return [StepFilters(*each) for each in quadruples]


def infer_shapes(plan: Plan, shape: Shape) -> tuple[MapShapes, ...]:
    """Infer the shapes of every map from a preprocessed input of (C, H, W).

    Raises
    ------
    ShapeError
        If a layer cannot take its input, or its output would be empty.
    LimitError
        If a padded map or an output has more pixels than allowed.
    """
    starts = [_output_shape(step, [shape], plan.reading.max_pixels) for step in plan.kernels] or [
        shape
    ]
    if plan.combine is not None:
        if len(set(starts)) > 1:
            different = format_shapes(dict.fromkeys(starts))
            raise ShapeError(f"--combine needs maps of one shape, not {different}")
        starts = starts[:1]
    if not plan.layers:
        return tuple(MapShapes(start, ()) for start in starts)
    layers = {start: _layer_shapes(plan, start) for start in dict.fromkeys(starts)}
    return tuple(MapShapes(start, layers[start]) for start in starts)


def _layer_shapes(plan: Plan, start: Shape) -> tuple[Shape, ...]:
    layers = [step.layer for step in plan.layers]
    shapes = {INPUT: start}
    for index, inputs in enumerate(input_indices(layers)):
        input_shapes = [shapes[source] for source in inputs]
        shapes[index] = _output_shape(plan.layers[index], input_shapes, plan.reading.max_pixels)
    if any(layer.operation.is_join for layer in layers):
        from convcli.arithmetic.network import check_alignment

        check_alignment(layers, shapes)
    return tuple(shapes[index] for index in range(len(layers)))


def _output_shape(step: Step, inputs: Sequence[Shape], max_pixels: int) -> Shape:
    """Return the output shape of a step, within the limits of pixels."""
    layer = step.layer
    try:
        shape = output_shape(layer, inputs)
    except ShapeError as error:
        raise ShapeError(f"{title_of(step)} on {format_shapes(inputs)}: {error}") from None
    areas = {"output": (shape[1] * shape[2], max_pixels)}
    if layer.operation.is_window and not layer.operation.is_transposed:
        axes = layer.window.axes((inputs[0][1], inputs[0][2]))
        padded = math.prod(axis.before + axis.size + axis.after for axis in axes)
        # A small limit is for pictures, not for the padding that they need.
        areas["padded input"] = (padded, max(max_pixels, MAX_PIXELS))
    for name, (area, limit) in areas.items():
        if area > limit:
            raise LimitError(
                f"{title_of(step)}: the {name} would have {area:,} pixels, "
                f"and --max-pixels allows {limit:,}"
            )
    return shape


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
    dtype = preprocessed_dtype(plan, header)
    if not header.has_alpha:
        return _plan_filters(plan, dtype, shape, shapes, integer_output=integer_output)
    for step in plan.layers:
        if refusal := step.layer.operation.alpha_refusal:
            raise ArgumentError(
                f"layer {format_layer(step.layer)!r} has no meaning for a picture with alpha: "
                f"{refusal}"
            )
    from convcli.pipeline.alpha import make_alpha_plan, without_biases

    computation = _plan_filters(without_biases(plan), dtype, shape, shapes)
    alpha_plan, alpha_shape = make_alpha_plan(plan, header.white), (1, *shape[1:])
    alpha_dtype = header.dtype if plan.resize is None else dtype
    alpha_shapes = infer_shapes(alpha_plan, alpha_shape)
    alpha = _plan_filters(alpha_plan, alpha_dtype, alpha_shape, alpha_shapes)
    return computation._replace(plan=plan, alpha=alpha)


def _plan_filters(
    plan: Plan,
    dtype: np.dtype[Any],
    shape: Shape,
    shapes: tuple[MapShapes, ...],
    *,
    integer_output: bool = False,
) -> Computation:
    """Plan a filter for every convolution on preprocessed frames; equal maps share theirs."""
    sums = sum_dtype(dtype)
    kernels = tuple(
        plan_convolution(step, shape, dtype, plan, integer_output=integer_output)
        for step in plan.kernels
    )
    if not plan.layers:
        return Computation(plan, sums, shapes, kernels, ((),) * len(shapes))
    inputs = input_indices([step.layer for step in plan.layers])
    layers: dict[MapShapes, tuple[FilterPlan | None, ...]] = {}
    for branch in shapes:
        if branch not in layers:
            outputs = {INPUT: branch.start, **dict(enumerate(branch.layers))}
            layers[branch] = tuple(
                plan_convolution(step, outputs[indices[0]], sums, plan)
                if step.layer.operation.needs_kernel and not step.layer.operation.is_transposed
                else None
                for step, indices in zip(plan.layers, inputs, strict=True)
            )
    return Computation(plan, sums, shapes, kernels, tuple(layers[branch] for branch in shapes))


def plan_convolution(
    step: Step, shape: Shape, dtype: np.dtype[Any], plan: Plan, *, integer_output: bool = False
) -> FilterPlan:
    """Plan the filter of a convolution on an input of (C, H, W), as the plan says.

    Raises
    ------
    ArgumentError
        For a method that filters each channel by itself, of a kernel that sums over some.
    """
    channels, height, width = shape
    layer = step.layer
    weights, groups = step.weights(channels)
    if weights.ndim > 2 and plan.method in CHANNELWISE_METHODS:
        raise ArgumentError(
            f"method {plan.method!r} filters each channel by itself; "
            f"layer {format_layer(layer)!r} sums over some"
        )
    settings = FilterSettings(
        bias=step.bias,
        stride=layer.stride,
        padding=layer.window.pads((height, width)),
        padding_mode=layer.mode,
        dilation=layer.dilation,
        flip=step.flip,
        method=plan.method,
        groups=groups,
        nan=plan.nan,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that float32 cannot hold
        return plan_filter(
            (height, width, channels), dtype, weights, settings, integer_output=integer_output
        )
