"""Rows of PNG: what the default writes, beside Pillow's levels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.photo import Workplace, photograph, sides
from benchmarks.row import Profile, Row
from benchmarks.timing import Contest, Verdict

LEVELS = (1, 6)


def rows(profile: Profile) -> list[Row]:
    return [
        Row(
            f"PNG of {profile.megapixels:g} MP, the default", f"Pillow, level {level}",
            writing(profile.megapixels, level), is_extra=True,
        )
        for level in LEVELS
    ]  # fmt: skip


def writing(megapixels: float, level: int) -> Any:
    def prepare(_: Workplace) -> Contest:
        from convcli.images.write import write_picture

        pixels = photograph(*sides(megapixels))

        def ours() -> bytes:
            stream = io.BytesIO()
            write_picture(stream, pixels, "PNG")
            return stream.getvalue()

        def theirs() -> bytes:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG", compress_level=level)
            return stream.getvalue()

        return Contest(ours, theirs, same_picture)

    return prepare


def same_picture(ours: bytes, theirs: bytes) -> Verdict:
    """Both decode to the same values; their sizes are told."""
    one, other = (np.asarray(Image.open(io.BytesIO(file))) for file in (ours, theirs))
    words = f"{len(ours) / 1e6:.1f} and {len(theirs) / 1e6:.1f} MB"
    return Verdict(bool(np.array_equal(one, other)), words)
