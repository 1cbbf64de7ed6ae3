"""What commands print: JSON as the standard library writes it, and nothing that it forbids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convcli.cli.output import escape_control, format_json, format_rows

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["conv", "leaky-relu", 'a"b', "a\\b", "é", ""])
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(DOCUMENTS)
def test_a_document_is_what_the_standard_library_writes(document: Any) -> None:
    assert format_json(document) == json.dumps(document)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_there_is_no_json_of_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_json({"values": [1, number]})


WORDS = st.text("ab 12\t\x1b\u00e9e\u0301\u884c", max_size=6).map(str.strip)


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3), max_size=5), st.booleans())
def test_a_table_in_a_pipe_is_rich_s(rows: list[list[str]], total: bool) -> None:
    headings = ["name", "output", "\u884c"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, justify in zip(headings, ("left", "right", "right"), strict=True):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for number, row in enumerate(rows, 1):
        cells = [Text(escape_control(cell)) for cell in row]
        table.add_row(*cells, end_section=total and number == len(rows) - 1)
    console = Console(width=1000, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    expected = [line.rstrip() for line in captured.get().splitlines()]
    found = format_rows("table", headings, rows, left=["name"], total=total)
    assert found.split("\n") == expected
