"""Transparency: colours count by how opaque they are, and hidden ones never show.

Colours are multiplied by their alpha before they are filtered and divided by the filtered alpha
after (T. Porter and T. Duff, "Compositing Digital Images", 1984).
"""

from __future__ import annotations

import numpy as np

from convcli.images.parts import by_parts
from convcli.images.picture import Values


def premultiplied(colors: Values, alpha: Values, white: float) -> Values:
    """Colours times alpha, (H, W, C) and (H, W, 1): what is transparent is nothing.

    >>> premultiplied(np.array([[[200.0]]]), np.array([[[127.5]]]), 255.0)
    array([[[100.]]])
    """
    kind = np.dtype(np.float32 if colors.dtype.itemsize == 1 else np.float64)
    return by_parts(
        lambda part, share: part.astype(kind) * (share.astype(kind) / kind.type(white)),
        colors,
        alpha,
    )


def divided(colors: Values, alpha: Values, white: float) -> Values:
    """Undo `premultiplied`; where nothing is left of the alpha, black.

    >>> divided(np.array([[[100.0]], [[7.0]]]), np.array([[[127.5]], [[0.0]]]), 255.0).ravel()
    array([200.,   0.])
    """
    return by_parts(lambda part, share: _divided(part, share, white), colors, alpha)


def _divided(colors: Values, alpha: Values, white: float) -> Values:
    share = alpha / np.asarray(white, colors.dtype)
    # Less than half a level of alpha is written as none.
    opaque = share > 0.5 / white
    quotient: Values = np.where(opaque, colors / np.where(opaque, share, 1), 0)
    return quotient.astype(colors.dtype, copy=False)


def on_white(pixels: Values, alpha: Values) -> Values:
    """Integer pixels over white paper, for formats without transparency."""
    white = np.iinfo(pixels.dtype).max
    share = alpha / white
    return np.rint(pixels * share + white * (1 - share)).astype(pixels.dtype)
