"""Run a network on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.values import Shape, format_shape
from convcli.engine.arrays import Array
from convcli.errors import ShapeError
from convcli.images import NO_METADATA, Picture
from convcli.images.color import to_gray
from convcli.pipeline.computation import Computation
from convcli.pipeline.inference.plan import NetworkRun, keeps_alpha
from convcli.pipeline.outputs import IMAGE_CHANNELS
from convcli.pipeline.preprocess import encode, preprocess

if TYPE_CHECKING:
    from convcli.pipeline.execute import StageCallback


def run_network(
    picture: Picture, computation: Computation, on_stage: StageCallback | None = None
) -> list[Picture]:
    """Return the outputs of a network for a picture, in its units where they are pictures.

    Raises
    ------
    ArgumentError
        For values that are not finite.
    """
    from convcli.pipeline.execute import Stage

    run, plan = computation.network, computation.plan
    assert run is not None  # noqa: S101
    values, transparency = preprocess(picture, plan)
    alpha = None
    if transparency is not None:
        values = transparency.divide(values)
        alpha = transparency.alpha.clip(0, transparency.white)
    found = run.run(_to_input(values, run))
    metadata = NO_METADATA if plan.strip else picture.metadata
    results = []
    for number, (name, shape) in enumerate(zip(run.names, run.outputs, strict=True)):
        output = _from_output(found[name], run)
        if plan.linear and picture.depth is not None and _is_picture(shape):
            output = encode(output, picture)
        if on_stage is not None:
            on_stage(number, Stage(run.title(name), output))
        own_alpha = alpha if keeps_alpha(shape, run.shape) else None
        is_vector = len(shape) == 1
        results.append(Picture(output, picture.depth, own_alpha, metadata, is_vector=is_vector))
    return results


def _is_picture(shape: Shape) -> bool:
    return len(shape) == 3 and shape[0] in IMAGE_CHANNELS


def _to_input(values: Array, run: NetworkRun) -> Array:
    """Return values, (H, W, C), as the network's input, (C, H, W)."""
    if values.shape[2] != run.shape[0]:
        values = to_gray(values) if run.shape[0] == 1 else np.repeat(values, run.shape[0], axis=2)
    if values.shape[2::-1][0] != run.shape[0] or values.shape[:2] != run.shape[1:]:
        raise ShapeError(f"is {format_shape(values.shape)}, not {format_shape(run.shape)}")
    x = values.astype(run.dtype)
    for factors, function in (
        (run.scale, np.multiply), (run.mean, np.subtract), (run.std, np.divide)
    ):  # fmt: skip
        function(x, np.asarray(factors, run.dtype), out=x)
    return np.ascontiguousarray(x.transpose(2, 0, 1))


def _from_output(output: Array, run: NetworkRun) -> Array:
    """Return an output as (H, W, C), a picture in the units of the input; flat values as a row."""
    if output.ndim == 1:
        return output[np.newaxis, :, np.newaxis]
    values = np.ascontiguousarray(output.transpose(1, 2, 0))
    channels = values.shape[2]
    if channels not in IMAGE_CHANNELS:
        return values
    with np.errstate(over="ignore"):
        if {len(run.mean), len(run.std)} <= {1, channels}:
            values = values * np.asarray(run.std, values.dtype) + np.asarray(run.mean, values.dtype)
        if len(run.scale) in (1, channels):
            values = values / np.asarray(run.scale, values.dtype)
    return values
