"""Budgets that no stack keeps: compared with a search through all small stacks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.design import (
    ANY,
    IMAGENET,
    Shape,
    Unit,
    blocks,
    fits,
    refused,
    small_stacks,
)

from convcli.arithmetic.network import walk
from convcli.arithmetic.shortest_stack import BLOCKS, Budget

HALVING = [Unit(1, 1), Unit(2, 1)]
sides = st.integers(4, 16)
small = st.tuples(st.integers(1, 3), sides, sides)


@st.composite
def small_budgets(draw: st.DrawFn) -> tuple[str, Shape, Budget]:
    shape = draw(small)
    params, field = draw(st.integers(1, 120)), draw(st.integers(2, 21))
    macs = draw(st.one_of(st.none(), st.integers(1, 6000)))
    smaller = [side - draw(st.integers(0, side - 1)) for side in shape[1:]]
    output = draw(st.one_of(st.none(), st.just((smaller[0], smaller[1]))))
    return draw(blocks), shape, Budget(params=params, field=field, macs=macs, output=output)


@given(small_budgets())
def test_where_none_is_found_no_small_stack_that_halves_keeps_the_budget(
    case: tuple[str, Shape, Budget],
) -> None:
    block, shape, budget = case
    if refused(shape, budget, block) is not None:
        stacks = small_stacks(block, shape, HALVING, 5)
        assert not [stack for stack in stacks if fits(stack, shape, budget)]


@settings(max_examples=100)
@given(small_budgets())
def test_where_none_is_found_no_small_stack_of_any_3x3_windows_keeps_the_budget(
    case: tuple[str, Shape, Budget],
) -> None:
    block, shape, budget = case
    if refused(shape, budget, block) is not None:
        stacks = small_stacks(block, shape, ANY, 4)
        assert not [stack for stack in stacks if fits(stack, shape, budget)]


@pytest.mark.parametrize(("side", "output"), [(120, None), (135, (5, 5))])
def test_three_steps_of_three_are_not_called_impossible(
    side: int, output: tuple[int, int] | None
) -> None:
    steps = walk(["conv:3,s=3,p=1"] * 3, (1, side, side))
    assert (steps.params, steps.layers[-1].receptive_field) == (30, (27, 27))
    assert refused((1, side, side), Budget(params=30, field=27, output=output), "plain") is None


@pytest.mark.parametrize("block", sorted(BLOCKS))
@pytest.mark.parametrize("field", [3, 7, 11])
def test_more_channels_are_never_cheaper(block: str, field: int) -> None:
    shape = (2, 8, 8)
    reaching = [
        stack.params
        for stack in small_stacks(block, shape, HALVING, 3, widths=(1, 2, 3))
        if stack.field >= field and min(stack.size) >= 4
    ]
    least = min(reaching)
    assert refused(shape, Budget(params=least, field=field), block) is None
    said = refused(shape, Budget(params=least - 1, field=field), block)
    assert said is not None
    assert f"needs {least:,} parameters, 1 over the budget of {least - 1:,}" in said


def test_a_refusal_names_the_bound_and_by_how_much_it_fails() -> None:
    said = refused(IMAGENET, Budget(params=30, field=64), "plain")
    assert said is not None
    found = re.match(r"parameters: .* needs (\d+) parameters, (\d+) over the budget of 30\Z", said)
    assert found
    assert int(found[1]) - int(found[2]) == 30
    said = refused(IMAGENET, Budget(params=10**5, field=64, macs=1000), "plain")
    assert said is not None
    assert said.startswith("MACs: ")
    said = refused((3, 8, 8), Budget(params=10**5, field=3, output=(9, 9)), "plain")
    assert said == "size: no 3x3 windows of stride 1 to 3 and padding 0 or 1 take 8x8 to 9x9"
