"""The positions that one output depends on: those that change it, by running the engine."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.marked_engine import Drawn, Engine, drawn_networks

from convcli.arithmetic.intervals import backtrace
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT, parse_layer
from convcli.arithmetic.traces import Grid, merge_grids, trace_positions

SETS = st.frozensets(st.integers(0, 5))
GRIDS = st.lists(st.builds(Grid, SETS, SETS), max_size=6)


def positions(grids: list[Grid]) -> set[tuple[int, int]]:
    return {(row, column) for grid in grids for row in grid.rows for column in grid.columns}


@settings(max_examples=12, deadline=None)
@given(drawn_networks(most=4))
def test_an_output_depends_on_what_changes_it(drawn: Drawn) -> None:
    found = drawn.walk()
    last = found.last_map
    if last is None or last.fields is None:
        return
    index = found.layers.index(last)
    at = last.output[1] // 2, last.output[2] // 2
    traced = trace_positions(found, index, at)
    assert traced is not None
    assert positions(traced.get(INPUT, [])) == Engine(drawn).pixels(index, at)


@settings(max_examples=40)
@given(GRIDS)
def test_merged_grids_hold_the_same_positions(grids: list[Grid]) -> None:
    merged = merge_grids(grids)
    assert positions(merged) == positions(grids)
    assert len(merged) <= len(grids)
    assert not any(
        one is not other and (one.rows == other.rows or one.holds(other))
        for one in merged
        for other in merged
    )


def test_a_gapless_window_is_the_region_inside_the_map() -> None:
    found = walk(["conv:3,p=1", "maxpool:2", "conv:5,p=2"], (1, 16, 20))
    traced = trace_positions(found, 2, (0, 5))
    assert traced is not None
    for index, (rows, columns) in backtrace(found, 2, (0, 5)).items():
        (grid,) = traced[index]
        assert rows is not None
        assert columns is not None
        assert grid.rows == set(range(max(rows[0], 0), rows[1] + 1))
        assert grid.columns == set(range(max(columns[0], 0), columns[1] + 1))


def test_branches_of_other_dilations_are_a_union_of_grids() -> None:
    layers = [
        parse_layer("conv:3,d=3,p=3,name=a"),
        parse_layer("conv:3,d=2,p=2,from=input,name=b"),
        parse_layer("add:from=a+b"),
    ]
    traced = trace_positions(walk(layers, (1, 15, 15)), 2, (7, 7))
    assert traced is not None
    expected = {(7 + d * row, 7 + d * column) for d in (2, 3) for row in (-1, 0, 1)
                for column in (-1, 0, 1)}  # fmt: skip
    assert positions(traced[INPUT]) == expected
    assert len(traced[INPUT]) == 2


def test_what_is_too_much_to_follow_is_not() -> None:
    slow = walk([f"conv:1001,d={d}" for d in (2, 1, 2, 1)], (1, 9000, 9000))
    assert trace_positions(slow, 3, (2, 2)) is None
    far = walk(["conv:3,d=9000"], (1, 40_000, 40_000))
    assert trace_positions(far, 0, (5, 5)) is None
    large = walk(["conv:3,d=900"], (1, 10**15, 10**15))
    traced = trace_positions(large, 0, (10**9, 10**9))
    assert traced is not None
    assert sorted(traced[INPUT][0].rows) == [10**9, 10**9 + 900, 10**9 + 1800]
