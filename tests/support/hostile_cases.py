"""What a hostile user does, as a table: the files, what is typed, the exit code, the one line.

Every case lies in a folder of its own, beside `a.png` (a good picture of 8×6) and `old.png` (an
older result, which must survive).
"""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

File: TypeAlias = bytes | Callable[[Path], None]

MEGABYTE = 1 << 20
STRIP_OFFSETS, STRIP_BYTE_COUNTS = 273, 279  # tags of TIFF
LEAN = 256  # megabytes: far above what numpy and Pillow take, far below any bomb
TO_OLD = ("-f", "-o", "old.png")


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    arguments: tuple[str, ...]
    code: int
    fragment: str = ""  # stands in the one line
    path: str | None = None  # the line starts with it
    files: Mapping[str, File] = field(default_factory=dict)
    stdin: bytes = b""
    megabytes: int = LEAN


# How files are made


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(
    width: int = 8, height: int = 6, *, extra: bytes = b"", pixels: bytes | None = None
) -> bytes:
    """A gray PNG whose values grow to the right and downwards."""
    if pixels is None:
        pixels = b"".join(
            b"\0" + bytes(row * column * 7 % 256 for column in range(width))
            for row in range(height)
        )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    image_data = chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + image_data + chunk(b"IEND", b"")


def flipped(content: bytes, place: int) -> bytes:
    """The same bytes but one."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def tiff(width: int, height: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + info


def gif(width: int, height: int) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\1\0\0;"


def npy(shape: str, content: bytes = b"", *, kind: str = "'<f8'") -> bytes:
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return raw_npy(header) + content


def raw_npy(header: bytes) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header


def sparse(size: int, start: bytes = b"") -> Callable[[Path], None]:
    """A file of zeros that takes no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(start)
            stream.truncate(size)

    return make


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def folder(path: Path) -> None:
    path.mkdir()


def zip_bomb(path: Path) -> None:
    """An .npz of 200 MB of zeros."""
    path.write_bytes(zipped_zeros())


@cache
def zipped_zeros() -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("kernel.npy", "w") as stream,
    ):
        stream.write(npy("(5000, 5000)"))
        for _ in range(200):
            stream.write(bytes(MEGABYTE))
    return file.getvalue()


class Payload:
    """What runs as soon as it is unpickled: it makes a file."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("payload-has-run",)


def many(text: bytes, count: int) -> Callable[[Path], None]:
    return lambda path: _write(path, text * count)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def jpeg() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.radial_gradient("L").save(stream, "JPEG")
    return stream.getvalue()


def huge_jpeg() -> bytes:
    """A JPEG of 13,400x13,400 whose data are those of a few blocks."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 99, 200)).save(stream, "JPEG")
    content = stream.getvalue()
    size = content.index(b"\xff\xc0") + 5
    return content[:size] + struct.pack(">HH", 13_400, 13_400) + content[size + 4 :]


def float_tiff(value: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        from PIL import Image

        Image.new("F", (4, 3), value).save(path)

    return make


def broken_tiff(compression: str) -> Callable[[Path], None]:
    """A TIFF whose strips are damaged, from their first byte on; its directory is good."""

    def make(path: Path) -> None:
        from PIL import Image

        noise = random.Random(0).randbytes(64 * 64)
        stream = io.BytesIO()
        Image.frombytes("L", (64, 64), noise).save(stream, "TIFF", compression=compression)
        content = bytearray(stream.getvalue())
        with Image.open(stream) as image:
            offsets = image.tag_v2[STRIP_OFFSETS]  # type: ignore[attr-defined]
            sizes = image.tag_v2[STRIP_BYTE_COUNTS]  # type: ignore[attr-defined]
        for offset, size in zip(offsets, sizes, strict=True):
            # Within deflated data libtiff misses some damage; in their first bytes none.
            for position in (offset, offset + 1, *range(offset + 97, offset + size, 97)):
                content[position] ^= 0x55
        path.write_bytes(content)

    return make


# The cases


def on_input(
    name: str, content: File, fragment: str, *, megabytes: int = LEAN, extra: tuple[str, ...] = ()
) -> Case:
    """An input that cannot be read: contract D."""
    return Case(
        name=f"input {name}",
        files={name: content},
        arguments=("apply", name, "-k", "sharpen", *TO_OLD, *extra),
        code=1,
        path=name,
        fragment=fragment,
        megabytes=megabytes,
    )


def on_kernel(name: str, content: File, fragment: str, *extra: str, megabytes: int = LEAN) -> Case:
    """A kernel's file that cannot be read: contract D."""
    return Case(
        name=f"kernel {name} {' '.join(extra)}".strip(),
        files={name: content},
        arguments=("apply", "a.png", "-k", name, *TO_OLD, *extra),
        code=1,
        path=name,
        fragment=fragment,
        megabytes=megabytes,
    )


def typed(fragment: str, *arguments: str) -> Case:
    """A usage error, found before any file is opened: the input does not even exist."""
    shown = " ".join(arguments)
    return Case(
        name=f"typed {shown[:60]}",
        arguments=("apply", "never.png", *TO_OLD, *arguments),
        code=2,
        fragment=fragment,
    )


def shape(fragment: str, *arguments: str) -> Case:
    shown = " ".join(arguments)
    return Case(
        name=f"shape {shown[:60]}", arguments=("shape", *arguments), code=2, fragment=fragment
    )


def usage(fragment: str, *arguments: str, files: Mapping[str, File] | None = None) -> Case:
    shown = " ".join(arguments)
    return Case(
        name=f"usage {shown[:60]}",
        arguments=arguments,
        code=2,
        fragment=fragment,
        files=files or {},
    )


def fails(fragment: str, *arguments: str, files: Mapping[str, File] | None = None) -> Case:
    """Something else that fails by contract D."""
    shown = " ".join(arguments)
    return Case(
        name=f"fails {shown[:60]}",
        arguments=arguments,
        code=1,
        fragment=fragment,
        files=files or {},
    )


def as_mask(name: str, content: File, fragment: str) -> Case:
    """A mask that cannot be read, or does not fit the picture: contract D."""
    return Case(
        name=f"mask {name}",
        files={name: content},
        arguments=("apply", "a.png", "-k", "sharpen", "--mask", name, *TO_OLD),
        code=1,
        path=name,
        fragment=fragment,
    )


GOOD_PNG = png()
GOOD_JPEG = jpeg()
HEADER_CRC, DATA_CRC = 30, len(GOOD_PNG) - 14  # places within the checksums of IHDR and IDAT
TOO_LARGE = "has 60000x60000 = 3,600,000,000 pixels, and --max-pixels allows"
UNKNOWN = "is no picture of a kind that is read"
FITS = b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80)

INPUTS = (
    fails("convcli: gone.png: no such file", "apply", "gone.png", "-k", "sharpen", *TO_OLD),
    on_input("folder.png", folder, "is a folder; -r takes the pictures in it"),
    on_input("zero.png", b"", "is empty"),
    on_input("null.png", link("/dev/null"), "is empty"),
    on_input("circle.png", link("circle.png"), "too many levels of symbolic links"),
    on_input("text.png", b"hello, I am a picture\n", UNKNOWN),
    on_input("cut.png", GOOD_PNG[: len(GOOD_PNG) // 2], "cannot be decoded"),
    on_input("tailless.png", GOOD_PNG[:-6], "cannot be decoded"),
    on_input("cut.jpg", GOOD_JPEG[: len(GOOD_JPEG) // 2], "cannot be decoded: image file is trunc"),
    on_input(
        "rows.png", png(pixels=bytes(27)), "is damaged: its data end after row 3 of 6; --keep"
    ),
    on_input("rows.jpg", huge_jpeg(), "is damaged: its data end early; --keep-damaged reads"),
    on_input("header-crc.png", flipped(GOOD_PNG, HEADER_CRC), ""),
    on_input("data-crc.png", flipped(GOOD_PNG, DATA_CRC), "cannot be decoded"),
    on_input("end-crc.png", flipped(GOOD_PNG, len(GOOD_PNG) - 1), "bad last chunk"),
    on_input(
        "eps.png",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "is a PostScript file",
    ),
    on_input("pdf.png", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n", "is a PDF document"),
    on_input("fits.png", FITS + b"END".ljust(80), "is a FITS file"),
    on_input("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
    on_input("huge.png", png(60000, 60000, pixels=b""), TOO_LARGE),
    on_input("huge.bmp", bmp(60000, 60000), TOO_LARGE),
    on_input("huge.tif", tiff(60000, 60000), TOO_LARGE),
    on_input("huge.gif", gif(60000, 60000), TOO_LARGE),
    on_input("huge.ppm", b"P6 60000 60000 255\n", TOO_LARGE),
    on_input("47.png", GOOD_PNG, "has 8x6 = 48 pixels", extra=("--max-pixels", "47")),
    on_input("nan.tif", float_tiff(float("nan")), "holds NaN"),
    on_input("infinite.tif", float_tiff(float("inf")), "holds NaN or infinity"),
    on_input("broken-lzw.tif", broken_tiff("tiff_lzw"), "cannot be decoded"),
    on_input("broken-deflate.tif", broken_tiff("tiff_adobe_deflate"), "cannot be decoded"),
    on_input("sparse.png", sparse(1 << 30), UNKNOWN),
    on_input("sparse.bin", sparse(3 << 30), "has 3,221,225,472 bytes"),
    on_input("junk.jpg", sparse(1 << 30, b"\xff\xd8\xff\xe0\0\4ab"), ""),
    on_input("junk.gif", sparse(1 << 30, gif(9, 9)[:13]), ""),
    on_input("endless.png", link("/dev/zero"), "", megabytes=700),
    on_input("endless.npy", link("/dev/zero"), "", megabytes=700),
    on_input("endless.csv", link("/dev/zero"), "goes on beyond"),
    on_input("ragged.csv", b"1,2\n3\n", "line 2 has 1 numbers, the first row has 2"),
    on_input("nan.csv", b"1,nan\n", "line 1, column 3: 'nan' is not a number"),
    on_input("empty.csv", b"", "holds no numbers"),
    on_input("binary.csv", b"\xff\xfe\0\1", "is not text"),
    on_input("escape.csv", b"\x1b[31m", "line 1, column 1: '\\x1b[31m' is not a number"),
    on_input("lines.csv", many(b"\n", 30 * MEGABYTE), "", megabytes=700),
    on_input("80gb.npy", npy("(100000, 100000)"), "holds 10,000,000,000 numbers"),
    on_input("negative.npy", npy("(-2, -3)", bytes(48)), ""),
    on_input("truth.npy", npy("(True, True)", bytes(8)), "is not a .npy array: its shape"),
    on_input("five.npy", npy("(1, 1, 1, 1, 1)", bytes(8)), "must be (H, W) or (H, W, C)"),
    on_input("bomb.npz", zip_bomb, "is a ZIP archive"),
    fails(
        "the output would be empty: height floor((6 + 0 + 0 - 1*(9 - 1) - 1) / 1) + 1 = -2",
        *("apply", "a.png", "-k", "ones:9", "-p", "valid", *TO_OLD),
    ),
    fails("65536", "apply", "a.png", "-k", "blur", "-d", "65536", "-p", "valid", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-k", "blur", "-p", "65536", "-s", "65536", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-k", "blur", "-p", "65536", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-k", "blur", "-d", "65536", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-k", "blur", "-d", "65536", "-p", "full", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-l", "maxpool:3,p=65536,s=65536", *TO_OLD),
    fails("--max-pixels", "apply", "a.png", "-l", "tconv:kernel=ones:3,s=65536,p=0", *TO_OLD),
    *(
        fails(
            f"layer 'conv:kernel=box:3,{groups}' sums over some",
            *("apply", "c.npy", "-l", f"conv:kernel=box:3,{groups}", "--method", method, *TO_OLD),
            files={"c.npy": npy("(4, 4, 2)", bytes(256))},
        )
        for groups, method in (("g=1", "separable"), ("g=1", "fft"))
    ),
    fails("cannot be cropped", "apply", "a.png", "-l", "crop:1000", *TO_OLD),
    # A sum beyond what its type holds is no result.
    fails("convcli: a.png: ", "apply", "a.png", "-k", "1e39", *TO_OLD),
    fails("convcli: a.png: ", "apply", "a.png", "-k", "blur", "--bias", "1e300", *TO_OLD),
    *(
        fails(
            "convcli: a.png: the largest weight of a kernel is",
            *("apply", "a.png", *arguments, *TO_OLD),
            files={"k.csv": b"1e-310 1e-310", "k.json": b'{"kernel": [[1, 2]], "scale": 5e-324}'},
        )
        for arguments in (
            ("-k", "k.csv"),
            ("-k", "k.json"),
            ("-k", "5e-324 0", "--method", "fft"),
            ("-l", "tconv:kernel=k.csv"),
        )
    ),
    fails(
        "convcli: a.png: ",
        *("apply", "a.png", "-k", "far.csv", *TO_OLD),
        files={"far.csv": b"1,2,1\n2,4,2\n1,2,-1e39\n"},
    ),
    fails(
        "convcli: wide.csv: ",
        *("apply", "wide.csv", "-k", "1 1 1", *TO_OLD),
        files={"wide.csv": b"1e308,1e308\n1e308,-1e308\n"},
    ),
    *(
        fails(
            "convcli: wide.csv: a sum is beyond what floating point holds",
            *arguments,
            files={"wide.csv": b"1e308,1e308\n1e308,1e308\n"},
        )
        for arguments in (
            ("explain", "wide.csv", "-k", "1 1", "--at", "0,0", "--json"),
            ("explain", "wide.csv", "-k", "1 1", "--im2col"),
            ("explain", "wide.csv", "--pool", "avg:2", "--at", "0,0"),
            ("animate", "wide.csv", "-k", "1 1", "-f", "-o", "old.gif"),
            ("animate", "wide.csv", "--pool", "avg:2", "-f", "-o", "old.gif"),
            ("animate", "wide.csv", "-k", "2 2", "--transposed", "-f", "-o", "old.gif"),
        )
    ),
    Case(
        name="nothing on stdin",
        arguments=("apply", "-", "-k", "blur", *TO_OLD),
        code=1,
        fragment="convcli: -: is empty",
    ),
    Case(
        name="words on stdin",
        arguments=("apply", "-", "-k", "blur", *TO_OLD),
        code=1,
        fragment="convcli: -: line 1, column 1: 'hello' is not a number",
        stdin=b"hello\n",
    ),
    on_input(
        "profile-cut-off.png",
        png(extra=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(36) + b"acsp" + bytes(99)))),
        "its color profile is for",
        extra=("--linear",),
    ),
    on_input(
        "profile-of-4-billion-tags.png",
        png(
            extra=chunk(
                b"iCCP",
                b"x\0\0"
                + zlib.compress(
                    bytes(16) + b"GRAY" + bytes(16) + b"acsp" + bytes(88) + b"\xff" * 4
                ),
            )
        ),
        "it says that it has 4,294,967,295 tags",
        extra=("--linear",),
    ),
    on_input(
        "cicp-of-no-curve.png",
        png(extra=chunk(b"cICP", bytes((9, 18, 0, 1)))),
        "its cICP chunk has the code points 9 18 0 1",
        extra=("--linear",),
    ),
    Case(
        name="half a picture on stdin",
        arguments=("apply", "-", "-k", "blur"),
        code=1,
        fragment="convcli: -: cannot be decoded",
        stdin=GOOD_PNG[:50],
    ),
)

KERNELS = (
    fails("convcli: gone.csv: no such file", "apply", "a.png", "-k", "gone.csv", *TO_OLD),
    fails("gone: no such file", "apply", "a.png", "-k", "@gone", *TO_OLD),
    on_kernel("folder.csv", folder, "is a directory"),
    on_kernel("ragged.csv", b"1,2\n3\n", "line 2 has 1 numbers, the first row has 2"),
    on_kernel("ragged.json", b"[[1, 2], [3]]", "is ragged: [1] has 1 entries, the first has 2"),
    on_kernel("deep.json", b'{"kernel": [[1, 2], [3, [4]]]}', "kernel[1][1] is a list"),
    on_kernel("late.mat", b"\n\n2 2\n1 2\n3 x\n", "line 5, column 3: 'x' is not a number"),
    on_kernel("nan.csv", b"1,nan", "line 1, column 3: 'nan' is not a number"),
    on_kernel("infinity.txt", b"1 Infinity", "line 1, column 3: 'Infinity' is not a number"),
    on_kernel("1e400.txt", b"1 1e400", "line 1, column 3: '1e400' is too large"),
    on_kernel("nan.json", b"[[NaN]]", "NaN is not a number"),
    on_kernel("infinity.json", b"[[-Infinity]]", "-Infinity is not a number"),
    on_kernel("1e400.json", b"[[1e400]]", "too large"),
    on_kernel("nan.npy", npy("(1, 1)", struct.pack("<d", float("nan"))), "holds NaN"),
    on_kernel("brackets.json", b"[" * 100_000, "is nested too deeply"),
    on_kernel("braces.json", b'{"kernel":' * 100_000, "is nested too deeply"),
    on_kernel("five-axes.json", b"[[[[[1]]]]]", "is nested too deeply"),
    on_kernel("digits.json", b"[[" + b"9" * 5000 + b"]]", "digits"),
    on_kernel("nothing.json", b'{"kernel": [[1e-200]], "scale": 1e-200}', "makes weights zero"),
    on_kernel("nothing.mat", b"2 1 1e200 0\n1e-200 1\n", "its scale of 1e+200 makes weights zero"),
    on_kernel("digits.txt", b"9" * 5000, "is too large"),
    on_kernel("twice.json", b'{"kernel": [[1]], "kernel": [[2]]}', "has the key 'kernel' twice"),
    on_kernel("other.json", b'{"kernel": [[1]], "color": "red"}', "'color'"),
    on_kernel("words.json", b'[["1"]]', "[0][0]: every weight must be a number"),
    on_kernel("truth.json", b"[[true]]", "every weight must be a number"),
    on_kernel("origin.json", b'{"kernel": [[1]], "origin": [0, 5]}', "origin must be"),
    on_kernel("scale.json", b'{"kernel": [[1e200]], "scale": 1e200}', ""),
    on_kernel("surrogate.json", b'{"\\ud800": 1}', "\\ud800"),
    on_kernel("divided.mat", b"2 1 1e-320 0\n1 2\n", ""),
    on_kernel("undivided.mat", b"2 1 0 0\n1 2\n", "its scale of 0 cannot divide"),
    on_kernel("short.mat", b"2 2\n1 2\n", "line 1 says 2 columns and 2 rows"),
    on_kernel("empty.csv", b"", "holds no numbers"),
    on_kernel("empty.txt", b"# nothing\n", "holds no numbers"),
    on_kernel("empty.json", b"", "is not JSON"),
    on_kernel("empty-list.json", b"[[]]", "has an empty list"),
    on_kernel("empty.npy", b"", "is not a .npy array"),
    on_kernel("none.npy", npy("(0, 3)"), "is empty"),
    on_kernel("empty.mat", b"", "is empty"),
    on_kernel("nul.txt", b"1 \0 2", "line 1, column 3: '\\x00' is not a number"),
    on_kernel("arabic.txt", "\u0661 \u0662".encode(), "is not a number"),
    on_kernel("underscore.txt", b"1_0 2", "line 1, column 1: '1_0' is not a number"),
    on_kernel("cell.csv", b"1,,2", "line 1 has an empty cell"),
    on_kernel("latin.txt", b"\xe9", "is not text"),
    on_kernel("wide.csv", b"1," * 10_001 + b"1", "a kernel of 1x10002 is too large"),
    on_kernel("rows.csv", many(b"1\n", 4 * MEGABYTE), ""),
    on_kernel("columns.csv", many(b"1,", 16 * MEGABYTE), ""),
    on_kernel("list.json", many(b"[", 1), "is not JSON"),
    on_kernel("zero.csv", b"1,-1", "sum to zero", "--normalize"),
    on_kernel("overflow.csv", b"1e308 1e308", "", "--normalize"),
    *(
        on_kernel(f"1gb{suffix}", sparse(1 << 30), "has 1,073,741,824 bytes")
        for suffix in (".csv", ".txt", ".json", ".npy", ".mat")
    ),
    on_kernel("endless.txt", link("/dev/zero"), "goes on beyond"),
    on_kernel("objects.npy", npy("(1,)", pickle.dumps([Payload()]), kind="'|O'"), "holds object"),
    on_kernel("pickle.npy", pickle.dumps(Payload()), "is not a .npy array"),
    on_kernel("80gb.npy", npy("(100000, 100000)"), "holds 10,000,000,000 numbers"),
    on_kernel("cut.npy", npy("(3, 3)", bytes(8)), "is cut short"),
    on_kernel("negative.npy", npy("(-1, 3)", bytes(48)), ""),
    on_kernel("complex.npy", npy("(1, 1)", bytes(8), kind="'<c8'"), "holds complex64"),
    on_kernel("record.npy", npy("(1, 1)", bytes(8), kind="[('a', '<f8')]"), "not real numbers"),
    on_kernel("parentheses.npy", raw_npy(b"(" * 9000), "is not a .npy array"),
    on_kernel("minuses.npy", raw_npy(b"-" * 9000 + b"1"), "is not a .npy array"),
    on_kernel("zip.npy", zip_bomb, "is not a .npy array"),
    fails(
        "convcli: bomb.npz: is an archive",
        *("apply", "a.png", "-k", "@bomb.npz", *TO_OLD),
        files={"bomb.npz": zip_bomb},
    ),
)

SHARPEN = ("-k", "sharpen")
LONG = "x" * 100_000

TYPED = (
    *(
        typed("at least 1" if text in ("0", "2x0") else "N or HxW", *SHARPEN, option, text)
        for option, texts in {
            "-s": ("0", "2x0", "-1", "1.5", "\u0663"),
            "-d": ("0", "-1"),
        }.items()
        for text in texts
    ),
    *(typed("it", *SHARPEN, "-p", text) for text in ("-1", "1.2.3", "\u0663", "sane")),
    typed("too many digits", *SHARPEN, "-s", "9" * 5000),
    typed("stride 65537 is too large", *SHARPEN, "-s", "65537"),
    typed("dilation 65537 is too large", *SHARPEN, "-d", "65537"),
    typed("padding 1000000000 is too large", *SHARPEN, "-p", "1000000000"),
    *(
        typed("is too large", "-k", spec)
        for spec in (
            "ones:100000",
            "ones:10002",
            "box:1x10002",
            "gaussian:1e6",
            "log:1e300",
            "disk:1e9",
            "motion:1e308",
            "motion:1001:45",
            "unsharp:250",
            "dog:1:250",
            "gaussian:1:1700",
            "gabor:1e300",
        )
    ),
    typed("must be a number", "-k", "gaussian:1e400"),
    typed("must be a number", "-k", "gaussian:nan"),
    typed("must be a number", "-k", "gaussian:\uff11"),
    typed("at least 0.1", "-k", "gaussian:-1"),
    typed("too many digits", "-k", "ones:" + "9" * 5000),
    typed("gaussian:SIGMA", "-k", "gaussian"),
    typed("dog:1:1", "-k", "dog:1:1"),
    typed("gabor:1", "-k", "gabor:1"),
    typed("sharpen:1e308", "-k", "sharpen:1e308"),
    typed("did you mean 'sharpen'?", "-k", "sharpn"),
    typed("did you mean 'gaussian'?", "-k", "gausian:2"),
    typed("unknown kernel", "-k", ""),
    typed("unknown kernel '[red]x'", "-k", "[red]x"),
    typed("unknown kernel '\\x1b[31m'", "-k", "\x1b[31m"),
    typed("unknown kernel 'a\\nb'", "-k", "a\nb"),
    typed("unknown kernel", "-k", LONG),
    typed("is a size, not weights", "-k", "3"),
    typed("the first row has 2", "-k", "1 2; 3"),
    typed("'1e400' is too large", "-k", "1e400"),
    typed("has an empty cell", "-k", "1,,2"),
    typed("decimal commas or columns", "-k", "1,5 2,5; 3,5 4,5"),
    typed("divides by zero", "-k", "1/0 1"),
    typed("is not a number", "-k", "1/" + "9" * 5000),
    typed("brackets go around", "-k", "[" * 5000 + "1"),
    typed("99999x99999 is too large", "-k", "99999x99999: 1"),
    typed("has 3 values", "-k", "2x2: 1,2,3"),
    typed("lies outside 2x1", "-k", "1x2+9+0: 1,2"),
    typed("is too large", "-k", "1 " * 10_002),
    typed("sum to zero", "-k", "sobel-x", "--normalize"),
    typed("sum to zero", "-k", "1 -1", "--normalize"),
    typed("did you mean '--kernel'?", "--kernal", "blur"),
    typed("No such option", *SHARPEN, "--nope"),
    typed("requires an argument", "-k"),
    *(
        typed("is not a number", *SHARPEN, "--bias", text)
        for text in ("nan", "inf", "1e400", "", "x", "\u0663", "1_0")
    ),
    typed("--max-pixels", *SHARPEN, "--max-pixels", "0"),
    typed("--max-pixels", *SHARPEN, "--max-pixels", "-1"),
    typed("WxH", *SHARPEN, "--resize", "100"),
    typed("at least 1", *SHARPEN, "--resize", "0x9"),
    typed("", *SHARPEN, "--resize", "100000x100000"),
    typed("", *SHARPEN, "--resize", "2147483648x1"),
    typed("", *SHARPEN, "--resize", "9" * 50 + "x1"),
    typed("", *SHARPEN, "--resize", "20x20", "--max-pixels", "399"),
    typed("N%", *SHARPEN, "--resize", "9999999999%"),
    typed("would make 1,000,000,000 pixels", *SHARPEN, "--resize", "x1000000000"),
    typed("is too large", *SHARPEN, "--pool", "max:1000000"),
    typed("at least 1", *SHARPEN, "--pool", "max:0"),
    typed("max:K or avg:K", *SHARPEN, "--pool", "min:2"),
    typed("needs a window size", *SHARPEN, "--pool", "max"),
    typed("has no weights", "-l", "conv:3"),
    typed("has no meaning for an image", "-l", "linear:10"),
    typed("has no meaning for an image", "-l", "flatten"),
    typed("did you mean 'conv'?", "-l", "cnov:3"),
    typed("did you mean 'sharpen'?", "-l", "conv:kernel=sharpn"),
    typed("", "-l", ""),
    typed("", "-l", "relu:" + LONG),
    typed("name is taken", "-l", "relu:name=a", "-l", "relu:name=a"),
    typed("no layer before it is named", "-l", "crop:like=x"),
    typed("joins two layers or more", "-l", "add:from=input"),
    typed("65537", "-l", "adaptiveavgpool:65537"),
    typed("", "-l", "adaptiveavgpool:65536"),
    typed("", "-l", "crop:9999999999"),
    typed("", "-l", "conv:kernel=sharpen,c=1000000000"),
    typed("", "-l", "conv:kernel=sharpen,c=" + "9" * 400),
    typed("output padding", "-l", "tconv:kernel=ones:3,op=5"),
    typed("is not one of", *SHARPEN, "--method", "fast"),
    typed("rank 1", *SHARPEN, "--method", "separable"),
    typed("exclude each other", *SHARPEN, "--output-dir", "out"),
    usage("nothing to do", "apply", "never.png"),
    usage("--flip goes with --kernel", "apply", "never.png", "--flip", "--gray"),
    usage("standard output", "apply", "never.png", *SHARPEN, "-o", "-", "--json"),
    usage("standard output", "apply", "never.png", *SHARPEN, "-o", "-", "--print"),
    usage("standard output", "apply", "never.png", *SHARPEN, "--json", "--print"),
    usage("one file for 2 kernels", "apply", "never.png", *SHARPEN, "-k", "blur", "-o", "x.png"),
    usage("would both be written", "apply", "never.png", "b.png", *SHARPEN, "-o", "x.png"),
    usage("would both be written", "apply", "never.png", "./never.png", *SHARPEN),
    usage("would both be written", "apply", "never.png", "never.jpg", *SHARPEN),
    usage("give - once", "apply", "-", "-", *SHARPEN),
    usage("its suffix must be one of", "apply", "never.png", *SHARPEN, "-o", "x.pcx"),
    usage("it must be a path, not ''", "apply", "never.png", *SHARPEN, "-o", ""),
    usage("--range goes with", "apply", "never.png", *SHARPEN, "-o", "x.npy", "--range", "abs"),
    usage("did you mean 'apply'?", "aply"),
    usage("no command", "x\x1b[31m\ny"),
    usage("No such option", "--nope"),
    usage("unexpected extra argument", "kernels", "blur", "box-3x3"),
    usage("did you mean 'sobel-x'?", "kernels", "sobelx"),
    usage("", "kernels", "dog:2:2"),
    usage("", "kernels", "1e308 1e308"),
)

SHAPES = (
    shape("--h"),
    shape("the window's size is missing", "--h", "5"),
    *(
        shape("", "--h", "5", "--k", "3", option, text)
        for option, texts in {"--s": ("1.5", ""), "--d": ("\u0663",), "--p": ("-1", "1,,2")}.items()
        for text in texts
    ),
    shape("at least 1", "--h", "0", "--k", "3"),
    shape("at least 1", "--h", "5", "--k", "3", "--s", "0"),
    shape("would be empty", "--h", "5", "--k", "7"),
    shape("would be empty", "--h", "5", "--k", "3", "--d", "9" * 400),
    shape("would be empty", "--h", "5", "--k", "3", "--transposed", "--p", "9"),
    shape("output padding 2", "--h", "5", "--k", "3", "--transposed", "--s", "2",
          "--output-padding", "2"),
    shape("--ceil goes with --pool", "--h", "5", "--k", "3", "--ceil"),
    shape("exclude each other", "--h", "5", "--k", "3", "--pool", "max:2"),
    shape("exclude each other", "--h", "5", "--k", "3", "--json", "--format", "csv"),
    shape("groups", "--h", "5", "--k", "3", "--c-in", "3", "--groups", "2"),
    shape("is not one of", "--h", "5", "--k", "3", "--format", "xml"),
    shape("max or avg", "--h", "5", "--pool", "foo:2"),
    shape("", "--h", ",".join(map(str, range(10, 1010))), "--k", ",".join(["3"] * 1001)),
)  # fmt: skip

OUTPUTS = (
    fails("exists already; --force replaces it", "apply", "a.png", *SHARPEN, "-o", "old.png"),
    fails("an input is never replaced", "apply", "a.png", *SHARPEN, "-f", "-o", "./a.png"),
    fails(
        "an input is never replaced",
        *("apply", "a.png", *SHARPEN, "-f", "-o", "soft.png"),
        files={"soft.png": link("a.png")},
    ),
    fails(
        "an input is never replaced",
        *("apply", "a.png", *SHARPEN, "-f", "-o", "hard.png"),
        files={"hard.png": lambda path: path.hardlink_to(path.with_name("a.png"))},
    ),
    fails(
        "an input is never replaced",
        *("apply", "a.png", "-k", "k.csv", "-f", "-o", "k.csv"),
        files={"k.csv": b"1 2 1"},
    ),
    fails("make it, or name it with --output-dir", "apply", "a.png", *SHARPEN, "-o", "no/x.png"),
    fails(
        "is a folder",
        *("apply", "a.png", *SHARPEN, "-f", "-o", "d.png"),
        files={"d.png": folder},
    ),
    fails("a.png: file exists", "apply", "a.png", *SHARPEN, "--output-dir", "a.png"),
    fails("not a directory", "apply", "a.png", *SHARPEN, "--output-dir", "a.png/x"),
    fails("file name too long", "apply", "a.png", *SHARPEN, "-o", "x" * 300 + ".png"),
    fails("name too long", "apply", LONG, *SHARPEN, *TO_OLD),
    fails("", "apply", "a.png", *SHARPEN, "-o", "/proc/x.png"),
    *(
        fails(
            f"convcli: full{suffix}: no space left on device",
            *("apply", "a.png", "-k", "identity", "-q", "-f", "-o", f"full{suffix}"),
            files={f"full{suffix}": link("/dev/full")},
        )
        for suffix in (".png", ".jpg", ".webp", ".tif", ".npy", ".csv")
    ),
)

MASKS = (
    as_mask("zero.png", b"", "is empty"),
    as_mask("folder.png", folder, "is a directory"),
    as_mask("huge.png", png(60000, 60000, pixels=b""), TOO_LARGE),
    as_mask("wide.png", png(13000, 13000, pixels=b""), "has 13000x13000 pixels, and the picture"),
    as_mask("cut.png", GOOD_PNG[:-20], ""),
    as_mask("flood.npy", npy("(100000, 100000)"), "holds 10,000,000,000 numbers"),
)

CASES = (*INPUTS, *MASKS, *KERNELS, *TYPED, *SHAPES, *OUTPUTS)
