"""Stacks within a budget: what they keep, reach and use."""

from __future__ import annotations

import re
from itertools import product
from time import process_time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.design import (
    ANY,
    IMAGENET,
    Shape,
    blocks,
    check,
    fits,
    refused,
    small_stacks,
)

from convcli.arithmetic import shortest_stack
from convcli.arithmetic.design import InfeasibleError, design
from convcli.arithmetic.encoder_decoder import design_encoder_decoder
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer, format_network, parse_network
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.shortest_stack import BLOCKS, Budget, Effort
from convcli.errors import ArgumentError, LimitError


@st.composite
def budgets(draw: st.DrawFn) -> tuple[str, Shape, Budget]:
    shape = (draw(st.integers(1, 4)), draw(st.integers(8, 64)), draw(st.integers(8, 64)))
    halvings = draw(st.integers(0, 3))
    side = (-(-shape[1] // 2**halvings), -(-shape[2] // 2**halvings))
    budget = Budget(
        params=draw(st.integers(200, 200_000)),
        field=draw(st.integers(1, 40)),
        macs=draw(st.one_of(st.none(), st.integers(20_000, 10**8))),
        output=side if halvings else None,
    )
    return draw(blocks), shape, budget


@settings(max_examples=100)
@given(budgets())
def test_a_stack_keeps_its_budget_and_reaches_what_was_asked(
    case: tuple[str, Shape, Budget],
) -> None:
    block, shape, budget = case
    assume(refused(shape, budget, block) is None)
    found = design(shape, budget, block=block)
    assert design(shape, budget, block=block) == found
    texts = [format_layer(one.layer) for one in found.layers]
    assert walk(texts, shape).params == found.params
    assert parse_network(format_network(shape, [one.layer for one in found.layers]))[0] == shape


BUDGETS = [10**power * lead for power in range(3, 8) for lead in (1, 2, 5)] + [10**8]


@pytest.mark.parametrize("params", BUDGETS)
def test_nearly_all_of_the_budget_is_used(params: int) -> None:
    for block, (field, output) in product(sorted(BLOCKS), [(64, (14, 14)), (20, None)]):
        budget = Budget(params=params, field=field, output=output)
        found = design(IMAGENET, budget, block=block)
        check(found, budget)
        assert found.params >= 0.9 * params, (block, field, output)


@pytest.mark.parametrize("params", [3_000, 70_000, 10**6, 4 * 10**7])
def test_one_channel_more_at_the_end_would_be_too_much(params: int) -> None:
    found = design(IMAGENET, Budget(params=params, field=64, output=(14, 14)))
    texts = [format_layer(one.layer) for one in found.layers]
    widest = f",c={found.output[0]}"
    wider = [text.replace(widest, f",c={found.output[0] + 1}") for text in texts]
    assert walk(wider, IMAGENET).params > params


@pytest.mark.parametrize("params", [10**6, 2 * 10**6, 5 * 10**6])
def test_what_is_left_of_the_budget_goes_into_the_stages(params: int) -> None:
    found = design(IMAGENET, Budget(params=params, field=64, output=(14, 14)))
    assert found.params >= 0.999 * params


@pytest.mark.parametrize("block", sorted(BLOCKS))
@pytest.mark.parametrize("macs", [10**8, 10**9])
def test_products_are_kept_where_they_bind(block: str, macs: int) -> None:
    budget = Budget(params=10**7, field=64, macs=macs, output=(14, 14))
    found = design(IMAGENET, budget, block=block)
    check(found, budget)
    assert found.macs >= 0.8 * macs


def test_the_first_maps_have_the_width_that_was_asked_for() -> None:
    for width in (8, 16, 32):
        budget = Budget(params=10**6, field=64, width=width, output=(14, 14))
        found = design(IMAGENET, budget)
        check(found, budget)
        assert found.layers[0].output[0] == width


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_maps_grow_as_they_shrink(block: str) -> None:
    found = design(IMAGENET, Budget(params=10**6, field=100, output=(14, 14)), block=block)
    outputs = [one.output for one in found.layers]
    sizes = [output[1] for output in outputs]
    assert sizes == sorted(sizes, reverse=True)
    ends = {size: channels for channels, size, _ in outputs}
    assert list(ends.values()) == sorted(ends.values())


def test_a_unit_is_what_its_block_says() -> None:
    kernels = {}
    for block in BLOCKS:
        found = design((3, 32, 32), Budget(params=20_000, field=12), block=block)
        convolutions = [one.layer for one in found.layers if one.layer.op == "conv"]
        kernels[block] = [layer.window.kernel[0] for layer in convolutions]
        depthwise = [layer.groups for layer in convolutions]
        assert ("depthwise" in depthwise) == (block == "separable")
    assert set(kernels["plain"]) == {3}
    assert kernels["bottleneck"][:3] == [1, 3, 1]
    assert kernels["separable"][:2] == [3, 1]


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ArgumentError, match="none of plain, bottleneck, separable"):
        design(IMAGENET, Budget(params=1000, field=3), block="dense")


@pytest.mark.parametrize(
    ("block", "shape", "budget"),
    [
        ("separable", (3, 17, 17), Budget(params=70, field=22, macs=2400)),
        ("bottleneck", (1, 19, 17), Budget(params=56, field=22, macs=1755)),
    ],
)
def test_both_budgets_are_kept_where_some_stack_keeps_both(
    block: str, shape: Shape, budget: Budget
) -> None:
    assert [one for one in small_stacks(block, shape, ANY, 4) if fits(one, shape, budget)]
    assert refused(shape, budget, block) is None


def test_channels_double_where_a_map_is_cut_to_a_third_too() -> None:
    units = [(3, 1, 3), (3, 0, 6), (1, 1, 6)]  # stride, padding, channels
    texts = [
        text
        for s, p, c in units
        for text in (f"conv:3,s={s},p={p},g=depthwise", "relu", f"conv:1,c={c}", "relu")
    ]
    found, shape = walk(texts, (3, 21, 21)), (3, 21, 21)
    budget = Budget(params=198, field=23, output=(2, 2), width=3)
    check(found, budget)
    assert refused(shape, budget, "separable") is None


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize(("side", "output"), [(16, 5), (14, 5), (20, 6), (23, 7), (11, 3)])
def test_a_refusal_of_a_width_is_true_of_what_would_be_built(
    side: int, output: int, width: int
) -> None:
    shape = (1, side, side)
    built = design(shape, Budget(params=10**9, field=9, output=(output, output), width=width))
    tight = Budget(params=10**9, field=9, output=(output, output), width=width, macs=None)
    said = refused(shape, Budget(params=1, field=9, output=tight.output, width=width), "plain")
    assert said is not None
    least = int(re.search(r"needs ([\d,]+) parameters", said)[1].replace(",", ""))  # type: ignore[index]
    assert least <= built.params
    exactly = Budget(params=least, field=9, output=tight.output, width=width)
    assert refused(shape, exactly, "plain") is None


def test_all_searches_for_one_design_have_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    add = Effort.add

    def count(effort: Effort) -> None:
        counts.append(effort)
        add(effort)

    monkeypatch.setattr(Effort, "add", count)
    budget = Budget(params=10**6, field=64, macs=10**9, output=(14, 14))
    design(IMAGENET, budget)
    assert len(set(map(id, counts))) == 1
    monkeypatch.setattr(shortest_stack, "MAX_STATES", len(counts) - 1)
    with pytest.raises(LimitError, match="too many stacks to search"):
        design(IMAGENET, budget)
    design(IMAGENET, Budget(params=10**6, field=64))  # one search


def test_one_map_can_stay_as_it_is() -> None:
    budget = Budget(params=100, field=1, output=(32, 32))
    check(design((1, 32, 32), budget), budget)


@pytest.mark.parametrize("field", [10**5, 10**9])
def test_a_field_without_end_is_refused_at_once(field: int) -> None:
    started = process_time()
    with pytest.raises(LimitError, match="too large"):
        design(IMAGENET, Budget(params=10**6, field=field))
    assert process_time() - started < 2


@pytest.mark.parametrize(
    ("shape", "budget", "said"),
    [
        ((3, 10**6, 10**6), Budget(params=10**6, field=500), None),
        ((3, 4000, 4000), Budget(params=10**6, field=500, output=(3, 3)), None),
        (
            (3, 5000, 3000),
            Budget(params=10**6, field=50, output=(4999, 2999)),
            "size: no 3x3 windo",
        ),
        ((1, 8, 8), Budget(params=10**8, field=3000), None),
    ],
)
def test_large_inputs_are_answered_in_time(shape: Shape, budget: Budget, said: str | None) -> None:
    started = process_time()
    if said is None:
        check(design(shape, budget), budget)
    else:
        with pytest.raises(InfeasibleError, match=said):
            design(shape, budget)
    assert process_time() - started < 20


# ---- dilation, multiples, encoders and decoders ------------------------------------------------


def dilations(found: Walk) -> list[int]:
    return [one.layer.dilation[0] for one in found.layers if one.layer.op == "conv"]


def test_a_field_that_strides_cannot_give_is_given_by_dilation() -> None:
    found = design((3, 512, 512), Budget(params=10**6, field=400, output=(512, 512)))
    assert dilations(found) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert found.layers[-1].receptive_field == (511, 511)
    assert found.params >= 0.98 * 10**6


def test_strides_are_taken_where_they_do() -> None:
    found = design(IMAGENET, Budget(params=10**6, field=200))
    assert set(dilations(found)) == {1}


@settings(max_examples=30)
@given(st.integers(5, 120), st.integers(16, 64), st.integers(1_000, 100_000))
def test_dilated_windows_leave_no_input_out(field: int, side: int, params: int) -> None:
    """Between the first and the last position that an output depends on, it depends on all."""
    shape = (1, side, side)
    budget = Budget(params=params, field=field, output=(side, side))
    try:
        found = design(shape, budget)
    except InfeasibleError:
        return
    check(found, budget)
    seen = {0}
    for one in found.layers:
        if one.layer.op == "conv":
            taps = (-one.layer.dilation[0], 0, one.layer.dilation[0])
            seen = {position + tap for position in seen for tap in taps}
    assert seen == set(range(min(seen), max(seen) + 1))


@pytest.mark.parametrize("block", sorted(BLOCKS))
@pytest.mark.parametrize("multiple", [8, 16])
def test_channels_are_multiples(block: str, multiple: int) -> None:
    budget = Budget(params=10**6, field=64, output=(14, 14), multiple_of=multiple)
    found = design(IMAGENET, budget, block=block)
    check(found, budget)
    widths = {one.output[0] for one in found.layers if one.layer.groups != "depthwise"}
    assert {width % multiple for width in widths - {3}} == {0}
    assert found.params >= 0.9 * 10**6


def test_a_width_that_is_no_multiple_is_refused() -> None:
    budget = Budget(params=10**6, field=64, width=12, multiple_of=8)
    for design_any in (design, design_encoder_decoder):
        with pytest.raises(ArgumentError, match="12 is no multiple of 8"):
            design_any(IMAGENET, budget)


@settings(max_examples=6)
@given(blocks, st.integers(8, 130), st.integers(8, 130), st.integers(3, 150))
def test_a_decoder_comes_back_to_the_size_of_the_input(
    block: str, height: int, width: int, field: int
) -> None:
    budget = Budget(params=200_000, field=field, multiple_of=4)
    try:
        found = design_encoder_decoder((3, height, width), budget, block=block)
    except InfeasibleError:
        return
    check(found, budget)
    assert found.output[1:] == (height, width)
    assert "concat" in {one.layer.op for one in found.layers}
    text = format_network((3, height, width), [one.layer for one in found.layers])
    assert walk(parse_network(text)[1], (3, height, width)).params == found.params


def test_a_decoder_that_no_budget_allows_is_refused() -> None:
    for budget in (Budget(params=50, field=9), Budget(params=10**6, field=10_000)):
        with pytest.raises(InfeasibleError, match="no encoder and decoder"):
            design_encoder_decoder((3, 64, 64), budget)
    with pytest.raises(ArgumentError, match="size of the input"):
        design_encoder_decoder((3, 64, 64), Budget(params=10**6, field=9, output=(32, 32)))
