"""Options that several commands share: each declared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import click
from click.core import ParameterSource

from convcli.arithmetic.arguments import PADDING_MODES
from convcli.cli.types import PADDING, SIZE, Parsed, sweep

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


def chosen_format(form: str | None, *, as_json: bool, default: str) -> str:
    """What `--format` and `--json`, which is short for one of its values, say together."""
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    return "json" if as_json else form or default


def stride_option(kind: Parsed, **settings: Any) -> Decorator:
    """`-s`, of one size or of a sweep."""
    return click.option("-s", "--s", "--stride", "stride", type=kind, **settings)


def padding_option(kind: Parsed, **settings: Any) -> Decorator:
    """`-p`, of one padding or of a sweep."""
    return click.option("-p", "--p", "--padding", "padding", type=kind, **settings)


def dilation_option(kind: Parsed, **settings: Any) -> Decorator:
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


SIZES = sweep(SIZE)
PADDINGS = sweep(PADDING)
