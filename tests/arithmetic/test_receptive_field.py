"""What outputs see of the input: as marks laid on it say."""

from __future__ import annotations

from fractions import Fraction
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.network_oracle import WINDOWS, Case, InTheOpen, Seen, in_the_open, networks

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import span
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.receptive_field import ReceptiveField, union
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.errors import LimitError, ShapeError

AXES = (0, 1)
without_upsampling = networks(ops=WINDOWS)


def walked(case: Case) -> Walk:
    return walk(case.layers, (1, *case.size))


def marked(case: Case, axis: int) -> InTheOpen:
    return in_the_open(case.layers, case.size[axis], axis)


def last(*layers: str, size: int = 32) -> LayerReport:
    return walk(layers, (1, size, size)).layers[-1]


def clipped(seen: Seen, size: int) -> int:
    if seen is None:
        return 0
    return max(min(seen[1], size - 1) - max(seen[0], 0) + 1, 0)


# ---- any network -------------------------------------------------------------------------------


@given(networks())
def test_every_output_sees_what_marks_on_the_input_say(case: Case) -> None:
    found = walked(case)
    for axis in AXES:
        marks = marked(case, axis)
        for place, one in enumerate(found.layers, start=1):
            field = one.fields[axis]
            outputs = range(len(marks.own.maps[place]))
            assert [field.at(u) for u in outputs] == [marks.seen(place, u) for u in outputs]


@given(networks())
def test_the_receptive_field_is_the_widest_that_any_output_sees(case: Case) -> None:
    found = walked(case)
    for axis in AXES:
        marks = marked(case, axis)
        fields = [one.receptive_field[axis] for one in found.layers]
        assert fields == [marks.receptive_field(place) for place in range(1, len(marks.jumps))]


@given(networks())
def test_what_is_seen_moves_on_by_the_jump(case: Case) -> None:
    found = walked(case)
    for axis in AXES:
        marks = marked(case, axis)
        assert tuple(one.jump[axis] for one in found.layers) == marks.jumps[1:]
        for place, one in enumerate(found.layers, start=1):
            seen, later = one.fields[axis].at(0), one.fields[axis].at(marks.period)
            assert (seen is None) == (later is None)
            if seen is not None and later is not None:
                assert later[0] - seen[0] == marks.period * marks.jumps[place]


@given(without_upsampling)
def test_output_0_is_centered_on_the_start_and_sees_the_effective_padding(case: Case) -> None:
    found = walked(case)
    for axis in AXES:
        marks = marked(case, axis)
        for place, one in enumerate(found.layers, start=1):
            seen = marks.seen(place, 0)
            assert seen is not None
            assert one.start[axis] == Fraction(seen[0] + seen[1], 2)
            assert one.effective_padding[axis] == -seen[0]


@given(networks())
def test_coverage_is_what_the_widest_output_sees_where_nothing_is_lost(case: Case) -> None:
    found = walked(case)
    for axis in AXES:
        marks, size = marked(case, axis), case.size[axis]
        for place, one in enumerate(found.layers, start=1):
            outputs = range(len(marks.own.maps[place]))
            really = max(clipped(marks.own.seen(place, u), size) for u in outputs)
            fields = max(clipped(marks.seen(place, u), size) for u in outputs)
            assert one.coverage[axis] <= really <= fields <= one.receptive_field[axis]
            if case.keeps_all():
                assert one.coverage[axis] == really == fields


@given(networks(most=3), st.integers(1, 5))
def test_a_pool_over_the_whole_map_sees_what_its_parts_see(case: Case, count: int) -> None:
    pool = Layer(op="adaptiveavgpool", size=(count, count))
    one = walk([*case.layers, pool], (1, *case.size)).layers[-1]
    for axis in AXES:
        marks = marked(case, axis)
        length = len(marks.own.maps[-1])
        for part in range(count):
            met = [
                marks.seen(len(case.layers), place)
                for place in range(length)
                if (place + 1) * count > part * length and place * count < (part + 1) * length
            ]
            assert one.fields[axis].at(part) == span(met)


# ---- by hand -----------------------------------------------------------------------------------


def test_an_input_sees_itself() -> None:
    field = ReceptiveField.of_input()
    assert [field.receptive_field, field.jump, field.start] == [1, 1, 0]
    assert field.at(5) == (5, 5)


@pytest.mark.parametrize(
    ("layers", "field", "jump", "start", "padding"),
    [
        (["conv:3"], 3, 1, 1, 0),
        (["conv:3,p=1"], 3, 1, 0, 1),
        (["conv:3,d=2"], 5, 1, 2, 0),
        (["conv:3", "conv:3"], 5, 1, 2, 0),
        (["conv:3,s=2", "conv:3"], 7, 2, 3, 0),
        (["conv:7,s=2,p=3", "maxpool:3,s=2,p=1"], 11, 4, 0, 5),
        (["maxpool:2", "maxpool:2", "conv:3,p=1"], 12, 4, Fraction(3, 2), 4),
        (["conv:1,s=4", "conv:1"], 1, 4, 0, 0),
        (["crop:3", "conv:3"], 3, 1, 4, -3),
        (["tconv:2,s=2"], 1, Fraction(1, 2), Fraction(-1, 4), Fraction(1, 4)),
        (["tconv:2,s=2", "conv:2"], 2, Fraction(1, 2), 0, Fraction(1, 2)),
        (["tconv:4,s=2,p=1"], 2, Fraction(1, 2), Fraction(-1, 4), Fraction(3, 4)),
        (["tconv:3,p=1"], 3, 1, 0, 1),
    ],
)
def test_fields_worked_out_by_hand(
    layers: list[str], field: int, jump: Fraction, start: Fraction, padding: Fraction
) -> None:
    one = last(*layers)
    assert one.receptive_field == (field, field)
    assert one.jump == (jump, jump)
    assert one.start == (start, start)
    assert one.effective_padding == (padding, padding)


def test_after_upsampling_neighbors_do_not_see_alike() -> None:
    field = last("tconv:2,s=2", "conv:2").fields[0]
    assert [field.at(output) for output in range(4)] == [(0, 0), (0, 1), (1, 1), (1, 2)]


def test_an_output_that_nothing_is_painted_on_sees_nothing() -> None:
    field = last("tconv:1,s=3").fields[0]
    assert [field.at(output) for output in range(4)] == [(0, 0), None, None, (1, 1)]
    assert field.receptive_field == 1


def test_dropped_pixels_do_not_move_the_field() -> None:
    for size in (31, 32):
        one = last("conv:3,s=2", "conv:3,s=2", size=size)
        figures = [*one.receptive_field, *one.start, *one.effective_padding]
        assert figures == [7, 7, 3, 3, 0, 0]


def test_height_and_width_are_seen_apart() -> None:
    one = walk(["conv:3x5,s=1x2,p=1x0"], (1, 20, 30)).layers[-1]
    assert one.receptive_field == (3, 5)
    assert [*one.jump, *one.start] == [1, 2, 0, 2]


def test_a_field_larger_than_the_input_is_clipped_to_it() -> None:
    one = last("conv:9,p=4", size=6)
    assert (one.receptive_field, one.coverage) == ((9, 9), (6, 6))
    corner = last("conv:9,s=9,p=4", size=6)  # its only window is centered on the first pixel
    assert (corner.output, corner.coverage) == ((1, 1, 1), (5, 5))


# ---- joins -------------------------------------------------------------------------------------


def joined_branches(*branches: str) -> LayerReport:
    names = [f"b{place}" for place in range(len(branches))]
    layers = [f"{one},from=input,name={name}" for one, name in zip(branches, names, strict=True)]
    return last(*layers, f"concat:from={'+'.join(names)}")


def test_a_join_sees_what_any_branch_sees() -> None:
    one = joined_branches("conv:1", "conv:3,p=1", "conv:5,p=2")
    assert [*one.receptive_field, *one.effective_padding, *one.start] == [5, 5, 2, 2, 0, 0]
    assert one.notes == ()


def test_an_even_same_beside_an_even_same_lower_covers_one_more() -> None:
    one = joined_branches("conv:4,p=same", "conv:4,p=same-lower")
    assert [*one.receptive_field, *one.effective_padding, *one.start] == [5, 5, 2, 2, 0, 0]
    assert "not aligned" in one.notes[0]


def test_branches_that_are_centered_differently_are_noted() -> None:
    found = walk(["conv:2,p=same,name=a", "add:from=a+input"], (1, 8, 8))
    assert [field.aligned for field in found.layers[0].fields] == [True, True]
    assert [field.aligned for field in found.layers[1].fields] == [False, False]
    (note,) = found.notes
    assert note.startswith("layer 2 (add:from=a+input): its branches are not aligned: ")


def test_a_join_of_aligned_branches_is_not_noted_whatever_came_before() -> None:
    layers = [
        *("conv:2,p=same,name=a", "add:from=a+input,name=b"),  # not aligned
        *("conv:3,p=1,name=c", "add:from=c+b"),  # aligned
    ]
    notes = walk(layers, (1, 8, 8)).notes
    assert [note.partition(" (")[0] for note in notes] == ["layer 2"]


def test_one_axis_out_of_line_is_enough() -> None:
    found = walk(["conv:3x2,p=same,name=a", "add:from=a+input"], (1, 8, 8)).layers[-1]
    assert [field.aligned for field in found.fields] == [True, False]
    assert found.notes


def test_branches_with_different_jumps_are_refused_by_the_join_s_name() -> None:
    layers = ["conv:3,s=2,p=1,name=a", "tconv:2,s=2,name=b", "conv:1,s=2,from=b,name=c"]
    layers += ["conv:3,p=1,from=input,name=d", "crop:like=c,name=e,from=d", "add:from=c+e,name=j"]
    with pytest.raises(ShapeError, match=r"layer 6 \(add:name=j,from=c\+e\).*jumps, 1 and 2"):
        walk(layers, (1, 8, 8))


def test_jumps_that_differ_along_one_axis_only_are_refused() -> None:
    same, wide = (
        ReceptiveField.of_input(),
        ReceptiveField.of_input().after(Axis(size=9, kernel=1, stride=2)),
    )
    with pytest.raises(ShapeError, match="different jumps, 1 and 2"):
        union([same, wide])
    layers = ["conv:1,s=1x2,name=a", "crop:like=a,from=input,name=b", "add:from=a+b"]
    with pytest.raises(ShapeError, match="different jumps"):
        walk(layers, (1, 8, 8))


def test_a_join_of_different_phases_goes_through_all_of_them() -> None:
    layers = ["tconv:2,s=2", "conv:1,s=2,name=a", "conv:3,p=1,from=input,name=b", "add:from=a+b"]
    assert last(*layers).receptive_field == (3, 3)


# ---- hostile stacks ----------------------------------------------------------------------------


def seconds(*layers: str, size: int = 8) -> float:
    started = process_time()
    walk(layers, (1, size, size))
    return process_time() - started


@pytest.mark.parametrize(
    "layers",
    [
        ["conv:3,p=1"] * 1000,
        ["conv:3,p=7,d=7", "relu", "maxpool:3,s=1,p=1"] * 333,
        ["tconv:2,s=2", *["conv:3,p=1"] * 999],
        ["relu:name=a", *["conv:3,p=1", "add:from=a+input"] * 500],
    ],
)
def test_a_thousand_layers_are_walked_at_once(layers: list[str]) -> None:
    assert seconds(*layers) < 3


def test_upsampling_without_end_is_refused_in_a_line() -> None:
    started = process_time()
    with pytest.raises(LimitError, match=r"^layer \d+ \(tconv:2,s=2\) on [0-9x]+: .*$"):
        walk(["tconv:2,s=2"] * 3000, (1, 2, 2))
    assert process_time() - started < 10


def test_numbers_of_any_size_are_exact() -> None:
    big = 10**40
    field = ReceptiveField.of_input().after(
        Axis(size=big, kernel=big + 1, stride=big, before=1, after=7)
    )
    assert [field.receptive_field, field.jump] == [big + 1, big]
    assert field.start == Fraction(big, 2) - 1
    deep = walk([parse_layer("maxpool:2")] * 200, (1, 2**200, 2**200))
    assert deep.layers[-1].receptive_field == (2**200, 2**200)


def test_a_span_goes_from_the_first_to_the_last() -> None:
    assert span([(3, 4), None, (-1, 0)]) == (-1, 4)
    assert span([None, None]) is None
    assert span([]) is None
