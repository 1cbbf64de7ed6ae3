"""Files that ask for much, as a table: the line that refuses them, or the limits of reading."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from support import coded_files as coded
from support import costly_files as costly
from support.costly_files import MEGABYTE, entry, segment
from support.hostile_cases import LEAN, Case, File, chunk, on_input, png


def made(maker: Callable[..., bytes], *arguments: Any, **keywords: Any) -> Callable[[Path], None]:
    """A file that is made when its case is played, not when the cases are collected."""

    def make(path: Path) -> None:
        path.write_bytes(maker(*arguments, **keywords))

    return make


def text_bomb(kind: bytes, start: bytes) -> Callable[[Path], None]:
    """A PNG with a compressed chunk that expands to 200 MB."""

    def make(path: Path) -> None:
        path.write_bytes(png(extra=chunk(kind, start + packed_zeros())))

    return make


@cache
def packed_zeros() -> bytes:
    packer = zlib.compressobj(1)
    zeros = bytes(MEGABYTE)
    return b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()


def made_jpeg(start: Callable[[], bytes]) -> Callable[[Path], None]:
    return made(lambda: costly.jpeg(start=start()))


SMALL = ("--max-memory", "300M")
TIFF_OUTPUT = ("-o", "old.tif")  # which holds frames of any size
ORIENTATION = entry(0x0112, costly.SHORT, 1, 1)
SHARED = entry(270, costly.ASCII, MEGABYTE, 8)  # a description that all pages name

# Every one is refused, in one line, which says what there is too much of.
JPEGS = (
    on_input(
        "exif-flood.jpg",
        made_jpeg(lambda: segment(0xE1, b"Exif\0\0II") * 90_000),
        "segments before its pixels at least; the most is 10,000",
    ),
    on_input(
        "exif-joined.jpg",
        made_jpeg(lambda: segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 300),
        "300 segments of EXIF at least; the most is 256",
    ),
    on_input("comments.jpg", made_jpeg(lambda: segment(0xFE, b"") * 20_000), "segments before"),
    on_input(
        "metadata.jpg",
        made_jpeg(lambda: segment(0xE3, bytes(costly.FULL)) * 640),
        "bytes of metadata at least",
    ),
    on_input(
        "tables.jpg",
        made_jpeg(lambda: segment(0xDB, bytes(65 * 1000)) * 100),
        "bytes of quantization tables",
    ),
    on_input(
        "junk-within.jpg",
        made_jpeg(lambda: segment(0xFE, b"") + bytes(2 * MEGABYTE)),
        "bytes of junk before",
    ),
    on_input("fill.jpg", made_jpeg(lambda: b"\xff" * 2 * MEGABYTE), "bytes of junk before"),
    on_input(
        "scans.jpg",
        made(costly.jpeg, side=2000, progressive=True, scans=costly.REFINEMENT * 1000),
        "scans at least; the most is 100",
    ),
    on_input("one-component-scans.jpg", made(costly.jpeg_sequential, 1000, 2000), "scans at least"),
    on_input(
        "fractions.jpg",
        made(lambda: costly.jpeg_exif(costly.exif_of_fractions(1_000_000))),
        "1,000,000 fractions in its tags at least; the most is 100,000",
    ),
    on_input(
        "tags.jpg",
        made(lambda: costly.jpeg_exif(costly.exif_of_one_value(3000, MEGABYTE))),
        "bytes of values in its tags",
    ),
    on_input(
        "coefficients.jpg",
        made(costly.jpeg, side=8000, progressive=True),
        "needs about",
        extra=SMALL,
    ),
    on_input(
        "one-picture.jpg",
        made(costly.mpo, 2, 60_000),
        "has 60000x60000 = 3,600,000,000 pixels",
        extra=("--frame", "1"),
    ),
)

# Further pictures are looked at when they are asked for, and then as the first one is.
REPEATED = (
    on_input(
        "later-segments.jpg",
        made(lambda: costly.mpo_repeated(400, costly.jpeg(start=segment(0xFE, b"") * 10_001))),
        "segments before its pixels at least; the most is 10,000",
        extra=("--frame", "1"),
    ),
    on_input(
        "later-junk.jpg",
        made(lambda: costly.mpo_repeated(400, costly.jpeg(start=b"\xff" + bytes(2_000_000)))),
        "bytes of junk before its pixels",
        extra=("--frame", "1"),
    ),
    on_input(
        "later-metadata.jpg",
        made(
            lambda: costly.mpo_repeated(
                400, costly.jpeg(start=segment(0xE3, bytes(costly.FULL)) * 600)
            )
        ),
        "bytes of metadata at least",
        extra=("--frame", "399"),
    ),
    on_input(
        "later-fractions.jpg",
        made(lambda: costly.mpo_repeated(2, costly.jpeg_exif(costly.exif_of_fractions(1_000_000)))),
        "1,000,000 fractions in its tags at least",
        extra=("--frame", "1"),
    ),
    on_input(
        "later-scans.jpg",
        made(
            lambda: costly.mpo_repeated(
                2, costly.jpeg(side=2000, progressive=True, scans=costly.REFINEMENT * 1000)
            )
        ),
        "scans at least; the most is 100",
        extra=("--frame", "1"),
    ),
    on_input(
        "later-coefficients.jpg",
        made(lambda: costly.mpo_repeated(2, costly.jpeg(side=8000, progressive=True))),
        "needs about",
        extra=(*SMALL, "--frame", "1"),
    ),
)

HUGE_FIRST = costly.gif([costly.gif_frame(65_535, 65_535, disposal=2)], end=b"")
GIFS = (
    on_input("canvas.gif", HUGE_FIRST, "has 65535x65535 = 4,294,836,225 pixels"),
    on_input(
        "later.gif",
        costly.gif([costly.gif_frame(), costly.gif_frame(13_000, 13_000)]),
        "needs about",
        extra=(*SMALL, "-o", "old.gif"),
    ),
    on_input(
        "later-one.gif",
        costly.gif([costly.gif_frame(), costly.gif_frame(13_000, 13_000)]),
        "needs about",
        extra=(*SMALL, "--frame", "1"),
    ),
    on_input(
        "later-too-large.gif",
        costly.gif([costly.gif_frame(), costly.gif_frame(60_000, 60_000)]),
        "has 60000x60000",
        extra=("--frame", "1"),
    ),
    on_input(
        "two-thousand.gif",
        costly.gif([costly.gif_frame(500, 500)] * 2000, (500, 500)),
        "has 500,000,000 pixels in 2,000 frames, and --max-pixels allows 180,000,000",
        extra=("-o", "old.gif"),
    ),
    on_input(
        "frame-of-many.gif",
        costly.gif([costly.gif_frame(1, 1)] * 200, (4000, 4000)),
        "has 3,200,000,000 pixels in frames 0 to 199, all of which are decoded for frame 199, "
        "and --max-pixels allows 180,000,000",
        extra=("--frame", "199"),
    ),
    on_input(
        "one-of-many.gif",
        costly.gif([costly.gif_frame()] * 2000, (500, 500)),
        "has 1,000,000 pixels in frames 0 to 3",
        extra=("--frame", "3", "--max-pixels", "999999"),
    ),
    on_input("frames.gif", made(costly.gif, [costly.gif_frame(1, 1)] * 20_000), "10,001 frames"),
    on_input(
        "blocks.gif",
        made(costly.gif, [costly.gif_frame(data=b"\1\0" * 4_000_000 + b"\0")]),
        "blocks of data at least",
    ),
    on_input(
        "extensions.gif",
        made(costly.gif, [b"!\xfe\x01a\0" * 2_000_000, costly.gif_frame()]),
        "blocks of data at least",
    ),
    on_input(
        "comment.gif",
        made(costly.gif, [b"!\xfe" + (b"\xff" + bytes(255)) * 160_000 + b"\0", costly.gif_frame()]),
        "bytes of extensions at least",
    ),
    on_input(
        "junk-first.gif", made(costly.gif, [b"\1" * 2 * MEGABYTE, costly.gif_frame()]), "junk"
    ),
)

WEBPS = (
    on_input(
        "canvas.webp",
        costly.riff(costly.webp_canvas(16_383, 16_383), costly.ANIMATION, costly.webp_frame()),
        "has 16383x16383 = 268,402,689 pixels",
    ),
    on_input(
        "frames.webp",
        made(
            costly.riff, costly.webp_canvas(1, 1), costly.ANIMATION, *[costly.webp_frame()] * 12_000
        ),
        "10,001 frames",
    ),
    on_input(
        "many-large.webp",
        made(
            costly.riff,
            costly.webp_canvas(2000, 2000),
            costly.ANIMATION,
            *[costly.webp_frame()] * 100,
        ),
        "has 400,000,000 pixels in 100 frames",
        extra=("-o", "old.webp"),
    ),
    on_input(
        "frame-of-many.webp",
        made(
            costly.riff,
            costly.webp_canvas(4000, 4000),
            costly.ANIMATION,
            *[costly.webp_frame()] * 100,
        ),
        "has 1,600,000,000 pixels in frames 0 to 99",
        extra=("--frame", "99"),
    ),
    on_input("chunks.webp", made(costly.webp_still, *[(b"none", b"")] * 2_000_000), "chunks at"),
    on_input(
        "metadata.webp",
        made(costly.webp_still, (b"XMP ", bytes(40 << 20)), flags=4),
        "bytes of metadata",
    ),
    on_input(
        "fractions-in-parts.webp",
        made(
            lambda: costly.webp_still(*[(b"EXIF", costly.exif_of_fractions(2000))] * 100, flags=8)
        ),
        "102,000 fractions in its tags at least; the most is 100,000",
    ),
    on_input(
        "fractions.webp",
        made(lambda: costly.webp_still((b"EXIF", costly.exif_of_fractions(10**6)), flags=8)),
        "1,000,000 fractions in its tags",
    ),
)

PNGS = (
    on_input(
        "chunks.png", made(lambda: png(extra=chunk(b"noNe", b"") * 4_000_000)), "chunks at least"
    ),
    on_input(
        "late-chunks.png",
        made(lambda: png()[:-12] + chunk(b"noNe", b"") * 4_000_000 + png()[-12:]),
        "chunks at least",
    ),
    on_input("profiles.png", made(costly.png_text, b"iCCP", b"a\0\0", 1000), "of text, once expan"),
    on_input("nameless.png", made(costly.png_text, b"zTXt", b"\0\0", 1000), "of text, once expan"),
    on_input(
        "frame-beyond.png",
        costly.apng(2, 8, later=1 << 30),
        "1073741824x1073741824 at 0,0 is beyond the 8x8 of the picture",
    ),
    on_input("frames.png", costly.apng(2, 8, claimed=1 << 30), "1,073,741,824 frames"),
    on_input(
        "two-thousand.png", made(costly.apng, 2000, 500), "has 500,000,000 pixels in 2,000 frames"
    ),
    on_input(
        "frame-of-many.png",
        made(costly.apng, 200, 2000),
        "has 800,000,000 pixels in frames 0 to 199",
        extra=("--frame", "199"),
    ),
    on_input(
        "unknown.png", made(lambda: png(extra=chunk(b"noNe", bytes(40 << 20)))), "bytes of metadata"
    ),
    on_input(
        "fractions.png",
        made(lambda: png(extra=chunk(b"eXIf", costly.exif_of_fractions(1_000_000)))),
        "fractions in its tags",
    ),
    on_input(
        "exif-text.png",
        made(lambda: costly.png_exif_text(costly.exif_of_fractions(110_000))),
        "digits of EXIF",
    ),
    on_input(
        "packed-exif.png",
        made(lambda: costly.png_exif_text(bytes(400_000), packed=2000)),
        "digits of EXIF at least",
    ),
    on_input(
        "fractions-in-parts.png",
        made(lambda: png(extra=chunk(b"eXIf", costly.exif_of_fractions(2000)) * 100)),
        "102,000 fractions in its tags at least; the most is 100,000",
    ),
)

TIFFS = (
    on_input("chain.tif", made(costly.tiff_chain, 100_000), "10,001 frames at least"),
    *(
        on_input(
            f"strips-{compression}-{photometric}.tif",
            made(costly.tiff_shared, compression, count, size, photometric=photometric),
            f"has {count * size:,} bytes in its strips or tiles at least",
            extra=SMALL,
        )
        for compression, photometric, count, size in (
            (5, 1, 6000, 60_000),
            (5, 3, 6000, 60_000),
            (8, 1, 10_000, 2_000_000),
            (8, 3, 10_000, 2_000_000),
            (32773, 1, 6000, 60_000),
            (32773, 3, 6000, 60_000),
        )
    ),
    on_input(
        "later.tif",
        made(costly.tiff_of_sizes, [(8, 8), (13_000, 13_000)]),
        "needs about",
        extra=(*SMALL, "-o", "old.tif"),
    ),
    on_input(
        "later-one.tif",
        made(costly.tiff_of_sizes, [(8, 8), (13_000, 13_000)]),
        "needs about",
        extra=(*SMALL, "--frame", "1"),
    ),
    on_input(
        "pages.tif",
        made(costly.tiff_chain, 5000, size=(1000, 1000)),
        "has 5,000,000,000 pixels in 5,000 frames",
        extra=("-o", "old.tif"),
    ),
    on_input(
        "strips.tif",
        made(
            costly.tiff_chain,
            1,
            values=bytes(16 << 20),
            extra=[entry(279, costly.LONG, 4 << 20, 8)],
        ),
        "strips or tiles at least",
    ),
    on_input(
        "shared.tif",
        made(costly.tiff_chain, 9000, values=bytes(MEGABYTE), extra=[SHARED]),
        "bytes of values in its tags",
    ),
    on_input(
        "tags.tif",
        made(costly.tiff_chain, 10, extra=[entry(40_000, costly.LONG, 1, 0)] * 40_000),
        "tags at least; the most is 300,000",
    ),
    on_input(
        "resolution.tif",
        made(
            costly.tiff_chain,
            1,
            values=bytes(8 << 20),
            extra=[entry(282, costly.RATIONAL, 1 << 20, 8)],
        ),
        "fractions in its tags",
    ),
    on_input(
        "camera.tif",
        made(
            costly.tiff_chain,
            1,
            values=costly.camera_of_fractions(1 << 20),
            extra=[entry(0x8769, costly.LONG, 1, 8)],
        ),
        "fractions in its tags",
    ),
    on_input(
        "tile.tif",
        made(
            costly.tiff_chain,
            1,
            extra=[
                entry(322, costly.LONG, 1, 40_000),
                entry(323, costly.LONG, 1, 40_000),
                entry(324, costly.LONG, 1, 8),
                entry(325, costly.LONG, 1, 8),
            ],
        ),
        "pixels in a tile at least",
    ),
)

BITMAPS = (
    on_input("endless-comment.pgm", b"P6 1 7 " + b"#a" * 400_000, "cannot be decoded"),
    on_input(
        "headers.pgm",
        made(lambda: (b"P5 1 1#" + bytes(9000) + b"\n255\n1") * 1000),
        "bytes of headers at least; the most is 4,194,304",
    ),
    on_input("stream.pgm", made(lambda: b"P5 1 1 9\n1" * 10_001), "10,001 frames at least"),
    on_input(
        "bands.pam",
        b"P7\nWIDTH 9\nHEIGHT 9\nDEPTH 1000000\nMAXVAL 255\nENDHDR\n",
        "1,000,000 values a pixel; the most is 64",
    ),
    on_input(
        "long-header.pgm",
        made(lambda: b"P5\n#" + bytes(20 << 20) + b"\n8 6 255\n"),
        "has no header in its first 1,048,576 bytes",
    ),
    on_input("steps.bmp", costly.bmp_runs(8, 6, bytes(20 << 20)), "bytes of runs at least"),
    on_input(
        "header.bmp",
        costly.sparse(1 << 30, b"BM" + struct.pack("<IHHII", 1 << 30, 0, 0, 54, (1 << 30) - 14)),
        "its BMP header of 1,073,741,810 bytes is unknown",
    ),
)

EXCESS = "60000x60000 = 3,600,000,000 pixels, and --max-pixels allows"
CODED = (
    on_input("said.avif", coded.heif(b"av01", coded.av1_header(8), side=60_000), EXCESS),
    on_input("hidden.avif", coded.heif(b"av01", coded.av1_header(60_000)), EXCESS),
    on_input("hidden.heic", coded.heif(b"hvc1", coded.hevc_header(60_000)), EXCESS),
    on_input(
        "grid.heic", coded.heif(b"grid", struct.pack(">4B2H", 0, 0, 9, 9, *[60_000] * 2)), EXCESS
    ),
    on_input("headless.avif", coded.heif(b"av01", b"\x32\0"), "its pixels have no header"),
    on_input("other.heic", coded.heif(b"jpeg", b""), "pixels of the kind 'jpeg'"),
    on_input(
        "boxes.avif",
        made(lambda: coded.box(b"ftyp", b"avif") + coded.box(b"free") * 100_001),
        "100,001 boxes at least",
    ),
    on_input(
        "units.avif",
        made(lambda: coded.heif(b"av01", coded.av1_header(8) + b"\x12\0" * 20_000)),
        "10,001 units",
    ),
    on_input(
        "meta.avif",
        costly.sparse(
            1 << 30, coded.box(b"ftyp", b"avif") + struct.pack(">I4s", (1 << 30) - 12, b"meta")
        ),
        "bytes that describe its items",
    ),
    on_input("side.jp2", coded.jpeg2000(60_000), EXCESS),
    on_input("tiles.jp2", coded.jpeg2000(10_000, tile=9), "1,236,544 tiles at least"),
    on_input("side.jxl", coded.jxl(60_000), EXCESS),
    on_input("side.tga", coded.tga(60_000, 60_000), EXCESS),
)

PLAIN: tuple[Case, ...] = (*JPEGS, *REPEATED, *GIFS, *WEBPS, *PNGS, *TIFFS, *BITMAPS, *CODED)
SEQUENCES = (
    "one-picture.jpg",
    "later.gif",
    "later-one.gif",
    "later-too-large.gif",
    "frame-of-many.gif",
    "later-fractions.jpg",
    "later-coefficients.jpg",
    "two-thousand.gif",
    "many-large.webp",
    "two-thousand.png",
    "later.tif",
    "pages.tif",
)
IN_DRY_RUNS = ("later.gif", "two-thousand.png", "many-large.webp")
# What keeps damaged pictures keeps to the limits, too, before it looks for damage.
KEPT = tuple(
    replace(
        case,
        name=f"{case.name} --keep-damaged{' --dry-run' * is_dry}",
        arguments=(*case.arguments, "--keep-damaged", *["--dry-run"] * is_dry),
    )
    for case in PLAIN
    for is_dry in (False, True)
    if case.path in (IN_DRY_RUNS if is_dry else SEQUENCES)
)
REFUSED = (*PLAIN, *KEPT)


@dataclass(frozen=True, kw_only=True)
class Read:
    """A file that is read, within limits.

    Parameters
    ----------
    name : str
    content : bytes or callable
        The file, or what makes it at a path.
    output : str
        A file's name.
    extra : tuple of str
        More of what is typed.
    notes : tuple of str
        A part of each line on standard error, in order.
    max_bytes : int
        The most that the output has.
    seconds, megabytes : float
    """

    name: str
    content: File
    output: str = "new.png"
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    max_bytes: int = MEGABYTE
    seconds: float = 5.0
    megabytes: int = LEAN


TEXT_OF_63_MB = made(
    lambda: png(
        extra=b"".join(
            chunk(b"zTXt", b"k%d\0\0" % number + zlib.compress(b"a" * 1_000_000, 9))
            for number in range(63)
        )
    )
)
PROFILE = made_jpeg(
    lambda: b"".join(
        segment(0xE2, b"ICC_PROFILE\0" + bytes((number, 255)) + bytes(60_000))
        for number in range(1, 256)
    )
)

SEGMENTS, UNKNOWN = segment(0xFE, b"") * 9900, segment(0xE3, bytes(costly.FULL))
# Hundreds of pictures, each of which takes as much as is allowed, and what is said of the second.
REPEATED_PICTURES: tuple[tuple[str, File, tuple[str, ...]], ...] = (
    ("segments", made(lambda: costly.mpo_repeated(400, costly.jpeg(start=SEGMENTS))), ()),
    (
        "fractions",
        made(lambda: costly.mpo_repeated(400, costly.jpeg_exif(costly.exif_of_fractions(50_000)))),
        ("1 of the tags of its EXIF are malformed",),  # a resolution is one fraction
    ),
    ("metadata", made(lambda: costly.mpo_repeated(400, costly.jpeg(start=UNKNOWN * 9))), ()),
)
BOMBS = (
    ("text", b"zTXt", b"k\0\0", "1,048,577 bytes of metadata are left out"),
    ("utf8", b"iTXt", b"k\0\1\0\0\0", "1,048,577 bytes of metadata are left out"),
    ("profile", b"iCCP", b"k\0\0", "its color profile is malformed and left out"),
)

READ = (
    Read(
        name="texts.png",
        content=TEXT_OF_63_MB,
        notes=("63,000,179 bytes of metadata are left out: 1,000,000 at most are kept",),
        max_bytes=1000,
    ),
    Read(
        name="profile.jpg",
        content=PROFILE,
        output="new.jpg",
        notes=("15,300,000 bytes of metadata are left out",),
    ),
    *(
        Read(name=f"{name}-bomb.png", content=text_bomb(kind, start), notes=(note,))
        for name, kind, start, note in BOMBS
    ),
    *(
        Read(name=f"{name}{number}.jpg", content=content, extra=("--frame", number), notes=said)
        for name, content, notes in REPEATED_PICTURES
        for number, said in (("0", ()), ("1", notes))
    ),
    Read(name="pictures.jpg", content=made(costly.mpo, 200, 60_000)),
    Read(name="filled.jpg", content=made_jpeg(lambda: b"\xff" * 500_000)),
    Read(
        name="scans.jpg",
        content=made(costly.jpeg, side=500, progressive=True, scans=costly.REFINEMENT * 80),
        extra=("--keep-damaged",),  # its scans have no data
        notes=("is damaged: scan 11 of its data ends early",),
    ),
    Read(
        name="damaged-strips.tif",
        content=made(costly.tiff_shared, 32773, 70_000, 1, is_damaged=True),
        extra=("--keep-damaged",),
        notes=("is damaged: strip or tile 0 is damaged",),
    ),
    Read(name="loop.tif", content=made(costly.tiff_chain, 3, last=8), output="new.tif"),
    Read(
        name="last-page.tif",
        content=made(costly.tiff_chain, 10_000),
        extra=("--frame", "9999"),
    ),
    Read(
        name="shared-rows.tif",
        content=made(costly.tiff_shared, 1, 3000, 100_000),
        extra=SMALL,
    ),
    Read(
        name="shared-rows-of-colors.tif",
        content=made(costly.tiff_shared, 1, 3000, 100_000, photometric=3),
        extra=SMALL,
    ),
    Read(
        name="pages-of-old-jpeg.tif",
        content=made(costly.tiff_old_jpeg, 1000),
        output="new.tif",
    ),
    Read(
        name="one-of-many.gif",
        content=made(costly.gif, [costly.gif_frame()] * 2000, (500, 500)),
        extra=("--frame", "3", "--max-pixels", "1000000"),
    ),
    Read(
        name="trailing.gif",
        content=made(costly.gif, [costly.gif_frame()], end=bytes(3 * MEGABYTE)),
    ),
    # Valid pictures that Pillow decodes step by step, and once were taken for junk.
    Read(
        name="large.gif",
        content=costly.gif_of_noise(6000, 7000),
        output="new.npy",
        extra=("-l", "maxpool:500"),
        megabytes=600,
    ),
    Read(
        name="thousand.pgm",
        content=made(lambda: b"P5 800 800 1000\n" + b"\1\2" * 800 * 800),
    ),
    Read(name="hundred.pgm", content=made(lambda: b"P5 800 800 100\n" + b"\7" * 800 * 800)),
    Read(name="plain.pgm", content=made(lambda: b"P2 800 800 255\n" + b"100 " * 800 * 800)),
    Read(
        name="comments.pgm",
        content=made(lambda: b"P2 8 6 255\n" + b"#\n" * 500_000 + b"1 " * 48),
    ),
    Read(
        name="digits.pgm",
        content=made(lambda: b"P2 8 6 255\n" + b"1 " * 48 + b"1" * 20 * MEGABYTE),
    ),
    Read(
        name="runs.bmp",
        content=made(lambda: costly.bmp_runs(800, 800, (b"\1\7" * 800 + b"\0\0") * 800)),
    ),
)
