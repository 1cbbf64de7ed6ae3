"""Pictures of every mode, of the smallest and the largest size, and damaged ones."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.forked import forked
from support.hostile import place
from support.hostile_cases import GOOD_JPEG, png


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "liar.png").write_bytes(GOOD_JPEG)
    (folder / "honest.jpg").write_bytes(GOOD_JPEG)
    ended = forked("apply", "liar.png", "honest.jpg", "-k", "blur", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    written = [(folder / f"{stem}.blur.png").read_bytes() for stem in ("liar", "honest")]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("size", "spec", "expected"),
    [
        ((1, 1), "ones:3", [[63]]),
        ((1, 1), "ones:301", [[301 * 301 * 7]]),
        ((1, 4), "ones:1x3", [[7 * 4, 7 * 6, 7 * 9, 7 * 11]]),
        ((3, 1), "identity", [[7], [14], [21]]),
    ],
)
def test_the_smallest_inputs_are_filtered_exactly(
    size: tuple[int, int], spec: str, expected: list[list[int]], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    height, width = size
    pixels = b"".join(
        b"\0" + bytes(7 * (row + column + 1) for column in range(width)) for row in range(height)
    )
    (folder / "small.png").write_bytes(png(width, height, pixels=pixels))
    ended = forked("apply", "small.png", "-k", spec, "--print", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert [
        [float(word) for word in line.split()] for line in ended.stdout.splitlines()
    ] == expected


@pytest.mark.parametrize(
    ("mode", "suffix", "value", "expected"),
    [
        ("1", ".png", 1, [255]),
        ("L", ".png", 200, [200]),
        ("LA", ".png", (200, 255), [200]),
        ("LA", ".png", (200, 0), [0]),  # what cannot be seen is nothing
        ("RGBA", ".png", (9, 8, 7, 255), [9, 8, 7]),
        ("RGBA", ".webp", (9, 8, 7, 0), [0, 0, 0]),
        ("CMYK", ".tif", (0, 0, 0, 255), [0, 0, 0]),
        ("I;16", ".png", 40000, [40000]),
        ("I;16", ".tif", 40000, [40000]),
        ("I", ".tif", -70000, [-70000]),
        ("F", ".tif", 0.25, [0.25]),
    ],
)
def test_every_mode_has_defined_values(
    mode: str, suffix: str, value: Any, expected: list[float], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    Image.new(mode, (3, 2), value).save(folder / f"odd{suffix}")
    ended = forked("apply", f"odd{suffix}", "-k", "identity", "-q", "-o", "x.npy", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    result = np.load(folder / "x.npy")
    np.testing.assert_array_equal(
        result.reshape(2, 3, -1), np.broadcast_to(expected, (2, 3, len(expected)))
    )


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_a_palette_is_filtered_by_its_colors(mode: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    picture = Image.new("P", (3, 2), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.convert(mode).save(folder / "palette.tif" if mode == "PA" else folder / "palette.gif")
    name = "palette.tif" if mode == "PA" else "palette.gif"
    ended = forked("apply", name, "-k", "identity", "-q", "-o", "x.npy", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    np.testing.assert_array_equal(np.load(folder / "x.npy")[0, 0], [10, 20, 30])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_damaged_pictures_are_a_line_each(kind: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    good = folder / "good"
    save: dict[str, Any] = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    rng = random.Random(kind)
    Image.frombytes("L", (24, 20), rng.randbytes(24 * 20)).convert("RGB").save(good, kind, **save)
    content = good.read_bytes()
    names = []
    for number in range(40):
        damaged = bytearray(content)
        reach = rng.choice([60, len(content)])
        for _ in range(rng.choice([1, 2, 5, 20])):
            damaged[rng.randrange(min(reach, len(content)))] = rng.randrange(256)
        names.append(f"damaged-{number}")
        (folder / names[-1]).write_bytes(damaged)

    ended = forked("apply", *names, "-k", "identity", "-q", "--output-dir", "out", cwd=folder)

    written = len(list((folder / "out").iterdir()))
    assert b"Traceback" not in ended.stderr
    assert ended.code == (1 if written < len(names) else 0)
    *causes, summary = ended.lines or [""]
    assert [line for line in ended.lines if not line.startswith("convcli: ")] == []
    assert len(causes) == len(names) - written
    if causes:
        assert summary == f"convcli: {len(causes)} of {len(names)} inputs failed"
    assert ended.stdout == b""


def test_a_picture_of_exactly_max_pixels_is_filtered(tmp_path: Path) -> None:
    folder = place(tmp_path)
    ended = forked("apply", "a.png", "-k", "blur", "--max-pixels", "48", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
