"""ICC profiles, written by hand (ICC.1:2022, 7 and 10)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

D50 = (0.9642, 1.0, 0.8249)
# Of sRGB, adapted to D50, as columns: red, green, blue.
COLORANTS = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def fixed(*values: float) -> bytes:
    """Numbers as s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def curv(*values: float) -> bytes:
    """A `curv`: without values the identity, with one a gamma, with more a table of 0..1."""
    numbers = [round(values[0] * 256)] if len(values) == 1 else [round(v * 65535) for v in values]
    return struct.pack(f">4sII{len(numbers)}H", b"curv", 0, len(numbers), *numbers)


def para(function: int, *parameters: float) -> bytes:
    """A `para` of one of the functions 0 to 4."""
    return struct.pack(">4sIHH", b"para", 0, function, 0) + fixed(*parameters)


def profile(
    curves: Sequence[bytes],
    *,
    space: bytes = b"",
    connection: bytes = b"XYZ ",
    version: int = 4,
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A display profile with three curves and the primaries of sRGB, or of gray, with one."""
    tags = [(b"wtpt", b"XYZ \0\0\0\0" + fixed(*D50)), *extra]
    if len(curves) == 3:
        colorants = zip((b"rXYZ", b"gXYZ", b"bXYZ"), COLORANTS, strict=True)
        tags += [(name, b"XYZ \0\0\0\0" + fixed(*values)) for name, values in colorants]
    names = {3: (b"rTRC", b"gTRC", b"bTRC"), 1: (b"kTRC",), 0: ()}[len(curves)]
    tags += zip(names, curves, strict=True)
    offset = 132 + 12 * len(tags)
    table, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, offset + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    space = space or {3: b"RGB ", 1: b"GRAY", 0: b"RGB "}[len(curves)]
    size = offset + len(contents)
    header = struct.pack(">I4sI4s4s4s", size, b"none", version << 24, b"mntr", space, connection)
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + fixed(*D50)
    return header.ljust(128, b"\0") + table + contents
