"""PNG files of every kind, written by the specification: their values, and what colors they are."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import pngs
from support.command import here

from convcli.errors import ImageError
from convcli.images import Header, Metadata, ReadSettings, pillow
from convcli.images.read import open_frames, read_input
from convcli.images.write import describe_lost_colors

Array = NDArray[Any]

KEEP = ReadSettings(keep_damaged=True)
KINDS = [
    *((bits, pngs.GRAY) for bits in (1, 2, 4, 8, 16)),
    *((bits, pngs.PALETTE) for bits in (1, 2, 4, 8)),
    *((bits, kind) for bits in (8, 16) for kind in (pngs.RGB, pngs.GRAY_ALPHA, pngs.RGB_ALPHA)),
]
# With a transparent color, and what is in those bits of its chunk that do not count; or without.
TRANSPARENCIES = (None, 0, 0xA5A5)
GAMMA = (b"gAMA", struct.pack(">I", 100_000))
CHROMATICITIES = (b"cHRM", struct.pack(">8I", *range(31_270, 31_278)))
SRGB = (b"sRGB", b"\0")
PQ = (b"cICP", bytes((9, 16, 0, 1)))
DISPLAY = (b"mDCV", bytes(24))


def noise(*shape: int, bits: int = 8, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 2**bits, shape)


def saved(folder: Path, content: bytes, name: str = "in.png") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def expected(
    samples: Array, bits: int, color_type: int, transparency: Array
) -> tuple[Array, Array]:
    """Colors and alpha of samples; the transparency is a color, or that of each in a palette."""
    white = 65_535 if bits == 16 else 255
    if color_type == pngs.PALETTE:
        alphas = np.append(transparency, np.full(256, 255))
        return palette(bits)[samples[:, :, 0]], alphas[samples].astype(np.uint8)
    values = pngs.scaled(samples, bits)
    if color_type & 4:
        return values[:, :, :-1], values[:, :, -1:]
    alpha = np.full((*samples.shape[:2], 1), white, values.dtype)
    if transparency.size:
        alpha[(samples == transparency).all(axis=2)] = 0
    return values, alpha


def palette(bits: int) -> Array:
    return noise(2**bits, 3, seed=1).astype(np.uint8)


@pytest.mark.parametrize("junk", TRANSPARENCIES)
@pytest.mark.parametrize(("bits", "color_type"), KINDS)
def test_values_and_alpha_are_those_of_the_specification(
    tmp_path: Path, bits: int, color_type: int, junk: int | None
) -> None:
    sizes = [(1, 1), (1, 9), (9, 1), (5, 7), (8, 8)]
    for seed, (size, interlaced) in enumerate(itertools.product(sizes, [False, True])):
        samples = noise(*size, pngs.CHANNELS[color_type], bits=bits, seed=seed)
        extra, transparency = [], np.empty(0, int)
        if color_type == pngs.PALETTE:
            extra.append((b"PLTE", palette(bits).tobytes()))
        if junk is not None and color_type == pngs.PALETTE:
            transparency = noise(2**bits, seed=seed)
            extra.append((b"tRNS", transparency.astype(np.uint8).tobytes()))
        elif junk is not None and not color_type & 4:
            transparency = samples[-1, -1]
            mask = 2**bits - 1  # bits beyond those of a sample do not count
            key = (transparency | junk & ~mask).astype(">u2")
            extra.append((b"tRNS", key.tobytes()))
        content = pngs.png(samples, bits, color_type, interlaced=interlaced, extra=extra)
        path = saved(tmp_path, content)
        with open_frames(path) as source:
            picture = source.read(0)
            colors, alpha = expected(samples, bits, color_type, transparency)
            np.testing.assert_array_equal(picture.values, colors)
            assert (picture.depth, picture.notes) == (16 if bits == 16 else 8, ())
            is_opaque = bool((alpha == np.iinfo(alpha.dtype).max).all())
            if not is_opaque:
                assert source.header == Header.of(picture)
                np.testing.assert_array_equal(picture.alpha, alpha)
            assert (picture.alpha is None) == is_opaque


@pytest.mark.parametrize("color_type", [pngs.RGB, pngs.GRAY_ALPHA, pngs.RGB_ALPHA])
def test_all_bits_are_copied_strip_by_strip_and_turned(
    tmp_path: Path, color_type: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pillow, "STRIP_PIXELS", 70)
    values = noise(31, 20, pngs.CHANNELS[color_type], bits=16)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = [(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))]
    picture = read_input(saved(tmp_path, pngs.png(values, 16, color_type, extra=turned)))
    parts = [picture.values] if picture.alpha is None else [picture.values, picture.alpha]
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), np.rot90(values, -1))


@pytest.mark.parametrize("color_type", [pngs.GRAY, pngs.RGB, pngs.GRAY_ALPHA, pngs.RGB_ALPHA])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_damaged_picture_of_sixteen_bits_is_refused_or_read_in_part(
    tmp_path: Path, color_type: int, interlaced: bool
) -> None:
    samples = noise(40, 30, pngs.CHANNELS[color_type], bits=16)
    whole = pngs.png(samples, 16, color_type, interlaced=interlaced)
    path = saved(tmp_path, whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="--keep-damaged"):
        read_input(path)
    picture = read_input(path, KEEP)
    assert len(picture.notes) == 1
    assert "is damaged" in picture.notes[0]
    assert picture.depth == 16
    found = picture.values if picture.alpha is None else np.dstack([picture.values, picture.alpha])
    is_same = (found == samples[:, :, : found.shape[2]]).all(axis=2)
    if not interlaced:
        np.testing.assert_array_equal(is_same[:15], True)
        np.testing.assert_array_equal(found[25:], 0)
    assert 0.2 < is_same.mean() < 0.9


@pytest.mark.parametrize("name", ["la16", "g16"])
def test_sixteen_bits_and_transparency_go_through_the_command(tmp_path: Path, name: str) -> None:
    """The two small files that came out with 8 bits, or opaque."""
    if name == "la16":
        samples = np.dstack([range(1000, 1004), (65_535, 65_535, 32_768, 300)])
        saved(tmp_path, pngs.png(samples, 16, pngs.GRAY_ALPHA))
        result = samples
    else:
        samples = np.dstack([(1000, 1000, 40_000, 1000)])
        key = struct.pack(">H", 1000)
        saved(tmp_path, pngs.png(samples, 16, pngs.GRAY, extra=[(b"tRNS", key)]))
        result = np.dstack([(0, 0, 40_000, 0), (0, 0, 65_535, 0)])
    done = here("apply", "in.png", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    written = dict(pngs.chunks((tmp_path / "out.png").read_bytes()))
    assert written[b"IHDR"][8:10] == bytes((16, pngs.GRAY_ALPHA))
    picture = read_input(str(tmp_path / "out.png"))
    np.testing.assert_array_equal(picture.values, result[:, :, :1])
    np.testing.assert_array_equal(picture.alpha, result[:, :, 1:])


# ---- what colors they are ------------------------------------------------------------------------


def color_chunks(content: bytes) -> list[pngs.Chunk]:
    """The chunks between the header and the pixels."""
    found = pngs.chunks(content)
    return found[1 : [name for name, _ in found].index(b"IDAT")]


@pytest.mark.parametrize("frames", [1, 2])
def test_chunks_of_color_are_kept_in_a_png(tmp_path: Path, frames: int) -> None:
    samples = noise(3, 4, 3)
    kept = [PQ, SRGB, GAMMA, CHROMATICITIES, DISPLAY]
    dropped = [(b"sBIT", bytes((5, 5, 5))), (b"cLLI", bytes(8)), (b"bKGD", bytes(6))]
    extra = [*kept[::-1], *dropped]
    content = pngs.png(samples, 8, pngs.RGB, extra=extra)
    if frames > 1:
        content = pngs.apng([pngs.Frame(samples=samples)] * 2, 8, pngs.RGB, extra=extra)
    saved(tmp_path, content)
    for name, options, chunks in (
        ("out.png", (), kept), ("gray.png", ("--gray",), kept), ("bare.png", ("--strip",), []),
    ):  # fmt: skip
        done = here("apply", "in.png", "-k", "identity", "-o", name, *options, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        found = color_chunks((tmp_path / name).read_bytes())
        assert [one for one in found if one[0] not in (b"acTL", b"fcTL")] == chunks


def test_a_chunk_of_another_length_and_a_gamma_of_nothing_are_dropped(tmp_path: Path) -> None:
    extra = [(b"gAMA", bytes(4)), (b"cHRM", bytes(33)), (b"sRGB", bytes(2)), (b"cICP", bytes(5))]
    path = saved(tmp_path, pngs.png(noise(3, 4, 1), 8, pngs.GRAY, extra=extra))
    assert read_input(path).metadata.color_chunks == ()


def test_srgb_does_not_stand_beside_a_profile(tmp_path: Path) -> None:
    stream = io.BytesIO()
    profile = b"a profile"
    Image.fromarray(noise(3, 4, 3).astype(np.uint8)).save(stream, "PNG", icc_profile=profile)
    start, *others = pngs.chunks(stream.getvalue())
    body = [start, SRGB, GAMMA, *others]
    saved(tmp_path, pngs.joined(body))
    for name, options, expected_names in (
        ("out.png", (), [b"gAMA", b"iCCP"]), ("gray.png", ("--gray",), [b"sRGB", b"gAMA"]),
    ):  # fmt: skip
        done = here("apply", "in.png", "-k", "identity", "-o", name, *options, cwd=tmp_path)
        assert done.code == 0
        found = color_chunks((tmp_path / name).read_bytes())
        assert [one for one, _ in found] == expected_names


@pytest.mark.parametrize(
    ("chunks", "profile", "image_format", "note"),
    [
        ((GAMMA,), b"", "JPEG", "its gamma is 1 (gAMA), which JPEG cannot say"),
        ((GAMMA,), b"", "PNG", None),
        ((GAMMA,), b"a profile", "JPEG", None),
        ((GAMMA,), b"a profile", "GIF", "those of its profile, which GIF cannot say; it will look"),
        ((), b"a profile", "JXL", "those of its profile, which JXL cannot say; it will look"),
        ((), b"a profile", "PNG", None),
        ((), b"an sRGB profile", "JXL", None),
        ((), "\0an sRGB profile".encode("utf-16-be"), "JXL", None),
        ((SRGB, GAMMA), b"", "WEBP", None),
        (((b"gAMA", struct.pack(">I", 45_455)),), b"", "JPEG", None),
        (((b"gAMA", struct.pack(">I", 45_000)),), b"", "JPEG", None),
        ((CHROMATICITIES,), b"", "JPEG", None),
        ((PQ, SRGB), b"", "JPEG", "those of code points 9 and 16 (cICP), which JPEG cannot say"),
        ((PQ,), b"a profile", "JPEG", None),
        ((PQ,), b"a profile", "GIF", "those of code points 9 and 16 (cICP), which GIF cannot say"),
        (((b"cICP", bytes((1, 13, 0, 1))), GAMMA), b"", "JPEG", None),
        ((), b"", "JPEG", None),
    ],
)
def test_what_makes_a_picture_look_different_elsewhere_is_said(
    chunks: tuple[pngs.Chunk, ...], profile: bytes, image_format: str, note: str | None
) -> None:
    found = describe_lost_colors(Metadata(color_chunks=chunks, profile=profile), image_format)
    assert (found is None) == (note is None)
    assert (note or "") in (found or "")


@pytest.mark.parametrize("name", ["out.jpg", "out.gif"])
def test_a_lost_gamma_is_noted(tmp_path: Path, name: str) -> None:
    saved(tmp_path, pngs.png(noise(3, 4, 1), 8, pngs.GRAY, extra=[GAMMA]))
    done = here("apply", "in.png", "-k", "identity", "-o", name, cwd=tmp_path)
    assert done.code == 0
    assert "its gamma is 1 (gAMA)" in done.stderr
    bare = here("apply", "in.png", "-k", "identity", "--strip", "-f", "-o", name, cwd=tmp_path)
    assert (bare.code, bare.stderr) == (0, "")
