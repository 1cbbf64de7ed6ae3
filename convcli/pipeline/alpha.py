"""Transparency: the filters of alpha, and the rules by which colors and alpha go together.

Colors are multiplied by alpha, filtered, and divided by the filtered alpha: a pixel becomes
sum(k·a·c) / sum(k·a), as in ImageMagick, so that hidden colors have no part in it, and an area of
one color keeps that color where it ends (T. Porter and T. Duff, "Compositing Digital Images",
1984). The divisor is not clipped, though weights below zero take it beyond 0..1; what is written
is. The alpha of a kernel that sums to s is sum(k·a) / s, so that colors are multiplied by s, as
those of opaque pictures are.

The weights of an edge sum to zero, and over opaque pixels sum(k·a) does, too: nothing can be
divided by it. What such a kernel makes of premultiplied colors is no mean of colors but a
difference. It stays as it is, with the alpha at the kernel's origin; divided by that, it would grow
without bound at the faint pixels of a soft outline. So does what a kernel makes that mixes the
channels of several pixels, as its colors have no divisor in common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import PADDING_CONSTANT, as_padding_mode
from convcli.engine.arrays import Array
from convcli.engine.operations.joins import combine
from convcli.images.color import find_visible, premultiply, unpremultiply
from convcli.kernels import ZERO_SUM, Kernel
from convcli.kernels.outer import OuterProduct
from convcli.pipeline.plan import Plan, Step
from convcli.records import NamedTuple


class Transparency(NamedTuple):
    """The alpha of a feature map while it is computed.

    Parameters
    ----------
    alpha : ndarray, (H, W, 1)
        On the scale of 0 to `white`, but not clipped to it.
    white : float
    is_premultiplied : bool
        Whether the map's values are to be divided by alpha; those of edges are not.
    gain : float
        By which an area of one color is multiplied: the weight of the map's alpha in a sum.
    """

    alpha: Array
    white: float
    is_premultiplied: bool = True
    gain: float = 1.0

    def divide(self, values: Array) -> Array:
        """Return the colors of a map's values; 0 where alpha is written as 0."""
        if self.is_premultiplied:
            return unpremultiply(values, self.alpha, self.white)
        return self.clear_hidden(values)

    def clear_hidden(self, values: Array) -> Array:
        """Return the colors of a map with 0 where alpha is written as 0."""
        return np.where(find_visible(self.alpha), values, values.dtype.type(0))

    def multiply(self, values: Array) -> Array:
        """Return the values that a map has for these colors."""
        if not self.is_premultiplied:
            return values
        return premultiply(values, self.alpha, self.white).astype(values.dtype, copy=False)

    def add_bias(self, values: Array, bias: float | Array) -> Array:
        """Return a map's values for colors that are larger by a bias; they may be overwritten."""
        if np.any(bias):
            share = self.alpha / self.white if self.is_premultiplied else 1.0
            values += np.asarray(bias * share, values.dtype)
        return values

    def convolve(self, alpha: Array, step: Step) -> Transparency:
        """Return the transparency of what a convolution makes, whose alpha is known."""
        kernel = cast("Kernel", step.kernel)
        return self._replace(
            alpha=alpha,
            is_premultiplied=self.is_premultiplied and not is_edge(kernel),
            gain=self.gain * _gain(step),
        )


def combine_transparencies(parts: Sequence[Transparency], how: str, alpha_how: str) -> Transparency:
    """Return the transparency of kernels that are combined.

    Parameters
    ----------
    parts : sequence of Transparency
    how, alpha_how : str
        How maps are combined, and how their alpha is: that of `make_alpha_plan`.
    """
    total = math.fsum(part.gain for part in parts)
    return parts[0]._replace(
        alpha=combine([part.alpha for part in parts], alpha_how),
        is_premultiplied=how != "direction"
        and (alpha_how == "sum" or all(part.is_premultiplied for part in parts)),
        gain=total / len(parts) if how == "mean" else total,
    )


def add_transparencies(parts: Sequence[Transparency], joined_by: str) -> Transparency:
    """Return the transparency of a sum of maps: the mean of their alpha, weighted by their gains.

    The largest alpha counts where edges have a part in the sum, or the gains sum to zero.

    Parameters
    ----------
    parts : sequence of Transparency
    joined_by : {"sum", "difference", "mean"}
        What is made of the maps; the second one of a difference is subtracted.
    """
    signs = [-1 if joined_by == "difference" and index else 1 for index in range(len(parts))]
    gains = [sign * part.gain for sign, part in zip(signs, parts, strict=True)]
    total = math.fsum(gains)
    gain = total / len(parts) if joined_by == "mean" else total
    is_zero = abs(total) <= ZERO_SUM * math.fsum(map(abs, gains))
    if is_zero or not all(part.is_premultiplied for part in parts):
        alpha = combine([part.alpha for part in parts], "max")
        return parts[0]._replace(alpha=alpha, is_premultiplied=False, gain=gain)
    dtype = parts[0].alpha.dtype
    weighted = [
        part.alpha * dtype.type(own / total) for part, own in zip(parts, gains, strict=True)
    ]
    return parts[0]._replace(alpha=combine(weighted, "sum"), gain=gain)


def join_colors(
    values: Sequence[Array], parts: Sequence[Transparency]
) -> tuple[list[Array], Transparency]:
    """Return the colors of maps that are joined otherwise, and the transparency of the joint map.

    Its alpha is the largest of the maps; those of one position, which spread over others, have no
    part in it.
    """
    size = max(part.alpha.size for part in parts)
    joint = parts[0]._replace(
        alpha=combine([part.alpha for part in parts if part.alpha.size == size], "max"),
        is_premultiplied=all(part.is_premultiplied for part in parts),
        gain=math.fsum(part.gain for part in parts) / len(parts),
    )
    return [part.divide(own) for own, part in zip(values, parts, strict=True)], joint


def make_alpha_plan(plan: Plan, white: float) -> Plan:
    """Return the plan for a picture's alpha: the same windows, with weights that sum to one.

    Kernels whose sum or mean is wanted sum to one together, and so do their alphas; of others that
    are combined, the largest alpha counts. A kernel of edges passes the alpha at its origin on.
    A constant beyond the border, unless it is zero, is a color of which nothing shows through.

    Parameters
    ----------
    plan : Plan
    white : float
        The alpha of an opaque pixel.
    """
    mode = as_padding_mode(f"{PADDING_CONSTANT}{white}")
    total = _combined_gain(plan)
    alpha_how = "max" if total is None else "sum"
    return plan._replace(
        gray=False,
        linear=False,
        kernels=tuple(_alpha_step(step, mode, total) for step in plan.kernels),
        combine=None if plan.combine is None else alpha_how,
        layers=tuple(_alpha_step(step, mode) for step in plan.layers),
    )


def without_biases(plan: Plan) -> Plan:
    """Return a plan whose convolutions have no bias; with alpha, it is added to colors."""
    return plan._replace(
        kernels=tuple(step._replace(bias=0.0) for step in plan.kernels),
        layers=tuple(step._replace(bias=0.0) for step in plan.layers),
    )


def is_edge(kernel: Kernel) -> bool:
    """Whether the weights of several pixels sum to zero, or mix channels."""
    if kernel.size == (1, 1):  # which commutes with a multiplication by alpha
        return False
    return kernel.matrix.ndim > 2 or kernel.has_zero_sum


def _combined_gain(plan: Plan) -> float | None:
    """Return the sum of all weights of kernels that are added up; None where it is of no use."""
    kernels = [step.kernel for step in plan.kernels if step.kernel is not None]
    if plan.combine not in ("sum", "mean") or any(kernel.matrix.ndim > 2 for kernel in kernels):
        return None
    total = math.fsum(kernel.sum for kernel in kernels)
    magnitude = math.fsum(kernel.magnitude for kernel in kernels)
    return None if abs(total) <= ZERO_SUM * magnitude else total


def _gain(step: Step) -> float:
    """Return the factor by which a convolution multiplies an area of one color, on average."""
    kernel = cast("Kernel", step.kernel)
    maps = kernel.matrix.shape[0] if kernel.matrix.ndim == 4 else 1
    strides = math.prod(step.layer.stride) if step.layer.operation.is_transposed else 1
    return kernel.sum / (maps * strides)


def _alpha_step(step: Step, opaque: str, total: float | None = None) -> Step:
    """Return a step on alpha; its weights are divided by `total`, or by what makes them one.

    A constant beyond the border becomes that of the padding mode `opaque`.
    """
    layer = step.layer
    if layer.mode.startswith(PADDING_CONSTANT):
        layer = layer._replace(mode=opaque)
    if step.kernel is None:
        if not (layer.operation.filters_alpha or layer.operation.is_join):  # alpha stays as it is
            layer = Layer(op="identity", name=layer.name, sources=layer.sources)
        return step._replace(layer=layer)
    if step.kernel.outer is None:
        plane: Any = step.kernel.matrix.reshape(-1, *step.kernel.size).sum(axis=0)
    else:
        plane = step.kernel.outer
    if total is not None:
        plane = plane / total
    elif step.layer.operation.is_transposed:  # every input pixel has a part in several outputs
        plane = np.abs(plane) if is_edge(step.kernel) else plane
        plane = plane * math.prod(step.layer.stride) / (plane.sum() or 1)
    elif step.kernel.size == (1, 1) or is_edge(step.kernel):
        units = [
            np.arange(side) == index
            for side, index in zip(step.kernel.size, step.kernel.anchor, strict=True)
        ]
        is_large = step.kernel.outer is not None
        plane = OuterProduct(*units) if is_large else np.outer(*units).astype(np.float64)
    else:
        plane = plane / step.kernel.sum
    weights = Kernel("alpha", plane, step.kernel.origin)
    layer = layer._replace(channels=None, groups="depthwise", kernel_channels=None)
    return Step(layer=layer, kernel=weights, flip=step.flip)
