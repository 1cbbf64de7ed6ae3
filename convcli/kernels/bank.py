"""The named kernels: their weights as numbers; those that derive from others are derived."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from convcli.kernels import Kernel

SETOSA = 'V. Powell, "Image Kernels", setosa.io'
WIKIPEDIA = 'Wikipedia, "Kernel (image processing)"'
BINOMIAL = "outer product of 1 4 6 4 1, over 256"
COMMON = "in common use"
Matrix = NDArray[np.float64]


def _matrix(rows: str) -> Matrix:
    return np.array([row.split() for row in rows.split(";")], np.float64)


GAUSSIAN_3X3 = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16
GAUSSIAN_5X5 = np.outer([1.0, 4.0, 6.0, 4.0, 1.0], [1.0, 4.0, 6.0, 4.0, 1.0]) / 256
UNSHARP_5X5 = -GAUSSIAN_5X5
UNSHARP_5X5[2, 2] = 476 / 256
SHARPEN = _matrix("0 -1 0; -1 5 -1; 0 -1 0")
IDENTITY = _matrix("0 0 0; 0 1 0; 0 0 0")
OUTLINE = _matrix("-1 -1 -1; -1 8 -1; -1 -1 -1")
LAPLACIAN_4 = _matrix("0 -1 0; -1 4 -1; 0 -1 0")
LOG_5X5 = _matrix("0 0 -1 0 0; 0 -1 -2 -1 0; -1 -2 16 -2 -1; 0 -1 -2 -1 0; 0 0 -1 0 0")
EMBOSS = _matrix("-2 -1 0; -1 1 1; 0 1 2")
SOBEL_X = _matrix("-1 0 1; -2 0 2; -1 0 1")
PREWITT_X = _matrix("-1 0 1; -1 0 1; -1 0 1")
SCHARR_X = _matrix("-3 0 3; -10 0 10; -3 0 3")
FREI_CHEN_X = SOBEL_X.copy()
FREI_CHEN_X[1] = -np.sqrt(2.0), 0.0, np.sqrt(2.0)
ROBERTS_1 = _matrix("1 0; 0 -1")
ROBERTS_2 = _matrix("0 1; -1 0")
KIRSCH_N = _matrix("5 5 5; -3 0 -3; -3 -3 -3")
VERTICAL_LINE = _matrix("0 1 0; 0 1 0; 0 1 0")

# The eight neighbors, counter-clockwise: a rotation by 45° moves each weight to the next position.
_RING = [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1)]


def rotate45(matrix: Matrix, steps: int) -> Matrix:
    """Rotate a 3×3 matrix counter-clockwise by so many steps of 45°.

    >>> rotate45(KIRSCH_N, 2)
    array([[ 5., -3., -3.],
           [ 5.,  0., -3.],
           [ 5., -3., -3.]])
    """
    result = matrix.copy()
    for index, position in enumerate(_RING):
        result[_RING[(index + steps) % 8]] = matrix[position]
    return result


# Name, matrix or what makes it, description, source.
_ENTRIES: list[tuple[str, Matrix | Callable[[], Matrix], str, str]] = [
    ("identity", IDENTITY, "leaves the picture as it is", COMMON),
    ("box-3x3", np.ones((3, 3)) / 9, "mean of the 3x3 neighborhood", COMMON),
    ("blur", GAUSSIAN_3X3, "soft blur, binomial", SETOSA),
    ("gaussian-3x3", GAUSSIAN_3X3, "another name for blur", SETOSA),
    ("gaussian-5x5", GAUSSIAN_5X5, "stronger soft blur, binomial", BINOMIAL),
    ("sharpen", SHARPEN, "makes edges stand out", SETOSA),
    ("unsharp-5x5", UNSHARP_5X5, "sharpens by what a blur took away", WIKIPEDIA),
    ("emboss", EMBOSS, "relief, lit from the top left", SETOSA),
    ("outline", OUTLINE, "edges of every direction", SETOSA),
    ("laplacian-8", OUTLINE, "another name for outline", SETOSA),
    ("laplacian-4", LAPLACIAN_4, "edges, four neighbors", "ImageMagick, Laplacian:1"),
    ("log-5x5", LOG_5X5, "Laplacian of a Gaussian", "ImageMagick, Laplacian:15"),
    ("sobel-x", SOBEL_X, "edges brighter on the right", "I. Sobel"),
    ("sobel-y", SOBEL_X.T, "edges brighter at the bottom", "I. Sobel"),
    ("left-sobel", -SOBEL_X, "edges brighter on the left", SETOSA),
    ("right-sobel", SOBEL_X, "edges brighter on the right", SETOSA),
    ("top-sobel", -SOBEL_X.T, "edges brighter at the top", SETOSA),
    ("bottom-sobel", SOBEL_X.T, "edges brighter at the bottom", SETOSA),
    ("prewitt-x", PREWITT_X, "edges brighter on the right", "J. Prewitt"),
    ("prewitt-y", PREWITT_X.T, "edges brighter at the bottom", "J. Prewitt"),
    ("scharr-x", SCHARR_X, "edges brighter on the right", "H. Scharr"),
    ("scharr-y", SCHARR_X.T, "edges brighter at the bottom", "H. Scharr"),
    ("frei-chen-x", FREI_CHEN_X, "edges brighter on the right", "W. Frei and C. Chen"),
    ("roberts-1", ROBERTS_1, "diagonal edges", "L. Roberts"),
    ("roberts-2", ROBERTS_2, "edges of the other diagonal", "L. Roberts"),
    *(
        (
            f"kirsch-{side}",
            partial(rotate45, KIRSCH_N, step),
            f"edges brighter to the {side}",
            "R. Kirsch",
        )
        for step, side in enumerate(("n", "nw", "w", "sw", "s", "se", "e", "ne"))
    ),
    ("vertical-edge", -PREWITT_X, "edges brighter on the left", "a textbook's first filter"),
    ("vertical-line", VERTICAL_LINE, "what stands in a vertical line", COMMON),
    ("horizontal-line", VERTICAL_LINE.T, "what lies in a horizontal line", COMMON),
]


_WEIGHTS = {name: (weights, text, source) for name, weights, text, source in _ENTRIES}


def find_kernel(name: str) -> Kernel | None:
    """Return the kernel of a name, or None if there is none; no other one is made."""
    if name not in _WEIGHTS:
        return None
    weights, description, source = _WEIGHTS[name]
    matrix = weights() if callable(weights) else weights
    return Kernel(name, matrix + 0.0, description=description, source=source)  # no -0


@cache
def bank() -> dict[str, Kernel]:
    """Return the named kernels, in the order in which they are listed."""
    return {name: kernel for name in _WEIGHTS if (kernel := find_kernel(name)) is not None}
