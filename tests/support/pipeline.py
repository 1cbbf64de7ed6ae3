"""Parts of the pipeline, run by themselves on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array, sum_dtype
from convcli.images import Header, Picture
from convcli.kernels import load_kernel
from convcli.pipeline import execute
from convcli.pipeline.blend import Weights, select_maps
from convcli.pipeline.computation import infer_shapes, plan_computation, plan_convolution
from convcli.pipeline.execute import compute_maps
from convcli.pipeline.plan import Plan, Step, make_convolution, make_layer_steps
from convcli.pipeline.preprocess import preprocessed_shape
from convcli.pipeline.selection_plan import plan_selection

KernelSpec: TypeAlias = str | dict[str, Any]  # or one with its `bias`


def make_plan(
    kernels: Sequence[KernelSpec] = (), layers: Sequence[str] = (), **options: Any
) -> Plan:
    """Return a plan of kernels, with edges repeated and outputs as large as inputs, and layers."""
    layer = parse_layer("conv:kernel=x,p=same,mode=replicate")
    steps = []
    for spec in kernels:
        given: dict[str, Any] = spec if isinstance(spec, dict) else {"kernel": spec}
        kernel = load_kernel(given["kernel"]).replace(bias=given.get("bias", 0.0))
        steps.append(make_convolution(layer, kernel, "auto"))
    stack = make_layer_steps([parse_layer(text) for text in layers], method="auto")
    return Plan(kernels=tuple(steps), layers=stack, **options)


def compute_pictures(picture: Picture, plan: Plan, *, with_errors: bool = False) -> list[Picture]:
    """Return the feature maps of a picture with their alpha."""
    header = Header.of(picture)
    shape = preprocessed_shape(plan, header)
    computation = plan_computation(plan, header, shape, infer_shapes(plan, shape))
    return compute_maps(picture, computation, with_errors=with_errors)


def filter_picture(picture: Picture, plan: Plan) -> list[Array]:
    """Return the feature maps of a picture, (H, W, C) each."""
    return [result.values for result in compute_pictures(picture, plan)]


def filter_selected(
    picture: Picture, plan: Plan, weights: Weights | None = None, policy: str | None = None
) -> Picture:
    """Return the only feature map of a picture, blended with it as the plan's selection says."""
    assert plan.selection is not None
    computation = plan_selection(plan, plan.selection, Header.of(picture))
    selected = select_maps(plan.selection, picture, computation, weights, policy)
    (result,) = selected.maps
    return result


def convolve(step: Step, values: Array, method: str) -> Array:
    """Return a kernel's map of (H, W, C) values."""
    height, width, channels = values.shape
    filter_plan = plan_convolution(
        step, (channels, height, width), values.dtype, Plan(method=method)
    )
    return np.asarray(execute.convolve(values, filter_plan, sum_dtype(values.dtype)))
