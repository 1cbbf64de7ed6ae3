"""Pixels -> pixels: a kernel over a picture in bands, whose map is never held as floats."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from convcli.engine.arrays import round_into
from convcli.engine.filtering import PreparedFilter
from convcli.errors import ArgumentError
from convcli.images.film import Header
from convcli.images.metadata import NO_METADATA
from convcli.images.picture import Picture, to_gray
from convcli.images.ranges import BEYOND, Ranged, Ranging
from convcli.pipeline.course import courses, planned_input
from convcli.pipeline.names import Target
from convcli.pipeline.operations import prepared_filter
from convcli.pipeline.plan import Plan
from convcli.pipeline.results import Drawn, chosen_range, is_drawable


def goes_directly(header: Header, plan: Plan, target: Target) -> bool:
    """Whether every map of a picture is a kernel's alone, and is clamped to pixels as it comes."""
    depth = header.depth
    if depth is None or header.has_alpha or not target.draws:
        return False
    if plan.layers or plan.combine is not None or plan.resize is not None or plan.linear:
        return False
    height, width, channels = header.shape
    ways = courses(plan, planned_input(plan, (channels, height, width)))
    is_clamped = chosen_range(plan, depth) != "rescale"
    return is_clamped and bool(plan.kernels) and all(is_drawable(way.output[0]) for way in ways)


def drawn_directly(picture: Picture, plan: Plan, policy: str) -> Iterator[Drawn]:
    """The map of each kernel as pixels; they are made one by one, as they are asked for."""
    values = to_gray(picture.values) if plan.gray else picture.values
    metadata = NO_METADATA if plan.strip else picture.metadata
    depth = picture.depth or 8
    del picture
    for place, step in enumerate(plan.kernels, start=1):
        ranged = _ranged(prepared_filter(step, values, plan.method, rounds=True), policy, depth)
        if place == len(plan.kernels):
            del values  # writing takes as much memory again
        yield Drawn(ranged, None, metadata)


def _ranged(filtering: PreparedFilter, policy: str, depth: int) -> Ranged:
    """Run a filter, and bring its sums into the range of pixels as they come."""
    height, width, *channels = filtering.shape
    shape = height, width, *(channels or [1])
    if filtering.bounds is not None and policy != "offset":
        lowest, highest = filtering.bounds
        if lowest >= 0 and highest < 2**depth - 0.5:  # as for an average of pixels
            pixels = np.empty(shape, np.uint8 if depth == 8 else np.uint16)
            filtering.run(lambda rows, sums: round_into(sums, pixels[rows], filtering.bounds))
            return Ranged(pixels, policy)
    ranging = Ranging(shape, policy, depth)
    with np.errstate(over="ignore", invalid="ignore"):
        filtering.run(ranging.take)
    if math.isinf(ranging.least):
        raise ArgumentError(BEYOND)
    return ranging.ranged()
