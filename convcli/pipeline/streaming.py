"""Grids larger than the memory: a `.npy` filtered in bands into a `.npy`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from convcli.engine.filtering import filter_bands, sum_dtype
from convcli.errors import GridError
from convcli.files import replacing
from convcli.grids.npy import mapped_npy
from convcli.images.reading import MAX_PIXELS
from convcli.kernels.kernel import Kernel
from convcli.pipeline.course import courses
from convcli.pipeline.names import Target, format_name
from convcli.pipeline.plan import Plan
from convcli.pipeline.results import Written

ANY_NUMBER = 1 << 62
LARGE = 64 << 20  # bytes of a file: a smaller one is read whole


def can_stream(source: str, plan: Plan, target: Target) -> bool:
    """Whether an input can go from file to file band by band: one kernel, numbers to numbers."""
    path = Path(source)
    is_single = len(plan.kernels) == 1 and not (plan.layers or plan.gray or plan.resize)
    if not is_single or plan.combine is not None or path.suffix.lower() != ".npy":
        return False
    paths = target.paths(source)
    if len(paths) != 1 or format_name(paths[0]) != ".npy":
        return False
    return path.is_file() and path.stat().st_size >= LARGE


def unbounded(plan: Plan) -> Plan:
    """The plan for what goes through in bands: however large, unless a limit was asked for."""
    return plan if plan.max_pixels != MAX_PIXELS else replace(plan, max_pixels=ANY_NUMBER)


def stream(source: str, plan: Plan, target: Target) -> Written:
    """Filter a grid in bands, from file to file; the memory it takes is that of some bands.

    Raises
    ------
    FileError
        As `process`.
    """
    (path,) = target.paths(source)
    (step,) = plan.kernels
    kernel = cast("Kernel", step.kernel)
    with mapped_npy(source, plan.max_pixels) as (grid, release):
        if grid.ndim not in (2, 3):
            raise GridError(source, f"must be (H, W) or (H, W, C), not {grid.shape}")
        channels = 1 if grid.ndim == 2 else grid.shape[2]
        courses(plan, (channels, grid.shape[0], grid.shape[1]))
        layer = step.layer
        bands = filter_bands(
            grid,
            kernel,
            bias=kernel.bias,
            stride=layer.stride,
            padding=layer.window.sides((grid.shape[0], grid.shape[1])),
            padding_mode=layer.mode,
            dilation=layer.dilation,
            flip=step.flip,
            method=plan.method,
            out_dtype=sum_dtype(grid.dtype),
        )
        header = {"descr": bands.dtype.str, "fortran_order": False, "shape": bands.shape}
        with replacing(path) as written:
            np.lib.format.write_array_header_1_0(written, header)
            for _, band in bands.parts:
                if not np.isfinite(band).all():
                    raise GridError(source, "holds NaN or infinity, or sums that go beyond floats")
                written.write(np.ascontiguousarray(band).data)
                release()
    return Written(path, bands.shape)
