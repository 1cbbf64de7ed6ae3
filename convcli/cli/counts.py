"""What `shape --counts` prints: how often each pixel of an input is used, as text, JSON or CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from convcli.arithmetic.counts import Counts, count_uses
from convcli.arithmetic.layers import LayerSize
from convcli.arithmetic.text_table import fold_line
from convcli.arithmetic.values import format_shape
from convcli.cli.output import format_json, print_data
from convcli.cli.tables import describe_layer
from convcli.errors import LimitError

if TYPE_CHECKING:
    from convcli.cli.commands.shape import ShapeOptions

MAX_TABLE_SIDE = 80  # lines, and characters of a line, of a table of counts
MAX_COUNTED_ROWS = 1_000_000  # and columns, of all layers together
MAX_LISTED_PIXELS = 4_000_000  # whose counts are written one by one
MAX_PATTERN = 8  # runs that are looked for again
MIN_SLOPE = 4  # numbers that are written as the first and the last


def show_counts(sizes: Sequence[LayerSize], layout: str, options: ShapeOptions) -> None:
    """Print how often each layer uses each pixel of its input, and draw the figure asked for."""
    check_counts(sizes, layout)
    counts = [count_uses(size) for size in sizes]
    if options.figure is not None:
        # Drawing needs NumPy and Pillow, which arithmetic alone does not load.
        from convcli.pictures.counts_figure import write_counts_figure

        titles = (re.sub(r"(?<=\d)x(?=\d)", "×", describe_layer(size)) for size in sizes)
        write_counts_figure(
            options.figure, list(zip(titles, counts, strict=True)), style=options.style,
            force=options.force,
        )  # fmt: skip
    if layout == "json":
        documents = [
            size.to_dict() | {"rows": found.rows, "columns": found.columns, "counts": found.pixels}
            for size, found in zip(sizes, counts, strict=True)
        ]
        print_data(format_json(documents if len(documents) > 1 else documents[0]))
    elif layout == "csv":
        print_data("\n".join(",".join(map(str, line)) for line in counts[0].pixels))
    else:
        print_data("\n\n".join(map(format_counts, sizes, counts)))


def check_counts(sizes: Sequence[LayerSize], layout: str) -> None:
    """Raise for counts that have no such format, or are too many, by arithmetic alone."""
    if layout == "markdown":
        raise click.UsageError("--counts has no --format markdown: take table, json or csv")
    if layout == "csv" and len(sizes) > 1:
        raise click.UsageError("--counts --format csv is of one layer; --format json has several")
    sides = sum(map(sum, (size.size for size in sizes)))
    if sides > MAX_COUNTED_ROWS:
        raise LimitError(
            f"--counts of {sides:,} rows and columns: the most is {MAX_COUNTED_ROWS:,}"
        )
    pixels = sum(math.prod(size.size) for size in sizes)
    if layout != "table" and pixels > MAX_LISTED_PIXELS:
        raise LimitError(
            f"--counts of {pixels:,} pixels in {layout}: the most is {MAX_LISTED_PIXELS:,}"
        )


def format_counts(size: LayerSize, counts: Counts) -> str:
    """Format the count of each pixel; of a large input, those of its rows and of its columns."""
    title = f"{describe_layer(size)}:\n{_summarize(size, counts)}"
    width = len(str(counts.most))
    if max(len(counts.rows), len(counts.columns) * (width + 1) - 1) > MAX_TABLE_SIDE:
        rows, columns = map(_format_runs, (counts.rows, counts.columns))
        lines = [
            *fold_line(f"   rows     {rows}", MAX_TABLE_SIDE),
            *fold_line(f"   columns  {columns}", MAX_TABLE_SIDE), "",
            "A pixel is used as often as the number of its row times that of its column.",
        ]  # fmt: skip
    else:
        lines = [" ".join(str(count).rjust(width) for count in line) for line in counts.pixels]
    return "\n".join([title, "", *lines])


def _summarize(size: LayerSize, counts: Counts) -> str:
    """Say how often the pixels are used, and how many never are."""
    unused = f", {counts.unused:,} of {math.prod(size.size):,} never" if counts.unused else ""
    return f"each pixel of {format_shape(size.size)} is used {counts.bounds}{unused}"


def _format_runs(numbers: Sequence[int]) -> str:
    """Format numbers, those that repeat once, with how often they do, and those that rise or fall.

    >>> _format_runs([1, 2, 3, 3, 3, 2]), _format_runs([1, 3, 4, 3, 4, 3, 4, 2])
    ('1, 2, 3 x 3, 2', '1, 3 x (3, 4), 2')
    >>> _format_runs([1, 2, 3, 4, 5, 5, 4])
    '1..4, 2 x 5, 4'
    """
    groups = ((number, len(list(group))) for number, group in groupby(numbers))
    runs = [f"{number}" if length == 1 else f"{length} x {number}" for number, length in groups]
    texts: list[str] = []
    start = 0
    while start < len(runs):
        length, repeats = _find_pattern(runs, start)
        if repeats > 1:
            texts.append(f"{repeats} x ({', '.join(runs[start : start + length])})")
            start += length * repeats
            continue
        length = _find_slope(runs, start)
        texts += [f"{runs[start]}..{runs[start + length - 1]}"] if length > 1 else [runs[start]]
        start += length
    return ", ".join(texts)


def _find_slope(runs: Sequence[str], start: int) -> int:
    """Count the numbers from a run on that rise or fall by 1, of which each stands once."""
    for step in (1, -1):
        end = start
        while end + 1 < len(runs) and _differ_by(step, runs[end], runs[end + 1]):
            end += 1
        if end + 1 - start >= MIN_SLOPE:
            return end + 1 - start
    return 1


def _differ_by(step: int, run: str, following: str) -> bool:
    is_single = run.isdecimal() and following.isdecimal()
    return is_single and int(following) - int(run) == step


def _find_pattern(runs: Sequence[str], start: int) -> tuple[int, int]:
    """Find the pattern that begins at a run and covers the most: its length and its repeats."""
    found = 1, 1
    for length in range(2, MAX_PATTERN + 1):
        pattern, repeats = runs[start : start + length], 1
        while runs[start + repeats * length : start + (repeats + 1) * length] == pattern:
            repeats += 1
        if repeats > 1 and repeats * length > math.prod(found):
            found = length, repeats
    return found
