"""Hints on arguments that were given in another order, or with their axes in another order.

They end the message of an error. Nothing is guessed: shapes that fit are computed with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, ShapeError

_HAS_HINT = "did you mean"


@contextmanager
def add_hint(find: Callable[..., str], *arguments: Any, **settings: Any) -> Iterator[None]:
    """Add to the message of a `ShapeError` what a function finds in the shapes of arguments."""
    try:
        yield
    except ShapeError as error:
        if _HAS_HINT in str(error):  # of a function that was called
            raise
        hint = find(*map(_shape, arguments), **settings)
        raise type(error)(f"{error}{hint}") from None


def conv_hint(x: Shape, weight: Shape, *, groups: object = 1) -> str:
    """Return a hint on the arguments of `conv2d`, or nothing.

    >>> conv_hint((224, 224, 3), (64, 3, 7, 7))
    '; x looks like (H, W, C): did you mean x.transpose(2, 0, 1)?'
    """
    count = groups if isinstance(groups, int) else 1
    if len(x) == 4 and _is_image_of(weight, x[1] * count, x[2:]):
        return "; x and weight seem to be swapped: call conv2d(x, weight)"
    channels = weight[1] * count if len(weight) == 4 else 0
    is_last = len(weight) == 4 and len(x) > 2 and weight[2] * count == x[-3] != channels
    return _axes_hint(x, weight, channels) or (_LAST_WEIGHTS if is_last else "")


def transposed_hint(x: Shape, weight: Shape) -> str:
    """Return a hint on the arguments of `conv_transpose2d`, or nothing.

    >>> transposed_hint((8, 20, 20), (3, 3, 16, 8))
    '; weight looks like (kh, kw, C_in, C_out): did you mean weight.transpose(3, 2, 0, 1)?'
    """
    if len(x) == 4 and len(weight) in (3, 4) and weight[-3] == x[0] and weight[0] != x[1]:
        return "; x and weight seem to be swapped: call conv_transpose2d(x, weight)"
    channels = weight[0] if len(weight) == 4 else 0
    is_last = len(weight) == 4 and len(x) > 2 and weight[3] == x[-3] != channels
    return _axes_hint(x, weight, channels) or (_LAST_WEIGHTS if is_last else "")


def filter_hint(image: Shape, kernel: Shape) -> str:
    """Return a hint on the arguments of `filter2d`, or nothing.

    >>> filter_hint((3, 480, 640), (3, 5, 5))
    '; image looks like (C, H, W): did you mean image.transpose(1, 2, 0)?'
    """
    if len(kernel) in (2, 3) and len(image) in (2, 3, 4):
        channels = (*kernel, 1)[2]
        fits = len(image) == 2 or image[-3] == channels
        if fits and kernel[:2] != image[-2:] and _spans(kernel[:2], image[-2:]):
            return "; image and kernel seem to be swapped: call filter2d(image, kernel)"
    if len(image) == 3 and len(kernel) in (2, 3, 4) and _spans(image[1:], kernel[-2:]):
        is_first = kernel[-3] == image[0] if len(kernel) > 2 else image[0] < kernel[0]
        if is_first:
            return "; image looks like (C, H, W): did you mean image.transpose(1, 2, 0)?"
    return ""


def pool_hint(x: Shape, kernel_size: Shape) -> str:
    """Return a hint on the first two arguments of a pool, or of `im2col`; or nothing.

    >>> pool_hint((), (3, 64, 64))
    '; the array comes first, then the size of the kernel'
    """
    if len(kernel_size) > 1:
        return "; the array comes first, then the size of the kernel"
    return _axes_hint(x, (), 0)


def image_hint(x: Shape, channels: int) -> str:
    """Return a hint on images for what takes so many channels, or nothing.

    >>> image_hint((2, 480, 640, 3), 3)
    '; x looks like (N, H, W, C): did you mean x.transpose(0, 3, 1, 2)?'
    """
    return _axes_hint(x, (), channels)


_LAST_WEIGHTS = (
    "; weight looks like (kh, kw, C_in, C_out): did you mean weight.transpose(3, 2, 0, 1)?"
)


def _axes_hint(x: Shape, weight: Shape, channels: int) -> str:
    """Return a hint on axes that are missing, and on channels that are the last axis."""
    if len(x) == 2:
        return "; an image of one channel is x[np.newaxis]"
    if len(weight) == 2:
        return "; one kernel for one channel is weight[np.newaxis, np.newaxis]"
    if len(x) in (3, 4) and x[-1] == channels != x[-3]:
        axes, order = ("H, W, C", "2, 0, 1") if len(x) == 3 else ("N, H, W, C", "0, 3, 1, 2")
        return f"; x looks like ({axes}): did you mean x.transpose({order})?"
    return ""


def _is_image_of(shape: Shape, channels: int, kernel: Shape) -> bool:
    """Whether images of a shape have so many channels, and are larger than a kernel."""
    if len(shape) not in (3, 4) or shape[-3] != channels:
        return False
    return shape[-2:] != kernel and _spans(shape[-2:], kernel)


def _spans(size: Shape, kernel: Shape) -> bool:
    """Whether an image is at least as large as a kernel."""
    return all(side >= taps for side, taps in zip(size, kernel, strict=True))


def _shape(value: ArrayLike) -> Shape:
    """Return the shape of an argument; () where it has none."""
    try:
        return np.shape(value)
    except (ArgumentError, ValueError):
        return ()
