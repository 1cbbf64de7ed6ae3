"""The options of commands that draw a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from convcli.arithmetic.values import parse_real
from convcli.cli.options import DeclaredOptions, TextType, flag, option
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.pictures.theme import Style

MIN_SCALE, MAX_SCALE = 0.5, 10.0
GROUP = "Picture"
# Without a picture to draw, they are refused.
STYLE_OPTIONS = ("theme", "picture_scale", "transparent")


def _read_scale(text: str) -> float:
    scale = parse_real(text, "it")
    if not MIN_SCALE <= scale <= MAX_SCALE:
        raise ArgumentError(f"it must be from {MIN_SCALE:g} to {MAX_SCALE:g}, not {text}")
    return scale


SCALE = TextType("X", _read_scale)
SCALE_HELP = "Times its size, type and lines included."


class PictureOptions(DeclaredOptions):
    """The options of how a picture looks."""

    theme: str = option(
        GROUP, "--theme", click.Choice(("light", "dark")), "Colors of a picture.", default="light"
    )
    picture_scale: float = option(GROUP, "--scale", SCALE, SCALE_HELP, default=1)
    transparent: bool = flag(
        GROUP, "--transparent", "Leave its background out: what lies behind it is seen."
    )

    @property
    def style(self) -> Style:
        """How the picture is to look."""
        from convcli.pictures.theme import THEMES, Style  # which only drawing needs

        return Style(THEMES[self.theme], self.picture_scale, self.transparent)
