"""Frame times and loops of animations, read from their bytes by the formats' specifications."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

Chunk = tuple[bytes, bytes]


class Animation(NamedTuple):
    """What an animation's file says of its frames.

    Parameters
    ----------
    plays : int, optional
        How often it is shown; 0 is for ever, None where the file does not say.
    times_ms : list of int
        Of each frame.
    boxes : list of (left, top, width, height)
        Of each frame on the canvas.
    """

    plays: int | None
    times_ms: list[float]
    boxes: list[tuple[int, int, int, int]]


def read_animation(content: bytes) -> Animation:
    """Read an APNG, a GIF or a WebP."""
    if content.startswith(b"GIF8"):
        return _read_gif(content)
    return _read_webp(content) if content.startswith(b"RIFF") else _read_apng(content)


def _read_apng(content: bytes) -> Animation:
    """PNG specification, third edition, 11.3.6: acTL and fcTL."""
    plays, times, boxes = None, [], []
    for name, data in _png_chunks(content):
        if name == b"acTL":
            _, plays = struct.unpack(">II", data)
        elif name == b"fcTL":
            _, width, height, left, top, number, of = struct.unpack(">5I2H", data[:24])
            times.append(1000 * number / (of or 100))
            boxes.append((left, top, width, height))
    return Animation(plays, times, boxes)


def _png_chunks(content: bytes) -> Iterator[Chunk]:
    at = 8
    while at < len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        yield name, content[at + 8 : at + 8 + length]
        at += 12 + length


def _read_webp(content: bytes) -> Animation:
    """RFC 9649, 2.7.1: ANIM and ANMF."""
    plays, times, boxes = None, [], []
    at = 12
    while at < len(content):
        name, length = struct.unpack("<4sI", content[at : at + 8])
        data = content[at + 8 : at + 8 + length]
        if name == b"ANIM":
            (plays,) = struct.unpack("<4xH", data)
        elif name == b"ANMF":
            left, top, width, height, time = (
                data[i] | data[i + 1] << 8 | data[i + 2] << 16 for i in range(0, 15, 3)
            )
            times.append(float(time))
            boxes.append((2 * left, 2 * top, width + 1, height + 1))
        at += 8 + length + length % 2
    return Animation(plays, times, boxes)


def _read_gif(content: bytes) -> Animation:
    """GIF 89a, and the extension NETSCAPE2.0, which counts repetitions after the first play."""
    plays, times, boxes = 1, [], []
    at = 13 + _table_bytes(content[10])
    while content[at : at + 1] != b";":
        if content[at : at + 1] == b"!":
            label = content[at + 1]
            blocks, at = _gif_blocks(content, at + 2)
            if label == 0xF9:
                times.append(10.0 * struct.unpack("<H", blocks[0][1:3])[0])
            elif label == 0xFF and blocks[0] == b"NETSCAPE2.0":
                (repetitions,) = struct.unpack("<H", blocks[1][1:3])
                plays = repetitions and repetitions + 1
        else:
            left, top, width, height, flags = struct.unpack("<4HB", content[at + 1 : at + 10])
            boxes.append((left, top, width, height))
            _, at = _gif_blocks(content, at + 10 + _table_bytes(flags) + 1)
    return Animation(plays, times, boxes)


def _table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(content: bytes, at: int) -> tuple[list[bytes], int]:
    """Return the blocks that begin at a position, and the position after their end."""
    blocks = []
    while length := content[at]:
        blocks.append(content[at + 1 : at + 1 + length])
        at += 1 + length
    return blocks, at + 1
