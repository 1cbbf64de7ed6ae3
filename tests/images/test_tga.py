"""TGA: every kind of pixels, packed by hand, and what is not taken for one."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from support.command import here

from convcli.errors import ImageError
from convcli.images import ReadSettings, Values
from convcli.images.read import read_input

FOOTER = bytes(8) + b"TRUEVISION-XFILE.\0"
SHAPE = (5, 7)
MAPPED, COLORS, GRAY, RUNS = 1, 2, 3, 8
TOP, RIGHT = 0x20, 0x10  # where the first pixel is


def noise(*shape: int) -> Values:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def packed(pixels: list[bytes], width: int) -> bytes:
    """Run-length encode row by row, by runs of at most three."""
    content = b""
    for start in range(0, len(pixels), width):
        row = pixels[start : start + width]
        while row:
            count = 1
            while count < min(3, len(row)) and row[count] == row[0]:
                count += 1
            content += bytes([0x80 | count - 1]) + row[0] if count > 1 else b"\0" + row[0]
            row = row[count:]
    return content


def tga(kind: int, bits: int, pixels: list[bytes], flags: int = 0, color_map: bytes = b"") -> bytes:
    height, width = SHAPE
    entries = len(color_map) // 3
    header = struct.pack(
        "<3B2HB4H2B",
        *(4, bool(color_map), kind, 0, entries, 24 if entries else 0),
        *(0, 0, width, height, bits, flags),
    )
    body = packed(pixels, width) if kind & RUNS else b"".join(pixels)
    return header + b"name" + color_map + body


def cells(values: Values, flags: int) -> list[bytes]:
    """Return the bytes of each pixel in the order of the file, blue before red."""
    ordered = values if flags & TOP else values[::-1]
    ordered = ordered[:, ::-1] if flags & RIGHT else ordered
    swapped = ordered[..., [2, 1, 0, 3][: values.shape[2]]] if values.shape[2] > 2 else ordered
    return [bytes(cell) for cell in swapped.reshape(-1, values.shape[2])]


@pytest.mark.parametrize(("runs", "flags"), [*product((0, RUNS), (0, TOP, RIGHT, TOP | RIGHT))])
def test_every_kind_of_pixels_is_read(tmp_path: Path, runs: int, flags: int) -> None:
    coarse = noise(*SHAPE, 4) // 128 * 200
    coarse[0, 0] = (1, 2, 3, 4)
    palette, places = noise(9, 3), noise(*SHAPE, 1) % 9
    files = {
        "gray": (tga(GRAY | runs, 8, cells(coarse[..., :1], flags), flags), coarse[..., :1]),
        "rgb": (tga(COLORS | runs, 24, cells(coarse[..., :3], flags), flags), coarse[..., :3]),
        "rgba": (tga(COLORS | runs, 32, cells(coarse, flags), flags | 8), coarse),
        "mapped": (
            tga(MAPPED | runs, 8, cells(places, flags), flags, palette[:, ::-1].tobytes()),
            palette[places[..., 0]],
        ),
    }
    for name, (content, expected) in files.items():
        (tmp_path / f"{name}.tga").write_bytes(content)
        picture = read_input(f"{tmp_path}/{name}.tga")
        found = picture.values
        if picture.alpha is not None:
            found = np.concatenate([found, picture.alpha], axis=2)
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_one_without_a_name_is_known_by_its_footer(tmp_path: Path) -> None:
    gray = noise(*SHAPE, 1)
    content = tga(GRAY, 8, cells(gray, TOP), TOP)
    typed = ("-k", "identity", "-o", "-", "--to", "pgm")
    for stdin in (content + FOOTER, content):
        done = here("apply", "-", *typed, cwd=tmp_path, stdin=stdin)
        if stdin == content:
            assert done.code == 1
        else:
            assert done.stdout == b"P5\n7 5\n255\n" + gray.tobytes()


@pytest.mark.parametrize("has_alpha", [False, True])
def test_runs_may_go_on_in_the_next_row(tmp_path: Path, has_alpha: bool) -> None:
    values = noise(*SHAPE, 4)
    values[1:3, 2:] = values[1, 2]
    values[2, :3] = values[1, 2]
    stored = cells(values, TOP)
    content = packed(stored, len(stored))  # as if all were one row
    extension = bytes(494) + bytes([3 if has_alpha else 0])
    start = tga(COLORS | RUNS, 32, [], TOP | 8) + content
    footer = struct.pack("<II", len(start), 0) + FOOTER[8:]
    (tmp_path / "in.tga").write_bytes(start + extension + footer)
    picture = read_input(f"{tmp_path}/in.tga")
    np.testing.assert_array_equal(picture.values, values[..., :3])
    if has_alpha:
        np.testing.assert_array_equal(picture.alpha, values[..., 3:])
    else:  # whatever is stored there
        assert picture.alpha is None


@pytest.mark.parametrize("name", ["x.tga", "x.png"])
@pytest.mark.parametrize("wrong", [(2, 4), (2, 0), (16, 7), (12, 0), (17, 0xC0), (1, 2), (2, 32)])
def test_a_header_that_makes_no_sense_is_none(
    tmp_path: Path, name: str, wrong: tuple[int, int]
) -> None:
    content = bytearray(tga(GRAY, 8, cells(noise(*SHAPE, 1), TOP), TOP) + FOOTER)
    content[wrong[0]] = wrong[1]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError):
        read_input(f"{tmp_path}/{name}")


@pytest.mark.parametrize("runs", [0, RUNS])
def test_one_that_is_cut_off_is_damaged(tmp_path: Path, runs: int) -> None:
    content = tga(COLORS | runs, 24, cells(noise(*SHAPE, 3), TOP), TOP)
    path = tmp_path / "in.tga"
    for size in (len(content) - 1, len(content) // 2, 30, 20):
        path.write_bytes(content[:size])
        with pytest.raises(ImageError):
            read_input(str(path))
    path.write_bytes(content[:80])
    kept = read_input(str(path), ReadSettings(keep_damaged=True))
    assert any("is damaged" in note for note in kept.notes)


def test_its_pixels_are_limited_by_its_header(tmp_path: Path) -> None:
    content = bytearray(tga(GRAY, 8, [], TOP))
    content[12:16] = b"\xff\xff\xff\xff"
    (tmp_path / "in.tga").write_bytes(content)
    with pytest.raises(ImageError, match="65535x65535 = 4,294,836,225 pixels"):
        read_input(f"{tmp_path}/in.tga")
