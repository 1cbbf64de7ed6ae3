"""Parameter types: what is typed -> values, by the one notation; a fault is a usage error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import (
    parse_layer,
    parse_number,
    parse_padding,
    parse_real,
    parse_size,
)
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.arithmetic.shapes import Shape

_AMOUNT = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kKmMgG]?)"
_MEMORY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmgt]?)(i?)b?\Z", re.IGNORECASE)
MOST_THREADS = 1024
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class Parsed(click.ParamType[Any]):
    """Text read by a function of the notation.

    Parameters
    ----------
    name : str
        What the help shows for the value.
    read : callable
        Takes the text; raises `ArgumentError` for what it cannot read.
    """

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Show the name as it is."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; let through what is read already."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ArgumentError as error:
            self.fail(str(error), param, ctx)


def sweep(item: Parsed) -> Parsed:
    """Several values, separated by commas: `3,5,7`."""
    return Parsed(f"{item.name}[,...]", lambda text: tuple(map(item._read, text.split(","))))  # noqa: SLF001


def number(name: str, *, least: int = 0) -> Parsed:
    """A whole number."""
    return Parsed(name, lambda text: parse_number(text, "it", least=least))


def _width_and_height(text: str) -> Pair:
    width, height = parse_size(text, "it")
    if "x" not in text:
        raise ArgumentError(f"it must be WxH, like 640x480, not {text!r}")
    return height, width


def _range(text: str, *, least: int) -> range:
    first, dots, last = text.partition("..")
    start = parse_number(first, "it", least=least)
    stop = parse_number(last, "its end", least=start) if dots else start
    return range(start, stop + 1)


def _amount(text: str) -> int:
    """Read a count that may end in k, M or G.

    >>> _amount("1.5M")
    1500000
    """
    from decimal import Decimal

    found = re.fullmatch(_AMOUNT, text)
    amount = Decimal(found[1]) * _FACTORS[found[2].lower()] if found else Decimal(0)
    if amount < 1 or amount != amount.to_integral_value():
        raise ArgumentError(f"it must be a whole count of at least 1, like 100k, not {text!r}")
    return int(amount)


def _shape(text: str) -> Shape:
    from convcli.arithmetic.netfile import parse_shape

    return parse_shape(text)


def _memory(text: str) -> int:
    """Read an amount of memory, in bytes: 500M, 1.5G, 2GB, 4GiB.

    >>> _memory("1.5G"), _memory("2MiB")
    (1500000000, 2097152)
    """
    from decimal import Decimal

    found = _MEMORY.match(text)
    if found is None:
        raise ArgumentError(f"it must be an amount of memory, like 500M or 2G, not {text!r}")
    base = 1024 if found[3] else 1000
    amount = int(Decimal(found[1]) * base ** " kmgt".index(found[2].lower() or " "))
    if amount < 1:
        raise ArgumentError(f"it must be some memory, like 500M or 2G, not {text!r}")
    return amount


def _at_most(most: int, text: str, *, least: int) -> int:
    value = parse_number(text, "it", least=least)
    if value > most:
        raise ArgumentError(f"it must be {least} to {most}, not {value}")
    return value


def _pool(text: str) -> Layer:
    kind, colon, rest = text.partition(":")
    if kind not in ("max", "avg"):
        raise ArgumentError(f"it must be max:K or avg:K, like max:2, not {text!r}")
    return parse_layer(f"{kind}pool{colon}{rest}")


SIZE = Parsed("N|HxW", lambda text: parse_size(text, "it"))
EXTRA = Parsed("N|HxW", lambda text: parse_size(text, "it", least=0))
PADDING = Parsed("P", lambda text: parse_padding(text, "it"))
LAYER = Parsed("LAYER", parse_layer)
SHAPE = Parsed("CxHxW", _shape)
POOL = Parsed("max:K|avg:K", _pool)
WIDTH_X_HEIGHT = Parsed("WxH", _width_and_height)
FINITE = Parsed("X", lambda text: parse_real(text, "it"))
STEPS = Parsed("N|A..B", lambda text: _range(text, least=1))
COUNTS = Parsed("N|A..B", lambda text: _range(text, least=0))
AMOUNT = Parsed("N", _amount)
MEMORY = Parsed("N[k|M|G]", _memory)
LEVEL = Parsed("0..9", lambda text: _at_most(9, text, least=0))
THREADS = Parsed("N", lambda text: _at_most(MOST_THREADS, text, least=1))
