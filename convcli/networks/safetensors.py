"""Weights in `.safetensors` files: a header in JSON, which is never believed, and raw data.

The header says the type, the shape and the place of each tensor. Nothing in it can be executed.
https://huggingface.co/docs/safetensors describes the format.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.errors import FileError
from convcli.files import count_remaining, open_input
from convcli.grids.json_numbers import parse_json
from convcli.networks.weights import Array, LayerWeights
from convcli.records import NamedTuple

LENGTH_BYTES = 8  # of the header's length, at the start of the file
MAX_HEADER_BYTES = 4 << 20
MAX_FILE_BYTES = 1 << 42  # of which one tensor is read at a time
MAX_AXES = 32
METADATA = "__metadata__"
BFLOAT16 = "BF16"  # the upper half of a float32, for which NumPy has no type
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", BFLOAT16: "<u2"}  # of real numbers
NOT_SAFETENSORS = "is no .safetensors file, or it is damaged"


class Tensor(NamedTuple):
    """What the header says of one tensor.

    Parameters
    ----------
    kind : str
        Its type, as the format calls it.
    shape : Shape
    start : int
        The place of its first byte in the file.
    """

    kind: str
    shape: Shape
    start: int


def list_weights(path: str) -> dict[str, LayerWeights]:
    """Return the tensors of a file by their names; each is read when it is asked for.

    Raises
    ------
    FileError
        If it cannot be opened, or its header contradicts itself or the file's size.
    """
    with open_input(path, MAX_FILE_BYTES) as stream:
        size = count_remaining(stream)
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if not 2 <= length <= size - LENGTH_BYTES:
            raise FileError(path, NOT_SAFETENSORS)
        if length > MAX_HEADER_BYTES:
            raise FileError(
                path, f"has a header of {length:,} bytes, and the most is {MAX_HEADER_BYTES:,}"
            )
        header = stream.read(length)
    document = parse_json(header, path)
    if not isinstance(document, dict):
        raise FileError(path, NOT_SAFETENSORS)
    tensors = {
        name: _parse_entry(entry, name, path, LENGTH_BYTES + length, size)
        for name, entry in document.items()
        if name != METADATA
    }
    return {
        name: LayerWeights(
            *(name, tensor.shape, tensor.kind, partial(_read_tensor, path, tensor)),
            fault="" if tensor.kind in DTYPES else f"holds {tensor.kind[:20]}, not real numbers",
        )
        for name, tensor in tensors.items()
    }


def _parse_entry(entry: Any, name: str, path: str, data: int, size: int) -> Tensor:
    """Return a tensor of which the header says the truth; data start at `data` of `size` bytes."""
    if not isinstance(entry, dict):
        raise FileError(path, NOT_SAFETENSORS)
    kind: Any
    shape: Any
    offsets: Any
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    is_whole = isinstance(kind, str) and _is_counts(shape) and _is_counts(offsets)
    if not is_whole or len(offsets) != 2 or len(shape) > MAX_AXES:
        raise FileError(path, f"says no type, shape and place of the tensor {name[:80]!r}")
    start, end = offsets
    count = math.prod(shape)
    if end > size - data or start > end:
        raise FileError(path, f"is cut short: it ends before the tensor {name[:80]!r} does")
    if kind in DTYPES and end - start != count * np.dtype(DTYPES[kind]).itemsize:
        raise FileError(
            path,
            f"says that the tensor {name[:80]!r} has {count:,} numbers in {end - start:,} bytes",
        )
    return Tensor(kind, tuple(shape), data + start)


def _is_counts(value: Any) -> bool:
    """Whether a value is a list of whole numbers that are not negative; True and False are none."""
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _read_tensor(path: str, tensor: Tensor) -> tuple[Array, None]:
    """Read a tensor of one of `DTYPES`; it has no bias."""
    stored = np.dtype(DTYPES[tensor.kind])
    count = math.prod(tensor.shape)
    with open_input(path, MAX_FILE_BYTES) as stream:
        stream.seek(tensor.start)
        content = stream.read(count * stored.itemsize)
    if len(content) < count * stored.itemsize:
        raise FileError(path, "was cut short while it was read")
    values: Array = np.frombuffer(content, stored)
    if tensor.kind == BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(tensor.shape), None
