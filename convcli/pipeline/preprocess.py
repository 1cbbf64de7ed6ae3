"""Preprocess a picture: what is done with its values before they are filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arithmetic.values import Resize, Shape
from convcli.engine.arrays import Array
from convcli.errors import ArgumentError
from convcli.images import Header, Picture
from convcli.images.color import from_linear, resize, to_gray, to_linear
from convcli.pipeline.plan import Plan
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.images.transfer import Curve
    from convcli.pipeline.alpha import Transparency


class FeatureMap(NamedTuple):
    """A feature map while it is computed.

    Parameters
    ----------
    values : ndarray, (H, W, C)
        Colors that may be multiplied by their alpha.
    transparency : Transparency, optional
        None where all is opaque.
    """

    values: Array
    transparency: Transparency | None = None


def preprocess(picture: Picture, plan: Plan) -> FeatureMap:
    """Return the values to filter: linearized, premultiplied, gray, resampled, as planned."""
    values, alpha = picture.values, picture.alpha
    if plan.linear:
        if picture.depth is None:
            raise ArgumentError(
                "--linear goes with pictures of 8 or 16 bits, whose values are sRGB"
            )
        values = to_linear(values, picture.white, _find_curves(picture, values.shape[2]))
    if alpha is not None:
        return _preprocess_alpha(values, alpha, picture, plan)
    if plan.gray:
        values = to_gray(values)
    if plan.resize is not None:
        values = resize(values, plan.resized(picture.size))
    return FeatureMap(values)


def encode(values: Array, picture: Picture) -> Array:
    """Return linear light as values of a picture: by its own curves, if they are for so many."""
    return from_linear(values, picture.white, _find_curves(picture, values.shape[2]))


def _find_curves(picture: Picture, channels: int) -> Sequence[Curve] | None:
    metadata = picture.metadata
    if not (metadata.profile or metadata.color_chunks):
        return None
    from convcli.images.transfer import find_curves

    return find_curves(metadata, channels)


def _preprocess_alpha(values: Array, alpha: Array, picture: Picture, plan: Plan) -> FeatureMap:
    from convcli.images.color import find_limits, premultiply, resize_premultiplied
    from convcli.pipeline.alpha import Transparency

    limits = 0.0, 0.0
    if plan.resize is not None:
        limits = find_limits(to_gray(values) if plan.gray else values, alpha)
    values = premultiply(values, alpha, picture.white)
    if plan.gray:
        values = to_gray(values).astype(values.dtype, copy=False)
    if plan.resize is not None:
        size = plan.resized(picture.size)
        values, alpha = resize_premultiplied(values, alpha, size, picture.white, limits)
    return FeatureMap(values, Transparency(alpha, picture.white))


def has_preprocessing(plan: Plan, header: Header) -> bool:
    """Whether the values to filter are others than the input's own."""
    return plan.linear or header.has_alpha or plan.gray or plan.resize is not None


def preprocessed_shape(plan: Plan, header: Header) -> Shape:
    """Return the shape, (C, H, W), of what `preprocess` will return."""
    height, width, channels = header.shape
    size = (height, width) if plan.resize is None else plan.resized((height, width))
    return 1 if plan.gray else channels, *size


def preprocessed_dtype(plan: Plan, header: Header) -> np.dtype[Any]:
    """Return the type of what `preprocess` will return, found with a single pixel."""
    if not has_preprocessing(plan, header):
        return header.dtype
    values = np.zeros((1, 1, header.shape[2]), header.dtype)
    pixel = Picture(values, header.depth, values[:, :, :1] if header.has_alpha else None)
    return preprocess(pixel, plan._replace(resize=plan.resize and Resize(1, 1))).values.dtype
