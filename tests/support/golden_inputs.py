"""The input files of the golden commands, made by code: the same bytes' worth of pixels everywhere.

Pixels follow from formulas, not from a random generator, whose stream may change with NumPy.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from support.command import SAMPLES
from support.hostile_cases import GOOD_PNG, bmp, chunk, npy

Pixels = NDArray[Any]


def pattern(height: int, width: int, channels: int = 1, *, seed: int = 0) -> NDArray[np.uint8]:
    """Pixels without symmetry, from the whole range of 8 bits."""
    rows, columns, channel = np.ogrid[:height, :width, :channels]
    values = rows * 37 + columns * 23 + rows * columns * 11 + channel * 71 + seed * 53
    pixels: NDArray[np.uint8] = (values % 256).astype(np.uint8)
    return pixels


def gray(height: int = 10, width: int = 14, *, seed: int = 0) -> Pixels:
    return pattern(height, width, seed=seed)[:, :, 0]


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()


def picture(pixels: Pixels, format_name: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.fromarray(pixels), format_name, **options)


def smooth(height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Colors that a lossy format keeps nearly as they are."""
    rows, columns = np.mgrid[:height, :width]
    planes = (rows * 8, columns * 6, 255 - rows * 4 - columns * 3)
    return np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)


def photograph() -> bytes:
    """A JPEG with EXIF (turned by 90 degrees, taken by a camera), resolution and a comment."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    return picture(smooth(), "JPEG", quality=95, exif=exif, dpi=(300, 300), comment=b"a comment")


def texts() -> bytes:
    """A PNG with text, resolution and a color profile's name."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A pattern")
    return picture(pattern(8, 9, 3), pnginfo=info, dpi=(150, 150))


def frames(format_name: str, **options: Any) -> bytes:
    """Three frames in color, shown for 40, 80 and 120 milliseconds, twice."""
    images = [Image.fromarray(pattern(8, 10, 3, seed=seed)) for seed in range(3)]
    times = {} if format_name == "TIFF" else {"duration": [40, 80, 120], "loop": 2}
    return encoded(
        images[0], format_name, save_all=True, append_images=images[1:], **times, **options
    )


def moving_palette() -> bytes:
    """A GIF of three frames of few colors, so that no quantizer has a choice."""
    images = [Image.new("P", (10, 8)) for _ in range(3)]
    for number, image in enumerate(images):
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        image.putdata([(place // 3 + number) % 4 for place in range(80)])
    times = {"duration": [50, 100, 150], "loop": 0}
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:], **times)


def deep_colors() -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    values = pattern(6, 7, 3).astype(">u2") * 257 + 5
    lines = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 7, 6, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def palette() -> bytes:
    image = Image.new("P", (9, 7))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 250, 120])
    image.putdata([place % 3 for place in range(63)])
    return encoded(image, "PNG", transparency=2)


def array(values: Pixels) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def ramp(*shape: int, dtype: Any = np.float32) -> Pixels:
    """Multiples of 1/4, which every float holds and adds exactly."""
    count = int(np.prod(shape))
    return ((np.arange(count) * 7 % 41 - 20) / 4).reshape(shape).astype(dtype)


INPUTS: Mapping[str, Callable[[], bytes]] = {
    "gray.png": lambda: picture(gray()),
    "second.png": lambda: picture(gray(seed=1)),
    "third.png": lambda: picture(gray(seed=2)),
    "rgb.png": lambda: picture(pattern(9, 12, 3)),
    "wide.png": lambda: picture(pattern(40, 60, 3)),
    "alpha.png": lambda: picture(pattern(9, 11, 4)),
    "gray-alpha.png": lambda: encoded(Image.fromarray(pattern(7, 8, 4)).convert("LA"), "PNG"),
    "palette.png": palette,
    "mono.png": lambda: encoded(
        Image.fromarray(gray()).convert("1", dither=Image.Dither.NONE), "PNG"
    ),
    "deep.png": lambda: picture(gray().astype(np.uint16) * 257 + 3),
    "deep-rgb.png": deep_colors,
    "float.tif": lambda: picture(ramp(8, 9), "TIFF"),
    "pages.tif": lambda: frames("TIFF"),
    "moving.png": lambda: frames("PNG"),
    "moving.webp": lambda: frames("WEBP", lossless=True),
    "moving.gif": moving_palette,
    "smooth.bmp": lambda: picture(smooth(), "BMP"),
    "photograph.jpg": photograph,
    "texts.png": texts,
    "grid.npy": lambda: array(ramp(6, 7)),
    "doubles.npy": lambda: array(ramp(6, 7, dtype=np.float64)),
    "integers.npy": lambda: array(gray(6, 7)),
    "channels.npy": lambda: array(ramp(6, 7, 3)),
    "nan.npy": lambda: array(np.full((3, 3), np.nan)),
    "axes.npy": lambda: array(np.zeros((1, 1, 1, 1, 1))),
    "kernel.npy": lambda: array(ramp(3, 3)),
    "filters.npy": lambda: array(ramp(2, 3, 3, 3)),
    "complex.npy": lambda: npy("(1, 1)", bytes(8), kind="'<c8'"),
    "cut.npy": lambda: npy("(3, 3)", bytes(8)),
    "huge.bmp": lambda: bmp(60000, 60000),
    "cut.png": lambda: GOOD_PNG[: len(GOOD_PNG) // 2],
    "empty.png": lambda: b"",
    "latin.txt": lambda: b"1 2\n\xe9 3\n",
}


def content(name: str, texts: Mapping[str, str]) -> bytes | None:
    """Return what a file of this name holds; None if it is no input file."""
    if name in texts:
        return texts[name].encode()
    if name in INPUTS:
        return INPUTS[name]()
    sample = SAMPLES.parent / name
    return sample.read_bytes() if name.startswith("samples/") and sample.is_file() else None
