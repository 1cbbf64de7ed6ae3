"""The notation of layers and of network files: text to layers and back, and names to indices.

::

    layer = op [":" item {"," item}]
    item  = value (the first: k, or the op's own argument) | key "=" value | flag
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from convcli.arithmetic.layers import OPERATIONS, Layer
from convcli.arithmetic.operations import Operation
from convcli.arithmetic.values import Shape, as_input_shape, format_shape, parse_axes, parse_shape
from convcli.errors import ArgumentError, LimitError, NotationError, did_you_mean

INPUT_KEYWORD = "input"
INPUT = -1  # the index of the network's own input, before the first layer
MAX_LAYERS = 100_000  # of a network
MAX_NAMES = 1000  # among which the one that was meant is looked for
MAX_KNOWN = 1024  # layers and their texts, of which long networks repeat a few


@lru_cache(maxsize=MAX_KNOWN)
def parse_layer(text: str) -> Layer:
    """Read one layer.

    Raises
    ------
    NotationError
        With the layer, the invalid item, and what would be valid.

    Examples
    --------
    >>> layer = parse_layer("conv:3,s=2,p=1,c=64")
    >>> layer.kernel, layer.stride, layer.channels
    ((3, 3), (2, 2), 64)
    """
    try:
        return _parse_layer(text.strip())
    except ArgumentError as error:
        raise NotationError(f"layer {text!r}: {error}") from None


@lru_cache(maxsize=MAX_KNOWN)
def format_layer(layer: Layer) -> str:
    """Write a layer in the notation, without what has its default.

    >>> format_layer(parse_layer("conv:k=3x3,s=1,p=1x1,nobias"))
    'conv:3,p=1,nobias'
    """
    operation, items = layer.operation, []
    argument, implied = operation.argument, operation.implied(layer)
    if argument is not None and layer.spec is None:
        value = layer.value(argument.field)
        if value != argument.initial:
            items.append(argument.write(value))
    for key in operation.keys.values():
        value = layer.value(key.field)
        default = implied.get(key.field, Layer(layer.op).value(key.field))
        if key is not argument and value != default:
            items.append(f"{key.name}={key.write(value)}")
    items += [flag.name for flag in operation.flags if layer.value(flag.field) == flag.value]
    return layer.op + (":" + ",".join(items) if items else "")


def find_operation(name: str) -> Operation:
    """Find an operation by its name.

    Raises
    ------
    NotationError
        With the nearest name, and the command that lists all.
    """
    if name not in OPERATIONS:
        hint = did_you_mean(name, OPERATIONS) or ";"
        raise NotationError(f"unknown operation {name!r}{hint} `convcli layers` lists them")
    return OPERATIONS[name]


def _parse_layer(text: str) -> Layer:
    name, colon, rest = text.partition(":")
    operation = find_operation(name)
    values: dict[str, Any] = {}
    for index, item in enumerate(rest.split(",") if colon else ()):
        field, value = _parse_item(operation, item.strip(), is_first=index == 0)
        if field in values:
            raise NotationError(f"{item!r} says again what was said before")
        values[field] = value
    bare = Layer(op=name, kernel=values.get("kernel"), spec=values.get("spec"))
    layer = bare.with_values(**(operation.implied(bare) | values))
    _check(layer)
    return layer


def _parse_item(operation: Operation, item: str, *, is_first: bool) -> tuple[str, Any]:
    """Read one item as the field that it sets and the value."""
    name, equals, text = item.partition("=")
    for flag in operation.flags:
        if flag.name == item:
            return flag.field, flag.value
    if not equals and is_first and operation.argument is not None:
        return operation.argument.field, operation.argument.read(item)
    if not equals or name not in operation.keys:
        keys, flags = (f"{key}=" for key in operation.keys), (flag.name for flag in operation.flags)
        known = ", ".join((*keys, *flags))
        raise NotationError(f"{item!r} is not known to {operation.name}, which takes {known}")
    key = operation.keys[name]
    return key.field, key.read(text)


def _check(layer: Layer) -> None:
    operation, argument = layer.operation, layer.operation.argument
    if layer.spec is not None and layer.kernel is not None:
        raise NotationError("k and kernel= exclude each other: a real kernel has its own size")
    if operation.needs and argument and layer.value(argument.field) is None and not layer.spec:
        raise NotationError(f"{layer.op} needs {operation.needs}")
    if operation.is_join and len(layer.sources) < 2:
        raise NotationError(f"{layer.op} joins two layers or more, like {operation.example}")
    if operation.is_source and layer.sources:
        raise NotationError(f"{layer.op} takes no layer's output: it has no from=")
    if not (operation.is_join or operation.is_opaque) and len(layer.sources) > 1:
        raise NotationError(f"{layer.op} takes one input; join several with add or concat first")
    operation.check(layer)
    if layer.kernel is not None:
        _ = layer.window  # raises for an output padding that it cannot have


def parse_network(text: str) -> tuple[Shape | None, list[Layer]]:
    r"""Read the text of a network file: the input's shape, if there is one, and the layers.

    Raises
    ------
    NotationError
        With the number of the invalid line.

    Examples
    --------
    >>> shape, layers = parse_network("input 3x32x32\nconv:3,p=1  # the first\n")
    >>> shape, [format_layer(layer) for layer in layers]
    ((3, 32, 32), ['conv:3,p=1'])
    """
    shape: Shape | None = None
    layers: list[Layer] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            if content.split()[0] != INPUT_KEYWORD:
                layers.append(parse_layer(content))
            elif shape is None and not layers:
                shape = _parse_input(content.removeprefix(INPUT_KEYWORD).strip())
            else:
                raise NotationError("the input's shape stands once, and first")
        except ArgumentError as error:
            raise NotationError(f"line {number}: {error}") from None
        if len(layers) > MAX_LAYERS:
            raise LimitError(f"holds more than {MAX_LAYERS:,} layers")
    if not layers:
        raise NotationError("holds no layers")
    return shape, layers


def format_network(shape: Shape, layers: Sequence[Layer]) -> str:
    r"""Write the text of a network file.

    >>> format_network((3, 32, 32), [parse_layer("conv:3,p=1")])
    'input 3x32x32\nconv:3,p=1\n'
    """
    lines = [f"{INPUT_KEYWORD} {format_shape(shape)}", *map(format_layer, layers)]
    return "\n".join(lines) + "\n"


def parse_inputs(text: str) -> dict[str, Shape]:
    """Read the shapes of a network's inputs: that of the only one, or of several by their names.

    >>> parse_inputs("3x224x224"), parse_inputs("10"), parse_inputs("x=3x8x8+y=10")
    ({'input': (3, 224, 224)}, {'input': (10,)}, {'x': (3, 8, 8), 'y': (10,)})
    """
    if "=" not in text:
        return {INPUT_KEYWORD: _parse_input(text)}
    shapes: dict[str, Shape] = {}
    for item in text.split("+"):
        name, equals, sides = item.rpartition("=")
        if not name or not equals:
            raise NotationError(f"an input is NAME=CxHxW, like x=3x224x224+y=1x10, not {item!r}")
        if name in shapes:
            raise NotationError(f"the input {name!r} is given twice")
        shapes[name] = parse_axes(sides, f"a side of the input {name!r}")
    return shapes


def _parse_input(text: str) -> Shape:
    """Read `CxHxW`, or `N` of flat values."""
    is_flat = text.isascii() and text.isdigit()
    return parse_axes(text, "an input's length") if is_flat else parse_shape(text)


def input_indices(layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """Return, for each layer, the indices of the layers whose outputs it takes.

    `INPUT` is the network's own. The second input of `crop:like=NAME` is that layer; a further
    input of the network takes none.

    Raises
    ------
    NotationError
        If no earlier layer has a name, or two have the same.

    Examples
    --------
    >>> input_indices([parse_layer("conv:3,name=a"), parse_layer("add:from=a+input")])
    [(-1,), (0, -1)]
    """
    by_name = {INPUT_KEYWORD: INPUT}
    indices = []
    for index, layer in enumerate(layers):
        names = (*layer.sources, *([layer.like] if layer.like else []))
        for name in names:
            if name not in by_name:
                hint = did_you_mean(name, [*by_name][-MAX_NAMES:])
                raise NotationError(
                    f"layer {format_layer(layer)!r}: no layer before it is named {name!r}{hint}"
                )
        before = () if layer.sources or layer.operation.is_source else (index - 1,)
        indices.append((*before, *(by_name[name] for name in names)))
        if layer.name in by_name:
            raise NotationError(f"layer {format_layer(layer)!r}: its name is taken already")
        if layer.name is not None:
            by_name[layer.name] = index
    return indices


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """Return what layers are called: their own name, or their operation and a number.

    >>> layer_names([parse_layer("conv:3"), parse_layer("relu:name=a"), parse_layer("conv:1")])
    ['conv1', 'a', 'conv2']
    """
    counts, names = Counter[str](), []
    for layer in layers:
        counts[layer.op] += layer.name is None
        names.append(f"{layer.op}{counts[layer.op]}" if layer.name is None else layer.name)
    return names


def set_input_shapes(
    layers: Sequence[Layer], shapes: Mapping[str, Shape]
) -> tuple[list[Layer], list[str]]:
    """Put the shapes of further inputs into their layers.

    Parameters
    ----------
    layers : sequence of Layer
    shapes : mapping of str to Shape
        By the names of inputs.

    Returns
    -------
    layers : list of Layer
    others : list of str
        The names that no layer `input` has: where there is one, it is the first input's.
    """
    given = {name: as_input_shape(shape) for name, shape in shapes.items()}
    found = []
    for layer in layers:
        if layer.operation.is_source and layer.name is not None and layer.name in given:
            found.append(layer.with_values(shape=given.pop(layer.name)))
        else:
            found.append(layer)
    return found, list(given)


def last_uses(inputs: Sequence[Sequence[int]]) -> Mapping[int, int]:
    """Return the index of the last layer that takes each output, which can be freed then.

    >>> last_uses([(-1,), (0, -1), (0,)])
    {-1: 1, 0: 2}
    """
    return {source: index for index, sources in enumerate(inputs) for source in sources}
