"""How much of the input outputs really depend on: found by changing it, and by marks laid on it."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import assume, given, settings
from support.marked_engine import Drawn, Engine, drawn_networks
from support.network_oracle import PADDING, Case, Marked, networks

from convcli.arithmetic.coverage import MAX_STEPS
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import LayerReport

AXES = (0, 1)


def last(*layers: str, size: int = 32) -> LayerReport:
    return walk(layers, (1, size, size)).layers[-1]


# ---- any network -------------------------------------------------------------------------------


@settings(max_examples=25)
@given(drawn_networks())
def test_outputs_change_with_as_much_of_the_input_as_coverage_says(drawn: Drawn) -> None:
    found, engine = drawn.walk(), Engine(drawn)
    for axis in AXES:
        for one, outputs in zip(found.layers, engine.seen(axis + 1), strict=True):
            assert one.coverage[axis] == max(map(len, outputs)), (one.name, axis)
            for at, positions in enumerate(outputs):
                interval = one.fields[axis].at(at)
                assert not positions or interval is not None
                if interval is not None:
                    assert all(interval[0] <= position <= interval[1] for position in positions)


@given(networks())
@settings(max_examples=120)
def test_coverage_is_the_most_marks_that_any_output_has(case: Case) -> None:
    found = walk(case.layers, (1, *case.size))
    maps = [Marked(case.layers, case.size[axis], axis).maps[1:] for axis in AXES]
    seen = [[[cell & ~PADDING for cell in cells] for cells in one] for one in maps]
    # What sees no row sees no column, either, which marks along one axis do not tell.
    assume(all(any(cells) for one in seen for cells in one))
    for axis in AXES:
        for one, cells in zip(found.layers, seen[axis], strict=True):
            assert one.coverage[axis] == max(cell.bit_count() for cell in cells)
            assert one.coverage[axis] <= one.receptive_field[axis]
    for one, rows, columns in zip(found.layers, *seen, strict=True):
        has_holes = any("0" in f"{cell:b}".strip("0") for cell in (*rows, *columns))
        assert has_holes == one.has_holes


# ---- by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "seen", "has_holes"),
    [
        (["conv:3,d=8"], 3, True),
        (["conv:3,d=2", "conv:3"], 7, False),
        (["conv:3", "conv:3,d=3"], 9, False),
        (["conv:3", "conv:3,d=4"], 9, True),
        (["conv:1,s=2"], 1, False),
        (["conv:1,s=2", "conv:3"], 3, True),
        (["conv:1,s=2", "conv:3", "globalavgpool"], 16, True),
        (["conv:3,p=2,d=2"] * 4, 9, True),
        (["maxpool:2", "conv:3,d=2"], 6, True),
        (["tconv:2,s=2", "conv:3,d=2"], 3, False),
        (["tconv:1,s=2", "conv:2"], 1, False),
    ],
)
def test_holes_are_not_seen(layers: list[str], seen: int, has_holes: bool) -> None:
    one = last(*layers)
    assert one.coverage == (seen, seen)
    assert one.has_holes == has_holes


def test_rows_that_are_dropped_or_cut_off_are_not_seen() -> None:
    dropped = last("conv:2,s=5", "conv:9,p=4", size=9)  # of whose rows the last two are dropped
    assert (dropped.receptive_field, dropped.coverage) == ((42, 42), (4, 4))
    cropped = last("crop:4", "conv:9,p=4", size=20)
    assert (cropped.receptive_field, cropped.coverage) == ((9, 9), (9, 9))
    assert last("crop:6", "conv:9,p=4", size=20).coverage == (8, 8)


def test_padding_alone_is_not_seen() -> None:
    assert last("pad:3", "conv:1,s=9", size=4).coverage == (0, 0)
    assert last("pad:1", "maxpool:2,s=7", size=6).coverage == (1, 1)
    assert last("conv:3,p=1", "pad:1", "conv:1,s=40", size=32).coverage == (0, 0)
    # What sees no row sees no column, either.
    assert last("conv:1,s=9x1,p=1.0.0.0", "conv:1x3", size=4).coverage == (0, 0)


# ---- bounds ------------------------------------------------------------------------------------


def test_a_large_map_is_followed_within_bounds() -> None:
    started = process_time()
    one = last(*["conv:3,d=2,p=2"] * 200, size=4000)
    assert process_time() - started < 3
    assert 201 <= one.coverage[0] <= 801
    assert MAX_STEPS < 200 * 4000 * 3 * 8


def test_numbers_of_any_size_are_bounded_from_above() -> None:
    size = 10**30
    assert last("conv:3,d=7", "conv:3", size=size).coverage == (17, 17)  # with the holes
    assert last("conv:3,d=7", "conv:3", size=30).coverage == (9, 9)
    one = last("conv:3", "maxpool:2", "conv:5,p=2", size=size)
    assert one.coverage == one.receptive_field
