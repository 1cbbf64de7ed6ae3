"""Stacks from one size to another: right, the best of each depth, and found in time."""

from __future__ import annotations

from itertools import product
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import count_windows

from convcli.arithmetic import solve_stacks as solve_stacks_module
from convcli.arithmetic.layers import LayerSize
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.solve import Ranges, bare_axes
from convcli.arithmetic.solve_stacks import solve_stacks
from convcli.errors import LimitError

SMALL = Ranges(kernel=range(1, 4), stride=range(1, 4))


def texts(stack: list[LayerSize]) -> list[str]:
    return [format_layer(layer.layer) for layer in stack]


def depths_that_reach(size: int, output: int, most: int) -> set[int]:
    """By trying every stack of small windows without gaps, whose maps stay between both sizes."""
    sizes, found = {size}, set()
    for depth in range(1, most + 1):
        after = set()
        for side, k, s in product(sizes, SMALL.kernel, SMALL.stride):
            if s > k:
                continue
            same = max((-(-side // s) - 1) * s + k - side, 0)
            for sides in {(0, 0), ((k - 1) // 2,) * 2, (same // 2, same - same // 2)}:
                after.add(count_windows(side, k, s, sides, 1))
        sizes = {side for side in after if min(size, output) <= side <= max(size, output)}
        if output in sizes:
            found.add(depth)
    return found


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60))
def test_a_stack_of_every_possible_depth_is_found(size: int, output: int) -> None:
    found = solve_stacks((size, size), (output, output), SMALL, max_layers=3)
    assert {len(stack) for stack in found} == depths_that_reach(size, output, 3)
    for stack in found:
        side = size
        for layer in stack:
            window, sides = layer.layer.window, layer.padding[0]
            assert layer.size == (side, side)
            side = count_windows(side, window.kernel[0], window.stride[0], sides, 1)
            assert layer.output == (side, side)
        assert side == output


def test_a_second_of_sound_comes_to_49_steps() -> None:
    started = process_time()
    found = solve_stacks((16000, 1), (49, 1), max_layers=4)
    assert [len(stack) for stack in found] == [3, 4]
    assert texts(found[0]) == ["conv:8x1,s=8x1", "conv:8x1,s=8x1", "conv:10x1,s=5x1"]
    assert process_time() - started < 20


def test_the_best_halves_and_doubles_as_an_engineer_would() -> None:
    assert texts(solve_stacks((224, 224), (7, 7), max_layers=5)[-1]) == ["conv:3,s=2,p=1"] * 5
    assert (
        texts(solve_stacks((7, 7), (224, 224), max_layers=5, op="tconv")[-1]) == ["tconv:2,s=2"] * 5
    )
    assert (
        texts(solve_stacks((32, 32), (4, 4), max_layers=3, op="maxpool")[-1]) == ["maxpool:2"] * 3
    )


def test_each_side_has_its_own_numbers_where_it_must() -> None:
    (shallow, *_) = solve_stacks((480, 640), (15, 80), max_layers=3)
    assert shallow[-1].output == (15, 80)
    assert shallow[0].size == (480, 640)


def test_what_is_left_over_is_left_out_where_it_is_asked() -> None:
    for stack in solve_stacks((57, 57), (7, 7), max_layers=3, exact=True):
        assert all(layer.dropped == (0, 0) for layer in stack)


def test_no_stack_is_no_answer() -> None:
    assert solve_stacks((5, 5), (100, 100), max_layers=3) == []


def test_ranges_without_end_are_refused() -> None:
    with pytest.raises(LimitError, match="narrow"):
        solve_stacks((224, 224), (112, 112), Ranges(kernel=range(1, 10_000)), max_layers=2)


def test_a_search_ends_at_the_size_that_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = set[int]()

    def find_axes(size: int, *options: Any, **settings: Any) -> Any:
        tried.add(size)
        return bare_axes(size, *options, **settings)

    monkeypatch.setattr(solve_stacks_module, "bare_axes", find_axes)
    monkeypatch.setattr(solve_stacks_module, "MAX_SIZES", 20)
    with pytest.raises(LimitError, match="too many sizes in between"):
        solve_stacks((10**20, 10**20), (3, 3), max_layers=8)
    assert len(tried) == 21
