"""Padding: the values beyond the border, for a whole array or for some rows and columns of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.values import (
    NO_PADDING,
    PaddingLike,
    Sides,
    as_padding,
    as_padding_mode,
    padding_value,
)
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.scratch import Scratch, split_range
from convcli.errors import ArgumentError, ShapeError

MAX_COPIED_BYTES = 1 << 20  # of rows that are copied at once: each time takes some microseconds
_NUMPY_MODES: dict[str, Any] = {  # all others are constant: 0 0 | a b c | 0 0
    "reflect": "reflect",  # c b | a b c | b a
    "replicate": "edge",  # a a | a b c | c c
    "circular": "wrap",  # b c | a b c | a b
    "symmetric": "symmetric",  # b a | a b c | c b
}


def pad2d(x: ArrayLike, padding: PaddingLike, mode: str = "zero") -> Array:
    """Pad the last two axes.

    Parameters
    ----------
    x : array_like, (..., H, W)
    padding : int, (ph, pw), ((top, bottom), (left, right)) or "valid"
        In positions. The other names depend on a kernel and mean nothing here.
    mode : {"zero", "reflect", "replicate", "circular", "symmetric", "constant:V"}
        What stands beyond the border. Padding may be wider than the array: reflections and
        repetitions go on. Names that other libraries have mean here what they mean there: "zeros",
        "edge", "nearest", "wrap", "mirror"; "reflect" is that of NumPy and PyTorch.

    Returns
    -------
    ndarray, (..., top + H + bottom, left + W + right)

    Raises
    ------
    ArgumentError
        For an unknown mode, a constant that the array's type cannot hold, or a padding that
        depends on a kernel.

    Examples
    --------
    >>> pad2d([[1, 2, 3]], (0, 2), "reflect")
    array([[3, 2, 1, 2, 3, 2, 1]])
    """
    array = as_numbers(x, "x")
    mode = as_padding_mode(mode)
    pads = as_padding(padding)
    if pads == "valid":
        pads = NO_PADDING
    if isinstance(pads, str):
        raise ArgumentError(f"padding {pads!r} depends on a kernel: give it in numbers")
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ShapeError(f"x must be (..., H, W) and not empty, not {array.shape}")
    if pads == NO_PADDING:
        return array
    leading = [(0, 0)] * (array.ndim - 2)
    value = padding_value(mode)
    if value is None:
        return np.pad(array, [*leading, *pads], mode=_NUMPY_MODES[mode])
    if not can_hold(array.dtype, value):
        raise ArgumentError(f"{array.dtype} cannot hold the padding {mode}; convert x to floats")
    return np.pad(array, [*leading, *pads], constant_values=np.asarray(value, array.dtype))


def pad2d_backward(grad: Array, pads: Sides, mode: str = "zero") -> Array:
    """Return the gradient of `pad2d`: every value has the sum of the gradients of its copies.

    Parameters
    ----------
    grad : ndarray, (..., top + H + bottom, left + W + right)
        The gradient of the padded array.
    pads : ((top, bottom), (left, right))
    mode : str
        As in `pad2d`.

    Returns
    -------
    ndarray, (..., H, W)
        Of the dtype of `grad`, of which it may be a view.

    Examples
    --------
    >>> pad2d_backward(np.array([[1, 2, 4, 8, 16]]), ((0, 0), (1, 1)), "reflect")
    array([[ 2, 21,  8]])
    """
    mode = as_padding_mode(mode)
    for axis, (before, after) in zip((-2, -1), pads, strict=True):
        lines = np.moveaxis(grad, axis, 0)  # (before + size + after, ...)
        size = len(lines) - before - after
        sums = lines[before : before + size]
        if (before or after) and padding_value(mode) is None:
            positions = np.arange(-before, size + after)
            is_copy = (positions < 0) | (positions >= size)
            sums = sums.copy()
            sources = source_positions(positions[is_copy], size, mode)
            np.add.at(sums, sources, lines[is_copy])
        grad = np.moveaxis(sums, 0, axis)
    return grad


def can_hold(dtype: np.dtype[Any], value: float) -> bool:
    """Whether a type holds the constant of a padding; floats may round it.

    >>> can_hold(np.dtype(np.uint8), 255.0), can_hold(np.dtype(np.uint8), 0.5)
    (True, False)
    """
    if dtype.kind == "f":
        return True
    if dtype.kind == "b":
        return value in (0, 1)
    return value.is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


class RowSource(Protocol):
    """An image of which rows are read when they are asked for, as a file's are.

    `source[..., rows, columns]` may be overwritten by what the thread reads next.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its values."""

    def __getitem__(self, key: Any, /) -> Array:
        """Return rows and columns of all channels."""


class PaddedImage:
    """A padded array, of which any rows and columns can be copied.

    Nothing is padded as a whole, so the padding takes no memory. Rows and columns are counted from
    the first padded one.

    Parameters
    ----------
    image : ndarray or RowSource, (..., H, W)
    pads : ((top, bottom), (left, right))
    mode : str
        What stands beyond the border, as in `pad2d`.

    Attributes
    ----------
    image, pads
        As given.
    value : float or None
        The constant beyond the border; None if it depends on the image.

    Examples
    --------
    >>> padded = PaddedImage(np.array([[1, 2, 3]]), ((0, 0), (2, 2)), "reflect")
    >>> padded.region(range(0, 1), range(1, 5), Scratch())
    array([[2, 1, 2, 3]])
    """

    def __init__(self, image: Array | RowSource, pads: Sides, mode: str) -> None:
        self.image, self.pads = image, pads
        self._mode = as_padding_mode(mode)
        self.value = padding_value(self._mode)

    def view(self, rows: range, columns: range) -> Array | None:
        """Return a view of rows and columns; None without any, or if some lie beyond the image."""
        slices = []
        for axis, positions in enumerate((rows, columns)):
            before, size = self.pads[axis][0], self.image.shape[axis - 2]
            if not positions or positions[0] < before or positions[-1] >= before + size:
                return None
            slices.append(slice(positions.start - before, positions.stop - before, positions.step))
        inside: Array = self.image[..., slices[0], slices[1]]
        return inside

    def region(self, rows: range, columns: range, scratch: Scratch) -> Array:
        """Return some rows and columns: a view where all lie in the image, else a scratch copy."""
        inside = self.view(rows, columns)
        if inside is not None:
            return inside
        shape = *self.image.shape[:-2], len(rows), len(columns)
        target = scratch("padded", shape, self.image.dtype)
        self.copy_into(target, rows, columns)
        return target

    def copy_into(self, target: Array, rows: range, columns: range) -> None:
        """Copy some rows and columns into a target of any type, (..., rows, columns)."""
        column_parts = self._parts(columns, 1)
        span = _source_span(column_parts)
        row_parts: Iterable[_AxisPart] = self._parts(rows, 0)
        if not isinstance(self.image, np.ndarray):
            row_parts = self._split_rows(row_parts)
        for target_rows, source_rows in row_parts:
            # Rows given by their numbers are copied: of no more columns than are needed.
            values = None if source_rows is None else self.image[..., source_rows, span]
            for target_columns, source_columns in column_parts:
                part = target[..., target_rows, target_columns]
                if values is None or source_columns is None:
                    part[...] = self.value
                elif isinstance(source_columns, slice):
                    first, stop, step = source_columns.indices(span.stop)
                    part[...] = values[..., first - span.start : stop - span.start : step]
                else:
                    part[...] = values[..., source_columns - span.start]

    def _split_rows(self, parts: Iterable[_AxisPart]) -> Iterator[_AxisPart]:
        """Cut rows that a `RowSource` copies or reads: some at a time take little memory."""
        channels, height, width = self.image.shape[-3:]
        most = max(MAX_COPIED_BYTES // (channels * width * self.image.dtype.itemsize), 1)
        for target, source in parts:
            positions = range(*source.indices(height)) if isinstance(source, slice) else range(0)
            if len(positions) <= most:
                yield target, source
                continue
            for some in split_range(len(positions), most):
                rows = positions[some]
                first, stop = target.start + some.start, target.start + some.stop
                yield slice(first, stop), slice(rows[0], rows[-1] + 1, rows.step)

    def _parts(self, padded: range, axis: int) -> list[_AxisPart]:
        size, before = self.image.shape[axis - 2], self.pads[axis][0]
        positions = range(padded.start - before, padded.stop - before, padded.step)
        return _cut_axis(positions, size, self._mode)


_AxisPart: TypeAlias = tuple[slice, slice | Array | None]


@lru_cache(maxsize=16)  # tiles below each other have the same columns
def _cut_axis(positions: range, size: int, mode: str) -> list[_AxisPart]:
    """Cut positions along an axis into those inside the image, before it and after it.

    Each part is a slice of the positions, and where their values come from: a slice of the image's
    axis, an array of positions on it, or None for a constant.
    """
    inside, source = clip_range(positions, size)
    parts: list[_AxisPart] = [(inside, source)] if inside.start < inside.stop else []
    for start, stop in ((0, inside.start), (inside.stop, len(positions))):
        if start < stop:
            outside = positions[start:stop]
            beyond = np.arange(outside.start, outside.stop, outside.step)
            is_constant = padding_value(mode) is not None
            found = None if is_constant else source_positions(beyond, size, mode)
            parts.append((slice(start, stop), found))
    return parts


def _source_span(parts: Sequence[_AxisPart]) -> slice:
    """Return the least slice of an image's axis in which all parts have their values."""
    slices = [source for _, source in parts if isinstance(source, slice)]
    arrays = [source for _, source in parts if isinstance(source, np.ndarray)]
    starts = [source.start for source in slices] + [int(source.min()) for source in arrays]
    stops = [source.stop for source in slices] + [int(source.max()) + 1 for source in arrays]
    return slice(min(starts, default=0), max(stops, default=0))


def source_positions(positions: NDArray[np.intp], size: int, mode: str) -> NDArray[np.intp]:
    """Return the input positions whose values padded positions of an axis have; -1 for a constant.

    >>> source_positions(np.arange(-2, 4), 3, "circular")
    array([1, 2, 0, 1, 2, 0])
    >>> source_positions(np.arange(-1, 4), 3, "zero")
    array([-1,  0,  1,  2, -1])
    """
    mode = as_padding_mode(mode)
    if padding_value(mode) is not None:
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if mode == "replicate":
        return positions.clip(0, size - 1)
    if mode == "circular":
        return positions % size
    # Both reflections repeat: a b c | c b a | a b c ..., without the edge's double a b c | b | a b.
    period = 2 * size if mode == "symmetric" else max(2 * size - 2, 1)
    forward = positions % period
    backward = period - forward - (mode == "symmetric")
    return np.minimum(forward, backward)


def clip_range(positions: range, size: int) -> tuple[slice, slice]:
    """Return a slice of the ascending positions that lie in `range(size)`, and one of that range.

    >>> clip_range(range(-3, 9, 2), 4)
    (slice(2, 4, None), slice(1, 4, 2))
    """
    step = positions.step
    first = min(max(-(positions.start // step), 0), len(positions))
    stop = min(max(-((positions.start - size) // step), first), len(positions))
    if first == stop:
        return slice(first, first), slice(0, 0, step)
    inside = positions[first:stop]
    return slice(first, stop), slice(inside[0], inside[-1] + 1, step)
