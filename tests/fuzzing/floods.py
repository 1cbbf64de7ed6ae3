"""Files that ask for much: floods of parts, sequences of unlike frames, sizes that disagree.

Counts and sizes come from the `random.Random` that is handed in, below and beyond every limit.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from PIL import Image
from support import costly_files as costly
from support.costly_files import entry, segment
from support.hostile_cases import chunk, gif, npy, png

Flood: TypeAlias = Callable[[random.Random], bytes]

MOST_PARTS = 200_000
SIDES = (1, 2, 7, 16, 255, 256, 1000, 1001, 16_383, 16_384, 65_535)


def flooded(kind: str, rng: random.Random) -> bytes:
    """A file of a format with a flood of one sort."""
    return rng.choice(FLOODS[kind])(rng)


def _count(rng: random.Random, most: int = MOST_PARTS) -> int:
    """A number of parts, as often of any magnitude."""
    return min(int(10 ** rng.uniform(0, 6)), most)


def _sizes(rng: random.Random) -> list[tuple[int, int]]:
    """The sizes of frames, of which later ones may differ from the first."""
    first = rng.choice(SIDES[:5]), rng.choice(SIDES[:5])
    others = ((rng.choice(SIDES), rng.choice(SIDES)) for _ in range(_count(rng, 50)))
    return [first, *others]


def _content(rng: random.Random, most: int = 60_000) -> bytes:
    return bytes([rng.choice((0, 255, rng.randrange(256)))]) * min(_count(rng), most)


# One flood a function


def _jpeg_segments(rng: random.Random) -> bytes:
    marker = rng.choice((0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xED, 0xFE))
    name = rng.choice((b"", b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"MPF\0", b"Photoshop 3.0\0"))
    content = name + _content(rng, 2000)
    most = 2_000_000 // (len(content) + 4)
    return costly.jpeg(start=segment(marker, content) * _count(rng, most))


def _jpeg_junk(rng: random.Random) -> bytes:
    junk = rng.choice((b"\xff", b"\0", b"\xff\0", b"\xff\xd0", rng.randbytes(2)))
    return costly.jpeg(start=segment(0xFE, b"") + junk * _count(rng, 1 << 20))


def _jpeg_scans(rng: random.Random) -> bytes:
    side = rng.choice((16, 200, 1000))
    scan = rng.choice((costly.REFINEMENT, segment(0xDA, bytes((1, 1, 0, 1, 5, 0)))))
    return costly.jpeg(side=side, progressive=True, scans=scan * _count(rng, 5000))


def _jpeg_pictures(rng: random.Random) -> bytes:
    return costly.mpo(_count(rng, 4000), rng.choice(SIDES))


def _jpeg_repeated(rng: random.Random) -> bytes:
    """An index that names one costly picture many times."""
    flood = rng.choice((_jpeg_segments, _jpeg_junk, _jpeg_scans, _jpeg_of_exif))
    return costly.mpo_repeated(_count(rng, 4000), flood(rng))


def _jpeg_of_exif(rng: random.Random) -> bytes:
    return costly.jpeg_exif(_exif(rng))


def _exif(rng: random.Random) -> bytes:
    """An EXIF block with many tags, many values, or many names of the same bytes."""
    sort = rng.randrange(3)
    if sort == 0:
        return costly.exif_of_fractions(_count(rng))
    if sort == 1:
        return costly.exif_of_one_value(_count(rng, 5000), _count(rng))
    kind, count = rng.choice((1, 2, 3, 4, 5, 7, 9, 10, 12, 13)), _count(rng)
    tags = [entry(rng.randrange(1 << 16), kind, count, 26) for _ in range(_count(rng, 300))]
    return costly.exif(tags, bytes(_count(rng)))


def _gif_frames(rng: random.Random) -> bytes:
    frames = [costly.gif_frame(*size, disposal=rng.randrange(4)) for size in _sizes(rng)]
    return costly.gif(frames, (rng.choice(SIDES), 8))


def _gif_blocks(rng: random.Random) -> bytes:
    block = rng.choice((b"\1\0", b"!\xfe\1a\0", b"!\xf9\0", b"\7", b"!\xff\x0bNETSCAPE2.0\0"))
    inner = costly.gif_frame(data=block * _count(rng) + b"\0")
    return costly.gif(rng.choice(([inner], [block * _count(rng), costly.gif_frame()])))


def _webp_frames(rng: random.Random) -> bytes:
    canvas = costly.webp_canvas(rng.choice(SIDES[:-1]), rng.choice(SIDES[:-1]))
    return costly.riff(canvas, costly.ANIMATION, *[costly.webp_frame()] * _count(rng, 12_000))


def _webp_chunks(rng: random.Random) -> bytes:
    sort = rng.choice((b"none", b"XMP ", b"ICCP", b"EXIF"))
    content = _exif(rng) if sort == b"EXIF" else _content(rng, 50)
    many = _count(rng, 2_000_000 // (len(content) + 8) or 1)
    return costly.webp_still(*[(sort, content)] * many, flags=rng.choice((0, 0x2C)))


def _png(width: int, height: int) -> bytes:
    return png(width, height, pixels=b"")


def _png_chunks(rng: random.Random) -> bytes:
    name = rng.choice((b"noNe", b"tEXt", b"tIME", b"PLTE", b"IDAT", b"acTL", b"fcTL", b"sBIT"))
    content = rng.choice((b"", b"a\0b", _content(rng, 50)))
    return png(extra=chunk(name, content) * _count(rng))


def _png_text(rng: random.Random) -> bytes:
    kind, start = rng.choice(((b"zTXt", b"a\0\0"), (b"zTXt", b"\0\0"), (b"iCCP", b"a\0\0"),
                              (b"iTXt", b"a\0\1\0\0\0")))  # fmt: skip
    return costly.png_text(kind, start, _count(rng, 400), _count(rng, 1 << 20))


def _png_frames(rng: random.Random) -> bytes:
    claimed = rng.choice((None, 0, 1, 10_000, 1 << 31, (1 << 32) - 1))
    return costly.apng(_count(rng, 2000), rng.choice((1, 8, 100, 500)), claimed=claimed)


def _png_exif(rng: random.Random) -> bytes:
    block = _exif(rng)
    packed = rng.choice((0, _count(rng, 2000)))
    whole = png(extra=chunk(b"eXIf", block) * rng.choice((1, _count(rng, 100))))
    return rng.choice((whole, costly.png_exif_text(block[:100_000], packed=packed)))


def _tiff_pages(rng: random.Random) -> bytes:
    size = rng.choice(SIDES), rng.choice(SIDES)
    return costly.tiff_chain(_count(rng, 20_000), size=size, last=rng.choice((0, 8, 1 << 31)))


def _tiff_sizes(rng: random.Random) -> bytes:
    sizes = [(width % 500 + 1, height % 500 + 1) for width, height in _sizes(rng)]
    return costly.tiff_of_sizes(sizes)


def _tiff_shared(rng: random.Random) -> bytes:
    """Strips that are all the same bytes."""
    return costly.tiff_shared(
        rng.choice((1, 5, 8, 32773)),
        _count(rng, 100_000),
        _count(rng),
        photometric=rng.choice((0, 1, 3)),
    )


def _tiff_old_jpeg(rng: random.Random) -> bytes:
    return costly.tiff_old_jpeg(_count(rng, 1000))


def _tiff_tags(rng: random.Random) -> bytes:
    tags = (256, 258, 270, 273, 278, 279, 282, 320, 322, 323, 324, 325, 338, 347, 34665, 34675)
    extra: Sequence[bytes] = [
        entry(rng.choice(tags), rng.choice((1, 2, 3, 4, 5, 7)), _count(rng), 8)
        for _ in range(_count(rng, 20))
    ]
    values = bytes(_count(rng))
    return costly.tiff_chain(_count(rng, 500), values=values, extra=extra)


def _bmp(rng: random.Random) -> bytes:
    step = rng.choice((b"\0\0", b"\0\2\0\0", b"\0\3abc\0", b"\1\7", b"\xff\7"))
    return costly.bmp_runs(rng.choice(SIDES), rng.choice(SIDES), step * _count(rng))


def _ppm(rng: random.Random) -> bytes:
    magic = b"P%d " % rng.randrange(1, 7)
    junk = rng.choice((b"#\n", b" ", b"#a", b"1 ", b"0000000000", b"\n")) * _count(rng)
    size = b"%d %d " % (rng.choice(SIDES), rng.choice(SIDES))
    parts = [magic, size, b"255 ", bytes(100)]
    parts.insert(rng.randrange(1, 5), junk)
    return b"".join(parts)


def _of_size(make: Callable[[int, int], bytes]) -> Flood:
    return lambda rng: make(rng.choice(SIDES), rng.choice(SIDES))


def _saved_pair(image_format: str, **options: Any) -> Flood:
    """Two frames, of which the second is larger, as far as the format allows."""

    def make(rng: random.Random) -> bytes:
        first, second = (Image.new("RGB", (rng.choice(SIDES[:6]), 9)) for _ in range(2))
        stream = io.BytesIO()
        first.save(stream, image_format, save_all=True, append_images=[second], **options)
        return stream.getvalue()

    return make


FLOODS: Mapping[str, Sequence[Flood]] = {
    "jpeg": (_jpeg_segments, _jpeg_junk, _jpeg_scans, _jpeg_pictures,
             _jpeg_repeated, _jpeg_of_exif, _saved_pair("MPO")),
    "gif": (_gif_frames, _gif_frames, _gif_blocks, _of_size(gif)),
    "webp": (_webp_frames, _webp_chunks),
    "png": (_png_chunks, _png_text, _png_frames, _png_exif, _of_size(_png)),
    "tiff": (_tiff_pages, _tiff_sizes, _tiff_tags, _tiff_shared, _tiff_old_jpeg),
    "bmp": (_bmp,),
    "ppm": (_ppm,),
}  # fmt: skip


def grid_of_any_shape(rng: random.Random) -> bytes:
    """A `.npy` whose header says shapes and sizes that do not agree with what follows."""
    lengths = (0, 1, 2, 1000, 90_000_000, 1 << 31, 1 << 62)
    sides = (rng.choice(lengths) for _ in range(rng.randrange(4)))
    shape = f"({''.join(f'{side}, ' for side in sides)})"
    kind = rng.choice(("'<f8'", "'|u1'", "'|b1'", "'>i2'", "'<c16'", "'|S9'", "'|O'"))
    return npy(shape, struct.pack("<8d", *range(8)) * _count(rng, 1000), kind=kind)
