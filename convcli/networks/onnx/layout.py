"""Which axes of a layer's map the axes of a tensor are."""

from __future__ import annotations

import math
from collections.abc import Iterable

from convcli.networks.onnx.reader import UnknownError, Value
from convcli.networks.onnx.views import View

CHANNELS, ROWS, COLUMNS, BATCH = "chwb"


def find_letters(value: Value) -> tuple[str, ...]:
    """Return for each axis of a tensor which axes of the map it is: `c`, `h`, `w`, `b` or several.

    It is empty for an axis of one position.

    Raises
    ------
    UnknownError
        If an axis is a part of one of the map's.
    """
    factors = value.view.factors
    batch = math.prod(factors) // math.prod(value.shape)
    left = [*zip((BATCH, CHANNELS, ROWS, COLUMNS), (batch, *value.shape), strict=False)]
    found = []
    for factor in factors:
        letters, size = "", 1
        while size < factor and left:
            letter, side = left.pop(0)
            letters, size = letters + letter * (side > 1), size * side
        if size != factor:
            raise UnknownError
        found.append(letters)
    return tuple("".join(found[index] for index in axis) for axis in value.view.axes)


def find_axes(value: Value, axes: Iterable[int], known: Iterable[str]) -> str:
    """Return the one of several names, such as `hw`, that says axes of a map.

    Raises
    ------
    UnknownError
        If none does.
    """
    letters = find_letters(value)
    wanted = sorted("".join(letters[axis] for axis in axes))
    sizes = dict(zip(CHANNELS + ROWS + COLUMNS, value.shape, strict=False))
    for name in known:
        if sorted(letter for letter in name if sizes.get(letter, 1) > 1) == wanted:
            return name
    raise UnknownError


def with_channels(value: Value, channels: int) -> View:
    """Return the view of a tensor after a layer that makes so many channels at each position.

    Raises
    ------
    UnknownError
        If the channels are not one factor of their own.
    """
    factors = value.view.factors
    places = [axis[0] for axis, letters in zip(value.view.axes, find_letters(value), strict=True)
              if letters == CHANNELS and len(axis) == 1]  # fmt: skip
    if len(places) != 1:
        raise UnknownError
    return value.view._replace(
        factors=tuple(channels if place == places[0] else size
                      for place, size in enumerate(factors))
    )  # fmt: skip
