"""`--net`: a well-known network, a file, or standard input -> its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convcli.arithmetic.layers import Layer, with_kernel
from convcli.arithmetic.notation import parse_layer, parse_network
from convcli.arithmetic.values import Shape
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError, FileError
from convcli.files import STDIN, read_bytes

MAX_NETWORK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Network:
    """A network as it was named.

    Parameters
    ----------
    name : str
        The zoo's, or the file's stem.
    shape : (C, H, W), optional
        Its input's, where it says one.
    layers : tuple of Layer
    """

    name: str
    shape: Shape | None
    layers: tuple[Layer, ...]


def is_network_file(net: str) -> bool:
    """Whether a NAME given to `--net` is a file's: by a suffix, a leading `@`, or `-`.

    >>> is_network_file("resnet18"), is_network_file("mine.net"), is_network_file("-")
    (False, True, True)
    """
    return net == STDIN or net.startswith("@") or bool(Path(net).suffix)


def load_network(net: str) -> Network:
    """Find a network in the zoo, or read one from a file or standard input.

    Raises
    ------
    ArgumentError
        For an unknown name. `FileError` for a file that holds no network.
    """
    if not is_network_file(net):
        shape, layers = zoo_network(net)
        return Network(net, shape, tuple(map(parse_layer, layers)))
    path = net.removeprefix("@")
    try:
        text = read_bytes(path, MAX_NETWORK_BYTES).decode("utf-8-sig")
        found, stack = parse_network(text)
    except UnicodeDecodeError:
        raise FileError(path, "is not text; one layer a line was expected") from None
    except ArgumentError as error:
        raise FileError(path, str(error)) from error
    name = "stdin" if path == STDIN else Path(path).stem
    return Network(name, found, tuple(stack))


def with_kernel_sizes(layers: Sequence[Layer]) -> list[Layer]:
    """Put the size of its kernel into every layer that says `kernel=`."""
    return [
        layer if layer.spec is None else _with_kernel_size(layer, layer.spec) for layer in layers
    ]


def _with_kernel_size(layer: Layer, spec: str) -> Layer:
    # Kernels need NumPy, which a network without any should not have to load.
    from convcli.kernels import load_kernel

    kernel = load_kernel(spec)
    return replace(with_kernel(layer, kernel.matrix.shape), origin=kernel.origin)
