"""`shape --figure`: the receptive field as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.graph import INPUT, Region, backtrace
from convcli.arithmetic.network import Walk
from convcli.errors import ArgumentError
from convcli.files import atomic_write, check_output

if TYPE_CHECKING:
    from convcli.arithmetic.values import Pair

MOST_MAPS = 24  # that are drawn: of a deeper network, the last of each size


def draw_sight(walked: Walk, path: str, image: str | None, *, force: bool) -> None:
    """Draw what the middle output of the last map sees, over a picture if one is given."""
    # Drawing needs NumPy and Pillow, which arithmetic alone should not have to load.
    from convcli.pictures.receptive_field import draw_receptive_field

    check_output(path, force=force, inputs=[] if image is None else [image])
    drawn = draw_receptive_field(
        drawn_maps(walked),
        Path(path).suffix.lower(),
        picture=None if image is None else _pixels(image, walked),
    )
    with atomic_write(path) as stream:
        stream.write(drawn)


def drawn_maps(walked: Walk) -> list[tuple[str, Pair, Region]]:
    """The input and the maps that windows make, with what the middle output of the last sees."""
    last = walked.last_map
    if last is None:
        raise ArgumentError("there is no feature map to draw")
    place = walked.layers.index(last)
    middle = (last.output[1] // 2, last.output[2] // 2)
    seen = backtrace(walked, place, middle)
    chosen = [
        one
        for one in sorted(seen)
        if one in (INPUT, place) or walked.layers[one].layer.kernel is not None
    ]
    if len(chosen) > MOST_MAPS:
        sizes = {_size(walked, one): one for one in chosen}
        chosen = sorted({INPUT, *sizes.values()})
    return [(_title(walked, one), _size(walked, one), seen[one]) for one in chosen]


def _size(walked: Walk, place: int) -> Pair:
    shape = walked.input if place == INPUT else walked.layers[place].output
    return shape[1], shape[2]


def _title(walked: Walk, place: int) -> str:
    return "input" if place == INPUT else walked.layers[place].name


def _pixels(path: str, walked: Walk) -> Any:
    """A picture at the size of the network's input."""
    from convcli.images.color import resize
    from convcli.images.quantize import quantize
    from convcli.images.read import read_input

    picture = read_input(path)
    values = resize(picture.values, (walked.input[1], walked.input[2]))
    pixels = quantize(values, "rescale" if picture.depth is None else "clamp", 8).pixels
    if picture.depth == 16:
        pixels = quantize(values / 257, "clamp", 8).pixels
    return pixels[:, :, :3] if values.shape[2] >= 3 else pixels[:, :, 0]
