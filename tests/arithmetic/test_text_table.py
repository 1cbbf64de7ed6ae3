"""Tables of text: of any width, nothing lost, and no number or word broken."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.arithmetic.text_table import cell_width, fit_table, format_table

HEADINGS = ["name", "what it is", "a long number", "rf", "more"]
WORD = st.text("abcxyz", min_size=1, max_size=9)
TEXT = st.lists(WORD, min_size=1, max_size=5)
NUMBER = st.integers(0, 10**9).map(str) | st.sampled_from(["11.69 M", "1,728", "?"])
ROW = st.tuples(
    st.lists(WORD, min_size=1, max_size=2).map("/".join),
    st.tuples(TEXT, st.sampled_from([",", " ", ", "])).map(lambda pair: pair[1].join(pair[0])),
    NUMBER,
    NUMBER | st.integers(1, 999).map(lambda side: f"{side} (sees {side})"),
    NUMBER,
)
ROWS = st.lists(ROW.map(list), min_size=1, max_size=4)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 120))
def test_every_word_and_number_is_whole_in_its_column(rows: list[list[str]], width: int) -> None:
    table = format_table(HEADINGS, rows, left=HEADINGS[:2], width=width)
    natural = format_table(HEADINGS, rows, left=HEADINGS[:2])
    if max(map(len, natural.split("\n"))) <= width:
        assert table == natural
    heading, body = re.split("\n─+\n", table)
    for text in [*HEADINGS, *(cell for row in rows for cell in row)]:
        for word in re.split(r"[ ,/]+", text) if " M" not in text else [text]:
            assert word in (heading if text in HEADINGS else body)
    # Read off by the places of the columns, the lines of a row put together are its cells.
    cells = "".join(sorted("".join(map("".join, rows)).replace(" ", "")))
    assert "".join(sorted(re.sub(r"\s", "", body))) == cells


@settings(max_examples=40)
@given(ROWS, st.integers(1, 120))
def test_a_table_is_no_wider_than_asked_unless_a_word_is(rows: list[list[str]], width: int) -> None:
    lines = format_table(HEADINGS, rows, left=HEADINGS[:2], width=width).split("\n")
    widest = max(map(len, lines))
    columns = list(zip(HEADINGS, *rows, strict=True))
    least = 2 * (len(columns) - 1)
    for index, column in enumerate(columns):
        texts = [re.split(r"(?<=[ ,/])" if index < 2 else r" (?=\()", text) for text in column[1:]]
        texts.append(column[0].split(" "))
        least += max(len(part.rstrip(" ")) for parts in texts for part in parts)
    assert widest <= max(width, least)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 120))
def test_columns_are_left_out_by_rank_only_where_they_must(
    rows: list[list[str]], width: int
) -> None:
    optional = ["rf", "more"]
    table = format_table(HEADINGS, rows, left=HEADINGS[:2], width=width, optional=optional)
    table, start, note = table.partition("\n(too")
    note = " ".join(note.split())
    omitted = re.fullmatch(r"narrow for (.*): \| less -S shows all\)", note)
    assert bool(omitted) == bool(start)
    names = omitted[1].split(", ") if omitted else []
    assert names == optional[: len(names)]
    kept = [heading for heading in HEADINGS if heading not in names]
    same = [
        [cell for heading, cell in zip(HEADINGS, row, strict=True) if heading in kept]
        for row in rows
    ]
    expected = format_table(kept, same, left=HEADINGS[:2], width=width)
    if omitted:  # with what was left out last, it would have been too wide
        more = HEADINGS if len(names) == 1 else [name for name in HEADINGS if name != names[0]]
        wider = [
            [cell for heading, cell in zip(HEADINGS, row, strict=True) if heading in more]
            for row in rows
        ]
        wide = format_table(more, wider, left=HEADINGS[:2], width=width)
        assert max(map(len, wide.split("\n"))) > width
        assert table.split() == expected.split()
    else:
        assert table == expected


@settings(max_examples=60)
@given(ROWS, st.integers(1, 120), st.booleans())
def test_a_table_that_is_too_narrow_is_a_record_a_row_and_loses_nothing(
    rows: list[list[str]], width: int, total: bool
) -> None:
    left = HEADINGS[:2]
    text = fit_table(HEADINGS, rows, width=width, left=left, total=total)
    if text == format_table(HEADINGS, rows, width=width, left=left, total=total):
        assert max(map(len, text.split("\n"))) <= width
        return
    # Each row starts a line without indent, and its cells follow in order.
    records = re.split(r"\n+(?! )", text)
    assert len(records) == len(rows)
    for record, row in zip(records, rows, strict=True):
        expected = [row[0]]
        expected += [f"{name}: {cell}" for name, cell in zip(left[1:], row[1:2], strict=True)]
        expected += [f"{name} {cell}" for name, cell in zip(HEADINGS[2:], row[2:], strict=True)]
        assert re.sub(r"\s", "", record) == re.sub(r"\s", "", "".join(expected))
        # A line that is longer holds one word or one number.
        for line in (line.strip() for line in record.split("\n") if len(line) > width):
            words = re.split(r"[ ,/]+", line.rstrip(",/"))
            assert line in row or line.startswith("(sees ") or len(words) == 1
        for number in row[2:]:
            first, *_ = number.split(" (")
            assert any(
                re.search(rf"(^| ){re.escape(first)}( |$)", part) for part in record.split("\n")
            )


def test_records_hold_numbers_together_and_end_in_totals() -> None:
    rows = [["conv1", "conv:3,c=64", "1,728", "85.16 M"], ["total", "", "1,728", "85.16 M"]]
    headings = ["name", "layer", "params", "MACs"]
    text = fit_table(headings, rows, left=headings[:2], width=25, total=True)
    assert text.split("\n") == [
        "conv1  layer: conv:3,c=64",
        "  params 1,728",
        "  MACs 85.16 M",
        "",
        "total  params 1,728",
        "  MACs 85.16 M",
    ]


def test_words_are_broken_at_separators_where_spaces_are_not_enough() -> None:
    rows = [["/layer1/layer1.0/conv1/Conv", "concat:from=block1+block2", "12"]]
    text = format_table(["name", "layer", "MACs"], rows, left=["name", "layer"], width=30)
    assert text.split("\n") == [
        "name         layer        MACs",
        "──────────────────────────────",
        "/layer1/     concat:        12",
        "layer1.0/    from=",
        "conv1/Conv   block1+",
        "             block2",
    ]


def test_the_width_of_a_cell_is_that_on_a_terminal() -> None:
    assert list(map(cell_width, ("", "ab", "é", "e\u0301", "行列", "\uff46"))) == [0, 2, 1, 1, 4, 2]
