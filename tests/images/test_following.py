"""What follows a picture in its file, and pictures of BMP in all their layouts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.images.read import read_input

KINDS = ("PNG", "GIF", "WEBP", "BMP", "JPEG")
JUNK = {"nothing": b"", "zeros": bytes(5000), "a signature": b"Signed by me.", "half": b"\x89P"}


def encoded(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    values = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def notes_of(content: bytes) -> tuple[str, ...]:
    """What is said of a picture on standard input."""
    path = Path("-")
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with pytest.MonkeyPatch.context() as patch, os.fdopen(reading, "rb") as stream:
        patch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        return read_input(str(path)).notes


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_follows_another_is_named(kind: str) -> None:
    first = encoded(kind)
    assert notes_of(first) == ()
    for other in KINDS:
        after = encoded(other)
        note = f"{len(after):,} bytes follow its end, which start another {other}"
        is_known = not (kind == "JPEG" and other != "JPEG")
        expected = (f"{note}: only the first is read",) if is_known else ()
        assert notes_of(first + after) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_no_picture_is_nobodys_concern(kind: str, junk: bytes) -> None:
    assert notes_of(encoded(kind) + junk) == ()


def test_animations_and_progressive_pictures_end_where_they_end() -> None:
    frames = [Image.new("RGB", (9, 9), (value, 0, 9)) for value in (0, 80, 160)]
    for kind in ("PNG", "GIF", "WEBP"):
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], lossless=True)
        assert notes_of(stream.getvalue()) == ()
        (note,) = notes_of(stream.getvalue() * 2)
        assert note.startswith(f"{len(stream.getvalue()):,} bytes follow its end")
    progressive = encoded("JPEG", progressive=True)
    (note,) = notes_of(progressive * 2)
    assert note.startswith(f"{len(progressive):,} bytes follow its end, which start another JPEG")


def test_the_command_says_it_and_reads_the_first(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "convcli", "apply", "-", "-k", "identity", "-o", "out.png"],
        input=encoded("PNG") + encoded("PNG"), cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    assert b"bytes follow its end, which start another PNG: only the first is read" in ended.stderr
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out.png")).reshape(-1), np.arange(8 * 9 * 3)
    )
