"""Kernel files: text, CSV, JSON, `.npy` and the `.mat` of vips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.errors import ArgumentError, FileError, KernelFileError
from convcli.files import open_input
from convcli.grids import MAX_TEXT_BYTES, json_numbers, text
from convcli.grids.npy import load_npy
from convcli.grids.text import Grid
from convcli.kernels import Kernel
from convcli.kernels.text import parse_kernel

MAX_WEIGHTS = 1 << 24
_KEYS = ("kernel", "origin", "scale", "bias")


def read_kernel(path: str) -> Kernel:
    """Read a kernel from a file of the format that its suffix names; any other suffix is text.

    Raises
    ------
    KernelFileError
        With what is wrong with the file.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    try:
        with open_input(path, MAX_TEXT_BYTES) as stream:
            if suffix == ".npz":
                raise KernelFileError(path, "is an archive; save its array as .npy")
            with np.errstate(over="ignore", invalid="ignore"):
                kernel = _READERS.get(suffix, _read_text)(stream, path)
        return kernel.replace(name=file.stem, source=path)
    except KernelFileError:
        raise
    except FileError as error:
        raise KernelFileError(error.path, error.cause) from error
    except ArgumentError as error:
        raise KernelFileError(path, str(error)) from error


def _read_text(stream: BinaryIO, path: str) -> Kernel:
    return parse_kernel(text.decode(stream.read(), path), path)


def _read_npy(stream: BinaryIO, path: str) -> Kernel:
    return Kernel("", load_npy(stream, path, MAX_WEIGHTS).astype(np.float64))


def _read_json(stream: BinaryIO, path: str) -> Kernel:
    """Read nested lists, or an object of `kernel` and optional `origin`, `scale`, `bias`."""
    document = json_numbers.parse_json(stream.read(), path)
    where = "kernel"  # the path to the weights, for messages
    if not isinstance(document, dict):
        document, where = {"kernel": document}, ""
    unknown = sorted(set(document) - set(_KEYS))
    if unknown or "kernel" not in document:
        found = f"has the key {text.shorten(unknown[0])}" if unknown else "has no key 'kernel'"
        raise KernelFileError(path, f"{found}; known keys are {', '.join(_KEYS)}")
    matrix = json_numbers.parse_nested(document["kernel"], path, where)
    scale = json_numbers.parse_number(document.get("scale", 1), "scale", path)
    if scale == 0:
        raise KernelFileError(path, "its scale of 0 makes every weight zero")
    bias = json_numbers.parse_number(document.get("bias", 0), "bias", path)
    kernel = Kernel("", _scale(matrix, scale, path), bias=bias)
    if "origin" not in document:
        return kernel
    return kernel.replace(origin=_parse_origin(document["origin"], kernel.size, path))


def _read_vips(stream: BinaryIO, path: str) -> Kernel:
    """Read `width height [scale offset]`, then rows: the scale divides, the offset is the bias."""
    content = text.decode(stream.read(), path)
    first, _, rows = content.lstrip().partition("\n")
    if not first:
        raise KernelFileError(path, "is empty")
    line = 1 + content[: len(content) - len(content.lstrip())].count("\n")
    header = text.parse_rows(first, path, line)[0].tolist()
    if len(header) not in (2, 4):
        raise KernelFileError(path, f"line {line} must be: width height [scale offset]")
    scale, offset = header[2:] or (1.0, 0.0)
    if scale == 0:
        raise KernelFileError(path, "its scale of 0 cannot divide")
    matrix = text.parse_rows(rows, path, line + 1)
    if [matrix.shape[1], matrix.shape[0]] != header[:2]:
        raise KernelFileError(
            path,
            f"line {line} says {header[0]:g} columns and {header[1]:g} rows; "
            f"it has {matrix.shape[1]} and {matrix.shape[0]}",
        )
    return Kernel("", _scale(matrix, scale, path, divides=True), bias=offset)


def _scale(matrix: Grid, scale: float, path: str, *, divides: bool = False) -> Grid:
    """Multiply weights by a scale, or divide them; refuse one that leaves nothing of a weight."""
    weights: Grid = matrix / scale if divides else matrix * scale
    if np.any((weights == 0) & (matrix != 0)):
        raise KernelFileError(path, f"its scale of {scale:g} makes weights zero")
    return weights


def _parse_origin(value: Any, size: Pair, path: str) -> Pair:
    is_pair = isinstance(value, list) and [type(index) for index in value] == [int, int]
    if not is_pair or not all(0 <= index < side for index, side in zip(value, size, strict=True)):
        raise KernelFileError(path, f"origin must be [row, col] within {size[0]}x{size[1]}")
    return value[0], value[1]


_READERS: dict[str, Callable[[BinaryIO, str], Kernel]] = {
    ".json": _read_json,
    ".npy": _read_npy,
    ".mat": _read_vips,
}
