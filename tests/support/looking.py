"""Eyes for the tests of pictures: contrast, what an SVG says, what was written on a raster."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.pictures.fonts import text_width
from convcli.pictures.raster import Raster
from convcli.pictures.scales import BAR_HEIGHT

Color = tuple[int, int, int]
READABLE, LEGIBLE = 4.5, 3.0  # WCAG's contrast for text, and for what may stand back


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colors, from 1 to 21 (WCAG 2)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Color) -> float:
    shares = (part / 255 for part in color)
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def near(one: Any, other: Any, *, by: int = 6) -> bool:
    """Whether two colors look alike."""
    return all(abs(int(a) - int(b)) <= by for a, b in zip(one, other, strict=True))


# ---- SVG ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Word:
    """A text of an SVG: where its middle lies, how large it is, its color."""

    text: str
    x: float
    y: float
    size: int
    color: Color

    @property
    def ends(self) -> tuple[float, float]:
        """Its left and right end."""
        half = text_width(self.text, self.size) / 2
        return self.x - half, self.x + half


@dataclass(frozen=True)
class Rectangle:
    """A box of an SVG, or a picture in it."""

    left: float
    top: float
    width: float
    height: float
    fill: Color | None

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.left + self.width and self.top <= y <= self.top + self.height


@dataclass(frozen=True)
class Drawing:
    """What an SVG holds, in the order of drawing."""

    width: float
    height: float
    words: tuple[Word, ...]
    boxes: tuple[Rectangle, ...]
    pictures: tuple[Rectangle, ...]

    @property
    def maps(self) -> list[Rectangle]:
        """The pictures but those of legends, which are bars of colors."""
        return [one for one in self.pictures if one.height != BAR_HEIGHT]

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]

    def ground_of(self, word: Word) -> Color:
        """The color that a word stands on: that of the last filled box below it."""
        below = [box for box in self.boxes if box.fill and box.holds(word.x, word.y)]
        fill = below[-1].fill
        assert fill is not None
        return fill

    def numbers_in_cells(self) -> list[list[float]]:
        """The numbers that stand in cells, line by line from the top, each from the left."""
        lines: dict[float, list[Word]] = {}
        for word in self.words:
            if any(box.holds(word.x, word.y) for box in self.boxes[1:]):
                lines.setdefault(word.y, []).append(word)
        return [
            [read_number(word.text) for word in sorted(line, key=lambda word: word.x)]
            for _, line in sorted(lines.items())
        ]


def read_number(text: str) -> float:
    """The number that a picture writes with a minus of its own."""
    return float(text.replace("−", "-"))


def drawing(document: bytes) -> Drawing:
    """Read an SVG."""
    root = ET.fromstring(document)
    name = "{http://www.w3.org/2000/svg}"
    words = tuple(
        Word(
            one.text or "",
            float(one.get("x", "nan")),
            float(one.get("y", "nan")),
            int(one.get("font-size", "0")),
            _color(one.get("fill")) or (0, 0, 0),
        )
        for one in root.iter(f"{name}text")
    )
    width, height = (float(root.get(side, "nan")) for side in ("width", "height"))
    boxes, pictures = (
        tuple(map(_rectangle, root.iter(name + tag))) for tag in ("rect", "image")
    )  # fmt: skip
    return Drawing(width, height, words, boxes, pictures)


def embedded_pictures(document: bytes) -> list[NDArray[Any]]:
    """The pixels of an SVG's pictures as they are embedded, but those of legends: one row."""
    found = []
    for element in ET.fromstring(document).iter("{http://www.w3.org/2000/svg}image"):
        data = base64.b64decode((element.get("href") or "").partition(",")[2])
        with Image.open(io.BytesIO(data)) as picture:
            found.append(np.asarray(picture))
    return [pixels for pixels in found if pixels.shape[0] > 1]


def _rectangle(element: ET.Element) -> Rectangle:
    left, top, width, height = (
        float(element.get(key, "nan")) for key in ("x", "y", "width", "height")
    )
    return Rectangle(left, top, width, height, _color(element.get("fill")))


def _color(text: str | None) -> Color | None:
    if text is None or not text.startswith("#"):
        return None
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


# ---- rasters -----------------------------------------------------------------------------------

Written = tuple[str, tuple[float, float]]


@contextmanager
def overheard() -> Iterator[Callable[[], list[list[Written]]]]:
    """Listen to what is written on rasters: for each of them, the words and where they stand."""
    sheets: dict[int, list[Written]] = {}
    kept: list[Raster] = []
    write = Raster.text

    def listening(self: Raster, at: tuple[float, float], words: str, **settings: Any) -> None:
        if id(self) not in sheets:
            kept.append(self)  # so that no other takes its identity
        sheets.setdefault(id(self), []).append((words, at))
        write(self, at, words, **settings)

    with patch.object(Raster, "text", listening):
        yield lambda: list(sheets.values())
