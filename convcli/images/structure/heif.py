"""AVIF and HEIF: the items of a file and the headers of their pixels.

A decoder allocates what the header of the coded pixels says, whatever size the file gives the item;
so all of them are read. Sources: ISO/IEC 14496-12, 8.11 (items); ISO/IEC 23008-12 (HEIF); AV1
Bitstream & Decoding Process Specification, 5.3 and 5.5; ITU-T H.265, 7.3.1 to 7.3.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.structure import MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.boxes import Bits, Box, read_boxes
from convcli.records import NamedTuple

MAX_META_BYTES = 8 << 20  # of the box that describes the items
MAX_ROUNDING = 64  # of a side, in pixels
MAX_ITEMS = 10_000
MAX_EXTENTS = 100_000  # the parts of all items
MAX_UNITS = 10_000  # parameter sets and slices of all items
MAX_JOINED_BYTES = 64 << 20  # of an item that is in parts
SEQUENCE_HEADER = 1  # a unit of AV1
PARAMETER_SET = 33  # a unit of HEVC
MAX_PARAMETER_BYTES = 4096
BROKEN = "cannot be decoded: its headers are broken or cut off"
METADATA = (b"Exif", b"mime", b"uri ")
CODED = (b"av01", b"hvc1", b"hev1")
DERIVED = (b"grid", b"iovl")
REFUSED = (b"jpeg", b"unci", b"j2k1", b"vvc1", b"avc1", b"evc1", b"mski")  # pixels in other codes
PROPERTIES = (b"ispe", b"pixi", b"av1C", b"hvcC")


class Item(NamedTuple):
    """An item: its kind, the parts of the file that it is, and its properties by their names."""

    kind: bytes
    extents: list[tuple[int, int]]
    properties: dict[bytes, bytes]


def read_structure(window: Window) -> Structure:
    """Read the items, and how many frames its tracks have.

    Raises
    ------
    ImageError
        For a file whose headers are broken or cut off: no decoder is given it.
    """
    try:
        return _read_structure(window)
    except (struct.error, IndexError, StopIteration, RuntimeError) as error:
        raise ImageError(window.path, BROKEN) from error


def _read_structure(window: Window) -> Structure:
    primary, items, frames = 0, dict[int, Item](), 0
    for box in read_boxes(window):
        if box.name == b"meta":
            if box.size > MAX_META_BYTES:
                raise window.excess(box.size, MAX_META_BYTES, "bytes that describe its items")
            primary, items = _read_items(window, box)
        elif box.name == b"moov":
            frames = max(_count_samples(window, box), frames)
    if primary not in items:
        what = "a sequence without a still picture" if frames else "a file without a picture"
        raise ImageError(window.path, f"cannot be decoded: it is {what}")
    for item in items.values():
        if item.kind in REFUSED:
            kind = item.kind.decode()
            raise ImageError(window.path, f"holds pixels of the kind {kind!r}, which are not read")
    metadata = sum(
        length for item in items.values() if item.kind in METADATA for _, length in item.extents
    )
    if metadata > MAX_METADATA_BYTES:
        raise window.excess(metadata, MAX_METADATA_BYTES, "bytes of metadata")
    sizes = [size for item in items.values() for size in _sizes(window, item)]
    main = _described_size(items[primary])
    # By the largest one a file is refused. Coders round a side up.
    larger = [size for size in sizes if max(size[0] - main[0], size[1] - main[1]) > MAX_ROUNDING]
    largest = max([main, *larger], key=lambda size: size[0] * size[1])
    held = 2 * window.size + 2 * metadata
    bits = max([1, *items[primary].properties.get(b"pixi", b"\0\x08")[1:]])
    if not items[primary].properties.get(b"pixi"):
        bits = max(_coded_bits(item) for item in items.values())
    return Structure((largest,), metadata, held, bits=bits, frames=max(frames, 1))


def _read_items(window: Window, meta: Box) -> tuple[int, dict[int, Item]]:
    """Return the number of the main item, and all items by their numbers."""
    primary, kinds, places = 0, dict[int, bytes](), dict[int, list[tuple[int, int]]]()
    properties: list[tuple[bytes, bytes]] = []
    uses: dict[int, list[int]] = {}
    inner = {box.name: box for box in read_boxes(window, meta.at + 4, meta.end)}
    if b"pitm" in inner:
        content = _content(window, inner[b"pitm"])
        primary = int.from_bytes(content[4:] if content[0] else content[4:6])
    if b"iinf" in inner:
        kinds = _read_kinds(window, inner[b"iinf"])
    if b"iloc" in inner:
        own = inner[b"idat"].at if b"idat" in inner else 0
        places = _read_places(window, _content(window, inner[b"iloc"]), own)
    if b"iprp" in inner:
        for box in read_boxes(window, inner[b"iprp"].at, inner[b"iprp"].end):
            if box.name == b"ipco":
                properties = [
                    (one.name, _content(window, one) if one.name in PROPERTIES else b"")
                    for one in read_boxes(window, box.at, box.end)
                ]
            elif box.name == b"ipma":
                uses |= _read_uses(window, _content(window, box))
    items = {}
    for number, kind in kinds.items():
        used = (properties[use - 1] for use in uses.get(number, ()) if 0 < use <= len(properties))
        items[number] = Item(kind, places.get(number, []), dict(used))
    return primary, items


def _content(window: Window, box: Box) -> bytes:
    """Return the content of a box, which is in the one that describes the items."""
    return window.read(box.at, min(box.size, MAX_META_BYTES))


def _read_kinds(window: Window, box: Box) -> dict[int, bytes]:
    """Return the kinds of items by their numbers."""
    start = window.read(box.at, 8)
    kinds = {}
    for entry in read_boxes(window, box.at + (8 if start[0] else 6), box.end):
        content = window.read(entry.at, 14)
        if entry.name == b"infe" and content[0] >= 2:
            width = 2 if content[0] == 2 else 4
            number = int.from_bytes(content[4 : 4 + width])
            kinds[number] = content[6 + width : 10 + width]
            window.count("items", 1, MAX_ITEMS)
    return kinds


def _read_places(window: Window, content: bytes, own: int) -> dict[int, list[tuple[int, int]]]:
    """Return where the parts of items are, (position, length), by their numbers.

    Those of an item that is built of others are left out. `own` is where data in the box of the
    items itself are.
    """
    version = content[0]
    widths = content[4] >> 4, content[4] & 15, content[5] >> 4, content[5] & 15 if version else 0
    offset_bytes, length_bytes, base_bytes, index_bytes = widths
    at = 6
    places: dict[int, list[tuple[int, int]]] = {}

    def number(width: int) -> int:
        nonlocal at
        if at + width > len(content):
            raise IndexError("the places of items end")
        value = int.from_bytes(content[at : at + width])
        at += width
        return value

    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_bytes) + (own if method == 1 else 0)
        count = number(2)
        window.count("parts of items", count, MAX_EXTENTS)
        extents = []
        for _ in range(count):
            number(index_bytes)
            offset, length = number(offset_bytes), number(length_bytes)
            extents.append((base + offset, length or window.size))
        places[item] = extents if method < 2 else []
    return places


def _read_uses(window: Window, content: bytes) -> dict[int, list[int]]:
    """Return the properties that items use, counted from 1, by the numbers of the items."""
    width, is_wide = 4 if content[0] else 2, content[3] & 1
    (count,) = struct.unpack(">I", content[4:8])
    at, uses = 8, {}
    for _ in range(count):
        number, entries = int.from_bytes(content[at : at + width]), content[at + width]
        at += width + 1
        step = 2 if is_wide else 1
        window.count("properties of items", entries, MAX_EXTENTS)
        mask = 0x7FFF if is_wide else 0x7F
        uses[number] = [
            int.from_bytes(content[at + step * index : at + step * (index + 1)]) & mask
            for index in range(entries)
        ]
        at += step * entries
    return uses


def _count_samples(window: Window, movie: Box) -> int:
    """Return the most samples of a track of a sequence."""
    most = 0
    path = (b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    boxes = [(movie, 0)]
    while boxes:
        outer, depth = boxes.pop()
        for box in read_boxes(window, outer.at, outer.end):
            if box.name != path[depth]:
                continue
            if depth + 1 < len(path):
                boxes.append((box, depth + 1))
            else:
                most = max(most, int.from_bytes(window.read(box.at + 8, 4)))
    return most


def _described_size(item: Item) -> Pair:
    """Return the size, (H, W), that the file gives to an item."""
    width, height = struct.unpack(">II", item.properties.get(b"ispe", b"")[4:12])
    return height, width


def _sizes(window: Window, item: Item) -> Iterator[Pair]:
    """Yield the sizes that the headers of coded pixels give.

    Raises
    ------
    ImageError
        If an item of coded pixels has no header.
    """
    if b"ispe" in item.properties:
        yield _described_size(item)
    if item.kind in DERIVED and item.extents:
        yield _derived_size(window, item)
    if item.kind not in CODED:
        return
    sizes = _av1_sizes(window, item) if item.kind == b"av01" else _hevc_sizes(window, item)
    found = False
    for size in sizes:
        found = True
        yield size
    if not found:
        raise ImageError(window.path, "cannot be decoded: its pixels have no header")


def _coded_parts(window: Window, item: Item) -> Iterator[tuple[Window, int, int]]:
    """Yield where the coded pixels of an item are: a stream, their start and their end.

    Raises
    ------
    ImageError
        If they are in parts that are too large to be joined.
    """
    size = sum(length for _, length in item.extents)
    if len(item.extents) == 1:
        yield window, item.extents[0][0], min(sum(item.extents[0]), window.size)
    elif item.extents:
        if size > MAX_JOINED_BYTES:
            raise window.excess(size, MAX_JOINED_BYTES, "bytes of an item in parts")
        yield window.inner(b"".join(window.read(*extent) for extent in item.extents)), 0, size


def _derived_size(window: Window, item: Item) -> Pair:
    """Return the size of a grid of items, or of a canvas on which they are laid."""
    content = window.read(item.extents[0][0], 64)
    width = 4 if content[1] & 1 else 2
    start = 4 if item.kind == b"grid" else 10
    across, down = (
        content[start + width * axis :][:width].ljust(width, b"\xff") for axis in (0, 1)
    )
    return int.from_bytes(down), int.from_bytes(across)


def _av1_sizes(window: Window, item: Item) -> Iterator[Pair]:
    """Yield the sizes of the sequence headers in an item and in its properties."""
    config = item.properties.get(b"av1C", b"")[4:]
    parts = (window.inner(config), 0, len(config)), *_coded_parts(window, item)
    for source, first, end in parts:
        at = first
        while at < end:
            window.count("units of coded pixels", 1, MAX_UNITS)
            start = source.read(at, 10)
            has_size, skipped = start[0] & 2, 2 if start[0] & 4 else 1
            size = end - at - skipped
            if has_size:  # in seven bits a byte, the lowest first
                digits = start[skipped : skipped + 8]
                length = next(index for index, digit in enumerate(digits, 1) if digit < 0x80)
                size = sum((digits[index] & 0x7F) << 7 * index for index in range(length))
                skipped += length
            at += skipped
            if start[0] >> 3 & 15 == SEQUENCE_HEADER:
                yield _read_av1_header(Bits(source.read(at, min(size, MAX_PARAMETER_BYTES - 1))))
            at += size


def _read_av1_header(bits: Bits) -> Pair:
    """Return the largest size of a frame by a sequence header."""
    bits.read(4)
    if bits.read(1):  # the short form of still pictures
        bits.read(5)
    else:
        delay_bits = 0
        if bits.read(1):  # times
            bits.read(64)
            if bits.read(1):
                bits.read_golomb()
            if bits.read(1):  # the model of a decoder
                delay_bits = bits.read(5) + 1
                bits.read(42)
        has_delays = bits.read(1)
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.read(1)
            if delay_bits and bits.read(1):
                bits.read(2 * delay_bits + 1)
            if has_delays and bits.read(1):
                bits.read(4)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    return height, width


def _hevc_sizes(window: Window, item: Item) -> Iterator[Pair]:
    """Yield the sizes of the parameter sets in the properties of an item and among its data."""
    config = item.properties.get(b"hvcC", b"")
    at = 23
    for _ in range(config[22] if len(config) > 22 else 0):
        count = int.from_bytes(config[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            window.count("units of coded pixels", 1, MAX_UNITS)
            size = int.from_bytes(config[at : at + 2])
            yield from _read_unit(config[at + 2 : at + 2 + size])
            at += 2 + size
    width = (config[21] & 3) + 1 if len(config) > 21 else 4
    for source, first, end in _coded_parts(window, item):
        at = first
        while at + width <= end:
            window.count("units of coded pixels", 1, MAX_UNITS)
            size = int.from_bytes(source.read(at, width))
            yield from _read_unit(source.read(at + width, min(size, MAX_PARAMETER_BYTES - 1)))
            at += width + size


def _read_unit(content: bytes) -> Iterator[Pair]:
    """Yield the size that a unit says, if it is a set of parameters."""
    if not content or content[0] >> 1 & 0x3F != PARAMETER_SET:
        return
    bits = Bits(content[2:].replace(b"\0\0\3", b"\0\0"))  # which keeps it from looking like a start
    bits.read(4)
    layers = bits.read(3)
    bits.read(1 + 96)
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    bits.read_golomb()
    if bits.read_golomb() == 3:  # three planes of a size
        bits.read(1)
    width, height = bits.read_golomb(), bits.read_golomb()
    yield height, width


def _coded_bits(item: Item) -> int:
    """Return the bits of a value that a decoder's configuration says."""
    av1, hevc = item.properties.get(b"av1C", b""), item.properties.get(b"hvcC", b"")
    if len(av1) > 2:
        return (8, 10, 12, 12)[av1[2] >> 5 & 3]
    return (hevc[17] & 7) + 8 if len(hevc) > 17 else 8
