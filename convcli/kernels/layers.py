"""Layers that name their kernels."""

from __future__ import annotations

from collections.abc import Sequence

from convcli.arithmetic.layers import Layer, with_kernel
from convcli.errors import LimitError
from convcli.kernels import Kernel, load_kernel

MAX_WEIGHTS = 1 << 26  # of the different kernels of a network, which are made for their sizes
KERNEL_WEIGHTS = 4000  # that are made in the time that a small kernel takes


def with_kernel_sizes(layers: Sequence[Layer]) -> list[Layer]:
    """Give every layer that says `kernel=` the size of its kernel.

    Raises
    ------
    LimitError
        For so many different kernels, or so large ones, that to make them would take long.
    """
    kernels: dict[str, Kernel] = {}
    weights = 0
    for spec in dict.fromkeys(layer.spec for layer in layers if layer.spec is not None):
        kernel = kernels[spec] = load_kernel(spec)
        made = kernel.matrix.size if kernel.outer is None else sum(kernel.size)
        weights += made + KERNEL_WEIGHTS
        if weights > MAX_WEIGHTS:
            first = f"its {len(kernels):,} first kernels"
            raise LimitError(f"{first} are too much: {weights:,} weights")
    return [
        layer if layer.spec is None else _with_size(layer, kernels[layer.spec]) for layer in layers
    ]


def _with_size(layer: Layer, kernel: Kernel) -> Layer:
    found = with_kernel(layer, kernel.matrix.shape, kernel.groups)
    return found._replace(origin=kernel.origin)
