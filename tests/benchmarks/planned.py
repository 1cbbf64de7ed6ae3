"""Filters and layers of many kinds, for which the planner's picks are held to the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.filters import dense_kernel
from convcli import load_kernel

Shape = tuple[int, int, int]
LARGE, SMALL = (900, 1200), (96, 128)  # rows and columns
LINE, COLUMN = (1, 200_000), (200_000, 1)


@dataclass(frozen=True)
class FilterWork:
    """A kernel over an image of a shape, (H, W, C), and a type."""

    name: str
    kernel: Any
    dtype: Any
    shape: Shape
    stride: int = 1
    dilation: int = 1


@dataclass(frozen=True)
class LayerWork:
    """A layer's maps of a kernel over a batch, (N, C, H, W)."""

    shape: tuple[int, int, int, int]
    maps: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1

    @property
    def name(self) -> str:
        sizes = "x".join(map(str, self.kernel))
        return f"layer {self.shape} to {self.maps}, {sizes}" + (
            f", stride {self.stride}" if self.stride > 1 else ""
        )


def work(
    spec: str,
    dtype: Any,
    channels: int,
    size: tuple[int, int] = LARGE,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> FilterWork:
    """Name a filter by its kernel, `dense HxW` or one of the bank, and what it is applied to."""
    name = f"{spec}, {size[0]}x{size[1]}x{channels} {dtype.__name__}"
    name += f", stride {stride}" if stride > 1 else ""
    name += f", dilation {dilation}" if dilation > 1 else ""
    dense = spec.removeprefix("dense ")
    kernel: Any = load_kernel(spec) if dense == spec else make_dense(dense)
    return FilterWork(name, kernel, dtype, (*size, channels), stride, dilation)


def make_dense(sides: str) -> Any:
    height, width = map(int, sides.split("x"))
    square = dense_kernel(max(height, width))
    return square[:height, :width]


FILTERS = (
    *(work(f"dense {k}x{k}", np.uint8, 3) for k in (3, 5, 9, 15, 31)),
    work("dense 7x7", np.uint8, 1),
    work("dense 11x11", np.uint8, 4),
    work("dense 5x5", np.float32, 1),
    work("dense 21x21", np.float32, 3),
    work("dense 9x9", np.uint16, 3),
    work("dense 7x7", np.float64, 1),
    work("dense 3x3", np.uint8, 3, SMALL),
    work("dense 15x15", np.uint8, 1, SMALL),
    work("dense 1x9", np.uint8, 3),
    work("dense 9x1", np.uint8, 3),
    work("dense 31x31", np.uint8, 1, LINE),
    work("dense 5x5", np.uint8, 3, stride=2),
    work("dense 9x9", np.uint16, 1, stride=3),
    work("dense 5x5", np.float32, 3, dilation=2),
    work("dense 7x7", np.uint8, 1, dilation=3),
    work("sharpen", np.uint8, 3),
    work("sobel-x", np.uint8, 3),
    work("box:15", np.uint8, 3),
    work("box:5", np.uint16, 1, stride=2),
    *(work(f"gaussian:{sigma}", np.uint8, 3) for sigma in (2, 5)),
    work("gaussian:2", np.uint8, 3, SMALL),
    work("gaussian:2", np.uint16, 1),
    work("gaussian:5", np.float32, 3, LINE),
    work("gaussian:2", np.float64, 1, COLUMN),
)

LAYERS = (
    LayerWork((1, 3, 224, 224), 64, (7, 7), 2),
    LayerWork((8, 64, 56, 56), 64),
    LayerWork((1, 256, 14, 14), 256),
    LayerWork((1, 3, 1024, 1024), 16),
    LayerWork((1, 64, 28, 28), 64),
    LayerWork((4, 16, 96, 96), 32),
    LayerWork((1, 512, 7, 7), 512),
    LayerWork((1, 128, 28, 28), 128),
    LayerWork((1, 64, 56, 56), 64),
    LayerWork((1, 64, 112, 112), 32),
    LayerWork((1, 16, 512, 512), 3),
    LayerWork((1, 32, 256, 256), 32),
    LayerWork((16, 32, 14, 14), 64),
    LayerWork((2, 128, 28, 28), 128, (3, 1)),
    LayerWork((1, 64, 56, 56), 64, (1, 3)),
)
