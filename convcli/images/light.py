"""sRGB and linear light.

Averages of pixels are right in linear light, where values are proportional to energy; the transfer
function is that of IEC 61966-2-1.
"""

from __future__ import annotations

import numpy as np

from convcli.images.parts import by_parts
from convcli.images.picture import Values

THRESHOLD = 0.04045  # of encoded values, below which the function is a line


def to_linear(values: Values, white: float) -> Values:
    """Decode sRGB values of 0..white to linear ones on the same scale.

    >>> to_linear(np.array([0.0, 127.5, 255.0]), 255.0).round(2)
    array([  0.  ,  54.58, 255.  ])
    """
    kind = np.dtype(np.float32 if values.dtype.itemsize == 1 else np.float64)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # few values, so a table of them
        table = _decoded(np.arange(int(white) + 1, dtype=kind), white)
        found: Values = table[values]
        return found
    return by_parts(lambda part: _decoded(part.astype(kind), white), values)


def from_linear(values: Values, white: float) -> Values:
    """Encode linear values as sRGB; a negative one as its size, negative.

    >>> from_linear(to_linear(np.array([0.0, 100.0, 255.0]), 255.0), 255.0).round(3)
    array([  0., 100., 255.])
    """
    return by_parts(lambda part: _encoded(part, white), values)


def _decoded(values: Values, white: float) -> Values:
    share = values / values.dtype.type(white)
    curved = ((np.maximum(share, 0) + 0.055) / 1.055) ** 2.4
    linear: Values = np.where(share <= THRESHOLD, share / 12.92, curved) * white
    return linear.astype(values.dtype, copy=False)


def _encoded(values: Values, white: float) -> Values:
    share = np.abs(values) / np.asarray(white, values.dtype)
    curved = 1.055 * np.maximum(share, 1e-12) ** (1 / 2.4) - 0.055
    encoded = np.where(share <= THRESHOLD / 12.92, share * 12.92, curved)
    signed: Values = np.copysign(encoded, values) * white
    return signed.astype(values.dtype, copy=False)
