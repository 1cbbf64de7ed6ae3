"""Animated PNGs: what is seen of each frame, how long, and the still picture that is none."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import pngs
from support.command import here
from support.times import read_animation

from convcli.errors import ImageError
from convcli.images import Header, ReadSettings
from convcli.images.read import open_frames

Array = NDArray[Any]

KEEP = ReadSettings(keep_damaged=True)
HEIGHT, WIDTH = 5, 6
CLEAR, RESTORE, OVER = 1, 2, 1
KINDS = [
    (8, pngs.GRAY), (16, pngs.GRAY), (8, pngs.GRAY_ALPHA), (16, pngs.GRAY_ALPHA), (8, pngs.RGB),
    (16, pngs.RGB), (8, pngs.RGB_ALPHA), (16, pngs.RGB_ALPHA), (2, pngs.GRAY),
]  # fmt: skip


def noise(height: int, width: int, bits: int, color_type: int, seed: int) -> Array:
    """Samples; an alpha is 0 or white as often as between them."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 2**bits, (height, width, pngs.CHANNELS[color_type]))
    if color_type & 4:
        ends = rng.choice([0, 2**bits - 1], (height, width))
        samples[:, :, -1] = np.where(rng.random((height, width)) < 0.7, ends, samples[:, :, -1])
    return samples


@st.composite
def frames(draw: st.DrawFn, bits: int, color_type: int, *, has_still: bool) -> list[pngs.Frame]:
    """One to four frames; without a still picture, the first covers the canvas."""
    made = []
    for index in range(draw(st.integers(1, 4))):
        top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
        if index == 0 and not has_still:
            top = left = 0
        height, width = draw(st.integers(1, HEIGHT - top)), draw(st.integers(1, WIDTH - left))
        if index == 0 and not has_still:
            height, width = HEIGHT, WIDTH
        made.append(
            pngs.Frame(
                samples=noise(height, width, bits, color_type, draw(st.integers(0, 99))),
                top=top,
                left=left,
                disposal=draw(st.sampled_from([0, CLEAR, RESTORE])),
                blending=draw(st.integers(0, 1)),
            )
        )
    return made


def pixels_of(samples: Array, bits: int, color_type: int, key: int | None) -> Array:
    """Colors and alpha; the color whose samples are all the key is transparent."""
    values = pngs.scaled(samples, bits).astype(object)
    if color_type & 4:
        return values
    alpha = np.full((*samples.shape[:2], 1), 65_535 if bits == 16 else 255, object)
    if key is not None:
        alpha[(samples == key).all(axis=2)] = 0
    return np.concatenate([values, alpha], axis=2)


def seen(made: list[pngs.Frame], bits: int, color_type: int, key: int | None) -> list[Array]:
    """What is seen of each frame, pixel by pixel, in fractions that are rounded half up."""
    white = 65_535 if bits == 16 else 255
    channels = (3 if color_type & 2 else 1) + 1
    canvas = np.zeros((HEIGHT, WIDTH, channels), object)
    shown = []
    for index, frame in enumerate(made):
        before = canvas.copy()
        pixels = pixels_of(frame.samples, bits, color_type, key)
        for row, column in np.ndindex(*frame.samples.shape[:2]):
            place = frame.top + row, frame.left + column
            above, below = pixels[row, column], canvas[place].copy()
            canvas[place] = above if frame.blending != OVER else blended(above, below, white)
        shown.append(canvas.copy())
        if frame.disposal == RESTORE and index:
            canvas = before
        elif frame.disposal:
            height, width = frame.samples.shape[:2]
            canvas[frame.top : frame.top + height, frame.left : frame.left + width] = 0
    return shown


def blended(above: Array, below: Array, white: int) -> list[int]:
    """Porter and Duff's "over" of colors that are not premultiplied."""
    *upper, upper_alpha = (Fraction(int(value), white) for value in above)
    *lower, lower_alpha = (Fraction(int(value), white) for value in below)
    alpha = upper_alpha + lower_alpha * (1 - upper_alpha)
    if not upper_alpha:
        return [int(value) for value in below]
    rest = lower_alpha * (1 - upper_alpha)
    colors = [(a * upper_alpha + b * rest) / alpha for a, b in zip(upper, lower, strict=True)]
    return [int(white * value + Fraction(1, 2)) for value in (*colors, alpha)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_frames_are_laid_on_each_other_as_the_specification_says(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    bits, color_type = data.draw(st.sampled_from(KINDS))
    has_still = data.draw(st.booleans())
    key = None if color_type & 4 else data.draw(st.sampled_from([None, 0, 2**bits - 1, 2]))
    made = data.draw(frames(bits, color_type, has_still=has_still))
    still = noise(HEIGHT, WIDTH, bits, color_type, 100) if has_still else None
    extra = []
    if key is not None:
        extra.append((b"tRNS", np.full(pngs.CHANNELS[color_type], key, ">u2").tobytes()))
    path = tmp_path_factory.getbasetemp() / "in.png"
    path.write_bytes(pngs.apng(made, bits, color_type, still=still, extra=extra))
    expected = seen(made, bits, color_type, key)
    with open_frames(str(path)) as source:
        assert source.frame_count == len(made)
        assert source.is_sequence == (len(made) > 1 or has_still)
        for index in data.draw(st.permutations(range(len(made)))):
            check(source.read(index), source.header, expected[index], is_alone=len(made) == 1)
        assert (source.decode_still is not None) == has_still
        if source.decode_still is not None and still is not None:
            pixels = pixels_of(still, bits, color_type, key)
            check(source.decode_still(), source.header, pixels, is_alone=False)


@pytest.mark.parametrize(("bits", "color_type"), KINDS)
def test_every_way_to_lay_frames_on_each_other(tmp_path: Path, bits: int, color_type: int) -> None:
    """Of three frames, the second is smaller."""
    path = tmp_path / "in.png"
    ways = itertools.product([0, CLEAR, RESTORE], [0, CLEAR, RESTORE], [0, OVER])
    for seed, (first, second, blending) in enumerate(ways):
        sizes = (0, 0, HEIGHT, WIDTH), (1, 2, 3, 3), (0, 1, HEIGHT, 4)
        made = [
            pngs.Frame(
                samples=noise(height, width, bits, color_type, 3 * seed + index),
                top=top,
                left=left,
                disposal=(first, second, 0)[index],
                blending=blending,
            )
            for index, (top, left, height, width) in enumerate(sizes)
        ]
        path.write_bytes(pngs.apng(made, bits, color_type))
        with open_frames(str(path)) as source:
            for index, pixels in enumerate(seen(made, bits, color_type, None)):
                check(source.read(index), source.header, pixels, is_alone=False)


def check(picture: Any, header: Header, expected: Array, *, is_alone: bool) -> None:
    white = int(np.iinfo(picture.values.dtype).max)
    is_opaque = bool((expected[:, :, -1] == white).all())
    is_visible = expected[:, :, -1] > 0
    np.testing.assert_array_equal(picture.values[is_visible], expected[is_visible][:, :-1])
    assert (picture.alpha is None) == is_opaque
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, expected[:, :, -1:])
        assert header == Header.of(picture)
    assert is_alone or header._replace(has_alpha=not is_opaque) == Header.of(picture)


# ---- through the command -------------------------------------------------------------------------


def simple(*values: int, **options: Any) -> bytes:
    """An animation of gray frames of one value each."""
    made = [pngs.Frame(samples=np.full((3, 4, 1), value)) for value in values]
    return pngs.apng(made, 8, pngs.GRAY, **options)


def read_values(path: Path) -> tuple[list[int], int | None]:
    """The value of each frame, and that of the still picture."""
    with open_frames(str(path)) as source:
        found = [int(source.read(index).values[0, 0, 0]) for index in range(source.frame_count)]
        still = source.decode_still
        return found, None if still is None else int(still().values[0, 0, 0])


@pytest.mark.parametrize("values", [(20, 30), (20,)])
def test_a_still_picture_stays_one_and_is_filtered(tmp_path: Path, values: tuple[int, ...]) -> None:
    still = np.full((3, 4, 1), 50)
    (tmp_path / "in.png").write_bytes(simple(*values, still=still, plays=2))
    typed = ("apply", "in.png", "-k", "identity", "--bias", "7", "-o", "out.png")
    done = here(*typed, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert read_values(tmp_path / "out.png") == ([value + 7 for value in values], 57)
    assert read_animation((tmp_path / "out.png").read_bytes()).plays == 2
    names = [name for name, _ in pngs.chunks((tmp_path / "out.png").read_bytes())]
    assert names.index(b"IDAT") < names.index(b"fcTL")


def test_one_range_is_for_the_still_picture_and_the_frames(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(simple(20, 30, still=np.full((3, 4, 1), 40)))
    typed = ("apply", "in.png", "-k", "identity", "--range", "rescale", "-o", "out.png")
    assert here(*typed, cwd=tmp_path).code == 0
    assert read_values(tmp_path / "out.png") == ([0, 128], 255)


def test_a_still_picture_of_another_layout_is_held(tmp_path: Path) -> None:
    """A frame that is transparent makes the file one of gray and alpha."""
    made = [pngs.Frame(samples=np.full((3, 4, 1), 9)), pngs.Frame(samples=np.full((1, 1, 1), 9))]
    made[0] = pngs.Frame(samples=made[0].samples, disposal=CLEAR)
    content = pngs.apng(made, 8, pngs.GRAY, still=np.full((3, 4, 1), 50))
    (tmp_path / "in.png").write_bytes(content)
    assert here("apply", "in.png", "-k", "identity", "-o", "out.png", cwd=tmp_path).code == 0
    assert read_values(tmp_path / "out.png") == ([9, 9], 50)
    with open_frames(f"{tmp_path}/out.png") as source:
        assert source.read(0).alpha is None
        alpha = source.read(1).alpha
        assert alpha is not None
        assert alpha[:, :, 0].tolist() == [[255, 0, 0, 0], [0] * 4, [0] * 4]


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.tif"])
def test_other_formats_leave_the_still_picture_out_with_a_note(tmp_path: Path, name: str) -> None:
    (tmp_path / "in.png").write_bytes(simple(20, 30, still=np.full((3, 4, 1), 50)))
    done = here("apply", "in.png", "-k", "identity", "-o", name, cwd=tmp_path)
    assert done.code == 0
    assert "its still picture, which is no frame, is left out of a" in done.stderr
    assert read_values(tmp_path / name) == ([20, 30], None)


def test_a_frame_is_counted_without_the_still_picture(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(simple(20, 30, still=np.full((3, 4, 1), 50)))
    typed = ("apply", "in.png", "-k", "identity", "-o", "out.png", "--frame")
    assert here(*typed, "1", cwd=tmp_path).code == 0
    assert read_values(tmp_path / "out.png") == ([30], None)
    done = here(*typed, "2", "-f", cwd=tmp_path)
    assert done.code == 1
    assert "has no frame 2: they are 0 to 1" in done.stderr


DELAYS = [
    (0, 0), (0, 7), (1, 60), (1001, 30_000), (65_535, 1), (65_535, 65_535), (1, 65_535), (3, 0)
]  # fmt: skip


def test_delays_are_kept_to_the_fraction(tmp_path: Path) -> None:
    made = [
        pngs.Frame(samples=np.full((3, 4, 1), index), delay=delay)
        for index, delay in enumerate(DELAYS)
    ]
    (tmp_path / "in.png").write_bytes(pngs.apng(made, 8, pngs.GRAY, plays=3))
    for name in ("out.png", "out.gif", "out.webp"):
        done = here("apply", "in.png", "-k", "identity", "-o", name, "-q", cwd=tmp_path)
        assert done.code == 0
    seconds = [Fraction(number, of or 100) for number, of in DELAYS]
    written = pngs.chunks((tmp_path / "out.png").read_bytes())
    found = [struct.unpack(">HH", data[20:24]) for name, data in written if name == b"fcTL"]
    assert [Fraction(number, of) for number, of in found] == seconds
    for name, unit_ms, most in (("out.gif", 10, 655_350), ("out.webp", 1, 16_777_215)):
        times = read_animation((tmp_path / name).read_bytes()).times_ms
        for time_ms, second in zip(times, seconds, strict=True):
            nearest = min(max(second * 1000, Fraction(unit_ms if second else 0)), Fraction(most))
            assert abs(Fraction(time_ms) - nearest) <= Fraction(unit_ms, 2)


# ---- damaged -------------------------------------------------------------------------------------


def edited(content: bytes, change: Any) -> bytes:
    return pngs.joined(change(pngs.chunks(content)))


def without_last_frame(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
    last = max(index for index, (name, _) in enumerate(body) if name == b"fcTL")
    return [*body[:last], body[-1]]


def swapped(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
    """The two chunks of the last frame, in the other order."""
    return [*body[:-3], body[-2], body[-3], body[-1]]


def skipped(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
    """Without one of the two chunks of the frame before the last."""
    return [*body[:-6], *body[-5:]]


def beyond(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
    """The last frame is moved by one pixel."""
    at = max(index for index, (name, _) in enumerate(body) if name == b"fcTL")
    control = body[at][1][:12] + struct.pack(">I", 1) + body[at][1][16:]
    return [*body[:at], (b"fcTL", control), *body[at + 1 :]]


@pytest.mark.parametrize(
    ("change", "first", "cause"),
    [
        (without_last_frame, 2, "the file ends before this frame"),
        (swapped, 2, "the chunks of its frames are out of order"),
        (skipped, 1, "the chunks of its frames are out of order"),
        (beyond, 2, "its frame of 4x3 at 1,0 is beyond the 4x3 of the picture"),
    ],
)
@pytest.mark.parametrize("has_still", [False, True])
def test_frames_that_are_damaged_are_refused_or_left_out(
    tmp_path: Path, change: Any, first: int, cause: str, has_still: bool
) -> None:
    still = np.full((3, 4, 1), 50) if has_still else None
    content = edited(simple(20, 30, 40, still=still), change)
    (tmp_path / "in.png").write_bytes(content)
    typed = ("apply", "in.png", "-k", "identity", "-o", "out.png")
    done = here(*typed, cwd=tmp_path)
    assert done.code == 1
    assert cause in done.stderr
    assert f"frame {first}" in done.stderr
    assert not (tmp_path / "out.png").exists()
    done = here(*typed, "--keep-damaged", cwd=tmp_path)
    assert done.code == 0
    assert f"is damaged from frame {first} on" in done.stderr
    values = [20, 30, 40][:first]
    assert read_values(tmp_path / "out.png") == (values, 50 if has_still else None)


def test_an_animation_without_a_frame_is_its_still_picture_if_damage_is_kept(
    tmp_path: Path,
) -> None:
    def change(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
        return [one for one in body if one[0] not in (b"fcTL", b"fdAT")]

    path = tmp_path / "in.png"
    path.write_bytes(edited(simple(20, 30, still=np.full((3, 4, 1), 50)), change))
    with open_frames(str(path)) as source, pytest.raises(ImageError, match="ends before"):
        source.read(0)
    with open_frames(str(path), KEEP) as source:
        assert (source.frame_count, source.decode_still) == (1, None)
        assert source.read(0).values[0, 0, 0] == 50


def test_two_counts_of_frames_make_no_animation(tmp_path: Path) -> None:
    def change(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
        return [*body[:2], *body[1:]]

    path = tmp_path / "in.png"
    path.write_bytes(edited(simple(20, 30), change))
    assert read_values(path) == ([20], None)


def test_a_damaged_still_picture_is_named(tmp_path: Path) -> None:
    def change(body: list[pngs.Chunk]) -> list[pngs.Chunk]:
        return [(name, data[:-9] if name == b"IDAT" else data) for name, data in body]

    rng = np.random.default_rng(0)
    made = [pngs.Frame(samples=rng.integers(0, 256, (30, 40, 1))) for _ in range(2)]
    content = pngs.apng(made, 8, pngs.GRAY, still=rng.integers(0, 256, (30, 40, 1)))
    (tmp_path / "in.png").write_bytes(edited(content, change))
    typed = ("apply", "in.png", "-k", "identity", "-o", "out.png")
    done = here(*typed, cwd=tmp_path)
    assert done.code == 1
    assert "its still picture: " in done.stderr
    assert "--keep-damaged" in done.stderr
    done = here(*typed, "--keep-damaged", cwd=tmp_path)
    assert done.code == 0
    assert "its still picture is damaged" in done.stderr
