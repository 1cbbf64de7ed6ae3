"""Damage: a good file or text, and how random changes spoil it.

Everything comes from the `random.Random` that is handed in, so one seed makes one damage.
"""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

Mutation: TypeAlias = Callable[[bytearray, random.Random], None]

MOST_BYTES = 1 << 18
EXTREMES = (
    0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 1 << 16, 1 << 24,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1,
)  # fmt: skip
NUMBERS = (
    *("0", "-1", "1", "2", "3", "7", "00", "-0", "1e308", "1e-320", "1e400", "-1e39", "0.1", "nan"),
    *("65535", "65536", "65537", "1001", "1002", "2147483648", "9" * 19, "9" * 400, "9" * 5000),
    *(
        "Infinity",
        "1_0",
        "0x10",
        "+3",
        "1.",
        ".5",
        "1e",
        "\u0663",
        "\uff13",
        "²",
        "½",
        "Ⅷ",
        "1e5",
        "true",
    ),
)
WHOLE = ("1", "2", "3", "4", "5", "7", "16", "33", "100", "1000", "1001", "65536", "10000000000")
SIGNS = (
    *("\0", "\n", "\r", "\t", "\v", "\x1b[31m", " ", "\u00a0", "\u2028", "\u202e", "\ufeff"),
    *(",", ":", ";", "=", "+", "x", ".", "#", "@", "*", "%s", "{", "}", "[", "]", '"', "'", "\\"),
    *("é", "🙂", "\ud800", "-", "--", "/", "..", "..."),
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[A-Za-z_]+|\s+|.", re.DOTALL)
_PNG_START = b"\x89PNG\r\n\x1a\n"


# Bytes


def spoiled(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A file with some of its bytes or its parts changed; `others` are there to be spliced in."""
    chance = rng.random()
    if chance < 0.6:
        return _with_spoiled_parts(content, rng)[:MOST_BYTES]
    spoil = bytearray(content)
    if chance < 0.65:
        other = rng.choice(others)
        spoil = spoil[: rng.randrange(len(spoil) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.choice((1, 1, 2, 8))):
        if spoil:
            rng.choice(_OF_BYTES)(spoil, rng)
    return bytes(spoil[:MOST_BYTES])


def _place(spoil: bytearray, rng: random.Random) -> int:
    """Somewhere in a file: often in its header, seldom in the few bytes that it is known by."""
    reach = min(len(spoil), rng.choice((40, 200, len(spoil), len(spoil))))
    return rng.randrange(4 if reach > 4 and rng.random() < 0.95 else 0, reach)


def _flip_bit(spoil: bytearray, rng: random.Random) -> None:
    spoil[_place(spoil, rng)] ^= 1 << rng.randrange(8)


def _set_byte(spoil: bytearray, rng: random.Random) -> None:
    spoil[_place(spoil, rng)] = rng.choice((0, 1, 127, 128, 254, 255, rng.randrange(256)))


def _set_number(spoil: bytearray, rng: random.Random) -> None:
    """Put an extreme value where a number of 2, 4 or 8 bytes may stand."""
    width = rng.choice((2, 4, 4, 8))
    number = rng.choice(EXTREMES) % (1 << 8 * width)
    at = _place(spoil, rng)
    spoil[at : at + width] = number.to_bytes(width, rng.choice(("big", "little")))


def _cut(spoil: bytearray, rng: random.Random) -> None:
    del spoil[_place(spoil, rng) :]


def _leave_out(spoil: bytearray, rng: random.Random) -> None:
    at = _place(spoil, rng)
    del spoil[at : at + rng.choice((1, 2, 4, 12, 100))]


def _repeat(spoil: bytearray, rng: random.Random) -> None:
    at = _place(spoil, rng)
    part = spoil[at : at + rng.choice((1, 2, 4, 12, 100))]
    spoil[at:at] = part * rng.choice((1, 2, 50))


def _put_in(spoil: bytearray, rng: random.Random) -> None:
    at = _place(spoil, rng)
    spoil[at:at] = rng.randbytes(rng.choice((1, 2, 4, 30)))


_OF_BYTES: tuple[Mutation, ...] = (
    *(_flip_bit, _flip_bit, _set_byte, _set_byte, _set_number, _set_number),
    *(_cut, _leave_out, _repeat, _put_in),
)


# Parts: chunks, segments, the entries of a directory


def _with_spoiled_parts(content: bytes, rng: random.Random) -> bytes:
    """A file whose chunks are changed, doubled, left out or put elsewhere; checksums are right."""
    start, parts = _parts(content)
    bare = [bytearray(_bare(part, content)) for part in parts]
    for _ in range(rng.choice((1, 1, 1, 3))):
        if not bare:
            break
        at = rng.randrange(len(bare))
        deed = rng.randrange(6)
        if deed == 0:
            bare[at:at] = [bytearray(bare[at])] * rng.choice((1, 2, 200))
        elif deed == 1:
            del bare[at]
        elif deed == 2:
            bare.insert(rng.randrange(len(bare)), bare.pop(at))
        elif bare[at]:
            bare[at] = bytearray(bare[at])  # a doubled part is one object
            rng.choice(_OF_BYTES)(bare[at], rng)
    return start + b"".join(_sealed(bytes(part), content) for part in bare)


def _parts(content: bytes) -> tuple[bytes, list[bytes]]:
    """What a file starts with, and its chunks; those of an unknown format are 12 bytes each."""
    if content.startswith(_PNG_START):
        return _PNG_START, _chunks(content, 8, ">I", extra=12)
    if content.startswith(b"RIFF"):
        return content[:12], _chunks(content, 12, "<I", extra=8)
    if content.startswith(b"\xff\xd8"):
        return content[:2], [b"\xff" + one for one in content[2:].split(b"\xff")[1:]]
    if content[:4] in (b"II*\0", b"MM\0*"):  # 12 bytes are an entry of the directory
        first = struct.unpack("<I" if content[:2] == b"II" else ">I", content[4:8])[0] + 2
        head, rest = content[:first], content[first:]
        return head, [rest[at : at + 12] for at in range(0, len(rest), 12)]
    return b"", [content[at : at + 12] for at in range(0, len(content), 12)]


def _chunks(content: bytes, at: int, length: str, *, extra: int) -> list[bytes]:
    found = []
    while at + 8 <= len(content):
        place = at + (4 if length == "<I" else 0)
        size = struct.unpack(length, content[place : place + 4])[0] + extra
        size += size % 2 if length == "<I" else 0
        found.append(content[at : at + size])
        at += size
    return found


def _bare(part: bytes, content: bytes) -> bytes:
    """A chunk of a PNG without its length and checksum, its compressed data unpacked."""
    if not content.startswith(_PNG_START):
        return part
    bare = part[4:-4]
    if bare.startswith((b"IDAT", b"fdAT")):
        return _unpacked(bare)
    return bare


def _sealed(bare: bytes, content: bytes) -> bytes:
    if not content.startswith(_PNG_START):
        return bare
    if bare.startswith(b"idat"):
        bare = b"IDAT" + zlib.compress(bare[4:])
    checksum = struct.pack(">I", zlib.crc32(bare))
    return struct.pack(">I", max(0, len(bare) - 4)) + bare + checksum


def _unpacked(bare: bytes) -> bytes:
    try:
        return b"idat" + zlib.decompress(bare[4:])
    except zlib.error:  # one of several
        return bare


# Text


def garbled(text: str, others: Sequence[str], rng: random.Random) -> str:
    """A text with some of its words, numbers and signs changed, or good numbers for good ones."""
    tokens = _TOKEN.findall(text)
    if rng.random() < 0.4:
        return "".join(
            rng.choice(WHOLE) if token.isdigit() and rng.random() < 0.4 else token
            for token in tokens
        )
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if not tokens:
            break
        _garble(tokens, _TOKEN.findall(rng.choice(others)), rng)
    return "".join(tokens)[:MOST_BYTES]


def _garble(tokens: list[str], others: list[str], rng: random.Random) -> None:
    at = rng.randrange(len(tokens))
    deed = rng.randrange(10)
    if deed <= 2:
        numbers = [place for place, token in enumerate(tokens) if token[:1].isdigit()] or [at]
        tokens[rng.choice(numbers)] = rng.choice(NUMBERS)
    elif deed == 3:
        tokens[at] = rng.choice(SIGNS)
    elif deed == 4:
        tokens.insert(at, rng.choice(SIGNS))
    elif deed == 5:
        del tokens[at : at + rng.choice((1, 2, 5))]
    elif deed == 6:
        end = at + rng.choice((1, 2, 5, 20))
        tokens[at:at] = tokens[at:end] * rng.choice((1, 1, 2, 3000))
    elif deed == 7:
        other = rng.randrange(len(tokens))
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif deed == 8:
        tokens[at] = rng.choice(others)
    else:
        place = rng.randrange(len(others))
        tokens[at:at] = others[place : place + 8]
