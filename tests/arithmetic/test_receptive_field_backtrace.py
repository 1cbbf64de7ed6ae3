"""The region of every earlier map that one output depends on, found by marking inputs."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.network_oracle import (
    WINDOWS,
    Case,
    EmptyMapError,
    Marked,
    Seen,
    in_the_open,
    networks,
    windows,
)

from convcli.arithmetic.intervals import Region, backtrace
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT

AXES = (0, 1)
chains = st.lists(windows(ops=WINDOWS), min_size=1, max_size=4).map(tuple)
sizes = st.tuples(st.integers(6, 24), st.integers(6, 24))
shares = st.tuples(st.floats(0, 0.999), st.floats(0, 0.999))


def seen_from(layers: tuple[Layer, ...], size: tuple[int, int], at: tuple[int, int]) -> list[Seen]:
    """What the last map's output depends on of the first, by marks that padding does not stop."""
    return [
        in_the_open(layers, size[axis], axis).seen(len(layers), at[axis]) for axis in AXES
    ]  # fmt: skip


def some_output(size: tuple[int, int], share: tuple[float, float]) -> tuple[int, int]:
    return int(size[0] * share[0]), int(size[1] * share[1])


def area(*layers: str, at: tuple[int, int], size: int = 16) -> Region:
    found = walk(layers, (1, size, size))
    return backtrace(found, len(layers) - 1, at)[INPUT]


# ---- any chain, any network --------------------------------------------------------------------


@settings(max_examples=80)
@given(chains, sizes, shares)
def test_every_map_on_the_way_is_seen_as_far_as_marks_laid_on_it_say(
    layers: tuple[Layer, ...], size: tuple[int, int], share: tuple[float, float]
) -> None:
    try:
        runs = [Marked(layers, size[axis], axis) for axis in AXES]
    except EmptyMapError:
        assume(False)
    extents = [(len(rows), len(columns)) for rows, columns in zip(*(r.maps for r in runs))]  # noqa: B905
    at = some_output(extents[-1], share)
    last = len(layers) - 1
    found = backtrace(walk(layers, (1, *size)), last, at)
    assert sorted(found) == list(range(INPUT, last + 1))
    for place in range(INPUT, last):
        rest = layers[place + 1 :]
        assert list(found[place]) == seen_from(rest, extents[place + 1], at)
    assert found[last] == ((at[0], at[0]), (at[1], at[1]))


@settings(max_examples=80)
@given(networks(ops=WINDOWS), shares)
def test_branches_that_meet_are_seen_together(case: Case, share: tuple[float, float]) -> None:
    found = walk(case.layers, (1, *case.size))
    last = len(case.layers) - 1
    _, height, width = found.layers[-1].output
    at = some_output((height, width), share)
    assert list(backtrace(found, last, at)[INPUT]) == seen_from(case.layers, case.size, at)


@settings(max_examples=80)
@given(networks(), shares)
def test_all_that_an_output_sees_lies_in_the_area(case: Case, share: tuple[float, float]) -> None:
    found = walk(case.layers, (1, *case.size))
    last = found.layers[-1]
    _, height, width = last.output
    at = some_output((height, width), share)
    seen = backtrace(found, len(case.layers) - 1, at).get(INPUT, (None, None))
    for axis in AXES:
        exact, bounds = last.fields[axis].at(at[axis]), seen[axis]
        assert exact is None or (bounds and bounds[0] <= exact[0] and exact[1] <= bounds[1])


# ---- by hand -----------------------------------------------------------------------------------


def test_a_window_sees_its_taps_and_what_lies_between_them() -> None:
    assert area("conv:3", at=(0, 0)) == ((0, 2), (0, 2))
    assert area("conv:3,d=2", at=(1, 3)) == ((1, 5), (3, 7))
    assert area("conv:3x5,s=2", at=(1, 1)) == ((2, 4), (2, 6))


def test_padding_lies_below_zero_and_beyond_the_end() -> None:
    assert area("conv:3,p=1", at=(0, 15)) == ((-1, 1), (14, 16))
    assert area("conv:3,p=1", "maxpool:2", at=(0, 0)) == ((-1, 2), (-1, 2))


def test_a_ceil_pool_sees_beyond_the_end() -> None:
    assert area("maxpool:3,s=2,ceil", at=(7, 0)) == ((14, 16), (0, 2))


def test_a_transposed_convolution_sees_what_its_phase_meets() -> None:
    assert [area("tconv:2,s=2", at=(at, 0))[0] for at in range(4)] == [
        (0, 0), (0, 0), (1, 1), (1, 1)
    ]  # fmt: skip
    assert [area("tconv:3,s=2,p=1", at=(at, 0))[0] for at in range(3)] == [(0, 0), (0, 1), (1, 1)]


def test_an_output_between_what_a_transposed_convolution_paints_sees_nothing() -> None:
    assert area("tconv:1,s=2", at=(1, 0)) == (None, (0, 0))


def test_a_global_average_sees_all_and_parts_see_their_own() -> None:
    assert area("globalavgpool", at=(0, 0)) == ((0, 15), (0, 15))
    assert area("adaptiveavgpool:4", at=(0, 3)) == ((0, 3), (12, 15))
    assert area("adaptiveavgpool:3", at=(1, 0)) == ((5, 10), (0, 5))
    assert area("flatten", at=(0, 0)) == ((0, 15), (0, 15))


def test_a_crop_moves_what_is_seen() -> None:
    assert area("crop:3", "conv:3", at=(0, 0)) == ((3, 5), (3, 5))


def test_a_map_that_only_gives_its_size_is_not_seen() -> None:
    layers = ["conv:3,name=a", "conv:3,name=b", "crop:like=b,from=a"]
    found = backtrace(walk(layers, (1, 9, 9)), 2, (0, 0))
    assert sorted(found) == [INPUT, 0, 2]
    assert found[INPUT] == ((1, 3), (1, 3))


def test_a_join_sees_what_all_of_its_branches_see() -> None:
    layers = ["relu:name=x", "conv:3,p=1,name=small", "conv:7,p=3,from=x,name=large"]
    layers += ["add:from=small+large"]
    found = backtrace(walk(layers, (1, 9, 9)), 3, (4, 4))
    assert found[INPUT] == ((1, 7), (1, 7))
    assert found[1] == found[2] == ((4, 4), (4, 4))


def test_numbers_of_any_size_are_exact() -> None:
    found = walk([f"conv:3,s={10**20}"], (1, 10**30, 10**30))
    assert backtrace(found, 0, (10**9, 0))[INPUT][0] == (10**29, 10**29 + 2)
