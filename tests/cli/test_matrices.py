"""Numbers that `--print` and `kernels` show: whole ones, all in a pipe, what fits on a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import here

from convcli.cli import output
from convcli.cli.matrices import format_maps, format_matrix

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 30))
WIDTHS = st.none() | st.integers(1, 90)


def write(value: float) -> str:
    return f"{value:.4g}"


@given(SIZES, st.none() | st.integers(1, 40), WIDTHS, st.integers(1, 2), st.integers(0, 2**32))
def test_numbers_are_whole_in_their_order_and_what_is_left_out_is_said(
    size: tuple[int, int], columns: int | None, width: int | None, gap: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(scale=100, size=size)
    text = format_matrix(values, write, columns=columns, width=width, gap=gap, advice="ask")
    body, _, note = text.partition("\n#")
    blocks = [[line.split() for line in block.split("\n")] for block in body.split("\n\n")]
    rows = [[word for block in blocks for word in block[row]] for row in range(size[0])]
    total, shown = size[1], len(rows[0]) - (rows[0].count("...") == 1)
    first, last = (shown + 1) // 2, total - shown // 2
    for row, numbers in zip(rows, values.tolist(), strict=True):
        expected = list(map(write, numbers))
        assert row == (expected if shown == total else [*expected[:first], "...", *expected[last:]])
    said = " ".join(note.split())
    if shown == total:
        assert not note
    elif last - first == 1:
        assert said == f"without column {first} of {total}: ask"
    else:
        assert said == f"without columns {first} to {last - 1} of {total}: ask"
    if columns is not None:
        assert shown == min(columns, total)
    elif width is None:
        assert shown == total
    if width is not None:
        assert all(len(line) <= width or len(line.split()) == 1 for line in body.split("\n"))
        # One column more would not have fitted.
        cell = max(len(word) for row in values.tolist() for word in map(write, row))
        if columns is None and shown < total:
            assert (shown + 2) * (cell + gap) - gap > width


def test_the_digits_of_a_number_are_those_of_its_type_or_as_asked_for() -> None:
    values = np.array([[[1 / 3], [-2e-9 / 3]]])
    assert format_maps({"a": values}).split() == ["0.333333333333", "-6.66666666667e-10"]
    assert format_maps({"a": values.astype("f4")}).split() == ["0.3333333", "-6.666667e-10"]
    assert format_maps({"a": values}, digits=2).split() == ["0.33", "-6.7e-10"]


@pytest.mark.parametrize("digits", [1, 3, 17])
def test_a_pipe_gets_every_column_in_the_digits_that_were_typed(
    tmp_path: Path, digits: int
) -> None:
    values = np.random.default_rng(1).normal(size=(3, 200))
    np.save(tmp_path / "in.npy", values)
    done = here(
        "apply", "in.npy", "-k", "identity", "--print", "--precision", str(digits), cwd=tmp_path
    )
    assert done.rows == [[float(f"{value:.{digits}g}") for value in row] for row in values]
    few = here("apply", "in.npy", "-k", "identity", "--print", "--columns", "5", cwd=tmp_path)
    *lines, note = few.text.splitlines()
    assert [line.split().index("...") for line in lines] == [3, 3, 3]
    assert note == "# without columns 3 to 197 of 200: --columns 200 or | less -S shows all"


def test_a_terminal_gets_the_columns_that_fit_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convcli.cli.report.find_terminal_width", lambda: 40)
    monkeypatch.setattr("convcli.cli.commands.kernels.find_terminal_width", lambda: 40)
    monkeypatch.setattr(output, "find_terminal_width", lambda: 40)
    monkeypatch.setenv("NO_COLOR", "1")
    np.save(tmp_path / "in.npy", np.arange(90.0).reshape(2, 45))
    for arguments in (
        ("apply", "in.npy", "-k", "identity", "--print"),
        ("apply", "in.npy", "-k", "identity", "--print", "--columns", "44"),
        ("kernels", "gaussian:4"),
        ("shape", "--h", "224", "--k", "3", "--s", "2"),
        ("shape", "--h", "224", "--k", "3", "--s", "2", "--explain"),
        ("shape", "--input", "3x99x99", "conv:3,c=4", "maxpool:2", "--explain"),
        ("shape", "--net", "resnet18"),
    ):
        lines = here(*arguments, cwd=tmp_path).text.splitlines()
        assert max(map(len, lines)) <= 40
    lines = here("apply", "in.npy", "-k", "identity", "--print", cwd=tmp_path).text.splitlines()
    assert re.findall(r"\S+", lines[1])[:3] == ["45", "46", "47"]


@pytest.mark.parametrize(
    ("typed", "cause"),
    [
        (("--precision", "3"), "--precision goes with --print"),
        (("--columns", "3"), "--columns goes with --print"),
        (("--print", "--precision", "0"), "--precision"),
        (("--print", "--precision", "18"), "--precision"),
        (("--print", "--columns", "0"), "--columns"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_refused(
    tmp_path: Path, typed: tuple[str, ...], cause: str
) -> None:
    done = here("apply", "missing.npy", "-k", "identity", *typed, cwd=tmp_path)
    assert done.code == 2
    assert cause in done.stderr
