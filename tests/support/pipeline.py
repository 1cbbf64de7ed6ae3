"""Parts of the pipeline, run by themselves on arrays."""

from __future__ import annotations

import numpy as np

from convcli.engine.arrays import Array, sum_dtype
from convcli.images import Header, Picture
from convcli.pipeline import execute
from convcli.pipeline.computation import plan_computation, plan_convolution
from convcli.pipeline.execute import compute_maps, preprocessed_shape
from convcli.pipeline.plan import Plan, Step, infer_shapes


def filter_picture(picture: Picture, plan: Plan) -> list[Array]:
    """Return the feature maps of a picture, (H, W, C) each."""
    header = Header.of(picture)
    shape = preprocessed_shape(plan, header)
    computation = plan_computation(plan, header, shape, infer_shapes(plan, shape))
    results = compute_maps(picture, computation)
    return [result.values for result in results]


def convolve(step: Step, values: Array, method: str) -> Array:
    """Return a kernel's map of (H, W, C) values."""
    height, width, channels = values.shape
    filter_plan = plan_convolution(step, (channels, height, width), values.dtype, method)
    return np.asarray(execute.convolve(values, filter_plan, sum_dtype(values.dtype)))
