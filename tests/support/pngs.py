"""PNG and APNG of any kind, written by the specification, byte by byte and slowly."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.hostile_cases import chunk

Array = NDArray[Any]
Chunk = tuple[bytes, bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
# Start and step of rows and columns in the passes of Adam7.
PASSES = (
    (0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)
)  # fmt: skip


def png(
    samples: Array,
    bits: int,
    color_type: int,
    *,
    interlaced: bool = False,
    extra: Sequence[Chunk] = (),
) -> bytes:
    """A picture of samples, (H, W, C)."""
    body = [header(samples, bits, color_type, interlaced=interlaced), *extra]
    body += [(b"IDAT", data(samples, bits, interlaced=interlaced)), (b"IEND", b"")]
    return joined(body)


def header(samples: Array, bits: int, color_type: int, *, interlaced: bool = False) -> Chunk:
    height, width = samples.shape[:2]
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, interlaced)


def data(samples: Array, bits: int, *, interlaced: bool = False) -> bytes:
    passes = [samples]
    if interlaced:
        parts = [samples[top::down, left::across] for top, down, left, across in PASSES]
        passes = [part for part in parts if part.size]
    return zlib.compress(b"".join(filtered(part, bits) for part in passes))


def filtered(samples: Array, bits: int) -> bytes:
    """Rows, each by another of the five filters."""
    step = max(samples.shape[2] * bits // 8, 1)
    above = bytes(len(packed(samples[0], bits)))
    rows = []
    for number, row in enumerate(samples):
        current = packed(row, bits)
        kind = number % 5
        rows.append(bytes([kind]) + bytes(differences(current, above, step, kind)))
        above = current
    return b"".join(rows)


def packed(row: Array, bits: int) -> bytes:
    text = "".join(f"{int(sample):0{bits}b}" for sample in row.ravel())
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def differences(row: bytes, above: bytes, step: int, kind: int) -> Iterator[int]:
    for at, byte in enumerate(row):
        left = row[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        up = above[at]
        estimate = left + up - corner
        nearest = min((left, up, corner), key=lambda value: abs(estimate - value))
        predictions = (0, left, up, (left + up) // 2, nearest)
        yield (byte - predictions[kind]) % 256


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame: its samples, (H, W, C), where they are, and what is done with them."""

    samples: Array
    top: int = 0
    left: int = 0
    delay: tuple[int, int] = (1, 10)
    disposal: int = 0
    blending: int = 0


def apng(
    frames: Sequence[Frame],
    bits: int,
    color_type: int,
    *,
    still: Array | None = None,
    plays: int = 0,
    extra: Sequence[Chunk] = (),
) -> bytes:
    """An animation, whose still picture, if it has one, is no frame."""
    canvas = frames[0].samples if still is None else still
    body = [header(canvas, bits, color_type), (b"acTL", struct.pack(">II", len(frames), plays))]
    body += extra
    if still is not None:
        body.append((b"IDAT", data(still, bits)))
    numbers = itertools.count()
    for index, frame in enumerate(frames):
        height, width = frame.samples.shape[:2]
        control = (width, height, frame.left, frame.top, *frame.delay)
        ending = (frame.disposal, frame.blending)
        body.append((b"fcTL", struct.pack(">5I2H2B", next(numbers), *control, *ending)))
        content = data(frame.samples, bits)
        if index == 0 and still is None:
            body.append((b"IDAT", content))
            continue
        for at in range(0, len(content), len(content) // 2 + 1):  # in two chunks
            part = content[at : at + len(content) // 2 + 1]
            body.append((b"fdAT", struct.pack(">I", next(numbers)) + part))
    return joined([*body, (b"IEND", b"")])


def joined(body: Sequence[Chunk]) -> bytes:
    """A file of some chunks."""
    return SIGNATURE + b"".join(itertools.starmap(chunk, body))


def chunks(content: bytes) -> list[Chunk]:
    """The chunks of a file."""
    found, at = [], len(SIGNATURE)
    while at < len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        found.append((name, content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def scaled(samples: Array, bits: int) -> Array:
    """Samples as values of 8 bits, or of 16."""
    if bits == 16:
        return samples.astype(np.uint16)
    values: Array = (samples.astype(int) * 255 // (2**bits - 1)).astype(np.uint8)
    return values
