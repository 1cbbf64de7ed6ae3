"""The same result: what that means for pixels, for layers, and for files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import Verdict

Check: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], Verdict]

SHARE = 1e-5  # of the pixels, that may lie further apart: ties that another sum rounds otherwise
OF_LARGEST = 1.2e-5
SPOTS = 200


def within_levels(levels: int, share: float = SHARE) -> Check:
    """A check of two images of integers."""

    def check(ours: NDArray[Any], theirs: NDArray[Any]) -> Verdict:
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return Verdict(False, f"{ours.shape} {ours.dtype} is not {theirs.shape} {theirs.dtype}")
        apart = np.abs(np.subtract(ours, theirs, dtype=np.int32))
        differing, beyond = np.count_nonzero(apart), np.count_nonzero(apart > levels)
        words = f"{differing / apart.size:.2g} of the values differ, by at most {apart.max()}"
        if beyond:
            words += f", {beyond / apart.size:.1e} by over {levels} (allowed {share:.0e})"
        return Verdict(bool(beyond <= share * apart.size), words)

    return check


def within_largest(ours: NDArray[Any], theirs: NDArray[Any]) -> Verdict:
    """A check of two layers' maps: no further apart than a share of the largest value."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return Verdict(False, f"{ours.shape} {ours.dtype} is not {theirs.shape} {theirs.dtype}")
    apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return Verdict(apart <= OF_LARGEST, f"{apart:.1e} of the largest value")


def same_interiors(ours: Path, theirs: Path) -> Verdict:
    """A check of two pictures' files, but for the border: other tools continue it otherwise."""
    pictures = [np.asarray(Image.open(path))[2:-2, 2:-2] for path in (ours, theirs)]
    verdict = within_levels(1)(*pictures)
    sizes = " and ".join(f"{path.stat().st_size / 1e6:.1f}" for path in (ours, theirs))
    return Verdict(verdict.passed, f"{verdict.words}; {sizes} MB")


def same_jpegs(ours: Path, theirs: Path) -> Verdict:
    """A check of two JPEGs: of one quality and sampling, and all but the same pixels."""
    with Image.open(ours) as one, Image.open(theirs) as other:
        settings = [
            (image.quantization, [layer[1:3] for layer in image.layer])  # type: ignore[attr-defined]
            for image in (one, other)
        ]
        if settings[0] != settings[1]:
            return Verdict(False, f"{settings[0]} are not the settings {settings[1]}")
        # A coefficient at a tie may be rounded otherwise, and changes a block of pixels.
        return within_levels(4, share=1e-3)(np.asarray(one), np.asarray(other))


def right_at_spots(
    image: NDArray[Any], kernel: NDArray[Any], made: NDArray[Any], levels: float = 1.0
) -> Verdict:
    """A check without a peer: sums of products in float64, at places drawn by lot."""
    if made.shape != image.shape:
        return Verdict(False, f"{made.shape} is not {image.shape}")
    random = np.random.default_rng(2)
    (kh, kw), (height, width) = kernel.shape, image.shape[:2]
    apart = 0.0
    for _ in range(SPOTS):
        row, column = random.integers(0, height), random.integers(0, width)
        rows = np.clip(np.arange(row - (kh - 1) // 2, row + kh // 2 + 1), 0, height - 1)
        columns = np.clip(np.arange(column - (kw - 1) // 2, column + kw // 2 + 1), 0, width - 1)
        window = image[np.ix_(rows, columns)].astype(np.float64)
        value = np.tensordot(kernel, window, 2)
        if made.dtype == np.uint8:
            value = np.clip(np.rint(value), 0, 255)
        apart = max(apart, float(np.abs(value - made[row, column]).max()))
    return Verdict(apart <= levels, f"at most {apart:.2g} off at {SPOTS} spots")
