"""A layer: its operation and settings, and what follows from them for an input.

`convcli.arithmetic.notation` reads a layer from text (`conv:3,s=2,p=1`) and writes it back.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Any

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.operations import Operation
from convcli.arithmetic.operations.convolution import group_count
from convcli.arithmetic.values import NO_PADDING, Pair, Shape, Sides, format_shapes
from convcli.errors import ArgumentError, ShapeError
from convcli.records import NamedTuple

FLOPS_PER_MAC = 2  # a product and a sum
# Of the modules of operations, in the order in which the operations are listed.
_FAMILIES = (
    "convolution", "pooling", "elementwise", "normalization", "joins", "reshaping", "resizing",
    "linear", "inputs", "unknown",
)  # fmt: skip


class Operations(MutableMapping[str, Operation]):
    """The records of all operations by name; a family is loaded when one of its names is asked for.

    A name is looked for family by family, and the first hold what most commands use.
    """

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}
        self._unread = iter(_FAMILIES)

    def __getitem__(self, name: str) -> Operation:
        while name not in self._known and self._load_family():
            pass
        return self._known[name]

    def __setitem__(self, name: str, operation: Operation) -> None:
        self._load_all()
        self._known[name] = operation

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load_all())

    def __len__(self) -> int:
        return len(self._load_all())

    def _load_all(self) -> dict[str, Operation]:
        while self._load_family():
            pass
        return self._known

    def _load_family(self) -> bool:
        """Load the next family, if there is one more."""
        family = next(self._unread, None)
        if family is not None:
            module = import_module(f"convcli.arithmetic.operations.{family}")
            self._known |= {operation.name: operation for operation in module.OPERATIONS}
        return family is not None


OPERATIONS = Operations()


class Layer(NamedTuple):
    """A layer of a network; fields that its operation does not use have their defaults.

    Parameters
    ----------
    op : str
        A key of `OPERATIONS`.
    kernel : (int, int), optional
        The window's height and width; None while only `spec` is known.
    spec : str, optional
        The SPEC of a kernel with weights (`kernel=` in the notation).
    stride, dilation, output_padding : (int, int)
        As in `Window`.
    padding : str or ((top, bottom), (left, right))
        As in `Window`.
    mode : str
        The padding mode.
    groups : int or "depthwise", optional
        Groups of channels; 1 if left out.
    channels : int, optional
        The output's channels, or the outputs of `linear`; the input's channels if left out.
    size : (int, int), optional
        The output's size, for `adaptiveavgpool` and `resize`.
    margin : ((top, bottom), (left, right)), optional
        The rows and columns that `crop` cuts off, and `pad` adds.
    like : str, optional
        The layer to whose size `crop` cuts.
    ceil, bias, count_padding : bool
        Round a pool's output size up; have a bias; count padding in an average's divisor.
    origin : (row, column), optional
        The origin of a kernel with weights, if its file sets one.
    kernel_channels : int, optional
        The input channels (of a group) that a kernel with weights sums over; None if it filters
        each by itself.
    name : str, optional
        For the `sources` and `like` of other layers.
    sources : tuple of str
        The names of its inputs; empty for the layer before.
    settings : tuple of (str, value)
        What else its operation has keys and flags for, by name in order, without what was left out.
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
    margin: Sides | None = None
    like: str | None = None
    ceil: bool = False
    bias: bool = True
    count_padding: bool = True
    origin: Pair | None = None
    kernel_channels: int | None = None
    name: str | None = None
    sources: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def operation(self) -> Operation:
        """The record of its operation."""
        return OPERATIONS[self.op]

    def value(self, name: str) -> Any:
        """Return the value of a field or of a setting."""
        if name in Layer._fields:
            return getattr(self, name)
        settings = dict(self.settings)
        return settings[name] if name in settings else self.operation.initial_value(name)

    def with_values(self, **values: Any) -> Layer:
        """Return the layer with other values of its fields and settings."""
        own = {name: value for name, value in values.items() if name in Layer._fields}
        settings = dict(self.settings) | {
            name: value for name, value in values.items() if name not in Layer._fields
        }
        typed = sorted(
            (name, value)
            for name, value in settings.items()
            if value != self.operation.initial_value(name)
        )
        return self._replace(**own, settings=tuple(typed))

    @property
    def window(self) -> Window:
        """The window of a convolution or a pool.

        Raises
        ------
        ArgumentError
            If the layer has no window, or one of unknown size.
        """
        if self.kernel is None:
            raise ArgumentError(f"{self.op}: the size of its window is not known")
        window = Window(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil,
            transposed=self.operation.is_transposed,
            output_padding=self.output_padding,
            origin=self.origin,
        )
        window.check_output_padding()
        return window


def activations() -> list[str]:
    """Return the names of the elementwise operations that take neither weights nor arguments."""
    return [
        name
        for name, operation in OPERATIONS.items()
        if operation.family == "elementwise"
        and not (operation.needs or operation.needs_weights(Layer(name)))
    ]


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of a layer's output.

    Parameters
    ----------
    layer : Layer
    inputs : sequence of (C, H, W) or (N,)
        For `crop:like=NAME`, the input and that layer's output.

    Raises
    ------
    ShapeError
        If the layer cannot take the inputs, or the output would be empty.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> output_shape(parse_layer("conv:7,s=2,p=3,c=64"), [(3, 224, 224)])
    (64, 112, 112)
    """
    operation = layer.operation
    axis_counts = (1, 3) if operation.takes_flat else (3,)
    takes_any = operation.is_opaque or operation.is_source
    if not takes_any and any(len(shape) not in axis_counts for shape in inputs):
        needed = "a map of (C, H, W)" + (" or flat values" if operation.takes_flat else "")
        raise ShapeError(f"{layer.op} needs {needed}, not {format_shapes(inputs)}")
    return operation.shape(layer, inputs)


def with_kernel(layer: Layer, kernel_shape: Shape, groups: int = 1) -> Layer:
    """Return the layer with the size and channels of the kernel that its `spec` names.

    Two axes filter each channel by itself, three sum the channels into one map, four are a layer's
    weights: (C_out, C_in / groups, kh, kw), or (C_in, C_out / groups, kh, kw) of a transposed
    convolution. A layer that says no groups gets those of its kernel.
    """
    with_size = layer._replace(kernel=(kernel_shape[-2], kernel_shape[-1]))
    if len(kernel_shape) == 2:
        return with_size._replace(groups="depthwise") if layer.groups is None else with_size
    if layer.groups is None and groups > 1:
        with_size = with_size._replace(groups=groups)
    channels, depth = (1, *kernel_shape)[-4:-2]
    if layer.operation.is_transposed and len(kernel_shape) == 4:
        count = group_count(with_size, kernel_shape[0])
        channels, depth = depth * count, channels // count
    if layer.channels not in (None, channels):
        raise ShapeError(f"c={layer.channels}, but the kernel makes {channels} channels")
    return with_size._replace(channels=channels, kernel_channels=depth)


class LayerSize(NamedTuple):
    """The arithmetic of one window operation over one input.

    Parameters
    ----------
    layer : Layer
    size : (height, width)
        The input's.
    channels : int, optional
        The input's.
    output : (height, width)
    params, macs : int, optional
        None without channels.
    """

    layer: Layer
    size: Pair
    channels: int | None
    output: Pair
    params: int | None = None
    macs: int | None = None

    @property
    def padding(self) -> Sides:
        """The padding as ((top, bottom), (left, right))."""
        return self.layer.window.pads(self.size)

    @property
    def dropped(self) -> Pair:
        """The rows and columns at the ends of the padded input that no window covers."""
        return self.layer.window.dropped(self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return its document, as `shape --json` and `solve --json` print it."""
        layer = self.layer
        document: dict[str, Any] = {
            "op": layer.op,
            "input": list(self.size),
            "kernel": list(layer.window.kernel),
            "stride": list(layer.stride),
            "padding": list(map(list, self.padding)),
            "dilation": list(layer.dilation),
            "output": list(self.output),
            "dropped": list(self.dropped),
        }
        if layer.operation.is_transposed:
            document["output_padding"] = list(layer.output_padding)
        macs = self.macs
        if macs is not None:
            document |= {"params": self.params, "macs": macs, "flops": FLOPS_PER_MAC * macs}
        return document

    def __repr__(self) -> str:
        """Return its row as a table."""
        from convcli.arithmetic.tables import size_table

        return size_table([self])


def measure(layer: Layer, size: Pair, channels: int | None = None) -> LayerSize:
    """Compute the output size of a window operation, and with channels its cost.

    Raises
    ------
    ShapeError
        If the output would be empty, or groups do not divide the channels.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> measure(parse_layer("conv:3,s=2,p=1"), (224, 224)).output
    (112, 112)
    """
    output = layer.window.output(size)
    if channels is None:
        return LayerSize(layer, size, channels, output)
    operation, shape = layer.operation, (channels, *size)
    params = operation.parameters(layer, shape)
    macs = operation.macs(layer, shape, output_shape(layer, [shape]))
    return LayerSize(layer, size, channels, output, params, macs)
