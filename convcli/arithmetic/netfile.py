"""Network files: one layer a line, `#` comments, and maybe `input 3x224x224` first."""

from __future__ import annotations

from collections.abc import Sequence

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer, parse_layer, parse_number
from convcli.arithmetic.shapes import Shape, format_shape
from convcli.errors import ArgumentError, NotationError

INPUT_WORD = "input"


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
            if words.split()[0] != INPUT_WORD:
                layers.append(parse_layer(words))
            elif shape is None and not layers:
                shape = parse_shape(words.removeprefix(INPUT_WORD).strip())
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
    lines = [f"{INPUT_WORD} {format_shape(shape)}", *map(format_layer, layers)]
    return "\n".join(lines) + "\n"


def parse_shape(text: str) -> Shape:
    """Read `CxHxW`.

    >>> parse_shape("3x224x224")
    (3, 224, 224)
    """
    parts = text.split("x")
    if len(parts) != 3:
        raise NotationError(f"an input's shape is CxHxW, like 3x224x224, not {text!r}")
    names = ("its channels", "its height", "its width")
    channels, height, width = (
        parse_number(part, name, least=1) for part, name in zip(parts, names, strict=True)
    )
    return channels, height, width
