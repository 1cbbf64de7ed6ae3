"""The weights of single layers of a file, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from convcli.arithmetic.values import Shape
from convcli.records import NamedTuple

Array: TypeAlias = NDArray[Any]

SAFETENSORS_SUFFIX = ".safetensors"


class LayerWeights(NamedTuple):
    """The weights of one layer, or a tensor by itself.

    Parameters
    ----------
    name : str
        The layer's, or the tensor's.
    shape : Shape
        Of the weights: (C_out, C_in / groups, kh, kw) of a convolution in two dimensions.
    kind : str
        The operation's name in ONNX; of a tensor, the type of its values.
    load : callable
        Returns the weights, and the bias of each map, (C_out,), if there are biases.
    groups : int
        Of channels.
    tensor : str
        The name of the array that the weights are, if the layer has another.
    notes : tuple of str
        For the user.
    fault : str
        Why they are no kernel; empty for those that may be one.
    """

    name: str
    shape: Shape
    kind: str
    load: Callable[[], tuple[Array, Array | None]]
    groups: int = 1
    tensor: str = ""
    notes: tuple[str, ...] = ()
    fault: str = ""


def list_weights(path: str) -> dict[str, LayerWeights]:
    """Return the weights that a file holds, by their names: `.safetensors`, or else ONNX.

    Raises
    ------
    FileError
        If it cannot be read, or the extra that reads it is missing.
    """
    if Path(path).suffix.lower() == SAFETENSORS_SUFFIX:
        from convcli.networks import safetensors

        return safetensors.list_weights(path)
    from convcli.networks.onnx import weights

    return weights.list_weights(path)
