"""What a plan does to transparency: alpha's own way beside the colours'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convcli.engine.arrays import Array
from convcli.kernels import ZERO_SUM, Kernel
from convcli.pipeline.plan import Plan, Step


def make_alpha_plan(plan: Plan) -> Plan:
    """The plan for a picture's alpha: the same windows, and weights that sum to one.

    A kernel whose weights sum to zero (an edge filter) takes alpha as it is at its origin. Of a
    join, and of kernels that are combined, the most opaque counts.
    """
    return replace(
        plan,
        gray=False,
        linear=False,
        kernels=tuple(map(_alpha_step, plan.kernels)),
        combine=None if plan.combine is None else "max",
        layers=tuple(map(_alpha_step, plan.layers)),
    )


def can_unpremultiply(plan: Plan) -> bool:
    """Whether filtered colours are still in proportion to filtered alpha, and can be divided by it.

    So it is for averages and for what sharpens; edges of premultiplied colours stay as they are.
    """
    steps = (*plan.kernels, *plan.layers)
    return plan.combine in (None, "mean") and all(
        step.layer.operation.can_unpremultiply
        and (step.kernel is None or not _is_edge(step.kernel))
        for step in steps
    )


def defer_bias(plan: Plan) -> tuple[Plan, list[float]]:
    """The plan with no bias in its kernels, and what each map is owed: of a single step alone.

    A bias is not covered by alpha, so it is added once that has been divided out.
    """
    if plan.layers:
        return plan, [0.0] * max(len(plan.kernels), 1)
    bare = tuple(
        step if step.kernel is None else replace(step, kernel=replace(step.kernel, bias=0.0))
        for step in plan.kernels
    )
    owed = [0.0 if step.kernel is None else step.kernel.bias for step in plan.kernels]
    if plan.combine is not None:
        owed = [sum(owed) / len(owed)]
    return replace(plan, kernels=bare), owed or [0.0]


def _alpha_step(step: Step) -> Step:
    layer = step.layer
    if layer.operation.is_join:
        return replace(step, layer=replace(layer, op="add"))
    if step.kernel is None:
        is_pointwise = not layer.operation.can_unpremultiply
        return replace(step, layer=replace(layer, op="relu")) if is_pointwise else step
    plane = step.kernel.matrix.reshape(-1, *step.kernel.size).sum(axis=0)
    if _is_edge(step.kernel):
        plane = np.zeros(step.kernel.size)
        plane[step.kernel.anchor] = 1.0
    weights = Kernel("alpha", plane / plane.sum(), step.kernel.origin)
    sized = replace(layer, channels=None, groups="depthwise", kernel_channels=None)
    return Step(layer=sized, kernel=weights, flip=step.flip)


def _is_edge(kernel: Kernel) -> bool:
    """Whether a kernel's weights sum to zero, or it mixes channels, which alpha has no share in."""
    sizes: Array = np.abs(kernel.matrix)
    return kernel.matrix.ndim > 2 or abs(kernel.sum) <= ZERO_SUM * float(sizes.sum())
