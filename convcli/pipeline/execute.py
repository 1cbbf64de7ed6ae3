"""Picture -> feature maps: prepared as planned, every kernel, their combination, the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from convcli.arithmetic.graph import INPUT, input_indices, last_uses
from convcli.arithmetic.notation import format_layer
from convcli.engine.arrays import Array
from convcli.engine.filter2d import sum_dtype
from convcli.engine.operations import combine
from convcli.errors import ArgumentError
from convcli.images import Picture
from convcli.images.color import from_linear, premultiply, resize, to_gray, to_linear, unpremultiply
from convcli.images.quantize import OVERFLOW
from convcli.kernels import Kernel
from convcli.pipeline.alpha import can_unpremultiply, defer_bias, make_alpha_plan
from convcli.pipeline.operations import apply_step, convolve
from convcli.pipeline.plan import Plan
from convcli.pipeline.shapes import infer_shapes


class Stage(NamedTuple):
    """One step on the way of an input, and the map that it made.

    Parameters
    ----------
    title : str
        The kernel's name, how kernels were combined, or the layer in the notation.
    values : ndarray, (H, W, C)
    kernel : Kernel, optional
        What it was filtered with.
    """

    title: str
    values: Array
    kernel: Kernel | None = None


StageCallback: TypeAlias = Callable[[int, Stage], None]


def filter_picture(
    picture: Picture,
    plan: Plan,
    watch: StageCallback | None = None,
    alphas: Sequence[Array | None] | None = None,
) -> list[Array]:
    """The feature maps of a picture, (H, W, C) each: one for each kernel, or one of them all.

    Parameters
    ----------
    picture : Picture
    plan : Plan
    watch : callable, optional
        Is told the number of the map and the stage that it has come to, after every step; kernels
        that are combined count as maps, too.
    alphas : sequence of ndarray or None, optional
        What `filter_alpha` found; worked out where left out.
    """
    opacities = filter_alpha(picture, plan) if alphas is None else alphas
    values = preprocess(picture, plan)
    if picture.alpha is None or not can_unpremultiply(plan):
        maps = run_plan(values, plan, watch)
    else:
        bare, owed = defer_bias(plan)
        maps = [
            one
            if alpha is None
            else unpremultiply(one, alpha, picture.white) + one.dtype.type(bias)
            for one, alpha, bias in zip(run_plan(values, bare, watch), opacities, owed, strict=True)
        ]
    return [from_linear(one, picture.white) for one in maps] if plan.linear else maps


def filter_alpha(picture: Picture, plan: Plan) -> list[Array | None]:
    """How opaque every feature map is, (H, W, 1) each; None for an opaque picture."""
    if picture.alpha is None:
        return [None] * max(1 if plan.combine else len(plan.kernels), 1)
    own = make_alpha_plan(plan)
    maps = run_plan(preprocess(Picture(picture.alpha), own), own)
    return [one.clip(0, picture.white) for one in maps]


def run_plan(values: Array, plan: Plan, watch: StageCallback | None = None) -> list[Array]:
    """Send values through a plan: every kernel, their combination, the layers."""
    tell = watch or (lambda *_: None)
    infer_shapes(plan, (values.shape[2], *values.shape[:2]))
    starts: Iterable[Array] = _kernel_maps(values, plan, tell)  # each made when it is taken
    first = 0
    if plan.combine is not None:
        first, starts = len(plan.kernels), [combine(list(starts), plan.combine)]
        tell(first, Stage(plan.combine, starts[0]))
    return [
        run_layers(plan, one, partial(tell, number))
        for number, one in enumerate(starts, start=first)
    ]


def _kernel_maps(values: Array, plan: Plan, tell: StageCallback) -> Iterator[Array]:
    """The map of each kernel; without any, the values themselves."""
    if not plan.kernels:
        yield values.astype(sum_dtype(values.dtype))
    for number, step in enumerate(plan.kernels):
        made = convolve(step, values, plan.method)
        tell(number, Stage(step.kernel.name if step.kernel else "", made, step.kernel))
        yield made


def preprocess(picture: Picture, plan: Plan) -> Array:
    """The values to filter: in linear light and under their alpha, grey, resampled, as planned."""
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
        values = resize(values, plan.resize)
    return values


def run_layers(plan: Plan, values: Array, tell: Callable[[Stage], None]) -> Array:
    """Send a map through a plan's layers; a layer's output is let go after its last use."""
    layers = [step.layer for step in plan.layers]
    inputs_of = input_indices(layers)
    last_use = last_uses(inputs_of)
    outputs = {INPUT: values}
    for user, (step, places) in enumerate(zip(plan.layers, inputs_of, strict=True)):
        outputs[user] = apply_step(step, [outputs[place] for place in places], plan.method)
        tell(Stage(format_layer(step.layer), outputs[user], step.kernel))
        for place in set(places):
            if last_use[place] == user:
                del outputs[place]
    return np.ascontiguousarray(outputs[len(layers) - 1])


def check_finite(maps: Sequence[Array], plan: Plan) -> None:
    """Refuse what is no number; -inf is a maximum of padding alone, and stays."""
    has_maxima = any(step.layer.operation.can_be_infinite for step in plan.layers)
    for one in maps:
        least, largest = one.min(), one.max()
        if np.isnan(least) or np.isposinf(largest) or (np.isneginf(least) and not has_maxima):
            raise ArgumentError(OVERFLOW)
