"""What the commands print: data to standard output, messages to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.files import redirect_to_null, write_stdout

if TYPE_CHECKING:
    from convcli.kernels import Kernel

MAX_MESSAGE_CHARACTERS = 2000


def _print_help(context: click.Context) -> None:
    if not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


class QuickHelp(click.Command):
    """A command whose `--help` is in English: Click looks for translations each time it starts."""

    HELP = click.Option(
        ["-h", "--help"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, _, value: _print_help(context) if value else None,
        help="Show this message and exit.",
    )

    def get_help_option(self, ctx: click.Context) -> click.Option:  # noqa: ARG002  # click's
        """Return the option, which all commands share."""
        return self.HELP


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


def find_terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None for a file or a pipe."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def fold_for_terminal(text: str) -> str:
    """Return text of which no line is longer than the terminal, unless a word is."""
    width = find_terminal_width()
    if width is None:
        return text
    from convcli.arithmetic.text_table import fold_line

    return "\n".join(folded for line in text.split("\n") for folded in fold_line(line, width))


def format_rows(
    layout: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[str] = (),
    total: bool = False,
    optional: Sequence[str] = (),
) -> str:
    """Lay out rows of text.

    Parameters
    ----------
    layout : str
        "csv", "markdown" or "table": as wide as its contents, or what fits the terminal.
    headings : sequence of str
    rows : sequence of sequences of str
    left : sequence of str
        The headings of columns that are aligned left; the others are aligned right.
    total : bool
        Whether the last row is separated from the others.
    optional : sequence of str
        The headings of columns that are left out, in this order, on a terminal too narrow for them.
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
    from convcli.arithmetic.text_table import fit_table, format_table

    cells = [[escape_control(cell) for cell in row] for row in rows]
    width = find_terminal_width()
    if width is None:
        return format_table(headings, cells, left=left, total=total)
    table = fit_table(headings, cells, left=left, total=total, width=width, optional=optional)
    return _embolden_heading(table)


def _embolden_heading(table: str) -> str:
    """Return a table with its heading in bold, on terminals that have it."""
    if os.environ.get("TERM", "dumb") == "dumb" or os.environ.get("NO_COLOR"):
        return table
    heading, rule, rows = table.partition("\n\u2500")
    if not rule:
        return table
    bold = "\n".join(f"\x1b[1m{line}\x1b[0m" for line in heading.split("\n"))
    return bold + rule + rows
