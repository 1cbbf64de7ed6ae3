"""Parameter types, and the options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.core import ParameterSource

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.values import (
    PADDING_MODES,
    Pair,
    parse_number,
    parse_padding,
    parse_real,
    parse_size,
)
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.arithmetic.values import Shape

_COUNT = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kKmMgG]?)"
_MEMORY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmgt]?)(i?)b?\Z", re.IGNORECASE)
MAX_THREADS = 1024
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class TextType(click.ParamType[Any]):
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


def comma_list(item: TextType) -> TextType:
    """Several values, separated by commas: `3,5,7`."""
    return TextType(f"{item.name}[,...]", lambda text: tuple(map(item._read, text.split(","))))  # noqa: SLF001


def whole_number(name: str, *, least: int = 0) -> TextType:
    """A whole number."""
    return TextType(name, lambda text: parse_number(text, "it", least=least))


def _read_resize(text: str) -> Pair:
    width, height = parse_size(text, "it")
    if "x" not in text:
        raise ArgumentError(f"it must be WxH, like 640x480, not {text!r}")
    return height, width


def _read_range(text: str, *, least: int) -> range:
    first, dots, last = text.partition("..")
    start = parse_number(first, "it", least=least)
    stop = parse_number(last, "its end", least=start) if dots else start
    return range(start, stop + 1)


def _read_count(text: str) -> int:
    """Read a count that may end in k, M or G.

    >>> _read_count("1.5M")
    1500000
    """
    from decimal import Decimal

    found = re.fullmatch(_COUNT, text)
    amount = Decimal(found[1]) * _FACTORS[found[2].lower()] if found else Decimal(0)
    if amount < 1 or amount != amount.to_integral_value():
        raise ArgumentError(f"it must be a whole count of at least 1, like 100k, not {text!r}")
    return int(amount)


def _read_shape(text: str) -> Shape:
    from convcli.arithmetic.values import parse_shape

    return parse_shape(text)


def _read_memory(text: str) -> int:
    """Read an amount of memory, in bytes: 500M, 1.5G, 2GB, 4GiB.

    >>> _read_memory("1.5G"), _read_memory("2MiB")
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


def _read_at_most(most: int, text: str, *, least: int) -> int:
    value = parse_number(text, "it", least=least)
    if value > most:
        raise ArgumentError(f"it must be {least} to {most}, not {value}")
    return value


def _read_pool(text: str) -> Layer:
    kind, colon, rest = text.partition(":")
    if kind not in ("max", "avg"):
        raise ArgumentError(f"it must be max:K or avg:K, like max:2, not {text!r}")
    return parse_layer(f"{kind}pool{colon}{rest}")


SIZE = TextType("N|HxW", lambda text: parse_size(text, "it"))
SIZE0 = TextType("N|HxW", lambda text: parse_size(text, "it", least=0))
PADDING = TextType("P", lambda text: parse_padding(text, "it"))
LAYER = TextType("LAYER", parse_layer)
SHAPE = TextType("CxHxW", _read_shape)
POOL = TextType("max:K|avg:K", _read_pool)
RESIZE = TextType("WxH", _read_resize)
REAL = TextType("X", lambda text: parse_real(text, "it"))
RANGE1 = TextType("N|A..B", lambda text: _read_range(text, least=1))
RANGE0 = TextType("N|A..B", lambda text: _read_range(text, least=0))
COUNT = TextType("N", _read_count)
MEMORY = TextType("N[k|M|G]", _read_memory)
PNG_LEVEL = TextType("0..9", lambda text: _read_at_most(9, text, least=0))
THREADS = TextType("N", lambda text: _read_at_most(MAX_THREADS, text, least=1))


Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

FIGURE_SUFFIXES = (".png", ".svg")
FORMATS = ("table", "json", "csv", "markdown")


def refuse_typed(names: Sequence[str], why: str) -> None:
    """Refuse options of the running command that were typed, though they would have no effect."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} {why}")


def json_option(text: str) -> Decorator:
    """`--json`, with what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def format_option(choices: Sequence[str]) -> Decorator:
    """`--format`, the first choice being what is printed without it."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices),
        help=f"Of the output; {choices[0]} if left out.",
    )


def choose_format(form: str | None, *, as_json: bool, default: str) -> str:
    """What `--format` and `--json`, which is short for one of its values, say together."""
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    return "json" if as_json else form or default


def stride_option(kind: TextType, **settings: Any) -> Decorator:
    """`-s`, of one size or of a sweep."""
    return click.option("-s", "--s", "--stride", "stride", type=kind, **settings)


def padding_option(kind: TextType, **settings: Any) -> Decorator:
    """`-p`, of one padding or of a sweep."""
    return click.option("-p", "--p", "--padding", "padding", type=kind, **settings)


def dilation_option(kind: TextType, **settings: Any) -> Decorator:
    """`-d`, of one size or of a sweep."""
    return click.option("-d", "--d", "--dilation", "dilation", type=kind, **settings)


def padding_mode_option(default: str) -> Decorator:
    """`--padding-mode`, with a command's own default."""
    return click.option(
        "--padding-mode",
        type=click.Choice(PADDING_MODES),
        default=default,
        show_default=True,
        help="What stands beyond the border.",
    )


SIZES = comma_list(SIZE)
PADDINGS = comma_list(PADDING)
