"""What the commands print: data to standard output, messages to standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from convcli.files import redirect_to_null, write_stdout

MAX_MESSAGE_CHARACTERS = 2000  # characters


def print_data(text: str) -> None:
    """Print data; what the terminal's encoding does not have is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    line = text if text.endswith("\n") else text + "\n"
    write_stdout(line.encode(encoding, "backslashreplace"))


def format_json(document: Any) -> str:
    """One JSON document: ASCII, on one line, never NaN."""
    import json

    return json.dumps(document, allow_nan=False)


def log(message: str) -> None:
    """Print a message, on one line whatever is in it; without a standard error, to nobody."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"convcli: {truncate(escape_control(message))}\n")
        sys.stderr.flush()
    except OSError:
        redirect_to_null(sys.stderr)


def truncate(message: str) -> str:
    """Cut the middle out of what nobody would read to its end."""
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return f"{message[: MAX_MESSAGE_CHARACTERS // 2]} ... {message[-MAX_MESSAGE_CHARACTERS // 4 :]}"


def escape_control(text: str) -> str:
    r"""Escape what a terminal would not show, or would obey.

    >>> escape_control("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    return "".join(
        sign
        if sign.isprintable()
        else sign.encode("unicode_escape", "surrogatepass").decode("ascii")
        for sign in text
    )


def format_numbers(maps: Mapping[str, Any]) -> str:
    """Feature maps, (H, W, C) each, as columns of numbers; a comment heads each of several."""
    blocks = [
        (label if values.shape[2] == 1 else f"{label}, channel {channel}", values[:, :, channel])
        for label, values in maps.items()
        for channel in range(values.shape[2])
    ]
    texts = [f"# {title}\n{_format_plane(plane)}" for title, plane in blocks]
    return _format_plane(blocks[0][1]) if len(blocks) == 1 else "\n\n".join(texts)


def _format_plane(plane: Any) -> str:
    """Rows of numbers, flush right: as many digits as the type is sure of."""
    digits = 7 if plane.dtype.itemsize <= 4 else 12
    cells = [[f"{value + 0.0:.{digits}g}" for value in row] for row in plane.tolist()]
    wide = max(len(cell) for row in cells for cell in row)
    return "\n".join(" ".join(cell.rjust(wide) for cell in row) for row in cells)


def format_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[str] = (),
    total: bool = False,
) -> str:
    """Lay out a table: as wide as the terminal at most, or, in a pipe, as wide as it is.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequences of str
    left : sequence of str
        The headings of columns that are words, set flush left; numbers are set flush right.
    total : bool
        Rule off the last row.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        width=None if on_terminal else 100_000, highlight=False, force_terminal=on_terminal
    )
    laid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        laid.add_column(
            Text(heading), justify="left" if heading in left else "right", overflow="fold"
        )
    for place, row in enumerate(rows):
        if total and place == len(rows) - 1:
            laid.add_section()
        laid.add_row(*(Text(escape_control(cell)) for cell in row))
    with console.capture() as captured:
        console.print(laid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def format_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table as Markdown has it."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def format_csv(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table as CSV."""
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([headings, *rows])
    return text.getvalue()
