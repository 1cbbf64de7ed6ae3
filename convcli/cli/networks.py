"""The network that `--net` names: of the zoo, of a file, or of standard input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from convcli.arithmetic.layers import Layer, with_kernel
from convcli.arithmetic.notation import INPUT_KEYWORD, parse_layer
from convcli.arithmetic.values import Pair, Shape
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError, FileError, LimitError
from convcli.files import STDIN
from convcli.networks.text import read_text

ONNX_SUFFIX = ".onnx"
MAX_WEIGHTS = 1 << 26  # of the different kernels of a network, which are made for their sizes
KERNEL_WEIGHTS = 4000  # that are made in the time that a small kernel takes


class Network(NamedTuple):
    """A network that `--net` names.

    Parameters
    ----------
    name : str
        The zoo's, or the file's stem.
    shape : (C, H, W), optional
        Of its input, if the network says one.
    layers : tuple of Layer
    counted : mapping of str to int
        How many parameters of a layer are those of an earlier one.
    notes : tuple of str
        On its file, for the user.
    """

    name: str
    shape: Shape | None
    layers: tuple[Layer, ...]
    counted: Mapping[str, int] = {}
    notes: tuple[str, ...] = ()


def is_network_file(net: str) -> bool:
    """Whether `--net` names a file: by a suffix, a leading `@`, or `-`.

    >>> is_network_file("resnet18"), is_network_file("mine.net"), is_network_file("-")
    (False, True, True)
    """
    return net == STDIN or net.startswith("@") or bool(Path(net).suffix)


def check_name(net: str) -> None:
    """Raise if a network is neither a file nor one of the zoo."""
    if not is_network_file(net):
        zoo_network(net)


def load_network(net: str) -> Network:
    """Return a network of the zoo, or read one from a file or standard input.

    Raises
    ------
    ArgumentError
        For an unknown name.
    FileError
        For a file that holds no network.
    """
    if not is_network_file(net):
        shape, layers = zoo_network(net)
        return Network(net, shape, tuple(map(parse_layer, layers)))
    path = net.removeprefix("@")
    file_shape, stack = read_text(path)
    return Network("stdin" if path == STDIN else Path(path).stem, file_shape, tuple(stack))


def load_networks(net: str, inputs: Sequence[Mapping[str, Shape]]) -> list[Network]:
    """Return a network once for each of several inputs; with its own where there are none.

    Parameters
    ----------
    net : str
    inputs : sequence of mappings
        The shapes of its inputs by their names; `input` is the first.

    Raises
    ------
    ArgumentError
        For an unknown name, of the network or of an input.
    FileError
        For a file that holds no network.
    """
    if Path(net).suffix.lower() == ONNX_SUFFIX:
        return [_read_onnx(net.removeprefix("@"), shapes) for shapes in inputs or [{}]]
    network = load_network(net)
    return [with_inputs(network, shapes) for shapes in inputs] or [network]


def _read_onnx(path: str, shapes: Mapping[str, Shape]) -> Network:
    # Only this kind of file needs NumPy.
    from convcli.networks import read_onnx

    file = read_onnx(path, shapes)
    return Network(
        file.name, next(iter(file.inputs.values())), file.layers, file.counted, file.notes
    )


def with_inputs(network: Network, shapes: Mapping[str, Shape]) -> Network:
    """Return the network with other shapes of its inputs.

    Raises
    ------
    ArgumentError
        For an input that it does not have.
    """
    layers = list(network.layers)
    further = {layer.name: at for at, layer in enumerate(layers) if layer.op == INPUT_KEYWORD}
    for name, shape in shapes.items():
        if name in further:
            layers[further[name]] = layers[further[name]].with_values(shape=shape)
        elif name != INPUT_KEYWORD:
            known = ", ".join(filter(None, (INPUT_KEYWORD, *further)))
            raise ArgumentError(f"{network.name} has no input {name!r}; it has {known}")
    first = shapes.get(INPUT_KEYWORD)
    return network._replace(shape=first or network.shape, layers=tuple(layers))


@contextmanager
def attribute_to_file(net: str | None) -> Iterator[None]:
    """Raise what is wrong with the layers of a network's file as an error of that file."""
    try:
        yield
    except ArgumentError as error:
        if isinstance(error, FileError) or net is None or not is_network_file(net):
            raise
        raise FileError(net.removeprefix("@"), str(error)) from error


def with_kernel_sizes(layers: Sequence[Layer]) -> list[Layer]:
    """Give every layer that says `kernel=` the size of its kernel.

    Raises
    ------
    LimitError
        For so many different kernels, or so large ones, that to make them would take long.
    """
    sizes: dict[str, tuple[Shape, Pair | None, int]] = {}
    weights = 0
    for spec in dict.fromkeys(layer.spec for layer in layers if layer.spec is not None):
        # Kernels need NumPy, which a network without kernels does not load.
        from convcli.kernels import load_kernel

        kernel = load_kernel(spec)
        sizes[spec] = kernel.matrix.shape, kernel.origin, kernel.groups
        made = kernel.matrix.size if kernel.outer is None else sum(kernel.size)
        weights += made + KERNEL_WEIGHTS
        if weights > MAX_WEIGHTS:
            raise LimitError(f"its {len(sizes):,} first kernels are too much: {weights:,} weights")
    return [
        layer if layer.spec is None else _with_kernel_size(layer, *sizes[layer.spec])
        for layer in layers
    ]


def _with_kernel_size(layer: Layer, shape: Shape, origin: Pair | None, groups: int) -> Layer:
    return with_kernel(layer, shape, groups)._replace(origin=origin)
