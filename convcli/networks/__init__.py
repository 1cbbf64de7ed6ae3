"""Files of trained networks, read as layers of the notation and their weights.

`read_onnx` reads an ONNX file; it needs the extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NetworkFile(NamedTuple):
    """A network that was read from a file.

    Parameters
    ----------
    name : str
        The file's stem.
    inputs : mapping of str to Shape
        The shape of each input, (C, H, W) or (N,), by its name in the file. The first is `input` in
        the layers' notation; each of the others is a layer.
    outputs : mapping of str to str
        The name of the layer that makes each output, by the output's name in the file.
    layers : tuple of Layer
        Each has a name, as the file has it; what the notation does not hold is replaced by `_`.
    weights : mapping
        The arrays of each layer that has some, by its name: by the names, and of the shapes, that
        its operation has in `weights` and `statistics`.
    counted : mapping of str to int
        By the layer's name, how many of its parameters are those of an earlier layer: to share
        weights costs none.
    notes : tuple of str
        For the user.
    """

    name: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, str]
    layers: tuple[Layer, ...]
    weights: Mapping[str, Mapping[str, NDArray[np.generic]]]
    counted: Mapping[str, int] = {}
    notes: tuple[str, ...] = ()


def read_onnx(path: str, input_shapes: Mapping[str, Shape] | None = None) -> NetworkFile:
    """Read an ONNX file.

    Parameters
    ----------
    path : str
    input_shapes : mapping, optional
        The shapes of inputs, (C, H, W) or (N,), by their names; `input` is the first. Needed of an
        input whose size the file leaves open.

    Raises
    ------
    FileError
        If it cannot be read, or the extra `onnx` is missing.
    ArgumentError
        If a shape is missing, or is that of no input.
    """
    # The library that reads the format is an extra, and takes long to load.
    from convcli.networks.onnx import read_onnx

    return read_onnx(path, input_shapes)


class InputSides(NamedTuple):
    """What a file says of the shape of an input.

    Parameters
    ----------
    sides : tuple of (int or None), optional
        (C, H, W), without the batch; a side that is left open is None, and so are all if nothing is
        said.
    is_channels_last : bool
        Whether the file has them as (H, W, C).
    """

    sides: tuple[int | None, ...] | None
    is_channels_last: bool = False


def read_input_sides(path: str) -> dict[str, InputSides]:
    """Return what an ONNX file says of the shape of each input, by its name.

    Raises
    ------
    FileError
        As `read_onnx`.
    """
    from convcli.networks.onnx import read_input_sides

    return read_input_sides(path)
