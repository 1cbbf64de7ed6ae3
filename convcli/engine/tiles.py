"""Cutting an output into parts, so that what each part needs fits in a bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

COLUMNS_BYTES = 16 << 20  # what the columns of one part may take: they are made anew for each


def spans(length: int, most: int) -> Iterator[slice]:
    """Cut `range(length)` into slices of at most `most`, in order.

    >>> list(spans(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(most, 1)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def tiles(height: int, width: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Cut a plane into tiles of at most `most` positions: whole rows where they fit.

    >>> list(tiles(2, 3, 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    for rows in spans(height, most // width):
        for columns in spans(width, most // (rows.stop - rows.start)):
            yield rows, columns


def needed(outputs: slice, stride: int, extent: int) -> slice:
    """The padded positions that a span of outputs sees, `extent` at a time.

    >>> needed(slice(2, 4), stride=2, extent=3)
    slice(4, 9, None)
    """
    return slice(outputs.start * stride, (outputs.stop - 1) * stride + extent)
