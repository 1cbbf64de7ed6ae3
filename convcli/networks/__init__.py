"""Networks of files and of the zoo, read as layers of the notation, and their weights.

`read_network` reads any; `read_onnx` an ONNX file, for which it needs the extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import INPUT_KEYWORD, parse_layer, set_input_shapes
from convcli.arithmetic.values import Shape
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError
from convcli.files import STDIN
from convcli.networks.text import read_text
from convcli.records import NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ONNX_SUFFIX = ".onnx"


class OpenInputError(ArgumentError):
    """A file that leaves sides of an input open, which were not given.

    Parameters
    ----------
    name : str
        The input's.
    sides : sequence of str
        Its sides without the batch, as numbers or letters.
    cause : str
        What is open.
    is_only : bool
        Whether the network has no other input.
    """

    def __init__(self, name: str, sides: Sequence[str], cause: str, *, is_only: bool) -> None:
        self.name, self.sides, self.cause = name, tuple(sides), cause
        own = "" if is_only else f"{name}="
        super().__init__(f"{cause}: give --input {own}{'x'.join(sides)}")


class NetworkFile(NamedTuple):
    """A network that was read from a file, or is one of the zoo.

    Parameters
    ----------
    name : str
        The file's stem.
    inputs : mapping of str to (Shape or None)
        The shape of each input, (C, H, W) or (N,), by its name in the file; None if a text says
        none. The first is `input` in the layers' notation; each of the others is a layer.
    layers : tuple of Layer
        Of an ONNX file, each has a name, as the file has it; what the notation does not hold is
        replaced by `_`.
    outputs : mapping of str to str
        The name of the layer that makes each output, by the output's name in the file; empty where
        that is the last.
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
    inputs: Mapping[str, Shape | None]
    layers: tuple[Layer, ...]
    outputs: Mapping[str, str] = {}
    weights: Mapping[str, Mapping[str, NDArray[np.generic]]] = {}
    counted: Mapping[str, int] = {}
    notes: tuple[str, ...] = ()

    @classmethod
    def of_layers(cls, name: str, shape: Shape | None, layers: Sequence[Layer]) -> NetworkFile:
        """Return a network of layers without weights; `shape` is that of its first input."""
        further = {str(one.name): one.value("shape") for one in layers if one.operation.is_source}
        return cls(name, {INPUT_KEYWORD: shape} | further, tuple(layers))

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the first input."""
        return next(iter(self.inputs.values()))

    def with_input_shapes(self, shapes: Mapping[str, Shape]) -> NetworkFile:
        """Return the network with other shapes of its inputs; it is no ONNX file's.

        Raises
        ------
        ArgumentError
            For an input that it does not have.
        """
        layers, others = set_input_shapes(self.layers, shapes)
        for name in others:
            if name != INPUT_KEYWORD:
                known = ", ".join(self.inputs)
                raise ArgumentError(f"{self.name} has no input {name!r}; it has {known}")
        return self.of_layers(self.name, shapes.get(INPUT_KEYWORD) or self.input_shape, layers)


def is_onnx(net: str) -> bool:
    """Whether a network is that of an ONNX file, by its suffix."""
    return net.lower().endswith(ONNX_SUFFIX)


def is_network_file(net: str) -> bool:
    """Whether a network is that of a file, by a suffix, a leading `@`, or `-`.

    >>> is_network_file("resnet18"), is_network_file("mine.net"), is_network_file("-")
    (False, True, True)
    """
    return net == STDIN or net.startswith("@") or bool(Path(net).suffix)


def check_name(net: str) -> None:
    """Raise if a network is neither a file nor one of the zoo."""
    if not is_network_file(net):
        zoo_network(net)


def read_network(net: str, input_shapes: Mapping[str, Shape] | None = None) -> NetworkFile:
    """Return a network of the zoo, or read one from a file or standard input.

    Parameters
    ----------
    net : str
        A name; or a path, with a suffix or a leading `@`: `.onnx`, or else a layer a line.
    input_shapes : mapping, optional
        The shapes of inputs, (C, H, W) or (N,), by their names; `input` is the first.

    Raises
    ------
    ArgumentError
        For an unknown name, of the network or of an input, or for a shape that is missing.
    FileError
        For a file that holds no network.
    """
    if is_onnx(net):
        return read_onnx(net.removeprefix("@"), input_shapes)
    if is_network_file(net):
        path = net.removeprefix("@")
        shape, layers = read_text(path)
        network = NetworkFile.of_layers(
            "stdin" if path == STDIN else Path(path).stem, shape, layers
        )
    else:
        shape, texts = zoo_network(net)
        network = NetworkFile.of_layers(net, shape, list(map(parse_layer, texts)))
    return network.with_input_shapes(input_shapes or {})


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
