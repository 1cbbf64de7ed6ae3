"""The memory of a network: its maps, held as long as they are needed, and its weights."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.network_oracle import Case, networks

from convcli.arithmetic.footprint import Storage, peak_elements
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.values import DTYPE_BITS
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError


def most_held(found: Walk) -> int:
    """Ask at every step of every map whether it is still needed; -1 is the network's input."""
    uses = {step: set(report.indices) for step, report in enumerate(found.layers)}
    size = {step: prod(found.layers[step].output) for step in uses} | {-1: prod(found.input)}
    inputs = {step for step in uses if not uses[step]}
    ends = {step for step in uses if not any(step in taken for taken in uses.values())}
    most = sum(size[made] for made in inputs | ({-1} & set().union(*uses.values())))
    for now in uses:
        later = {source for step in uses if step >= now for source in uses[step]}
        made = {step for step in size if step <= now} | inputs
        most = max(most, sum(size[step] for step in made if step in later | ends | {now}))
    return most


@settings(max_examples=30)
@given(networks())
def test_the_peak_is_the_most_that_is_held_at_any_step(case: Case) -> None:
    found = walk(case.layers, (3, *case.size))
    assert peak_elements(found) == most_held(found)


def test_further_inputs_are_held_from_the_beginning_to_their_last_use() -> None:
    layers = ["conv:1,c=9,name=a", "conv:1,c=1", "input:7x1x1,name=b", "concat:from=a+b", "relu"]
    layers[1] += ",name=end"
    found = walk(layers, (1, 1, 1))
    assert peak_elements(found) == most_held(found) == 1 + 16 + 16
    unused = walk(["input:7x1x1,name=b", "conv:1,c=2"], (9, 1, 1))
    assert peak_elements(unused) == most_held(unused) == 7 + 2


def test_a_map_for_a_later_join_is_held_until_then() -> None:
    layers = ["conv:1,c=2,name=a", "conv:1,c=5", "conv:1,c=3", "conv:1,c=2", "add:from=a+conv"]
    layers[3] += ",name=conv"
    # Beside the 2 channels that wait, the step from 5 to 3 channels holds both.
    assert peak_elements(walk(layers, (1, 1, 1))) == 2 + 5 + 3
    assert peak_elements(walk(layers[:4], (1, 1, 1))) == 5 + 3
    heads = ["conv:1,c=9,name=a", "conv:1,c=1,from=a", "conv:1,c=2,from=a", "conv:1,c=1"]
    assert peak_elements(walk(heads, (1, 1, 1))) == 9 + 1 + 2  # the first head is an output


def test_an_output_that_a_layer_takes_is_held_to_the_end() -> None:
    found = walk(["relu:name=a", "relu", "relu:name=b"], (1, 1, 1))
    assert peak_elements(found) == 2
    assert peak_elements(found._replace(output_layers={"first": "a", "last": "b"})) == 3


def test_a_chain_holds_no_more_than_two_maps() -> None:
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
