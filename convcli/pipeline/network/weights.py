"""The weights of a network's layers, as its tasks need them: of one type, normalizations folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arithmetic.operations.convolution import output_channels
from convcli.arithmetic.values import Shape, format_shape
from convcli.engine.operations import NO_WEIGHTS, Weights
from convcli.engine.operations.normalization import channel_factors
from convcli.errors import ArgumentError, ShapeError
from convcli.pipeline.network.schedule import Schedule, Task, attribute_to_layer

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

MAX_KEPT = 4096  # layers whose weights are kept as they were prepared


class PreparedWeights:
    """The weights of a network, each made once for a type and for what is folded into it.

    Parameters
    ----------
    layers : sequence of Layer
    names : sequence of str
    weights : mapping
        The arrays of each layer that has some, by the layer's name.
    """

    def __init__(
        self, layers: tuple[Layer, ...], names: list[str], weights: Mapping[str, Weights]
    ) -> None:
        self._layers, self._names, self._weights = layers, names, weights
        self._prepared: dict[tuple[object, ...], Weights] = {}

    def check(self, schedule: Schedule) -> None:
        """Check that every layer that runs can be run, with weights that fit its input.

        Raises
        ------
        ArgumentError
            For the first layer that has none, or of an unknown operation.
        ShapeError
            For the first layer whose weights do not fit.
        """
        for task in schedule.tasks:
            before = task.inputs[0] if task.inputs else task.number
            for index in (task.number, *task.folded):
                self._check(index, schedule.shapes[before])
                before = index

    def of(self, task: Task, schedule: Schedule, dtype: np.dtype[Any]) -> Weights:
        """Return the weights of a task, in a type."""
        layer = task.layer
        channels = schedule.shapes[task.inputs[0]][0] if task.inputs else 0
        key = (dtype, task.number, task.folded, channels if layer.spec else 0)
        if key not in self._prepared:
            if len(self._prepared) >= MAX_KEPT:
                self._prepared.clear()
            prepared = self._own(task.number, channels)
            for index in task.folded:
                own = self._weights.get(self._names[index], NO_WEIGHTS)
                prepared = fold(layer, prepared, self._layers[index], own)
            self._prepared[key] = {
                name: np.ascontiguousarray(array, dtype) for name, array in prepared.items()
            }
        return self._prepared[key]

    def _own(self, index: int, channels: int) -> Weights:
        layer = self._layers[index]
        if layer.spec is None:
            return self._weights.get(self._names[index], NO_WEIGHTS)
        return kernel_weights(layer, channels)

    def _check(self, index: int, before: Shape) -> None:
        layer, name = self._layers[index], self._names[index]
        operation = layer.operation
        if operation.is_opaque:
            with attribute_to_layer(name, layer):
                raise ArgumentError("it is known from its file alone, and cannot be run")
        if layer.spec is not None:
            return
        expected = operation.weights(layer, before) | operation.statistics(layer, before)
        found = self._weights.get(name, NO_WEIGHTS)
        with attribute_to_layer(name, layer):
            for what, array_shape in expected.items():
                if what not in found:
                    raise ArgumentError(
                        f"has no {what}: a network runs where its weights are read with it, "
                        "as from an .onnx file, or each convolution says kernel="
                    )
                if found[what].shape != array_shape:
                    raise ShapeError(
                        f"its {what} is {format_shape(found[what].shape)}, "
                        f"and this input needs {format_shape(array_shape)}"
                    )


def kernel_weights(layer: Layer, channels: int) -> Weights:
    """Return the weights of a convolution whose kernel has a name or a file."""
    from convcli.kernels import load_kernel
    from convcli.pipeline.plan import make_convolution

    step = make_convolution(layer, load_kernel(str(layer.spec)), "auto")
    matrix, _ = step.weights(channels)
    maps = output_channels(layer, channels)
    if matrix.ndim == 2:  # that filters each channel by itself
        matrix = np.broadcast_to(matrix, (maps, 1, *matrix.shape))
    return {"weight": matrix, "bias": np.full(maps, step.bias)}


def fold(layer: Layer, weights: Weights, norm: Layer, norm_weights: Weights) -> Weights:
    """Return the weights of a layer whose outputs are then scaled and shifted for each channel.

    Parameters
    ----------
    layer : Layer
        `conv`, `tconv` or `linear`.
    weights : mapping
        Its own.
    norm : Layer
        `bn` or `affine`.
    norm_weights : mapping
        Its own.
    """
    factor, offset = channel_factors(norm, norm_weights)
    weight = np.asarray(weights["weight"], np.float64)
    if layer.operation.is_transposed:  # (C_in, C_out/g, kh, kw): of C_in/g inputs a group each
        per_group = weight.shape[1]
        groups = factor.size // per_group
        grouped = weight.reshape(groups, -1, *weight.shape[1:])
        scaled = grouped * factor.reshape(groups, 1, per_group, 1, 1)
    else:
        scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    bias = np.asarray(weights.get("bias", 0.0), np.float64) * factor + offset
    return {"weight": scaled.reshape(weight.shape), "bias": bias}
