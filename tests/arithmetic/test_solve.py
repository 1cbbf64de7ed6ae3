"""The inverse problem: every answer is right, none is missing, and the best comes first."""

from __future__ import annotations

from itertools import product
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import count_windows, span

from convcli.arithmetic.layers import LayerSize
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.solve import Ranges, nearest_outputs, solve
from convcli.errors import ArgumentError, LimitError

Settings = tuple[int, int, tuple[int, int], int, int]  # k, s, p, d, op

OPS = {False: "conv", True: "tconv"}


def settings_of(one: LayerSize, axis: int) -> Settings:
    layer = one.layer
    assert layer.kernel is not None
    assert not isinstance(layer.padding, str)
    numbers = (layer.kernel[axis], layer.stride[axis], layer.padding[axis], layer.dilation[axis])
    return (*numbers, layer.output_padding[axis])


def answers(found: list[LayerSize]) -> list[tuple[Settings, Settings]]:
    return [(settings_of(one, 0), settings_of(one, 1)) for one in found]


def made(size: int, chosen: Settings, *, transposed: bool) -> int:
    """The size that settings make, by sliding a window or painting taps."""
    k, s, p, d, extra = chosen
    if not transposed:
        return count_windows(size, k, s, p, d)
    painted = {place * s + tap for place in range(size) for tap in range(0, k * d, d)}
    return max(painted) + 1 + extra - sum(p)


def left_over(size: int, chosen: Settings) -> int:
    k, s, p, d, _ = chosen
    return size + sum(p) - (made(size, chosen, transposed=False) - 1) * s - span(k, d)


def uneven_same(size: int, k: int, s: int, d: int, *, transposed: bool) -> list[tuple[int, int]]:
    """The padding that makes ceil(size / s) windows, or size * s outputs, if it is odd."""
    total = max((-(-size // s) - 1) * s + span(k, d) - size, 0)
    if transposed:
        total = max((size - 1) * s + span(k, d) - size * s, 0)
    return [(total // 2, total - total // 2)] if total % 2 else []


def all_settings(size: int, tried: Ranges, *, transposed: bool) -> list[Settings]:
    found = []
    for k, s, d in product(tried.kernel, tried.stride, tried.dilation):
        paddings = range(span(k, d) // 2 + 1) if tried.padding is None else tried.padding
        extras = [0]
        if transposed:
            asked = tried.output_padding or range(max(s, d))
            extras = [extra for extra in asked if extra < max(s, d)]
        found += [(k, s, (p, p), d, extra) for p, extra in product(paddings, extras)]
        if tried.padding is None and 0 in extras:
            same = uneven_same(size, k, s, d, transposed=transposed)
            found += [(k, s, sides, d, 0) for sides in same]
    # One tap is not spread, whatever the dilation: once is enough.
    return [one for one in found if one[0] > 1 or one[3] == tried.dilation[0]]


def that_make(
    size: int, output: int, tried: Ranges, *, transposed: bool, exact: bool = False
) -> set[Settings]:
    return {
        one
        for one in all_settings(size, tried, transposed=transposed)
        if made(size, one, transposed=transposed) == output
        and not (exact and not transposed and left_over(size, one))
    }


def few(least: int, most: int) -> st.SearchStrategy[range]:
    ends = st.tuples(st.integers(least, most), st.integers(0, 3))
    return ends.map(lambda pair: range(pair[0], pair[0] + pair[1] + 1))


ranges = st.builds(
    Ranges,
    kernel=few(1, 5),
    stride=few(1, 4),
    dilation=few(1, 2),
    padding=st.one_of(st.none(), few(0, 3)),
    output_padding=st.one_of(st.none(), few(0, 2)),
)


@settings(max_examples=150)
@given(ranges, st.integers(1, 30), st.integers(1, 40), st.booleans(), st.booleans())
def test_all_answers_are_found_and_no_others(
    tried: Ranges,
    size: int,
    output: int,
    transposed: bool,
    exact: bool,
) -> None:
    found = solve((size, size), (output, output), tried, op=OPS[transposed], exact=exact)
    expected = that_make(size, output, tried, transposed=transposed, exact=exact)
    assert len(found) == len(expected)
    assert set(answers(found)) == {(one, one) for one in expected}
    assert all(one.output == (output, output) for one in found)
    if exact:
        assert all(one.dropped == (0, 0) for one in found)


@settings(max_examples=60)
@given(ranges, st.tuples(*[st.integers(1, 16)] * 2), st.tuples(*[st.integers(1, 16)] * 2))
def test_a_rectangle_is_solved_side_by_side(
    tried: Ranges, size: tuple[int, int], output: tuple[int, int]
) -> None:
    found = answers(solve(size, output, tried))
    rows, columns = (
        that_make(*pair, tried, transposed=False) for pair in zip(size, output, strict=True)
    )
    alike = {(one, one) for one in rows & columns}
    square = size[0] == size[1] and output[0] == output[1]
    assert set(found) == (alike if alike or square else set(product(rows, columns)))
    assert len(set(found)) == len(found)


@settings(max_examples=100)
@given(ranges, st.integers(1, 20), st.integers(1, 60), st.booleans())
def test_the_nearest_sizes_are_the_nearest_that_anything_makes(
    tried: Ranges,
    size: int,
    output: int,
    transposed: bool,
) -> None:
    tries = all_settings(size, tried, transposed=transposed)
    reached = {made(size, one, transposed=transposed) for one in tries} - {0}
    below = [one for one in reached if 0 < one <= output]
    above = [one for one in reached if one > output]
    expected = [*([max(below)] if below else []), *([min(above)] if above else [])]
    assert nearest_outputs(size, output, tried, op=OPS[transposed]) == expected


# ---- the best comes first ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "output", "k", "s", "p"),
    [
        (224, 112, 3, 2, 1),
        (32, 32, 3, 1, 1),
        (28, 28, 3, 1, 1),
        (32, 30, 3, 1, 0),
        (28, 24, 5, 1, 0),
        (7, 7, 3, 1, 1),
        (56, 28, 3, 2, 1),
        (227, 114, 3, 2, 1),
    ],
)
def test_an_engineer_s_first_choice(size: int, output: int, k: int, s: int, p: int) -> None:
    first = answers(solve((size, size), (output, output)))[0][0]
    assert first == (k, s, (p, p), 1, 0)


@pytest.mark.parametrize(
    ("size", "output", "k", "s", "p"),
    [(112, 224, 2, 2, 0), (14, 28, 2, 2, 0), (28, 28, 3, 1, 1), (8, 32, 4, 4, 0)],
)
def test_an_engineer_s_first_choice_on_the_way_up(
    size: int, output: int, k: int, s: int, p: int
) -> None:
    first = answers(solve((size, size), (output, output), op="tconv"))[0][0]
    assert first == (k, s, (p, p), 1, 0)


@pytest.mark.parametrize(("size", "output"), [(224, 112), (32, 32), (28, 14), (13, 6), (55, 27)])
def test_the_first_leaves_no_input_and_no_gap(size: int, output: int) -> None:
    k, s, p, d, _ = first = answers(solve((size, size), (output, output)))[0][0]
    assert k % 2 == 1
    assert s <= span(k, d)
    assert left_over(size, first) <= p[1]


def test_a_rectangle_s_first_choice_is_alike_on_both_sides() -> None:
    first = solve((480, 640), (240, 320))[0].layer
    assert (first.kernel, first.stride, first.padding) == ((3, 3), (2, 2), ((1, 1), (1, 1)))


def test_each_side_has_its_own_numbers_where_it_must() -> None:
    first = solve((32, 64), (32, 32))[0].layer
    assert (first.stride, first.kernel) == ((1, 2), (3, 3))


# ---- pools and uneven padding --------------------------------------------------------------------


@settings(max_examples=100)
@given(ranges, st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_all_pools_are_found_and_no_others(
    tried: Ranges, size: int, output: int, ceil: bool
) -> None:
    found = solve((size, size), (output, output), tried, op="maxpool", ceil=ceil)
    tries = all_settings(size, tried, transposed=False)
    whole = [one for one in tries if span(one[0], one[3]) <= size + sum(one[2])]
    expected = {
        (k, s, p, d, extra)
        for k, s, p, d, extra in whole
        if count_windows(size, k, s, p, d, ceil=ceil) == output
    }
    assert {pair for pair in answers(found) if pair[0] in whole} == {(one, one) for one in expected}
    assert all(one.layer.op == "maxpool" and one.layer.ceil == ceil for one in found)


@pytest.mark.parametrize(
    ("size", "output", "text"),
    [
        (112, 56, "maxpool:2"),
        (55, 27, "maxpool:3,s=2"),
        (28, 4, "maxpool:7"),
        (113, 57, "maxpool:3,s=2,p=1"),
    ],
)
def test_an_engineer_s_first_pool(size: int, output: int, text: str) -> None:
    first = solve((size, size), (output, output), op="maxpool")[0].layer
    assert format_layer(first) == text


def test_an_even_kernel_keeps_the_size_with_uneven_padding() -> None:
    (only,) = solve((32, 32), (32, 32), Ranges(kernel=range(4, 5), stride=range(1, 2)))
    assert only.padding == ((1, 2), (1, 2))
    up = solve((8, 8), (16, 16), Ranges(kernel=range(3, 4), stride=range(2, 3)), op="tconv")
    assert [format_layer(found.layer) for found in up] == [
        "tconv:3,s=2,p=1,op=1",
        "tconv:3,s=2,p=0.1.0.1",
    ]


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'lstm' is none of conv, tconv, maxpool, avgpool"):
        solve((8, 8), (4, 4), op="lstm")


# ---- limits ------------------------------------------------------------------------------------


def test_nothing_is_an_answer() -> None:
    assert solve((5, 5), (100, 100)) == []
    assert nearest_outputs(5, 100) == [6]
    assert nearest_outputs(10, 2, Ranges(kernel=range(20, 21), padding=range(1))) == []


def test_sizes_of_any_length_are_solved() -> None:
    side = 10**40
    assert settings_of(solve((2 * side, 2 * side), (side, side))[0], 0) == (3, 2, (1, 1), 1, 0)


@pytest.mark.parametrize(
    "tried",
    [
        Ranges(kernel=range(1, 10_000)),
        Ranges(padding=range(10**6)),
        Ranges(dilation=range(1, 10**5)),
        Ranges(stride=range(1, 10**7)),
    ],
)
def test_ranges_without_end_are_refused_by_arithmetic(tried: Ranges) -> None:
    started = process_time()
    with pytest.raises(LimitError, match="narrow them"):
        solve((224, 224), (112, 112), tried)
    assert process_time() - started < 2


def test_convolutions_have_no_output_padding_to_try() -> None:
    tried = Ranges(kernel=range(1, 31), stride=range(1, 31), padding=range(31))
    assert len(all_settings(64, tried, transposed=False)) < 30_000
    assert solve((64, 64), (32, 32), tried)
