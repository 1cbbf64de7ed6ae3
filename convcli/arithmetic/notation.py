"""The notation of layers and of network files: text to layers, and back.

::

    layer = op [":" item {"," item}]
    item  = value (the first: k, or the op's own argument) | key "=" value | flag
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from convcli.arithmetic.layers import OPERATIONS, POOLS, Layer, Operation
from convcli.arithmetic.values import (
    PADDING_MODES,
    Pair,
    Shape,
    format_padding,
    format_shape,
    format_size,
    parse_number,
    parse_padding,
    parse_shape,
    parse_size,
)
from convcli.errors import ArgumentError, NotationError, did_you_mean

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")


def parse_layer(text: str) -> Layer:
    """Read one layer.

    Raises
    ------
    NotationError
        With the layer, the item at fault, and what could stand there.

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


def format_layer(layer: Layer) -> str:
    """Write a layer in the notation; what has its default value is left out.

    >>> format_layer(parse_layer("conv:k=3x3,s=1,p=1x1,nobias"))
    'conv:3,p=1,nobias'
    """
    operation = OPERATIONS[layer.op]
    default = _defaults(layer.op, layer.kernel, layer.spec)
    items = []
    for key in operation.keys:
        field, _, write = _KEYS[key]
        value = getattr(layer, field)
        if key == "k" and layer.spec is not None:
            continue  # the size of a real kernel is that kernel's
        stated = value is not None and key in (operation.own, "kernel")
        if stated or value != getattr(default, field):
            items.append(write(value) if key == operation.own else f"{key}={write(value)}")
    items += [flag for flag in operation.flags if _is_set(layer, flag)]
    return layer.op + (":" + ",".join(items) if items else "")


def _parse_layer(text: str) -> Layer:
    op, colon, rest = text.partition(":")
    operation = OPERATIONS.get(op)
    if operation is None:
        raise NotationError(f"no operation {op!r}{did_you_mean(op, OPERATIONS)}")
    values: dict[str, Any] = {}
    for place, item in enumerate(rest.split(",") if colon else ()):
        field, value = _parse_item(op, operation, item.strip(), is_first=place == 0)
        if field in values:
            raise NotationError(f"{item!r} says again what was said before")
        values[field] = value
    layer = replace(_defaults(op, values.get("kernel"), values.get("spec")), **values)
    _check(layer)
    return layer


def _parse_item(op: str, operation: Operation, item: str, *, is_first: bool) -> tuple[str, Any]:
    """Read one item as the field that it sets and the value."""
    key, equals, text = item.partition("=")
    if not equals and item in operation.flags:
        return _FLAGS[item]
    if not equals and is_first and operation.own is not None:
        key, text = operation.own, item
    elif not equals or key not in operation.keys or key in _OWN_ARGUMENTS:
        choices = [key for key in operation.keys if key not in _OWN_ARGUMENTS]
        known = ", ".join([*(f"{key}=" for key in choices), *operation.flags])
        raise NotationError(f"{item!r} is not known to {op}, which takes {known}")
    field, read, _ = _KEYS[key]
    return field, read(text)


def _defaults(op: str, kernel: Pair | None, spec: str | None) -> Layer:
    """The layer that says nothing but its window: a pool steps by it, a real kernel pads `same`."""
    layer = Layer(op=op, kernel=kernel, spec=spec)
    if op in POOLS and kernel is not None:
        layer = replace(layer, stride=kernel)
    if spec is not None:
        layer = replace(layer, padding="same")
    return layer


def _check(layer: Layer) -> None:
    operation = OPERATIONS[layer.op]
    if layer.spec is not None and layer.kernel is not None:
        raise NotationError("k and kernel= exclude each other: a real kernel has its own size")
    if operation.own == "k" and layer.kernel is None and layer.spec is None:
        raise NotationError(f"{layer.op} needs a window size, like {layer.op}:3")
    if layer.op == "linear" and layer.channels is None:
        raise NotationError("linear needs its number of outputs, like linear:1000")
    if layer.op == "adaptiveavgpool" and layer.size is None:
        raise NotationError("adaptiveavgpool needs its output size, like adaptiveavgpool:7")
    if layer.op == "crop" and (layer.margin is None) == (layer.like is None):
        raise NotationError("crop needs either a margin, like crop:2, or like=NAME")
    if layer.op in ("add", "concat") and len(layer.sources) < 2:
        raise NotationError(f"{layer.op} joins two layers or more, like {layer.op}:from=a+b")
    if layer.op not in ("add", "concat") and len(layer.sources) > 1:
        raise NotationError(f"{layer.op} takes one input; join several with add or concat first")
    if layer.kernel is not None:
        _ = layer.window  # raises for an output padding that it cannot have


def _parse_groups(text: str) -> int | str:
    return text if text == "depthwise" else parse_number(text, "g", least=1)


def _parse_mode(text: str) -> str:
    if text not in PADDING_MODES:
        raise NotationError(f"mode must be one of {', '.join(PADDING_MODES)}, not {text!r}")
    return text


def _parse_name(text: str) -> str:
    if not _NAME.match(text) or text == "input":
        raise NotationError(
            f"a name starts with a letter, goes on with letters, digits, '_', '-' and '.', "
            f"and is not 'input': {text!r}"
        )
    return text


def _parse_sources(text: str) -> tuple[str, ...]:
    return tuple(part if part == "input" else _parse_name(part) for part in text.split("+"))


def _parse_spec(text: str) -> str:
    if not text:
        raise NotationError("kernel= needs a name, like kernel=gaussian:1.5, or a file")
    return text


# key: the field it sets, how it is read, how it is written
_KEYS: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "k": ("kernel", lambda text: parse_size(text, "k"), format_size),
    "kernel": ("spec", _parse_spec, str),
    "s": ("stride", lambda text: parse_size(text, "s"), format_size),
    "p": ("padding", lambda text: parse_padding(text, "p"), format_padding),
    "d": ("dilation", lambda text: parse_size(text, "d"), format_size),
    "g": ("groups", _parse_groups, str),
    "op": ("output_padding", lambda text: parse_size(text, "op", least=0), format_size),
    "c": ("channels", lambda text: parse_number(text, "c", least=1), str),
    "mode": ("mode", _parse_mode, str),
    "size": ("size", lambda text: parse_size(text, "the output size"), format_size),
    "margin": ("margin", lambda text: parse_size(text, "the margin", least=0), format_size),
    "like": ("like", _parse_name, str),
    "name": ("name", _parse_name, str),
    "from": ("sources", _parse_sources, "+".join),
}
_OWN_ARGUMENTS = ("size", "margin")  # written as the first bare value only
_FLAGS: dict[str, tuple[str, bool]] = {
    "ceil": ("ceil", True),
    "nobias": ("bias", False),
    "nopad": ("count_padding", False),
}


def _is_set(layer: Layer, flag: str) -> bool:
    field, value = _FLAGS[flag]
    return bool(getattr(layer, field) == value)


INPUT_KEYWORD = "input"


def parse_network(text: str) -> tuple[Shape | None, list[Layer]]:
    r"""Read a network file's text: its input's shape, if it says one, and its layers.

    Raises
    ------
    NotationError
        With the line at fault.

    Examples
    --------
    >>> shape, layers = parse_network("input 3x32x32\nconv:3,p=1  # the first\n")
    >>> shape, [format_layer(layer) for layer in layers]
    ((3, 32, 32), ['conv:3,p=1'])
    """
    shape: Shape | None = None
    layers: list[Layer] = []
    for place, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            if words.split()[0] != INPUT_KEYWORD:
                layers.append(parse_layer(words))
            elif shape is None and not layers:
                shape = parse_shape(words.removeprefix(INPUT_KEYWORD).strip())
            else:
                raise NotationError("the input's shape stands once, and first")
        except ArgumentError as error:
            raise NotationError(f"line {place}: {error}") from None
    if not layers:
        raise NotationError("holds no layers")
    return shape, layers


def format_network(shape: Shape, layers: Sequence[Layer]) -> str:
    r"""Write a network file's text.

    >>> format_network((3, 32, 32), [parse_layer("conv:3,p=1")])
    'input 3x32x32\nconv:3,p=1\n'
    """
    lines = [f"{INPUT_KEYWORD} {format_shape(shape)}", *map(format_layer, layers)]
    return "\n".join(lines) + "\n"
