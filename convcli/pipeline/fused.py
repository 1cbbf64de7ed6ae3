"""Filtering in bands without a map of floats: pixels to pixels, and `.npy` to `.npy`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.filter2d import FilterPlan, sum_dtype
from convcli.errors import ArgumentError, GridError
from convcli.files import atomic_write
from convcli.grids.npy import map_npy
from convcli.images import Header, Picture
from convcli.images.color import to_gray
from convcli.images.metadata import NO_METADATA
from convcli.images.quantize import OVERFLOW, Quantized, Quantizer
from convcli.images.read import MAX_PIXELS
from convcli.pipeline.operations import plan_step
from convcli.pipeline.outputs import OutputTarget, format_name, is_image
from convcli.pipeline.plan import Plan
from convcli.pipeline.shapes import infer_shapes, preprocessed_shape
from convcli.pipeline.write import OutputFile, Rendered


def can_fuse(header: Header, plan: Plan, target: OutputTarget) -> bool:
    """Whether every map of a picture is a kernel's alone, and is clamped to pixels as it comes."""
    depth = header.depth
    if depth is None or header.has_alpha or not target.is_image:
        return False
    if plan.layers or plan.combine is not None or plan.resize is not None or plan.linear:
        return False
    height, width, channels = header.shape
    ways = infer_shapes(plan, preprocessed_shape(plan, (channels, height, width)))
    is_clamped = plan.range_policy(depth) != "rescale"
    return is_clamped and bool(plan.kernels) and all(is_image(way.output[0]) for way in ways)


def filter_to_pixels(picture: Picture, plan: Plan, policy: str) -> Iterator[Rendered]:
    """The map of each kernel as pixels; they are made one by one, as they are asked for."""
    values = to_gray(picture.values) if plan.gray else picture.values
    metadata = NO_METADATA if plan.strip else picture.metadata
    depth = picture.depth or 8
    del picture
    for place, step in enumerate(plan.kernels, start=1):
        filtering = plan_step(step, values.shape, values.dtype, plan.method, integer_output=True)
        ranged = _quantize(filtering, values, policy, depth)
        if place == len(plan.kernels):
            del values  # writing takes as much memory again
        yield Rendered(ranged, None, metadata)


def _quantize(filtering: FilterPlan, values: Array, policy: str, depth: int) -> Quantized:
    """Run a filter, and bring its sums into the range of pixels as they come."""
    height, width, *channels = filtering.shape
    shape = height, width, *(channels or [1])
    if filtering.bounds is not None and policy != "offset":
        lowest, highest = filtering.bounds
        if lowest >= 0 and highest < 2**depth - 0.5:  # as for an average of pixels
            pixels = np.empty(shape, np.uint8 if depth == 8 else np.uint16)
            filtering.run_into(values, pixels)
            return Quantized(pixels, policy)
    quantizer = Quantizer(shape, policy, depth)
    with np.errstate(over="ignore", invalid="ignore"):
        filtering.run(values, quantizer.add)
    if math.isinf(quantizer.min_value):
        raise ArgumentError(OVERFLOW)
    return quantizer.result()


UNLIMITED = 1 << 62
MIN_STREAMED_BYTES = 64 << 20  # bytes of a file: a smaller one is read whole


def can_stream(source: str, plan: Plan, target: OutputTarget) -> bool:
    """Whether an input can go from file to file band by band: one kernel, numbers to numbers."""
    path = Path(source)
    is_single = len(plan.kernels) == 1 and not (plan.layers or plan.gray or plan.resize)
    if not is_single or plan.combine is not None or path.suffix.lower() != ".npy":
        return False
    paths = target.paths(source)
    if len(paths) != 1 or format_name(paths[0]) != ".npy":
        return False
    return path.is_file() and path.stat().st_size >= MIN_STREAMED_BYTES


def without_pixel_limit(plan: Plan) -> Plan:
    """The plan for what goes through in bands: however large, unless a limit was asked for."""
    return plan if plan.max_pixels != MAX_PIXELS else replace(plan, max_pixels=UNLIMITED)


def stream_npy(source: str, plan: Plan, target: OutputTarget) -> OutputFile:
    """Filter a grid in bands, from file to file; the memory it takes is that of some bands.

    Raises
    ------
    FileError
        As `process`.
    """
    (path,) = target.paths(source)
    (step,) = plan.kernels
    with map_npy(source, plan.max_pixels) as (grid, release):
        if grid.ndim not in (2, 3):
            raise GridError(source, f"must be (H, W) or (H, W, C), not {grid.shape}")
        channels = 1 if grid.ndim == 2 else grid.shape[2]
        infer_shapes(plan, (channels, grid.shape[0], grid.shape[1]))
        filtering = plan_step(step, grid.shape, grid.dtype, plan.method)
        dtype = sum_dtype(grid.dtype)
        header = {"descr": dtype.str, "fortran_order": False, "shape": filtering.shape}
        with atomic_write(path) as written:
            np.lib.format.write_array_header_1_0(written, header)
            for _, band in filtering.run_bands(grid, dtype):
                if not np.isfinite(band).all():
                    raise GridError(source, "holds NaN or infinity, or sums that go beyond floats")
                written.write(np.ascontiguousarray(band).data)
                release()
    return OutputFile(path, filtering.shape)
