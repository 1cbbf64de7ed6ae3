"""What the tests of `animate` share."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image
from support.command import SAMPLES, here
from support.looking import near

from convcli.cli.commands import animate
from convcli.pictures.fonts import text_width
from convcli.pictures.scene import Scene
from convcli.pictures.theme import CELL, GAP, LINE, MARGIN, TEXT

Pair = tuple[int, int]
GRID = SAMPLES / "grid5.csv"


def drawn(folder: Path, *arguments: str | Path) -> list[Image.Image]:
    """Draw an animation as numbered PNGs, and open them."""
    done = here("animate", *arguments, "--frames", "out", "--force", cwd=folder)
    assert (done.code, done.text, done.stderr) == (0, "", "")
    pictures = []
    for path in sorted((folder / "out").iterdir()):
        with Image.open(path) as picture:
            pictures.append(picture.convert("RGB"))
    return pictures


class Seen:
    """The cells of one frame, by their colors.

    Grid 0 is the input, of `rows[0]` and `columns[0]` cells, and grid 1 the output. With a kernel
    there are two grids of its size between them, one below the other. A hatched input has a line of
    text more.
    """

    def __init__(
        self,
        picture: Image.Image,
        rows: Pair,
        columns: Pair,
        cell: int = CELL,
        *,
        kernel: Pair | None = None,
        is_hatched: bool = False,
        type_scale: float = 1.0,
    ) -> None:
        line = LINE * type_scale
        middle = 0.0 if kernel is None else cell * kernel[1] + 2 * GAP
        tall = 0.0 if kernel is None else 2 * (line + cell * kernel[0]) + GAP / 2
        grids = cell * sum(columns) + 2 * GAP + middle
        top = MARGIN + line * (2.5 if is_hatched else 1.5)
        high = max(tall, line + cell * max(rows))
        left = (picture.width - grids) / 2
        corners = ((left, rows[0], columns[0]),
                   (left + cell * columns[0] + 2 * GAP + middle, rows[1], columns[1]))  # fmt: skip
        self.picture, self.cell = picture, cell
        self.places = [
            {
                (row, column): (
                    round(start + column * cell),
                    round(top + (high - line - cell * height) // 2 + line + row * cell),
                )
                for row in range(height)
                for column in range(width)
            }
            for start, height, width in corners
        ]

    def of(self, color: Any, *, grid: int) -> set[Pair]:
        """The cells that have this color, a little inside their corner: there is no text."""
        return {
            place
            for place, (x, y) in self.places[grid].items()
            if near(self.picture.getpixel((x + 4, y + 4)), color)
        }

    def edges(self, place: Pair) -> int:
        """How often the color changes along a cell's upper edge, inside its corners."""
        x, y = self.places[0][place]
        line = [self.picture.getpixel((x + 2 + step, y)) for step in range(30)]
        return sum(one != other for one, other in pairwise(line))


def scene_of(folder: Path, *arguments: str | Path) -> Scene:
    """The scene that the command makes, which is not drawn."""
    with patch.object(animate, "write_frames") as write:
        done = here("animate", *arguments, "--frames", "out", cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    scene: Scene
    (scene,) = write.call_args.args[1]
    return scene


def widest_cell(scene: Scene) -> int:
    """The side of the cells that the numbers of a scene need."""
    texts = {text for plane in scene.planes for row in plane for text in row}
    for frame in scene.frames:
        texts |= {frame.result, *(text for grid in frame.products for row in grid for text in row)}
    return max(CELL, math.ceil(max(text_width(text, TEXT) for text in texts)) + 8)


def evaluated(sum_of_products: str) -> float:
    """A sum of products, worked out."""
    return float(eval(sum_of_products.replace("×", "*").replace("\N{MINUS SIGN}", "-")))
