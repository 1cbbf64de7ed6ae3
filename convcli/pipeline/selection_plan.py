"""Plan what a selection filters, what its maps are blended with, and the memory that this takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convcli.arithmetic.values import Shape, format_shape
from convcli.engine.arrays import sum_dtype
from convcli.errors import ArgumentError, ShapeError
from convcli.images import DEFAULT_SETTINGS, Header
from convcli.images.color import to_gray
from convcli.pipeline.computation import Computation, MapShapes, infer_shapes, plan_computation
from convcli.pipeline.plan import Plan, title_of
from convcli.pipeline.preprocess import preprocessed_dtype, preprocessed_shape
from convcli.pipeline.selection import COLOR_NAMES, Selection

TYPICAL_SIDE = 1024  # of a picture that stands for any, before one is opened


def plan_selection(plan: Plan, selection: Selection, header: Header) -> Computation:
    """Plan the filters for frames with a header, and what their maps are blended with.

    Luma is that of the encoded values, after any resampling: a picture of one channel, which is
    filtered as a gray one would be.

    Raises
    ------
    ArgumentError
        For regions and channels that the frames do not have.
    ShapeError
        If a map does not have the shape of what it is blended with.
    """
    shape = preprocessed_shape(plan, header)
    size = shape[1], shape[2]
    selection.check_size(*size)
    chosen = selection.choose(shape[0], has_alpha=header.has_alpha)
    base = plan if plan.gray or plan.resize is not None else None
    filtered_plan, filtered_header, filtered_shape = plan, header, shape
    if chosen.is_luma:
        dtype = header.dtype if base is None else sum_dtype(preprocessed_dtype(plan, header))
        dtype = to_gray(np.zeros((1, 1, shape[0]), dtype)).dtype
        filtered_plan = plan._replace(resize=None)
        filtered_header = Header((*size, 1), dtype, header.depth, header.has_alpha)
        filtered_shape = 1, *size
    shapes = infer_shapes(filtered_plan, filtered_shape)
    _check_shapes(plan, selection, filtered_shape, shapes)
    computation = plan_computation(filtered_plan, filtered_header, filtered_shape, shapes)
    return computation._replace(selected_shape=shape, base=base)


def check_selection(plan: Plan, selection: Selection) -> None:
    """Refuse what no picture can be filtered with, before any is opened.

    Raises
    ------
    ArgumentError
        If nothing filters, for a color of what is converted to gray, or for a region that does not
        lie in the size that is typed.
    ShapeError
        For maps of another size than a picture's.
    """
    if not (plan.kernels or plan.layers):
        raise ArgumentError(
            f"{selection.option} goes with a filter: give --kernel, --layer or --net"
        )
    for name in selection.channels if plan.gray else ():
        if name in COLOR_NAMES:
            raise ArgumentError(f"--gray leaves one channel, and --channels {name} is another")
    if plan.resize is not None:
        selection.check_size(plan.resize.height, plan.resize.width)
    plan = plan._replace(reading=DEFAULT_SETTINGS)  # a limit that concerns real pictures
    for channels in (3, 1):
        shape = channels, TYPICAL_SIDE, TYPICAL_SIDE
        try:
            shapes = infer_shapes(plan, shape)
        except ArgumentError:
            continue  # which depends on the picture
        _check_shapes(plan, selection, shape, shapes)
        return


def _check_shapes(
    plan: Plan, selection: Selection, shape: Shape, shapes: Sequence[MapShapes]
) -> None:
    """Raise if a map does not have the shape, (C, H, W), of what it is blended with.

    Raises
    ------
    ShapeError
        With both shapes.
    """
    steps = plan.kernels or (None,)
    for kernel, branch in zip(steps, shapes, strict=False):
        if branch.output == shape:
            continue
        titles = [(kernel and title_of(kernel), branch.start)]
        titles += [
            (title_of(step), output)
            for step, output in zip(plan.layers, branch.layers, strict=True)
        ]
        culprit, made = next((title, made) for title, made in titles if made != shape)
        raise ShapeError(
            f"{selection.option} needs a map of the picture's shape, and {culprit} makes "
            f"{format_shape(made)} of {format_shape(shape)}"
        )


def estimate_blend_bytes(header: Header, computation: Computation) -> int:
    """Return about how many bytes a selection takes beside the maps."""
    shape, plan = computation.selected_shape, computation.plan
    if shape is None or plan.selection is None:
        return 0
    values, pixels = math.prod(shape), math.prod(shape[1:])
    itemsize = computation.dtype.itemsize
    originals = values * itemsize * (2 if computation.base is not None else 0)
    luma = pixels * itemsize * 2 if computation.is_of_luma else 0
    mask = pixels * 8 if plan.selection.mask is not None else 0  # as decoded, and as gray
    rescaling = values * itemsize * 2 if plan.filter_policy(header.depth) == "rescale" else 0
    return originals + luma + mask + rescaling + values * itemsize * len(computation.shapes)
