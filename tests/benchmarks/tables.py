"""Measures as a table: for a terminal, or for a README."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.timing import Measure

HEADS = (
    "work", "peer", "core", "ratio", "least", "spread", "ours", "peer's", "runs", "at most", "aim",
    "reached", "check",
)  # fmt: skip
WIDEST = 100  # characters of a check's words; `--json` has them all
LEFT = ("work", "peer", "core", "reached", "check")


def cells(measure: Measure) -> list[str]:
    """A row's words; `least` is the quickest of ours by the quickest of theirs."""
    unit = measure.unit and f" {measure.unit}"
    if measure.check == "passed":
        figures = [
            number(measure.figure) + unit,
            number(measure.minimum_ratio),
            " to ".join(map(number, measure.spread)) if measure.runs > 1 else "",
            duration(measure.ours_seconds),
            duration(measure.peer_seconds),
            str(measure.runs),
        ]
    else:
        figures = [measure.check, "", "", "", "", ""]
    return [
        measure.row,
        measure.peer,
        measure.core,
        *figures,
        number(measure.target) + (unit if measure.target is not None else ""),
        number(measure.aim) + (unit if measure.aim is not None else ""),
        reached(measure),
        measure.checked[:WIDEST],
    ]


def reached(measure: Measure) -> str:
    """Which of the two targets a row keeps to."""
    if measure.check != "passed" or measure.figure is None or measure.target is None:
        return ""
    if measure.aim is not None and measure.figure <= measure.aim:
        return "aim"
    return "yes" if measure.figure <= measure.target else "no"


def number(value: float | None) -> str:
    """Three digits.

    >>> number(1.2345), number(0.0123), number(260.0)
    ('1.23', '0.0123', '260')
    """
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{number(seconds * 1000)} ms"


def plain(measures: list[Measure], console: Console) -> None:
    """Print a table that is as wide as it needs to be: nothing is cut, whatever it goes to."""
    console.width = 1000
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    for measure in measures:
        table.add_row(*cells(measure))
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    console.print("\n".join(line.rstrip() for line in lines))


def markdown(measures: list[Measure]) -> str:
    """The same for a README, without what only a second look needs."""
    shown = ("work", "peer", "core", "ratio", "spread", "at most")
    lines = [" | ".join(shown), " | ".join("---" for _ in shown)]
    for measure in measures:
        named = dict(zip(HEADS, cells(measure), strict=True))
        lines.append(" | ".join(named[head] for head in shown))
    return "".join(f"| {line} |\n" for line in lines)
