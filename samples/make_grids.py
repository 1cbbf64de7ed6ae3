"""Write the grids of numbers (*.csv) and the kernel bank (kernels/bank.npy) of the examples.

Run it as ``python samples/make_grids.py``: it rewrites the files beside this script.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.int64]

HERE = Path(__file__).parent
LETTER_A = [
    *[(2, 4), (2, 5), (2, 6), (3, 3), (3, 7), (4, 2), (4, 7), (5, 2), (5, 7), (6, 2), (6, 7)],
    *[(7, 3), (7, 6), (7, 7), (7, 10), (8, 4), (8, 5), (8, 8), (8, 9)],
]
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look


def letter_a() -> Grid:
    """Draw a handwritten a."""
    grid = np.zeros((12, 12), dtype=np.int64)
    grid[tuple(np.transpose(LETTER_A))] = 1
    return grid


def letter_h() -> Grid:
    """Draw two strokes and the bar between them, which lies above their middle."""
    grid = np.zeros((16, 16), dtype=np.int64)
    grid[4:12, [3, 12]] = 1
    grid[7, 3:12] = 1
    return grid


def edge() -> Grid:
    """Draw a bright left side and a dark right side."""
    grid = np.zeros((8, 7), dtype=np.int64)
    grid[:, :3] = 10
    return grid


def step() -> Grid:
    """Draw a step up in the middle."""
    grid = np.zeros((16, 16), dtype=np.int64)
    grid[:, 8:] = 1
    return grid


def grid5() -> Grid:
    """Give a grid small enough to check a convolution by hand."""
    rows = ["12012", "01310", "21021", "10213", "21101"]
    return np.array([[int(digit) for digit in row] for row in rows], dtype=np.int64)


def bank() -> NDArray[np.float32]:
    """Build a first layer of a network: axes are output channel, input channel, row, column."""
    smooth = np.array([1, 2, 1])
    slope = np.array([-1, 0, 1])
    spot = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    layer = [
        np.multiply.outer(LUMA, np.outer(smooth, slope) / 8),  # vertical edges
        np.multiply.outer(LUMA, np.outer(slope, smooth) / 8),  # horizontal edges
        np.multiply.outer(LUMA, spot / 8),  # a blob brighter than what surrounds it
        np.multiply.outer((1, -1, 0), np.outer(smooth, smooth) / 16),  # red against green
    ]
    return np.array(layer, dtype=np.float32)


def main() -> None:
    """Write every file."""
    for draw in (letter_a, letter_h, edge, step, grid5):
        np.savetxt(HERE / f"{draw.__name__}.csv", draw(), fmt="%d", delimiter=",")
    np.save(HERE / "kernels" / "bank.npy", bank())


if __name__ == "__main__":
    main()
