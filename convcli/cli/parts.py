"""The options of commands that show each number of a picture: which part of it they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.values import parse_number
from convcli.cli.options import DeclaredOptions, TextType, flag, option
from convcli.engine.arrays import as_exact_floats
from convcli.errors import ArgumentError
from convcli.images import Values
from convcli.images.color import to_gray
from convcli.pipeline.selection import COLOR_NAMES, Region, Selection, parse_region

if TYPE_CHECKING:
    from convcli.engine.arrays import Array

PART_OPTIONS = ("region", "channel", "gray")


def _read_channel(text: str) -> str:
    if text in COLOR_NAMES:
        return text
    try:
        return str(parse_number(text, "it"))
    except ArgumentError:
        raise ArgumentError(f"it must be r, g or b, or a number from 0, not {text!r}") from None


CHANNEL = TextType("r|g|b|N", _read_channel)
REGION = TextType("WxH+X+Y", parse_region)


class PartOptions(DeclaredOptions):
    """The options of the part of a picture that is shown."""

    region: Region | None = option(
        "Input", "--region", REGION, "This part alone, as a picture of its own: width, height, "
        "left and top."
    )  # fmt: skip
    channel: str | None = option(
        "Input", "--channel", CHANNEL, "This channel alone; they count from 0."
    )
    gray: bool = flag("Input", "--gray", "Convert a color picture to gray first.")


def take_part(values: Values, options: PartOptions) -> tuple[Array, str]:
    """Return the channels that the options choose of a picture, and what they are in words.

    Parameters
    ----------
    values : ndarray, (H, W, C)
    options : PartOptions

    Returns
    -------
    planes : ndarray of float64, (C, H, W)
    note : str
        Empty for the whole of a picture.

    Raises
    ------
    ArgumentError
        For a region or a channel that it does not have.
    """
    notes = []
    if options.region is not None:
        Selection(regions=(options.region,)).check_size(values.shape[0], values.shape[1])
        values = values[options.region.slices]
        notes.append(f"region {options.region}")
    if options.channel is not None:
        index = _find_channel(options.channel, values.shape[2])
        values = values[:, :, index : index + 1]
        notes.append(f"channel {options.channel}")
    if options.gray and values.shape[2] > 1:
        values = to_gray(values)
        notes.append("gray")
    return as_exact_floats(np.moveaxis(values, 2, 0)), ", ".join(notes)


def _find_channel(name: str, channels: int) -> int:
    index = COLOR_NAMES.index(name) if name in COLOR_NAMES else int(name)
    if index < channels and (name not in COLOR_NAMES or channels == len(COLOR_NAMES)):
        return index
    has = "r, g and b" if channels == len(COLOR_NAMES) else f"channels 0 to {channels - 1}"
    raise ArgumentError(f"--channel {name}: it has {'one channel' if channels == 1 else has}")
