"""The record of an operation: its notation, and every rule that the arithmetic needs of it.

Each module of this package holds the records of one family, in its `OPERATIONS`;
`convcli.arithmetic.layers` holds those of all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.values import (
    PADDING_CONSTANT,
    PADDING_MODES,
    Pair,
    Shape,
    as_padding_mode,
    format_padding,
    format_size,
    parse_number,
    parse_padding,
    parse_real,
    parse_size,
)
from convcli.errors import ArgumentError, NotationError
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer

# Compiled where they are used, as few commands name layers.
_NAME = r"[A-Za-z0-9_/][A-Za-z0-9_.\-/:]*\Z"  # such as files of networks have
_NO_NAME = r"[^A-Za-z0-9_.\-/:]|\A[^A-Za-z0-9_/]"


class Parts(NamedTuple):
    """An axis divided into equal parts, which share a position where they must; one output each.

    Part i of n covers the positions floor(i·size / n) to ceil((i + 1)·size / n), as in PyTorch.
    """

    size: int
    outputs: int

    @property
    def dropped(self) -> int:
        """Positions that no part covers: none."""
        return 0

    def bounds(self, part: int) -> range:
        """Return the positions that a part covers."""
        return range(part * self.size // self.outputs, -(-(part + 1) * self.size // self.outputs))


class Resampling(NamedTuple):
    """An axis resampled: output u is made of positions around `(first + u·step) / denominator`.

    Parameters
    ----------
    size, outputs : int
        The positions of the input and of the output.
    step, first, denominator : int
        The distance on the input between neighboring outputs, and where output 0 lies; both have
        the denominator.
    taps : {"floor", "ceil", "round-down", "round-up", "linear", "cubic"}
        The positions taken: one, with halves rounded down or up; the two or the four around.

    Examples
    --------
    >>> twice = Resampling(4, 8, step=2, first=-1, denominator=4, taps="linear")
    >>> [twice.bounds(output) for output in range(3)]
    [range(-1, 1), range(0, 2), range(0, 2)]
    """

    size: int
    outputs: int
    step: int
    first: int = 0
    denominator: int = 1
    taps: str = "floor"

    @property
    def dropped(self) -> int:
        """Positions that no output takes: none are counted."""
        return 0

    @property
    def period(self) -> int:
        """The number of outputs after which the same taps are taken, further on."""
        return self.denominator // math.gcd(self.step, self.denominator)

    def bounds(self, output: int) -> range:
        """Return the positions that an output takes; for one beyond an end, the end is taken."""
        numerator, unit = self.first + output * self.step, self.denominator
        low, high = numerator // unit, -(-numerator // unit)
        if self.taps == "cubic":
            beside = int(low != high)
            return range(low - beside, high + beside + 1)
        if self.taps != "linear":
            low = high = {
                "floor": low,
                "ceil": high,
                "round-down": -((unit - 2 * numerator) // (2 * unit)),
                "round-up": (2 * numerator + unit) // (2 * unit),
            }[self.taps]
        return range(low, high + 1)


class WholeAxis(NamedTuple):
    """An axis of which every output depends on all positions.

    Parameters
    ----------
    size, outputs : int
    has_own : bool
        Whether each output also has a position of its own, as in a normalization over the map;
        otherwise all are alike.
    """

    size: int
    outputs: int
    has_own: bool = False

    @property
    def dropped(self) -> int:
        """Positions that no output depends on: none."""
        return 0

    def bounds(self, _: int) -> range:
        """Return the positions that an output depends on: all."""
        return range(self.size)


# How the outputs of an operation depend on its input, along one axis.
AxisMap: TypeAlias = Axis | Parts | Resampling | WholeAxis
WeightsRule: TypeAlias = "Callable[[Layer, Shape], dict[str, Shape]]"
TorchRule: TypeAlias = "Callable[[Layer, Shape, Shape], str]"
BoundRule: TypeAlias = "Callable[[Layer, Sequence[Bound], Shape, float], Bound]"
AxesRule: TypeAlias = "Callable[[Layer, Sequence[Shape]], tuple[AxisMap, AxisMap] | None]"


class Key(NamedTuple):
    """A key of the notation.

    Parameters
    ----------
    name, field : str
        What is written before `=`; the value of the layer that it sets: a field of `Layer`, or a
        setting.
    read, write : callable
        Text to value, and back.
    value : str
        How the value is written: `N|HxW`.
    default, description : str
        For the user.
    initial : optional
        Of a setting: its value where it is left out.
    """

    name: str
    field: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    value: str
    default: str
    description: str
    initial: Any = None


class Flag(NamedTuple):
    """A flag of the notation: a word that gives a value of a layer; left out, it is the other."""

    name: str
    field: str
    value: bool
    description: str


def _parse_groups(text: str) -> int | str:
    return text if text == "depthwise" else parse_number(text, "g", least=1)


def _parse_name(text: str) -> str:
    if not re.match(_NAME, text) or text == "input":
        raise NotationError(
            f"a name starts with a letter, digit, '_' or '/', goes on with those, '-', '.', ':', "
            f"and is not 'input': {text!r}"
        )
    return text


def as_name(text: str) -> str:
    """Return a name of the notation for any text: what it does not hold is replaced by `_`.

    >>> as_name("/layer1/conv1/Conv"), as_name("a+b"), as_name("input"), as_name("")
    ('/layer1/conv1/Conv', 'a_b', 'input_', '_')
    """
    name = re.sub(_NO_NAME, "_", text) or "_"
    return f"{name}_" if name == "input" else name


def _parse_sources(text: str) -> tuple[str, ...]:
    return tuple(part if part == "input" else _parse_name(part) for part in text.split("+"))


def _parse_spec(text: str) -> str:
    if not text:
        raise NotationError("kernel= needs a name, like kernel=gaussian:1.5, or a file")
    return text


def size_key(
    name: str, field: str, default: str, description: str, *, what: str = "", least: int = 1
) -> Key:
    """Return a key whose value is `N` or `HxW`."""
    read = partial(parse_size, what=what or name, least=least)
    return Key(name, field, read, format_size, "N|HxW", default, description)


KEYS = {key.name: key for key in (
    size_key("k", "kernel", "", "the window's size"),
    Key("kernel", "spec", _parse_spec, str, "SPEC", "",
        "a kernel with its weights, by its name or file, in place of k"),
    size_key("s", "stride", "1", "the window's step"),
    Key("p", "padding", lambda text: parse_padding(text, "p"), format_padding, "P", "0",
        "the padding: N, HxW, T.B.L.R, same, same-lower, valid or full"),
    size_key("d", "dilation", "1", "the distance between the window's taps"),
    Key("g", "groups", _parse_groups, str, "N|depthwise", "1",
        "groups of channels; depthwise: one a channel"),
    size_key("op", "output_padding", "0", "rows and columns added to the output", least=0),
    Key("c", "channels", lambda text: parse_number(text, "c", least=1), str, "N",
        "the input's channels", "the output's channels"),
    Key("mode", "mode", as_padding_mode, str, "MODE", "zero",
        f"what the padding holds: {', '.join(PADDING_MODES)} or {PADDING_CONSTANT}V"),
    Key("like", "like", _parse_name, str, "NAME", "", "the layer whose size to cut to"),
    Key("name", "name", _parse_name, str, "NAME", "",
        "a name, for another layer's from= or like="),
    Key("from", "sources", _parse_sources, "+".join, "NAMES", "the layer before",
        "the layers that it takes, joined by +; input is the network's own"),
)}  # fmt: skip
CEIL = Flag("ceil", "ceil", True, "round the output's size up")
NO_BIAS = Flag("nobias", "bias", False, "have no bias")
NO_PAD = Flag("nopad", "count_padding", False, "leave the padding out of the average's divisor")
WINDOW_FIELD_EFFECT = "grows by d*(k - 1) jumps; the jump is multiplied by s"


def parse_limited(
    text: str, what: str, *, least: float = -math.inf, above: float = -math.inf
) -> float:
    """Read a real number that is at least `least`, and above `above`."""
    number = parse_real(text, what)
    if number < least or number <= above:
        limit = f"at least {least:g}" if number < least else f"above {above:g}"
        raise NotationError(f"{what} must be {limit}, not {text!r}")
    return number


def key_table(*names: str) -> dict[str, Key]:
    """Return keys by their names, with those that every operation has."""
    return {name: KEYS[name] for name in (*names, "name", "from")}


def refuse_torch(layer: Layer, *_: Any) -> str:
    """Raise, since an operation is not written as code for PyTorch."""
    raise ArgumentError(f"{layer.op} is not written as code for PyTorch")


def format_module(layer: Layer, *_: Any, name: str) -> str:
    """Return the code of a class in `torch.nn` whose keywords are the settings of a layer."""
    return f"nn.{name}({', '.join(f'{field}={value!r}' for field, value in layer.settings)})"


def torch_size(size: Pair) -> str:
    """Return a size as PyTorch takes it: one number for both sides, or two."""
    return str(size[0]) if size[0] == size[1] else str(size)


class Operation:
    """The record of one operation; the defaults are those of an elementwise operation.

    A rule takes a layer, and the shapes of its inputs as (C, H, W) or (N,).

    Parameters
    ----------
    name, family : str
    description : str
        What it does, for the user.
    syntax, example : str
        How it is written, without optional keys; a layer in the notation. The name, if left out.
    shape_effect, field_effect : str
        What it does to the shape and to the receptive field, for the user.
    argument : Key, optional
        What the first bare value sets: `conv:3` is `conv:k=3`.
    needs : str
        Of an argument that is required: what it is, with an example, for the error message.
    keys : mapping
        By their names, in the order in which they are written.
    flags : tuple of Flag
    defaults : mapping
        Texts for the user, of keys whose default differs from the key's own.
    implied : callable
        Layer -> the defaults of fields that depend on its window or its kernel.
    check : callable
        Raise if a layer contradicts itself.
    shape : callable
        Layer, inputs -> the output's shape.
    axes : callable
        Layer, inputs -> which positions of its (first) input an output depends on, along the rows
        and along the columns; None if that is the same position alone.
    weights, statistics : callable
        Layer, input -> the shapes of the arrays that it has learned, and of those that it has
        measured and that are no parameters, by their names.
    macs : callable
        Layer, input, output -> the number of products.
    cost_formulas : callable
        Layer, input, output -> the formulas of both without their results, by `params` and `MACs`.
    torch : callable
        Layer, input, output -> the PyTorch module, as code; if left out, raise.
    takes_flat : bool
        Whether an input may be (N,).
    is_opaque : bool
        Whether nothing is known of it but what its layer says: it takes any number of inputs of any
        shape, and what its outputs depend on is unknown.
    is_source : bool
        Whether it takes no layer's output, but is a further input of the network.
    is_window, is_transposed, is_join : bool
        Whether it moves a window, is a transposed convolution, takes several inputs.
    joined_by : {"sum", "difference", "mean", "product", "quotient", "choice"}, optional
        What a join makes of the values at a position; "choice" is one of them, as it is.
    is_for_images : bool
        Whether it makes an image of an image.
    alpha_refusal : str
        Why it has no meaning for a picture with alpha, for the user; empty if it has one.
    needs_kernel : bool
        Whether its weights come from `kernel=`.
    needs_weights : callable
        Layer -> whether it has arrays of weights or statistics.
    reduction : {"max", "mean"}, optional
        How a pool makes one value of a window's.
    bound : callable
        Layer, bounds of its inputs, shape of the first, epsilon -> the bound of its values; if left
        out, each is a value of an input.
    is_bounded : bool
        Whether its values fill little of the range of a pixel.
    keeps_level : bool
        Whether it makes, of an area of one value that is not negative, the same value.
    domain : (str, str), optional
        For which values alone its own are finite, for the user, and a layer that leaves no others.
    can_be_infinite : bool
        Whether a window of padding alone gives -inf.
    filters_alpha : bool
        Whether alpha goes through it as colors do; otherwise it stays as it is.
    is_homogeneous : bool
        Whether f(a·x) = a·f(x) for a of 0 or more, so that colors that were multiplied by alpha can
        be divided by it afterwards.
    """

    shape_effect: str = "unchanged"
    field_effect: str = "unchanged"
    argument: Key | None = None
    needs: str = ""
    keys: Mapping[str, Key] = key_table()
    flags: tuple[Flag, ...] = ()
    defaults: Mapping[str, str] = MappingProxyType({})
    implied: Callable[[Layer], dict[str, Any]] = staticmethod(lambda _: {})
    check: Callable[[Layer], None] = staticmethod(lambda _: None)
    shape: Callable[[Layer, Sequence[Shape]], Shape] = staticmethod(lambda _, inputs: inputs[0])
    axes: AxesRule = staticmethod(lambda *_: None)
    weights: WeightsRule = staticmethod(lambda *_: {})
    statistics: WeightsRule = staticmethod(lambda *_: {})
    macs: Callable[[Layer, Shape, Shape], int] = staticmethod(lambda *_: 0)
    cost_formulas: Callable[[Layer, Shape, Shape], dict[str, str]] = staticmethod(lambda *_: {})
    torch: TorchRule = staticmethod(refuse_torch)
    takes_flat: bool = False
    is_opaque: bool = False
    is_source: bool = False
    is_window: bool = False
    is_transposed: bool = False
    is_join: bool = False
    joined_by: str | None = None
    is_for_images: bool = True
    alpha_refusal: str = ""
    needs_kernel: bool = False
    needs_weights: Callable[[Layer], bool] = staticmethod(lambda _: False)
    reduction: str | None = None
    bound: BoundRule = staticmethod(lambda _, inputs, *__: inputs[0].union(inputs[1:]))
    is_bounded: bool = False
    keeps_level: bool = False
    domain: tuple[str, str] | None = None
    can_be_infinite: bool = False
    filters_alpha: bool = False
    is_homogeneous: bool = True

    # A dataclass of so many fields would take 2 ms whenever a command starts.
    def __init__(
        self,
        name: str,
        family: str,
        description: str,
        *,
        syntax: str = "",
        example: str = "",
        **rules: Any,
    ) -> None:
        self.name, self.family, self.description = name, family, description
        self.syntax, self.example = syntax or name, example or name
        vars(self).update(rules)

    def initial_value(self, field: str) -> Any:
        """Return the value of a setting that is left out."""
        keys = (*self.keys.values(), *([self.argument] if self.argument else []))
        values = {key.field: key.initial for key in keys}
        return (values | {flag.field: not flag.value for flag in self.flags})[field]

    def parameters(self, layer: Layer, shape: Shape) -> int:
        """Return the number of values that a layer over an input of `shape` has learned."""
        return sum(map(math.prod, self.weights(layer, shape).values()))


def window_operation(name: str, family: str, description: str, **rules: Any) -> Operation:
    """Return the record of an operation that moves a window."""
    return Operation(
        name,
        family,
        description,
        syntax=f"{name}:N|HxW",
        argument=KEYS["k"],
        needs=f"a window size, like {name}:3",
        axes=lambda layer, inputs: layer.window.axes((inputs[0][1], inputs[0][2])),
        is_window=True,
        filters_alpha=True,
        **rules,
    )


def whole_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[WholeAxis, WholeAxis] | None:
    """Return the whole map, of which every output depends on all; None where it is flat already."""
    shape = inputs[0]
    if len(shape) == 1:
        return None
    rows, columns = layer.operation.shape(layer, inputs)[1:] or (1, 1)
    return WholeAxis(shape[1], rows), WholeAxis(shape[2], columns)


def parts_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Parts, Parts] | None:
    """Return the parts of the map that the outputs cover: `size` of them, or the whole map."""
    shape = inputs[0]
    if len(shape) == 1:
        return None
    rows, columns = layer.size or (1, 1)
    return Parts(shape[1], rows), Parts(shape[2], columns)
