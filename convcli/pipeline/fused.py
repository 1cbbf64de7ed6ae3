"""Filter in bands without a map of floats: pixels to pixels, and `.npy` to `.npy`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array
from convcli.engine.filter2d.plan import FilterPlan
from convcli.errors import OVERFLOW, ArgumentError, GridError
from convcli.files import STDOUT
from convcli.files.output import atomic_write
from convcli.files.restriction import is_allowed
from convcli.images import NO_METADATA, Header, Picture
from convcli.images.quantize import Quantized, Quantizer
from convcli.pipeline.computation import Computation
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import preprocess
from convcli.pipeline.write import OutputFile, Rendered

MIN_STREAMED_BYTES = 64 << 20  # of a file: smaller ones are read whole


def can_fuse(header: Header, plan: Plan, target: OutputTarget, outputs: Sequence[Shape]) -> bool:
    """Whether every map is the output of a kernel, and its sums can become pixels at once.

    Parameters
    ----------
    header : Header
    plan : Plan
    target : OutputTarget
    outputs : sequence of Shape
        (C, H, W) of every map.
    """
    if header.depth is None or header.has_alpha or not (plan.kernels and target.is_image):
        return False
    if plan.selection is not None:
        return False
    if plan.layers or plan.combine is not None or plan.resize is not None or plan.linear:
        return False
    if plan.depth not in (None, str(header.depth)):
        return False
    is_clamped = plan.range_policy(header.depth) != "rescale"
    return is_clamped and all(target.can_hold(channels) for channels, _, _ in outputs)


def filter_to_pixels(picture: Picture, computation: Computation) -> Iterator[Rendered]:
    """Yield the map of each kernel as pixels, each when it is asked for."""
    plan, depth = computation.plan, picture.depth or 8
    policy = plan.range_policy(picture.depth)
    metadata = NO_METADATA if plan.strip else picture.metadata
    values = preprocess(picture, plan).values
    del picture
    for number, filter_plan in enumerate(computation.kernels, start=1):
        colors = _filter_and_quantize(filter_plan, values, policy, depth)
        if number == len(computation.kernels):
            del values  # writing takes as much memory again
        yield Rendered(colors, None, metadata)


def _filter_and_quantize(
    filter_plan: FilterPlan, values: Array, policy: str, depth: int
) -> Quantized:
    """Run a filter, and quantize its sums band by band."""
    height, width, *channels = filter_plan.shape
    shape = height, width, *(channels or [1])
    if filter_plan.bounds is not None and policy != "offset":
        lowest, highest = filter_plan.bounds
        if lowest >= 0 and highest < 2**depth - 0.5:  # as for an average of pixels
            pixels = np.empty(shape, np.uint8 if depth == 8 else np.uint16)
            filter_plan.run_into(values, pixels)
            return Quantized(pixels, policy)
    quantizer = Quantizer(shape, policy, depth)
    with np.errstate(over="ignore", invalid="ignore"):
        filter_plan.run(values, quantizer.add)
    if math.isinf(quantizer.min_value):
        raise ArgumentError(OVERFLOW)
    return quantizer.result()


def can_stream(source: str, plan: Plan, target: OutputTarget) -> bool:
    """Whether an input can be filtered from file to file in bands: one kernel, `.npy` to `.npy`."""
    path = Path(source)
    if plan.nan != "refuse":
        return False
    is_single = len(plan.kernels) == 1 and not (plan.layers or plan.gray or plan.resize)
    is_single = is_single and plan.selection is None and plan.combine is None
    if not is_single or path.suffix.lower() != ".npy":
        return False
    paths = target.paths(source)
    if len(paths) != 1 or target.format != ".npy" or paths[0] == STDOUT:
        return False
    if not (hasattr(os, "preadv") and is_allowed(source)):  # which reads rows in several threads
        return False
    return path.is_file() and path.stat().st_size >= MIN_STREAMED_BYTES


def stream_npy(source: str, computation: Computation, path: str, *, force: bool) -> OutputFile:
    """Filter a grid from file to file; only some bands of it are in memory.

    Raises
    ------
    FileError
        As `process`.
    """
    from convcli.grids.npy import CHANGED, open_rows

    (filter_plan,) = computation.kernels
    with open_rows(source, computation.plan.reading.max_pixels) as grid:
        if not filter_plan.can_run(grid):
            raise GridError(source, CHANGED)
        shape = filter_plan.shape[:2] if filter_plan.shape[2:] == (1,) else filter_plan.shape
        header = {"descr": computation.dtype.str, "fortran_order": False, "shape": shape}
        bands = filter_plan.run_bands(grid, computation.dtype)
        with atomic_write(path, force=force) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for _, band in bands:
                if not np.isfinite(band).all():
                    raise GridError(source, "holds NaN or infinity, or sums that go beyond floats")
                stream.write(np.ascontiguousarray(band).data)
            grid.check_unchanged()
    return OutputFile(path, shape)
