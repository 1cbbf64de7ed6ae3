"""The grammar of numbers in text: what is written in it is read back, and nothing is guessed."""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.errors import GridError
from convcli.grids import open_grid
from convcli.grids.text import INLINE, note_row, parse_rows, parse_text
from convcli.images.read import read_input

DECIMALS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(-9999, 9999, allow_nan=False, places=3).map("{:f}".format),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
)
ENCODINGS = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"])
POSITIVE = st.integers(1, 10**18).map(str) | st.sampled_from(["0.3", "1.25", ".5", "7."])
NUMBERS = DECIMALS | st.tuples(st.integers(-(10**18), 10**18), POSITIVE).map(
    lambda parts: f"{parts[0]}/{parts[1]}"
)
LONG = "1" * 10**6
# (column separator, row separator, before, after): of files, and of what is typed.
FILE_SYNTAXES = [
    *((separator, "\n", "", after) for separator in (" ", "\t", ",", ", ", " , ", ";", " ; ")
      for after in ("", "\n", "\r\n\r\n", " # the end\n")),
    *((",", ",\n", "", ",\n"), (",", "\r\n", "\ufeff", ""), (" ", ";\n", "", ";\n")),
    *((";", ";\n", "", ";"), (" ", "; ", "[", "]"), (", ", ";\n", "[ ", " ];\n")),
    (" ", "\n", "[", "]"),
]  # fmt: skip
TYPED_SYNTAXES = [
    *((columns, rows, "", "") for columns in (" ", ",", ", ", "\t") for rows in (";", "; ", "\n")),
    *((" ", "; ", "[", "]"), (",", ";", "[", "]"), (",", ",;", "", ","), (" ", ";;", " ", "; ")),
]  # fmt: skip


def exact(text: str) -> float:
    """The float nearest to a number's exact value."""
    dividend, _, divisor = text.partition("/")
    return float(Fraction(dividend) / Fraction(divisor or 1))


@st.composite
def matrices(draw: st.DrawFn, least: int = 1) -> list[list[str]]:
    width, height = draw(st.integers(least, 4)), draw(st.integers(2, 4))
    return [[draw(NUMBERS) for _ in range(width)] for _ in range(height)]


def written(matrix: list[list[str]], syntax: tuple[str, str, str, str]) -> str:
    columns, rows, before, after = syntax
    return before + rows.join(map(columns.join, matrix)) + after


@settings(max_examples=50)
@given(matrices(), st.sampled_from(FILE_SYNTAXES), ENCODINGS)
def test_what_a_file_holds_is_read_back(
    matrix: list[list[str]], syntax: tuple[str, str, str, str], encoding: str
) -> None:
    text = written(matrix, syntax).removeprefix("\ufeff")
    mark = "\ufeff" if encoding != "utf-8" or syntax[2] else ""
    grid = parse_text((mark + text).encode(encoding), "x.txt")
    np.testing.assert_array_equal(grid, [list(map(exact, row)) for row in matrix])


@settings(max_examples=50)
@given(matrices(), st.sampled_from(TYPED_SYNTAXES))
def test_what_is_typed_is_read_back(
    matrix: list[list[str]], syntax: tuple[str, str, str, str]
) -> None:
    grid = parse_rows(written(matrix, syntax), INLINE)
    np.testing.assert_array_equal(grid, [list(map(exact, row)) for row in matrix])


@settings(max_examples=50)
@given(matrices(least=2))
def test_decimal_commas_between_semicolons_are_read_back(matrix: list[list[str]]) -> None:
    text = written(matrix, (";", "\n", "", "\n")).replace(".", ",")
    grid = parse_rows(text, "x.csv")
    np.testing.assert_array_equal(grid, [list(map(exact, row)) for row in matrix])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1;2\n3;4\n", [[1, 2], [3, 4]]),
        ("1,5;2,5\n3,0;4,0\n", [[1.5, 2.5], [3, 4]]),
        ("1/9, -1/16\n", [[1 / 9, -1 / 16]]),
        ("1,2;\n3,-4;\n", [[1, 2], [3, -4]]),
        ("1 2 3;\n4 5 6", [[1, 2, 3], [4, 5, 6]]),
        ("1;2;\n3;4;", [[1, 2], [3, 4]]),
        ("# a\n[1 2 # b\n3 4]", [[1, 2], [3, 4]]),
        ("0,-1 0\n1, 2 3", [[0, -1, 0], [1, 2, 3]]),
        ("5", [[5]]),
    ],
)
def test_texts_that_people_have(content: str, expected: list[list[float]]) -> None:
    np.testing.assert_array_equal(parse_rows(content, "x.csv"), expected)


REFUSED = [
    ("1,5\t2,5\t3,5\n4,5\t5,5\t6,5\n", "decimal commas or columns.* line 1 .*'1,5'"),
    ("1\t2\n1,5 2\n", "decimal commas or columns.* line 2"),
    ("-1,5 2,5e3\n", "decimal commas or columns"),
    ("1,5;2,5\n", "decimal commas or rows"),
    ("0,-1,0; -1,5,-1; 0,-1,0\n", "decimal commas or rows"),
    ("1,5;\n2,5;\n", "decimal commas or columns"),
    ("1,5;2.5\n1;2\n", "decimal commas and decimal points"),
    ("1,234.5;2\n1;2\n", "decimal commas and decimal points"),
    ("1 2; 3 4\n", "line 1 separates numbers by blanks and by ;"),
    ("1;2\n3 4;5\n", "line 2 separates numbers by blanks and by ;"),
    ("1;;2\n", "line 1 has an empty cell"),
    (";1\n", "line 1 has an empty cell"),
    ("1,2,,\n", "line 1 has an empty cell"),
    ("1,2\n,\n", "line 2 has an empty cell"),
    ("1,2,\n3,4,5\n", "line 2 has 3 numbers, the first row has 2"),
    ("1,2,3;4\n5;6\n", "line 1, column 1: '1,2,3' is not a number"),
    ("1;x,5\n2;3\n", "line 1, column 3: 'x,5' is not a number"),
    ("1/0\n", "'1/0' divides by zero"),
    ("1/0.0\n", "divides by zero"),
    (f"{'9' * 380}/1\n", "is too large"),
    (f"1/{'9' * 5000}\n", "is not a number"),
    ("1/-2\n", "'1/-2' is not a number"),
    ("1/2/3\n", "'1/2/3' is not a number"),
    ("1 / 2\n", "'/' is not a number"),
    ("[1 2; 3]\n", "row 2 has 1 numbers"),
    ("[1 2; 3 x]\n", "row 2: 'x' is not a number"),
    ("[1 2\n", "brackets go around a whole matrix"),
    ("[[1, 2], [3, 4]]\n", "brackets go around a whole matrix"),
    ("a = [1 2]\n", "line 1, column 1: 'a' is not a number"),
    ("]1 2[\n", "']1' is not a number"),
    ("[1 2] 3\n", "brackets go around a whole matrix"),
    ("[ ; ]\n", "no numbers"),
]


@pytest.mark.parametrize(("content", "cause"), REFUSED, ids=lambda value: value[:24])
def test_what_is_ambiguous_or_wrong_is_refused(content: str, cause: str) -> None:
    with pytest.raises(GridError, match=cause) as caught:
        parse_rows(content, "x.csv")
    assert len(caught.value.cause) < 200


@pytest.mark.parametrize(("content", "cause"), REFUSED, ids=lambda value: value[:24])
def test_no_word_of_a_file_that_is_no_text_of_numbers_is_shown(content: str, cause: str) -> None:
    del cause
    with pytest.raises(GridError) as caught:
        parse_rows(content.replace("x", "s3cret").replace("1,5", "7777,5"), "passwd")
    assert "s3cret" not in caught.value.cause
    assert "7777" not in caught.value.cause


@pytest.mark.parametrize(
    "content", ["1," + " " * 10**6 + "x", "[1]" + " " * 10**6 + "x", LONG + " 1/2 x",
                "1/2 " * 50_000 + "x", "1 ; " * 250_000, "1,2 " * 250_000, ";" * 10**6,
                LONG + "x", "1,5 " + LONG + "x", "1/" + LONG + "x", LONG + "/1x 1/2", "/" * 10**6]
)  # fmt: skip
def test_hostile_text_takes_no_longer_than_it_is_long(content: str) -> None:
    started = time.process_time()
    with suppress(GridError):
        parse_rows(content, "x.csv")
    assert time.process_time() - started < 4


def test_text_of_utf_16_that_is_cut_short_is_no_text() -> None:
    with pytest.raises(GridError, match="not text"):
        parse_text("1 2".encode("utf-16")[:-1], "x.txt")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
def test_one_row_that_may_be_a_square_gets_a_note(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    for count in range(1, 60):
        path.write_text(" ".join(["1"] * count))
        with open_grid(str(path), 100) as grid:
            assert bool(grid.notes) == (count in (9, 25, 49))
            assert grid.notes == read_input(str(path)).notes
    assert note_row((3, 3), "x.csv") == ()


@pytest.mark.parametrize(
    ("shape", "channels"), [((3, 8, 9), 9), ((1, 28, 28), 28), ((8, 9, 3), 0), ((3, 4, 4), 0),
                            ((64, 7, 7), 0), ((3, 9), 0)]
)  # fmt: skip
def test_channels_that_come_first_get_a_note(
    tmp_path: Path, shape: tuple[int, ...], channels: int
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    note = f"{channels} channels; a (C, H, W) array wants transpose(1, 2, 0)"
    assert read_input(f"{tmp_path}/x.npy").notes == ((note,) if channels else ())
