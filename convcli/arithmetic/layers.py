"""One layer of a network: its operation and its settings.

`convcli.arithmetic.notation` reads a layer from text (`conv:3,s=2,p=1`) and writes it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from convcli.arithmetic.arguments import NO_PADDING, Pair, Sides
from convcli.arithmetic.sizes import Window
from convcli.errors import ArgumentError


class Operation(NamedTuple):
    """What an operation of the notation takes.

    Parameters
    ----------
    own : str or None
        The key that a first bare value fills: `conv:3` is `conv:k=3`.
    keys, flags : tuple of str
        The keys and flags that it knows, in the order in which they are written.
    """

    own: str | None = None
    keys: tuple[str, ...] = ("name", "from")
    flags: tuple[str, ...] = ()


_POOL_KEYS = ("k", "s", "p", "d", "name", "from")

OPERATIONS: dict[str, Operation] = {
    "conv": Operation(
        "k", ("k", "kernel", "s", "p", "d", "g", "c", "mode", "name", "from"), ("nobias",)
    ),
    "tconv": Operation(
        "k", ("k", "kernel", "s", "p", "d", "g", "op", "c", "name", "from"), ("nobias",)
    ),
    "maxpool": Operation("k", _POOL_KEYS, ("ceil",)),
    "avgpool": Operation("k", _POOL_KEYS, ("ceil", "nopad")),
    "globalavgpool": Operation(),
    "adaptiveavgpool": Operation("size", ("size", "name", "from")),
    "relu": Operation(),
    "leaky-relu": Operation(),
    "abs": Operation(),
    "sigmoid": Operation(),
    "tanh": Operation(),
    "magnitude": Operation(),
    "bn": Operation(),
    "flatten": Operation(),
    "linear": Operation("c", ("c", "name", "from"), ("nobias",)),
    "dropout": Operation(),
    "crop": Operation("margin", ("margin", "like", "name", "from")),
    "add": Operation(),
    "concat": Operation(),
}

ACTIVATIONS = ("relu", "leaky-relu", "abs", "sigmoid", "tanh")
POOLS = ("maxpool", "avgpool")
CONVOLUTIONS = ("conv", "tconv")
JOINS = ("add", "concat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; a field that its operation does not have keeps its default.

    Parameters
    ----------
    op : str
        A key of `OPERATIONS`.
    kernel : (int, int), optional
        The window's height and width; unknown as long as only `spec` is.
    spec : str, optional
        The SPEC of a real kernel (`kernel=` in the notation).
    stride, dilation, output_padding : (int, int)
        As in `Window`.
    padding : str or ((top, bottom), (left, right))
        As in `Window`.
    mode : str
        The padding mode.
    groups : int or "depthwise", optional
        Groups of channels; left out, 1, or one a channel where a kernel has two axes.
    channels : int, optional
        Output channels, or the outputs of `linear`; left out, the input's.
    size : (int, int), optional
        The output's size, for `adaptiveavgpool`.
    margin : (int, int), optional
        What `crop` cuts off each side.
    like : str, optional
        The layer to whose size `crop` cuts.
    ceil, bias, count_padding : bool
        Round a pool's size up; have a bias; count padding in an average's divisor.
    origin : (row, column), optional
        Of a real kernel, where its file sets one.
    kernel_channels : int, optional
        The input channels (of a group) that a real kernel sums over; None where it filters each by
        itself.
    name : str, optional
        The name under which other layers take this one's output.
    sources : tuple of str
        The names of the inputs; empty for the layer before.
    """

    op: str
    kernel: Pair | None = None
    spec: str | None = None
    stride: Pair = (1, 1)
    padding: str | Sides = NO_PADDING
    dilation: Pair = (1, 1)
    output_padding: Pair = (0, 0)
    mode: str = "zero"
    groups: int | str | None = None
    channels: int | None = None
    size: Pair | None = None
    margin: Pair | None = None
    like: str | None = None
    ceil: bool = False
    bias: bool = True
    count_padding: bool = True
    origin: Pair | None = None
    kernel_channels: int | None = None
    name: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def window(self) -> Window:
        """The window of a convolution or a pool.

        Raises
        ------
        ArgumentError
            Where the layer has no window, or one of unknown size.
        """
        if self.kernel is None:
            raise ArgumentError(f"{self.op}: the size of its window is not known")
        return Window(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil,
            transposed=self.op == "tconv",
            output_padding=self.output_padding,
            origin=self.origin,
        )
