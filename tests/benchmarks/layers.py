"""Rows of `conv2d` and the pools: float32, beside torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.checks import within_largest
from benchmarks.photo import Workplace
from benchmarks.row import AVX2, AVX512, Row, Target, everywhere
from benchmarks.timing import Contest

LAYERS = {  # input, maps, size, stride
    "(1,3,224²) to 64, 7x7, stride 2": ((1, 3, 224, 224), 64, 7, 2),
    "(8,64,56²) to 64, 3x3": ((8, 64, 56, 56), 64, 3, 1),
    "(1,256,14²) to 256, 3x3": ((1, 256, 14, 14), 256, 3, 1),
    "(1,3,1024²) to 16, 3x3": ((1, 3, 1024, 1024), 16, 3, 1),
}
CONV = "conv2d float32 "
MEAN = "conv2d, geometric mean of the four"
MEAN_TARGETS = {AVX512: Target(0.65, 0.6), AVX2: Target(0.9, 0.85)}
POOLS = {"max_pool2d": everywhere(0.35, 0.2), "avg_pool2d": everywhere(1.0, 0.5)}


def rows() -> list[Row]:
    convolutions = [
        Row(f"{CONV}{words}", "torch conv2d", convolution(*layer), "torch", on_each_core=True)
        for words, layer in LAYERS.items()
    ]
    work = "(8,64,112²) 3x3, stride 2"
    pools = [
        Row(f"{name} {work}", f"torch {name}", pool(name), "torch", targets, is_extra=True)
        for name, targets in POOLS.items()
    ]
    return convolutions + pools


def convolution(shape: tuple[int, ...], maps: int, size: int, stride: int) -> Any:
    def prepare(_: Workplace) -> Contest:
        import torch
        from torch.nn import functional

        import convcli

        random = np.random.default_rng(3)
        x = random.standard_normal(shape, np.float32)
        weight = random.standard_normal((maps, shape[1], size, size), np.float32)
        bias = random.standard_normal(maps, np.float32)
        tensors = [torch.from_numpy(array) for array in (x, weight, bias)]
        settings: dict[str, Any] = {"stride": stride, "padding": size // 2}

        def theirs() -> Any:
            with torch.inference_mode():
                return functional.conv2d(*tensors, **settings).numpy()

        return Contest(lambda: convcli.conv2d(x, weight, bias, **settings), theirs, within_largest)

    return prepare


def pool(name: str) -> Any:
    def prepare(_: Workplace) -> Contest:
        import torch
        from torch.nn import functional

        import convcli

        x = np.random.default_rng(4).standard_normal((8, 64, 112, 112), np.float32)
        tensor = torch.from_numpy(x)

        def theirs() -> Any:
            with torch.inference_mode():
                return getattr(functional, name)(tensor, 3, stride=2, padding=1).numpy()

        ours = getattr(convcli, name)
        return Contest(lambda: ours(x, 3, stride=2, padding=1), theirs, within_largest)

    return prepare
