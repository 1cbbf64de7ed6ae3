"""Matrices of numbers as text: whole, or what of them fits a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.text_table import fold_line

if TYPE_CHECKING:
    from convcli.engine.arrays import Array

ELLIPSIS = "..."
SHOWS_ALL = "| less -S shows all"


def format_maps(
    maps: Mapping[str, Any],
    *,
    digits: int | None = None,
    columns: int | None = None,
    width: int | None = None,
) -> str:
    """Return feature maps, (H, W, C) each, as columns of numbers, each of several with a title.

    A map that is a vector is a row.

    Parameters
    ----------
    maps : mapping of str to ndarray
    digits : int, optional
        The significant digits of a number; left out, those of its type.
    columns, width : int, optional
        As in `format_matrix`.
    """
    from convcli.pipeline.outputs import holds_vector

    blocks = [
        (label if count == 1 else f"{label}, channel {channel}", planes[:, :, channel])
        for label, values in maps.items()
        for planes in [values.transpose(0, 2, 1) if holds_vector(values.shape) else values]
        for count in [planes.shape[2]]
        for channel in range(count)
    ]
    texts = []
    for title, plane in blocks:
        precision = digits or (7 if plane.dtype.itemsize <= 4 else 12)
        text = format_matrix(
            plane,
            partial(_write_number, digits=precision),
            columns=columns,
            width=width,
            advice=f"--columns {plane.shape[1]} or {SHOWS_ALL}",
        )
        texts.append(text if len(blocks) == 1 else f"# {title}\n{text}")
    return "\n\n".join(texts)


def _write_number(value: float, digits: int) -> str:
    return f"{value + 0.0:.{digits}g}"  # no -0


def format_matrix(
    values: Array,
    write: Callable[[float], str],
    *,
    columns: int | None = None,
    width: int | None = None,
    gap: int = 1,
    advice: str = SHOWS_ALL,
) -> str:
    """Return a matrix as lines of numbers that are aligned right.

    Parameters
    ----------
    values : ndarray, (H, W)
    write : callable
        Returns the text of a number.
    columns : int, optional
        The most columns that are shown, of which half are the first and half the last. Lines of
        those that are longer than `width` are broken into blocks of columns.
    width : int, optional
        The most characters of a line; left out, any number.
    gap : int
        Spaces between numbers.
    advice : str
        How to see the columns that are left out, for the line that says which they are.
    """
    total = values.shape[1]
    shown = min(total, columns or total)
    if width is not None and columns is None:
        shown = max(min(shown, (width + gap) // (1 + gap)), 1)
    while True:
        rows = _write_rows(values, shown, write)
        cell = max(len(text) for row in rows for text in row)
        fit = len(rows[0]) if width is None else max((width + gap) // (cell + gap), 1)
        if columns is not None or len(rows[0]) <= fit or shown == 1:
            break
        shown = max(fit - 1, 1)
    blocks = [
        "\n".join(
            (" " * gap).join(text.rjust(cell) for text in row[first : first + fit]) for row in rows
        )
        for first in range(0, len(rows[0]), fit)
    ]
    if shown < total:
        first, last = (shown + 1) // 2, total - shown // 2 - 1
        which = f"column {first}" if first == last else f"columns {first} to {last}"
        note = f"# without {which} of {total}: {advice}"
        lines = [note] if width is None else fold_line(note, width)
        blocks[-1] = "\n".join([blocks[-1], *lines])
    return "\n\n".join(blocks)


def _write_rows(values: Array, shown: int, write: Callable[[float], str]) -> Sequence[list[str]]:
    """Return the texts of each row's first and last numbers, with an ellipsis between them."""
    if shown >= values.shape[1]:
        return [list(map(write, row)) for row in values.tolist()]
    first, last = (shown + 1) // 2, values.shape[1] - shown // 2
    starts, ends = values[:, :first].tolist(), values[:, last:].tolist()
    return [
        [*map(write, start), ELLIPSIS, *map(write, end)]
        for start, end in zip(starts, ends, strict=True)
    ]
