"""What the tests of `apply` share: arrays that go in, what comes out, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support.command import Finished, here

Array = NDArray[Any]
SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
ODD = "1 2 3; 0 -1 4; 2 2 -5"
ODD_MATRIX = np.array([[1, 2, 3], [0, -1, 4], [2, 2, -5]], float)
EVEN = "1 2 -3 4; 5 -6 7 8"
EVEN_MATRIX = np.array([[1, 2, -3, 4], [5, -6, 7, 8]], float)


def grid(*shape: int, seed: int = 0) -> Array:
    """Small whole numbers: every order of summing them gives the same."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float64)


def pixels(*shape: int, seed: int = 0, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def filtered(folder: Path, values: Array, *options: str) -> Array:
    """Send an array through `apply`, as `.npy` in and out."""
    np.save(folder / "in.npy", values)
    done = here("apply", "in.npy", *options, "-o", "out.npy", "-f", cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    result: Array = np.load(folder / "out.npy")
    return result


def drawn(folder: Path, values: Array, *options: str) -> tuple[Array, Finished]:
    """Send pixels through `apply`, as PNG in and out."""
    Image.fromarray(values).save(folder / "in.png")
    done = here("apply", "in.png", *options, "-o", "out.png", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return np.asarray(Image.open(folder / "out.png")), done


def usage(folder: Path, *options: str | Path) -> str:
    """The one line that a usage error prints; the input need not exist."""
    done = here("apply", *options, cwd=folder)
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr
