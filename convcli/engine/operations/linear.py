"""The linear layer on flat values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.scratch import split_range
from convcli.parallel import parallel_for

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


_PART_BYTES = 1 << 20  # of the weights that one thread reads at a time


def _linear(_: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    matrix, x = weights["weight"], inputs[0]
    values = np.empty(len(matrix), np.result_type(matrix, x))

    def work(part: slice) -> None:
        np.matmul(matrix[part], x, out=values[part])

    parallel_for(
        lambda: work, split_range(len(matrix), _PART_BYTES // matrix[0].nbytes), is_short=True
    )
    return values + weights["bias"] if "bias" in weights else values


FUNCTIONS: dict[str, LayerFunction] = {"linear": _linear}
