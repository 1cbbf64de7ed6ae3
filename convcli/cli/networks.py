"""The networks that `--net` names: of the zoo, of a file, or of standard input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, FileError
from convcli.networks import NetworkFile, is_network_file, is_onnx, read_network


def read_networks(net: str, inputs: Sequence[Mapping[str, Shape]]) -> list[NetworkFile]:
    """Return a network once for each of several inputs; with its own where there are none.

    Parameters
    ----------
    net : str
    inputs : sequence of mappings
        The shapes of its inputs by their names; `input` is the first.

    Raises
    ------
    ArgumentError, FileError
        As `read_network`.
    """
    if is_onnx(net):  # which follows the shapes of its inputs as it is read
        return [read_network(net, shapes) for shapes in inputs or [{}]]
    network = read_network(net)
    return [network.with_input_shapes(shapes) for shapes in inputs] or [network]


def with_kernel_sizes(layers: Sequence[Layer]) -> list[Layer]:
    """Give every layer that says `kernel=` the size of its kernel."""
    if not any(layer.spec for layer in layers):
        return list(layers)
    # Kernels need NumPy, which a network without kernels does not load.
    from convcli.kernels.layers import with_kernel_sizes

    return with_kernel_sizes(layers)


@contextmanager
def attribute_to_file(net: str | None) -> Iterator[None]:
    """Raise what is wrong with the layers of a network's file as an error of that file."""
    try:
        yield
    except ArgumentError as error:
        if isinstance(error, FileError) or net is None or not is_network_file(net):
            raise
        raise FileError(net.removeprefix("@"), str(error)) from error
