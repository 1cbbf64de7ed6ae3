"""What the commands print: data to standard output, messages to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convcli.files import redirect_to_null, write_stdout

if TYPE_CHECKING:
    from convcli.kernels import Kernel

MAX_MESSAGE_CHARACTERS = 2000
MAX_FOLDED_ROWS = 500  # of a table on a terminal: folding its cells takes a millisecond a row


def print_data(text: str) -> None:
    """Print data to standard output; escape what its encoding cannot represent."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    line = text if text.endswith("\n") else text + "\n"
    write_stdout(line.encode(encoding, "backslashreplace"))


def format_json(document: Any) -> str:
    """Return one JSON document: ASCII, on one line, never NaN."""
    try:
        return _format_plain_json(document)
    except TypeError:
        import json

        return json.dumps(document, allow_nan=False)


def _format_plain_json(value: Any) -> str:
    """Format mappings and lists of integers and plain words, without the 2 ms to import `json`.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(value, dict):
        items = (": ".join(map(_format_plain_json, item)) for item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_plain_json, value))}]"
    if type(value) is int:
        return str(value)
    if isinstance(value, str) and value.isascii() and value.replace("-", "_").isidentifier():
        return f'"{value}"'
    raise TypeError


def log(message: str) -> None:
    """Print a message to standard error, if there is one, on one line whatever is in it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"convcli: {truncate(escape_control(message))}\n")
        sys.stderr.flush()
    except OSError:
        redirect_to_null(sys.stderr)


def log_notes(path: str, notes: Sequence[str]) -> None:
    """Print what is to be said of a file, a line a note."""
    for note in notes:
        log(f"{path}: {note}")


def log_kernel_notes(kernels: Iterable[Kernel | None]) -> None:
    """Print what is to be said of kernels that were typed or read, each once."""
    notes = {
        ("inline kernel" if kernel.is_typed else kernel.source, kernel.notes): None
        for kernel in kernels
        if kernel is not None and kernel.notes
    }
    for source, lines in notes:
        log_notes(source, lines)


def log_trace(text: str) -> None:
    """Print the lines of a traceback to standard error, if there is one."""
    if text and sys.stderr is not None:
        try:
            sys.stderr.writelines(f"{escape_control(line)}\n" for line in text.splitlines())
        except OSError:
            redirect_to_null(sys.stderr)


def truncate(message: str) -> str:
    """Cut the middle out of a long message."""
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return f"{message[: MAX_MESSAGE_CHARACTERS // 2]} ... {message[-MAX_MESSAGE_CHARACTERS // 4 :]}"


def escape_control(text: str) -> str:
    r"""Escape characters that a terminal would not show, or would obey.

    >>> escape_control("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def format_numbers(maps: Mapping[str, Any]) -> str:
    """Return feature maps, (H, W, C) each, as columns of numbers, each of several with a title."""
    blocks = [
        (label if values.shape[2] == 1 else f"{label}, channel {channel}", values[:, :, channel])
        for label, values in maps.items()
        for channel in range(values.shape[2])
    ]
    if len(blocks) == 1:
        return _format_plane(blocks[0][1])
    return "\n\n".join(f"# {title}\n{_format_plane(plane)}" for title, plane in blocks)


def _format_plane(plane: Any) -> str:
    """Return rows of right-aligned numbers, with the significant digits of their type."""
    digits = 7 if plane.dtype.itemsize <= 4 else 12
    cells = [[f"{value + 0.0:.{digits}g}" for value in row] for row in plane.tolist()]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join(" ".join(cell.rjust(width) for cell in row) for row in cells)


def format_rows(
    layout: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[str] = (),
    total: bool = False,
) -> str:
    """Lay out rows of text.

    Parameters
    ----------
    layout : str
        "csv", "markdown" or "table": at most as wide as the terminal, or in a pipe as wide as its
        contents.
    headings : sequence of str
    rows : sequence of sequences of str
    left : sequence of str
        The headings of columns that are aligned left; the others are aligned right.
    total : bool
        Whether the last row is separated from the others.
    """
    if layout == "markdown":
        lines = [headings, ["---"] * len(headings), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    if layout == "csv":
        import csv
        import io

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([headings, *rows])
        return text.getvalue()
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    cells = [[escape_control(cell) for cell in row] for row in rows]
    if is_terminal and len(rows) <= MAX_FOLDED_ROWS:
        return _format_terminal_table(headings, cells, left, total=total)
    return _format_table(headings, cells, left, total=total)


def _format_table(
    headings: Sequence[str], rows: list[list[str]], left: Sequence[str], *, total: bool
) -> str:
    """Return a table as wide as its contents, as `_format_terminal_table` would, but at once."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(map(_cell_width, column)) for column in columns]
    aligned = [
        [_pad(cell, width, is_left=heading in left) for cell in column]
        for heading, column, width in zip(headings, columns, widths, strict=True)
    ]
    lines = ["   ".join(row).rstrip() for row in zip(*aligned, strict=True)]
    lines.insert(1, "\u2500" * (sum(widths) + 3 * (len(widths) - 1)))
    if total and len(rows) > 1:
        lines.insert(-1, "")
    return "\n".join(lines)


def _pad(cell: str, width: int, *, is_left: bool) -> str:
    missing = " " * (width - _cell_width(cell))
    return cell + missing if is_left else missing + cell


def _cell_width(text: str) -> int:
    """Return the columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _format_terminal_table(
    headings: Sequence[str], rows: list[list[str]], left: Sequence[str], *, total: bool
) -> str:
    """Return a table at most as wide as the terminal: cells are folded."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, force_terminal=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        justify: Any = "left" if heading in left else "right"
        table.add_column(Text(heading), justify=justify, overflow="fold")
    for number, row in enumerate(rows, 1):
        table.add_row(*map(Text, row), end_section=total and number == len(rows) - 1)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
