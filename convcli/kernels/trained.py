"""Kernels that are the weights of a layer, in the file of a trained network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from convcli.arithmetic.values import format_shape
from convcli.errors import ArgumentError, FileError, KernelFileError, did_you_mean
from convcli.kernels import Kernel
from convcli.kernels.files import MAX_WEIGHTS
from convcli.networks.names import find_in_module
from convcli.networks.weights import LayerWeights, list_weights

MAX_NAMED = 5  # layers that a message lists
MAX_COMPARED = 2000  # layers among which the one that was meant is looked for
BIAS_NOTE = "its biases are added as they are: in the units of the network's input, often 0 to 1"


def list_layers(path: str) -> dict[str, LayerWeights]:
    """Return the layers of a file whose weights are a kernel, by their names.

    Raises
    ------
    KernelFileError
        If it cannot be read, or holds none.
    """
    kernels = {name: layer for name, layer in _list(path).items() if not _find_fault(layer)}
    if not kernels:
        raise KernelFileError(path, "holds no weights that are a kernel")
    return kernels


def read_layer(path: str, name: str | None) -> Kernel:
    """Return the kernel that the weights of a layer are.

    Parameters
    ----------
    path : str
    name : str, optional
        The layer's, that of its weights, or the path of its module in PyTorch. It may be left out
        if there is one alone.

    Raises
    ------
    KernelFileError
        If the file cannot be read, has no such layer, or its weights are no kernel.
    """
    layers = _list(path)
    layer = _find_layer(path, name, layers)
    fault = _find_fault(layer)
    if fault:
        raise KernelFileError(path, f"{layer.name!r} {fault}")
    try:
        weights, biases = layer.load()
        has_biases = biases is not None and biases.any()
        shape = format_shape(layer.shape)
        return Kernel(
            name=f"{Path(path).stem}:{layer.name}",
            matrix=weights.astype(np.float64),
            bias=np.asarray(biases, np.float64) if has_biases else 0.0,
            description=f"the weights of {layer.name!r} ({layer.kind}), {shape}",
            source=f"{path}:{layer.name}",
            notes=(*layer.notes, *((BIAS_NOTE,) if has_biases else ())),
            groups=layer.groups,
        )
    except FileError as error:
        raise KernelFileError(error.path, error.cause) from error
    except ArgumentError as error:
        raise KernelFileError(path, f"{layer.name!r}: {error}") from error


def _list(path: str) -> Mapping[str, LayerWeights]:
    try:
        return list_weights(path)
    except FileError as error:
        raise KernelFileError(error.path, error.cause) from error


def _find_layer(path: str, name: str | None, layers: Mapping[str, LayerWeights]) -> LayerWeights:
    kernels = [known for known, layer in layers.items() if not _find_fault(layer)]
    if not layers or not (name or kernels):
        raise KernelFileError(path, "holds no weights that are a kernel")
    if not name:
        if len(kernels) == 1:
            return layers[kernels[0]]
        raise KernelFileError(path, f"holds {len(kernels)} kernels: {_few(path, kernels)}")
    if name in layers:
        return layers[name]
    by_tensor = {layer.tensor: layer for layer in layers.values()}
    if name in by_tensor:
        return by_tensor[name]
    inside = find_in_module(name.removesuffix(".weight"), layers)
    if len(inside) == 1:
        return layers[inside[0]]
    known = [*kernels, *filter(None, by_tensor)][:MAX_COMPARED]
    hint = "" if inside else did_you_mean(name, known)
    hint = hint or f"; it has {_few(path, inside or kernels or list(layers))}"
    raise KernelFileError(path, f"has no weights of the name {name!r}{hint}")


def _few(path: str, names: Iterable[str]) -> str:
    """Return the SPECs of the first layers."""
    specs = [f"{path}:{name}" for name in names]
    more = f", ... ('convcli kernels {path}' lists them)" if len(specs) > MAX_NAMED else ""
    return ", ".join(specs[:MAX_NAMED]) + more


def _find_fault(layer: LayerWeights) -> str:
    """Return why the weights of a layer are no kernel; empty if they may be one."""
    if layer.fault:
        return layer.fault
    if len(layer.shape) not in (2, 3, 4) or 0 in layer.shape:
        return f"has the shape {layer.shape}, and a kernel has two, three or four axes"
    if math.prod(layer.shape) > MAX_WEIGHTS:
        return (
            f"has {math.prod(layer.shape):,} weights, and the most of a kernel is {MAX_WEIGHTS:,}"
        )
    return ""
