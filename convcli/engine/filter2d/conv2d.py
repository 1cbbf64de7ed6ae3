"""`conv2d` as the algorithm of a filter: for kernels that sum over channels, and for `naive`."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.conv2d import run_conv
from convcli.engine.conv2d.problem import ConvMethod, ConvProblem, choose_conv_method
from convcli.engine.cost import LOOP_S, ConvSize
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.naive import conv2d_naive

TILE_VALUES = 1 << 21  # of a tile, which `conv2d` cuts into parts itself


def conv2d_algorithm(problem: FilterProblem, method: str) -> Algorithm:
    """`conv2d`: the loops, and all kernels that sum over channels.

    For a kernel of two axes, the channels of a region are a batch of images.
    """
    kernel, window = problem.kernel, problem.window
    is_channelwise = kernel.ndim == 2
    filters = kernel.reshape(-1, *((1, *kernel.shape) if is_channelwise else kernel.shape[-3:]))
    channels = problem.channels if is_channelwise else 1
    reason = "asked for"
    if problem.groups > 1:
        reason = f"a layer's weights, in {problem.groups} groups"
    elif not is_channelwise:
        reason = f"{prod(window.kernel)} taps in each of {problem.channels} channels"
    if method == "naive":
        cost_s = channels * filters.size * prod(problem.output) * LOOP_S
        found = ConvMethod("naive", cost_s)
    else:
        sizes = channels, problem.channels // channels, len(filters), problem.output
        found = choose_conv_method(ConvSize(*sizes, window, problem.groups, problem.sums), method)
        reason += f", {found.layout}"
        if method == "auto" and problem.groups == 1:
            reason += f"; {found.reason}"

    # A tile's maps may be larger than what it reads.
    values = TILE_VALUES * problem.channels // max(len(filters), problem.channels)
    return Algorithm(
        Choice(found.name, reason),
        found.cost_s,
        problem.sums,
        problem.sums,
        partial(_make_filter, problem, filters, found),
        problem.tile_size(values, tiles=1),
        copies=8 if found.name == "im2col" else 4,
        is_multithreaded=True,
    )


def _make_filter(problem: FilterProblem, filters: Array, method: ConvMethod) -> TileFilter:
    window, weights = problem.window, filters.astype(problem.sums)
    is_channelwise = problem.kernel.ndim == 2

    def correlate(region: Array) -> Array:
        planes = region.transpose(2, 0, 1)
        images = planes[:, np.newaxis] if is_channelwise else planes[np.newaxis]
        if method.name == "naive":
            maps = conv2d_naive(
                *(images, weights),
                stride=window.stride,
                dilation=window.dilation,
                groups=problem.groups,
            )
        else:
            layer = ConvProblem(images, weights, None, window, groups=problem.groups)
            maps = run_conv(layer, method)
        return maps[:, 0].transpose(1, 2, 0) if is_channelwise else maps[0].transpose(1, 2, 0)

    return correlate
