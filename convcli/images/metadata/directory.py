"""Directories of tags as they are written: values as bytes, whatever their type (TIFF 6.0, 2).

Nothing is interpreted, so that no value is lost, and none fails to be written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate

from convcli.records import NamedTuple

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7  # types
MAX_SHORT = (1 << 16) - 1
MAX_DENOMINATOR = 1 << 16
INLINE_BYTES, ENTRY_BYTES = 4, 12
# Types of values that are numbers of more than a byte: the size of one, two to a fraction.
NUMBER_BYTES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
BIG_TYPES = (16, 17, 18)  # of BigTIFF alone
# Of the tags of a picture's first directory, those that say nothing of how its pixels are stored:
# names of document and page, description, make, model, software, date, artist, host, copyright,
# rating, Windows' title, comment, author, keywords and subject, and PrintIM.
TEXT_TAGS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432)
OTHER_TAGS = (0x4746, 0x4749, *range(0x9C9B, 0x9CA0), 0xC4A5)


class Value(NamedTuple):
    """The values of a tag: their type, their number, and their bytes in the directory's order."""

    type: int
    length: int
    content: bytes


class Block(NamedTuple):
    """A directory, some of whose tags are directories themselves.

    Parameters
    ----------
    values : dict
    blocks : dict
    """

    values: dict[int, Value]
    blocks: dict[int, Block]


NO_TAGS = Block({}, {})


def is_kept(name: int, kind: int) -> bool:
    """Whether a tag of the first directory is kept from one file to another of other pixels."""
    return (name in TEXT_TAGS and kind == ASCII) or name in OTHER_TAGS


def of_numbers(numbers: Sequence[int], order: str = "<") -> Value:
    """Return whole numbers as values of as few bytes as hold them all."""
    kind, code = (SHORT, "H") if max(numbers, default=0) <= MAX_SHORT else (LONG, "I")
    return Value(kind, len(numbers), struct.pack(f"{order}{len(numbers)}{code}", *numbers))


def of_longs(numbers: Sequence[int], order: str = "<") -> Value:
    """Return whole numbers as values of 32 bits."""
    return Value(LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers))


def of_fraction(number: float, order: str = "<") -> Value:
    """Return a positive number of less than 65,536 as a fraction."""
    from fractions import Fraction

    fraction = Fraction(number).limit_denominator(MAX_DENOMINATOR)
    return Value(RATIONAL, 1, struct.pack(f"{order}II", *fraction.as_integer_ratio()))


def of_bytes(content: bytes, kind: int = UNDEFINED) -> Value:
    """Return bytes as values."""
    return Value(kind, len(content), content)


def swap(block: Block) -> Block:
    """Return a directory in the other byte order."""
    values = {}
    for name, value in block.values.items():
        size = NUMBER_BYTES.get(value.type, 1)
        content = value.content
        if size > 1:
            parts = [content[start : start + size][::-1] for start in range(0, len(content), size)]
            content = b"".join(parts)
        values[name] = value._replace(content=content)
    return Block(values, {name: swap(inner) for name, inner in block.blocks.items()})


def encode(block: Block, at: int, order: str = "<") -> bytes:
    """Return a directory that is written at an offset, with its values and its directories."""
    names = sorted({*block.values, *block.blocks})
    start = at + 2 + len(names) * ENTRY_BYTES + 4
    entries, outside = [struct.pack(f"{order}H", len(names))], bytearray()
    for name in names:
        place = start + len(outside)
        if name in block.blocks:
            value = of_longs([place], order)
            outside += encode(block.blocks[name], place, order)
        else:
            value = block.values[name]
            if len(value.content) > INLINE_BYTES:
                outside += value.content
                value = value._replace(content=struct.pack(f"{order}I", place))
        outside += bytes(len(outside) % 2)
        head = struct.pack(f"{order}HHI", name, value.type, value.length)
        entries.append(head + value.content.ljust(INLINE_BYTES, b"\0"))
    return b"".join(entries) + bytes(4) + bytes(outside)


def encode_page(
    block: Block,
    at: int,
    strips: Sequence[int],
    tags: tuple[int, int],
    order: str = "<",
    *,
    first: int | None = None,
) -> bytes:
    """Return the directory of a page whose strips or tiles follow one another.

    Parameters
    ----------
    block : Block
        Of the page's other tags.
    at : int
        Where it is written.
    strips : sequence of int
        The size of each.
    tags : (int, int)
        The names of the strips' offsets and sizes.
    order : {"<", ">"}
        The byte order, of the values in `block`, too.
    first : int, optional
        Where the first strip is; left out, they follow the directory.
    """
    sizes = of_longs(strips, order)
    values = {**block.values, tags[0]: sizes, tags[1]: sizes}
    if first is None:
        first = at + len(encode(Block(values, block.blocks), at, order))
    values[tags[0]] = of_longs([*accumulate(strips[:-1], initial=first)], order)
    return encode(Block(values, block.blocks), at, order)
