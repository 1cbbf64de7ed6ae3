"""A designed stack keeps its budget; where there is none, no small stack proves it wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import count_windows
from support.peers import require_peer

from convcli.arithmetic.design import InfeasibleError, design
from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import Walk, walk
from convcli.arithmetic.notation import format_layer, format_network, parse_network
from convcli.arithmetic.shortest_stack import BLOCKS, Budget
from convcli.errors import ArgumentError, LimitError

Shape = tuple[int, int, int]
IMAGENET: Shape = (3, 224, 224)
blocks = st.sampled_from(sorted(BLOCKS))


def check(found: Walk, budget: Budget) -> None:
    assert found.params <= budget.params
    assert budget.macs is None or found.macs <= budget.macs
    assert min(found.layers[-1].receptive_field) >= budget.field
    assert budget.output is None or found.output[1:] == budget.output


# ---- any budget --------------------------------------------------------------------------------


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
    if refused(shape, budget, block) is not None:
        return
    found = design(shape, budget, block=block)
    assert design(shape, budget, block=block) == found
    texts = [format_layer(one.layer) for one in found.layers]
    assert walk(texts, shape).params == found.params
    assert parse_network(format_network(shape, [one.layer for one in found.layers]))[0] == shape


BUDGETS = [10**power * lead for power in range(3, 8) for lead in (1, 2, 5)] + [10**8]


@pytest.mark.parametrize("params", BUDGETS)
def test_nearly_all_of_the_budget_is_used_and_at_once(params: int) -> None:
    for block, (field, output) in product(sorted(BLOCKS), [(64, (14, 14)), (20, None)]):
        budget = Budget(params=params, field=field, output=output)
        started = perf_counter()
        found = design(IMAGENET, budget, block=block)
        assert perf_counter() - started < 2
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


# ---- what cannot be ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    stride: int
    padding: int


HALVING = [Unit(1, 1), Unit(2, 1)]
ANY = [Unit(stride, padding) for stride in (1, 2, 3) for padding in (0, 1)]


@dataclass(frozen=True)
class Stack:
    """A small stack, every map of so many channels, counted by hand."""

    units: tuple[Unit, ...]
    size: tuple[int, int]
    field: int
    params: int
    macs: int


def convolution(c_in: int, c_out: int, taps: int, places: int) -> tuple[int, int]:
    return c_out * c_in * taps + c_out, c_out * c_in * taps * places


def unit_costs(block: str, c_in: int, c_out: int, before: int, after: int) -> tuple[int, int]:
    """Parameters and products of one unit; `before` and `after` are the pixels of its maps."""
    if block == "plain":
        parts = [convolution(c_in, c_out, 9, after)]
    elif block == "separable":
        each = [convolution(1, 1, 9, after)] * c_in
        parts = [*each, convolution(c_in, c_out, 1, after)]
    else:
        narrow = max(c_out // 4, 1)
        parts = [convolution(c_in, narrow, 1, before), convolution(narrow, narrow, 9, after)]
        parts.append(convolution(narrow, c_out, 1, after))
    params, macs = (sum(part) for part in zip(*parts, strict=True))
    return params, macs


def small_stacks(
    block: str, shape: Shape, units: Sequence[Unit], most: int, widths: Sequence[int] = (1,)
) -> Iterator[Stack]:
    """Every stack of at most so many units."""
    queue = [(Stack((), (shape[1], shape[2]), 1, 0, 0), 1, shape[0])]
    while queue:
        stack, jump, channels = queue.pop()
        if stack.units:
            yield stack
        if len(stack.units) == most:
            continue
        for unit, width in product(units, widths):
            rows, columns = (
                count_windows(side, 3, unit.stride, (unit.padding, unit.padding))
                for side in stack.size
            )
            if not rows or not columns:
                continue
            area = stack.size[0] * stack.size[1]
            params, macs = unit_costs(block, channels, width, area, rows * columns)
            longer = Stack(
                (*stack.units, unit),
                (rows, columns),
                stack.field + 2 * jump,
                stack.params + params,
                stack.macs + macs,
            )
            queue.append((longer, jump * unit.stride, width))


def fits(stack: Stack, shape: Shape, budget: Budget) -> bool:
    least = (min(4, shape[1]), min(4, shape[2]))
    sized = (
        stack.size == budget.output
        if budget.output is not None
        else stack.size[0] >= least[0] and stack.size[1] >= least[1]
    )
    kept = stack.params <= budget.params and (budget.macs is None or stack.macs <= budget.macs)
    return sized and kept and stack.field >= budget.field


def refused(shape: Shape, budget: Budget, block: str) -> str | None:
    try:
        check(design(shape, budget, block=block), budget)
    except InfeasibleError as error:
        return str(error)
    return None


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
@pytest.mark.parametrize("field", [3, 7, 12])
def test_more_channels_are_never_cheaper(block: str, field: int) -> None:
    shape = (2, 8, 8)
    reaching = [
        stack.params
        for stack in small_stacks(block, shape, HALVING, 3, widths=(1, 2, 3))
        if stack.field >= field and min(stack.size) >= 4
    ]
    if not reaching:
        return
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


def test_one_map_can_stay_as_it_is() -> None:
    budget = Budget(params=100, field=1, output=(32, 32))
    check(design((1, 32, 32), budget), budget)


@pytest.mark.parametrize("field", [10**5, 10**9])
def test_a_field_without_end_is_refused_at_once(field: int) -> None:
    started = perf_counter()
    with pytest.raises(LimitError, match="too large"):
        design(IMAGENET, Budget(params=10**6, field=field))
    assert perf_counter() - started < 2


@pytest.mark.parametrize(
    ("shape", "budget"),
    [
        ((3, 10**6, 10**6), Budget(params=10**6, field=500)),
        ((3, 4000, 4000), Budget(params=10**6, field=500, output=(3, 3))),
        ((3, 5000, 3000), Budget(params=10**6, field=50, output=(4999, 2999))),
        ((1, 8, 8), Budget(params=10**8, field=3000)),
    ],
)
def test_large_inputs_are_answered_in_time(shape: Shape, budget: Budget) -> None:
    started = perf_counter()
    with suppress(InfeasibleError, LimitError):
        check(design(shape, budget), budget)
    assert perf_counter() - started < 20


# ---- PyTorch -----------------------------------------------------------------------------------


@pytest.mark.peers
@settings(max_examples=15)
@given(
    blocks,
    st.tuples(st.integers(1, 3), st.integers(12, 32), st.integers(12, 32)),
    st.integers(1000, 50_000),
    st.integers(5, 20),
)
def test_the_code_builds_the_same_stack(block: str, shape: Shape, params: int, field: int) -> None:
    torch = require_peer("torch")
    found = design(shape, Budget(params=params, field=field), block=block)
    names: dict[str, Any] = {}
    exec(format_torch(found), names)
    model = names["model"]
    assert sum(weights.numel() for weights in model.parameters()) == found.params
    assert tuple(model(torch.zeros(1, *shape)).shape[1:]) == found.output
    assert len(model) == len(found.layers)


@pytest.mark.parametrize("layer", ["maxpool:2", "conv:3,p=same", "conv:3,p=0.1.0.1"])
def test_what_is_not_written_as_code_is_refused(layer: str) -> None:
    with pytest.raises(ArgumentError, match="PyTorch"):
        format_torch(walk([layer], (1, 8, 8)))


def test_rectangular_and_grouped_convolutions_are_written_as_they_are() -> None:
    code = format_torch(walk(["conv:3x5,s=1x2,p=1x2,d=2,g=2,c=4,nobias"], (2, 20, 20)))
    assert "nn.Conv2d(2, 4, (3, 5), stride=(1, 2), padding=(1, 2), dilation=2" in code
    assert "groups=2, bias=False)" in code
