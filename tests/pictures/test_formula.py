"""How a sum is written: signs, brackets, and what is left out where it is long."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.animate import evaluated

from convcli.pictures.text import Formula, format_terms

wholes = st.integers(-999, 999).map(float)


@settings(max_examples=40)
@given(st.lists(st.tuples(wholes, wholes), min_size=1, max_size=20))
def test_a_sum_of_products_reads_as_its_value(pairs: list[tuple[float, float]]) -> None:
    values, weights = map(list, zip(*pairs, strict=True))
    text = " + ".join(format_terms(values, weights))
    assert evaluated(text) == np.dot(values, weights)
    assert not re.search(r"(?<!\()[-\N{MINUS SIGN}]", text)  # a minus stands after a bracket alone


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 10**6).map(str), min_size=1, max_size=200),
    st.sampled_from(["", "max", "mean"]),
    st.integers(24, 90),
    st.integers(2, 4),
)
def test_a_long_formula_is_folded_and_says_what_it_leaves_out(
    terms: list[str], reduction: str, width: int, lines: int
) -> None:
    formula = Formula(tuple(terms), "77", reduction)
    folded = formula.fold(width, max_lines=lines + 1)
    assert len(folded) <= lines + 1
    assert all(len(line) <= width for line in folded)
    whole = " ".join(folded)
    assert whole.endswith("= 77")
    left_out = re.search(r"… (\d+) more terms …", whole)
    numbers = re.findall(r"\d+", re.sub(r"… \d+ more terms …", "", whole))[:-1]
    if left_out is None:
        assert whole == str(formula)
        assert numbers == terms
    else:
        assert len(numbers) + int(left_out[1]) == len(terms)
        head = numbers[: -(-len(numbers) // 2)]
        assert terms[: len(head)] == head
        tail = numbers[len(head) :]
        assert terms[len(terms) - len(tail) :] == tail
        more = len(formula.fold(width, max_lines=10**6))
        assert more > lines + 1  # it needs more lines


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (Formula(("3 × 2", "(−1) × 5"), "1"), "3 × 2 + (−1) × 5 = 1"),
        (Formula(("3", "4"), "3.5", "mean"), "mean(3, 4) = 3.5"),
        (Formula((), "0", "mean"), "mean() = 0"),
    ],
)
def test_a_formula_is_a_line_of_text(formula: Formula, text: str) -> None:
    assert str(formula) == text
