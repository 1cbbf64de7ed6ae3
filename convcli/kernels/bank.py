"""The named kernels, as numbers that can be read; the derived ones are derived."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.kernels import Kernel

SETOSA = 'V. Powell, "Image Kernels", setosa.io'
COMMON = "in common use"

BINOMIAL_3 = np.array([1.0, 2.0, 1.0])
BINOMIAL_5 = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
SHARPEN = np.array([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]])
IDENTITY = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
OUTLINE = np.array([[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]])
LAPLACIAN_4 = np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])
LOG_5X5 = np.array(
    [
        [0.0, 0.0, -1.0, 0.0, 0.0],
        [0.0, -1.0, -2.0, -1.0, 0.0],
        [-1.0, -2.0, 16.0, -2.0, -1.0],
        [0.0, -1.0, -2.0, -1.0, 0.0],
        [0.0, 0.0, -1.0, 0.0, 0.0],
    ]
)
EMBOSS = np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
SOBEL_X = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
PREWITT_X = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
SCHARR_X = np.array([[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]])
FREI_CHEN_X = np.array(
    [
        [-1.0, 0.0, 1.0],
        [-np.sqrt(2.0), 0.0, np.sqrt(2.0)],
        [-1.0, 0.0, 1.0],
    ]
)
ROBERTS_1 = np.array([[1.0, 0.0], [0.0, -1.0]])
ROBERTS_2 = np.array([[0.0, 1.0], [-1.0, 0.0]])
KIRSCH_N = np.array([[5.0, 5.0, 5.0], [-3.0, 0.0, -3.0], [-3.0, -3.0, -3.0]])
VERTICAL_LINE = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])

# The eight neighbors, counter-clockwise: a mask turned by 45° moves each weight one place on.
_RING = [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
_KIRSCH = ("n", "nw", "w", "sw", "s", "se", "e", "ne")


@cache
def bank() -> dict[str, Kernel]:
    """The named kernels, in the order in which they are listed."""
    return {kernel.name: kernel for kernel in (*_smoothing(), *_sharpening(), *_edges())}


def rotate45(matrix: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Turn a 3×3 mask counter-clockwise by so many steps of 45°.

    >>> rotate45(KIRSCH_N, 2)
    array([[ 5., -3., -3.],
           [ 5.,  0., -3.],
           [ 5., -3., -3.]])
    """
    result = matrix.copy()
    for place, (row, column) in enumerate(_RING):
        result[_RING[(place + steps) % 8]] = matrix[row, column]
    return result


def _smoothing() -> list[Kernel]:
    binomial_3 = np.outer(BINOMIAL_3, BINOMIAL_3) / 16
    return [
        _kernel("identity", IDENTITY, "leaves the picture as it is", COMMON),
        _kernel("box-3x3", np.ones((3, 3)) / 9, "mean of the 3x3 neighborhood", COMMON),
        _kernel("blur", binomial_3, "soft blur, binomial", SETOSA),
        _kernel("gaussian-3x3", binomial_3, "another name for blur", SETOSA),
        _kernel(
            "gaussian-5x5",
            np.outer(BINOMIAL_5, BINOMIAL_5) / 256,
            "stronger soft blur, binomial",
            "outer product of 1 4 6 4 1, over 256",
        ),
    ]


def _sharpening() -> list[Kernel]:
    unsharp = np.outer(BINOMIAL_5, BINOMIAL_5)
    unsharp[2, 2] = -476
    return [
        _kernel("sharpen", SHARPEN, "makes edges stand out", SETOSA),
        _kernel(
            "unsharp-5x5",
            unsharp / -256,
            "sharpens by what a blur took away",
            'Wikipedia, "Kernel (image processing)"',
        ),
        _kernel("emboss", EMBOSS, "relief, lit from the top left", SETOSA),
    ]


def _edges() -> list[Kernel]:
    return [
        _kernel("outline", OUTLINE, "edges of every direction", SETOSA),
        _kernel("laplacian-8", OUTLINE, "another name for outline", SETOSA),
        _kernel("laplacian-4", LAPLACIAN_4, "edges, four neighbors", "ImageMagick, Laplacian:1"),
        _kernel("log-5x5", LOG_5X5, "Laplacian of a Gaussian", "ImageMagick, Laplacian:15"),
        *_gradients("sobel", SOBEL_X, "I. Sobel"),
        _kernel("left-sobel", -SOBEL_X, "edges brighter on the left", SETOSA),
        _kernel("right-sobel", SOBEL_X, "edges brighter on the right", SETOSA),
        _kernel("top-sobel", -SOBEL_X.T, "edges brighter at the top", SETOSA),
        _kernel("bottom-sobel", SOBEL_X.T, "edges brighter at the bottom", SETOSA),
        *_gradients("prewitt", PREWITT_X, "J. Prewitt"),
        *_gradients("scharr", SCHARR_X, "H. Scharr"),
        _kernel("frei-chen-x", FREI_CHEN_X, "edges brighter on the right", "W. Frei and C. Chen"),
        _kernel("roberts-1", ROBERTS_1, "diagonal edges", "L. Roberts"),
        _kernel("roberts-2", ROBERTS_2, "edges of the other diagonal", "L. Roberts"),
        *(
            _kernel(
                f"kirsch-{way}",
                rotate45(KIRSCH_N, step),
                f"edges brighter to the {way}",
                "R. Kirsch",
            )
            for step, way in enumerate(_KIRSCH)
        ),
        _kernel(
            "vertical-edge", -PREWITT_X, "edges brighter on the left", "a textbook's first filter"
        ),
        _kernel("vertical-line", VERTICAL_LINE, "what stands in a vertical line", COMMON),
        _kernel("horizontal-line", VERTICAL_LINE.T, "what lies in a horizontal line", COMMON),
    ]


def _gradients(name: str, along_x: NDArray[np.float64], source: str) -> list[Kernel]:
    """The pair of a gradient mask: positive where it gets brighter to the right, and downwards."""
    return [
        _kernel(f"{name}-x", along_x, "edges brighter on the right", source),
        _kernel(f"{name}-y", along_x.T, "edges brighter at the bottom", source),
    ]


def _kernel(name: str, matrix: ArrayLike, description: str, source: str) -> Kernel:
    weights = np.asarray(matrix, np.float64) + 0.0  # no -0.0
    return Kernel(name, weights, description=description, source=source)
