"""The photograph that is filtered, and the folder where it is kept between rows.

It is made, not taken: octaves of noise of about the same contrast (as the spectrum of photographs
has), leaves with sharp edges over one another, and a sensor's noise. An enlarged small picture
would have neither texture nor edges at the scale of a pixel, and so be easier to compress than a
photograph is: decoding and encoding are most of a whole command.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_KEPT_BYTES = 1 << 30  # of a file that rows may share
LARGEST_MADE = 30.0  # megapixels; a larger photograph is tiled


@dataclass(frozen=True)
class Workplace:
    """A folder for what rows share, so that it is made once."""

    folder: Path

    def drop_large_files(self) -> None:
        """Delete what is too large to be kept until all rows are measured."""
        for path in self.folder.iterdir():
            if path.stat().st_size > MAX_KEPT_BYTES:
                path.unlink()

    def photo(self, megapixels: float) -> NDArray[np.uint8]:
        """A photograph, (H, W, 3)."""
        height, width = sides(megapixels)
        path = self.folder / f"photo-{megapixels:g}.npy"
        if not path.exists():
            if megapixels > LARGEST_MADE:
                tile = self.photo(12)
                times = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
                made = np.tile(tile, times)[:height, :width]
            else:
                made = photograph(height, width)
            np.save(path, made)
        loaded: NDArray[np.uint8] = np.load(path)
        return loaded

    def jpeg(self, megapixels: float) -> Path:
        """The same as a file, as a camera writes it."""
        path = self.folder / f"photo-{megapixels:g}.jpg"
        if not path.exists():
            Image.fromarray(self.photo(megapixels)).save(path, quality=90)
        return path

    def gray16(self, megapixels: float) -> NDArray[np.uint16]:
        """A gray photograph of 16 bits, (H, W), whose low bits are noise."""
        path = self.folder / f"gray-{megapixels:g}.npy"
        if not path.exists():
            gray = self.photo(megapixels)[:, :, 1].astype(np.uint16) * np.uint16(256)
            gray += np.random.default_rng(7).integers(0, 256, gray.shape, np.uint16)
            np.save(path, gray)
        loaded: NDArray[np.uint16] = np.load(path)
        return loaded

    def png(self, megapixels: float) -> Path:
        """The same without loss."""
        path = self.folder / f"photo-{megapixels:g}.png"
        if not path.exists():
            Image.fromarray(self.photo(megapixels)).save(path, compress_level=1)
        return path


def sides(megapixels: float) -> tuple[int, int]:
    """Height and width, 3 to 4.

    >>> sides(12)
    (3000, 4000)
    """
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    return round(width * 3 / 4), width


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """The same pixels each time."""
    random = np.random.default_rng(1)
    light = 120 + octaves(random, height, width, finest=2, contrast=20)
    planes = [
        light + octaves(random, height, width, finest=32, contrast=6) + shade
        for shade in (12, 0, -12)
    ]
    picture = np.stack(planes, axis=-1)  # (H, W, 3)
    fall(random, picture)
    picture += random.standard_normal(picture.shape, np.float32) * 4
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def octaves(
    random: np.random.Generator, height: int, width: int, finest: int, contrast: float
) -> NDArray[np.float32]:
    """Noise of every scale, from the whole picture down to `finest` pixels."""
    total = np.zeros((height, width), np.float32)
    scale = max(height, width) // 2
    while scale >= finest:
        coarse = (height // scale + 2, width // scale + 2)
        noise = Image.fromarray(random.standard_normal(coarse, np.float32) * np.float32(contrast))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
        scale //= 2
        contrast *= 0.87
    return total


def fall(random: np.random.Generator, picture: NDArray[np.float32]) -> None:
    """Let leaves fall on the picture: discs, each of one shade over what is under it."""
    height, width = picture.shape[:2]
    for _ in range(150):
        radius = int(width * 0.005 / random.uniform(0.05, 1))
        row, column = int(random.integers(0, height)), int(random.integers(0, width))
        top, left = max(row - radius, 0), max(column - radius, 0)
        part = picture[top : row + radius + 1, left : column + radius + 1]
        rows = np.arange(top, top + part.shape[0]) - row
        columns = np.arange(left, left + part.shape[1]) - column
        inside = rows[:, np.newaxis] ** 2 + columns**2 <= radius**2
        part[inside] = part[inside] * 0.5 + random.uniform(20, 120, 3).astype(np.float32)
