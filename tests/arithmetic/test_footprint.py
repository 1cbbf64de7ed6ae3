"""The memory of a network: its maps, held as long as they are needed, and its weights."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.network_oracle import Case, networks

from convcli.arithmetic.footprint import Storage, peak_elements
from convcli.arithmetic.network import Walk, walk
from convcli.arithmetic.values import DTYPE_BITS
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError


def most_held(found: Walk, wanted: set[int]) -> int:
    """Step by step, ask of every map whether it is still needed; -1 is the input."""
    uses = {step: set(report.indices) for step, report in enumerate(found.layers)}
    needed = set(wanted)
    while more := {source for step in needed for source in uses.get(step, ())} - needed:
        needed |= more
    size = {step: prod(found.layers[step].output) for step in uses} | {-1: prod(found.input)}
    most = size[-1] if -1 in needed else 0
    for now in sorted(needed - {-1}):
        later = {source for step in needed - {-1} if step >= now for source in uses[step]}
        held = {made for made in needed if made <= now and made in later | wanted | {now}}
        most = max(most, sum(size[made] for made in held))
    return most


@settings(max_examples=30)
@given(networks(), st.data())
def test_the_peak_is_the_most_that_is_held_at_any_step(case: Case, data: st.DataObject) -> None:
    found = walk(case.layers, (3, *case.size))
    taken = {source for report in found.layers for source in report.indices}
    ends = set(range(len(found.layers))) - taken
    assert peak_elements(found) == most_held(found, ends)
    wanted = data.draw(st.sets(st.integers(-1, len(found.layers) - 1), min_size=1))
    assert peak_elements(found, wanted) == most_held(found, wanted)


def test_a_map_for_a_later_join_is_held_until_then() -> None:
    layers = ["conv:1,c=2,name=a", "conv:1,c=5", "conv:1,c=3", "conv:1,c=2", "add:from=a+conv"]
    layers[3] += ",name=conv"
    # Beside the 2 channels that wait, the step from 5 to 3 channels holds both.
    assert peak_elements(walk(layers, (1, 1, 1))) == 2 + 5 + 3
    assert peak_elements(walk(layers[:4], (1, 1, 1))) == 5 + 3
    heads = ["conv:1,c=9,name=a", "conv:1,c=1,from=a", "conv:1,c=2,from=a", "conv:1,c=1"]
    assert peak_elements(walk(heads, (1, 1, 1))) == 9 + 1 + 2  # the first head is an output
    assert peak_elements(walk(heads, (1, 1, 1)), [3]) == 9 + 2
    assert peak_elements(walk(heads, (1, 1, 1)), [-1]) == 1


def test_ten_layers_hold_no_more_than_two_maps_of_a_chain() -> None:
    shape, layers = zoo_network("vgg16")
    assert peak_elements(walk(layers, shape)) == 2 * 64 * 224 * 224


@pytest.mark.parametrize("dtype", DTYPE_BITS)
@settings(max_examples=20)
@given(elements=st.integers(0, 10**30), batch=st.integers(1, 100))
def test_bytes_are_those_of_the_type_rounded_up_once(dtype: str, elements: int, batch: int) -> None:
    bits = int("".join(filter(str.isdigit, dtype)))
    storage = Storage(dtype, batch)
    assert storage.map_bytes(elements) == (bits * elements * batch + 7) // 8
    assert storage.weight_bytes(elements) == (bits * elements + 7) // 8


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'float16'"):
        Storage("flaot16").map_bytes(1)
