"""Networks in tiles: the values of the whole, in less memory; and what tiles cannot do."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.networks import random_network
from support.oracles import reals

from convcli.arithmetic.intervals import backtrace
from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.operations import Operation
from convcli.errors import ArgumentError, LimitError

SIZE = (10, 13)

small = st.integers(1, 3)
pairs = st.tuples(small, small).map(lambda pair: f"{pair[0]}x{pair[1]}")
sides = st.tuples(*[st.integers(0, 3)] * 4).map(lambda four: ".".join(map(str, four)))
paddings = st.one_of(sides, st.sampled_from(["0", "2", "same", "same-lower", "full", "7"]))
modes = st.sampled_from(["zero", "reflect", "replicate", "circular", "symmetric", "constant:2"])
flags = st.sampled_from(["", ",ceil"])
convolutions = st.builds(
    "conv:{},s={},d={},p={},c=4,g={},mode={}".format,
    pairs, pairs, pairs, paddings, st.sampled_from([1, 2]), modes,
)  # fmt: skip
transposed = st.builds(
    "tconv:{},s={},d={},p={},c=4".format, pairs, pairs, pairs, st.sampled_from(["0", "0.1.1.0"])
)
output_padded = st.builds("tconv:{},s=3,op={},c=4".format, pairs, st.sampled_from(["1", "2x0"]))
maxima = st.builds("maxpool:{},s={},d={},p={}{}".format, pairs, pairs, pairs, sides, flags)
means = st.builds(
    "avgpool:{},s={},p={}{}{}".format, pairs, pairs, sides, flags, st.sampled_from(["", ",nopad"])
)
others = st.sampled_from(["relu", "bn", "crop:1", "crop:0x2", "sigmoid", "dropout"])
layers = st.one_of(convolutions, convolutions, transposed, output_padded, maxima, means, others)
stacks = st.lists(layers, min_size=1, max_size=5)
same = st.sampled_from(["same", "same-lower"])
keeping = st.one_of(  # the size and the channels of their input
    st.builds("conv:{},d={},p={},c=4,mode={}".format, pairs, pairs, same, modes),
    st.builds("maxpool:{},s=1,p={}".format, pairs, same),
    st.builds("tconv:{},p={},c=4".format, pairs, same),
    st.sampled_from(["relu", "bn"]),
)
paths = st.lists(st.lists(keeping, min_size=1, max_size=2), min_size=2, max_size=3)


def joined(paths: list[list[str]], join: str) -> list[str]:
    """Return the layers of several paths from the input, and their join."""
    stack = []
    for number, path in enumerate(paths):
        first = f"{path[0]},from=input" if ":" in path[0] else f"{path[0]}:from=input"
        rest = [first, *path[1:]]
        last = rest[-1]
        stack += [*rest[:-1], f"{last}{',' if ':' in last else ':'}name=path{number}"]
    return [*stack, f"{join}:from=" + "+".join(f"path{i}" for i in range(len(paths)))]


def check_tiles(stack: list[str], tile: int, size: tuple[int, int] = SIZE) -> None:
    """Check that a stack in tiles gives the values of the whole, in float64."""
    try:
        network = random_network(stack, (4, *size))
        x = reals(1, 4, *size).astype(np.float64)
        whole = network.run(x)
    except ArgumentError:  # the stack's shapes do not fit, or a maximum is one of padding alone
        assume(False)
    assert_allclose(network.run_tiles(x, tile), whole, rtol=1e-10, atol=1e-10)


@settings(max_examples=25)
@given(stacks, st.integers(2, 15))
@example(["tconv:1,s=2,op=1,c=4"], 1)
@example(["avgpool:3x2,s=2x3,ceil"], 3)
@example(["conv:2,p=0.4.0.4,c=4"], 2)
@example(["avgpool:1,s=1,p=0.0.0.2,ceil"], 2)
@example(["avgpool:2x3,s=1x3,p=0.3.0.0,ceil"], 4)
@example(["maxpool:3x1,s=2,p=1,ceil", "avgpool:3,s=2,p=1,ceil,nopad"], 3)
@example(["conv:3,p=7.0.7.0,d=2,c=4", "conv:2,p=same,mode=circular"], 2)
@example(["tconv:3,s=2,p=1,op=1,c=4", "crop:1", "conv:3,s=2,p=same-lower"], 4)
def test_any_stack_in_tiles_is_the_whole(stack: list[str], tile: int) -> None:
    check_tiles(stack, tile)


@pytest.mark.slow
@settings(max_examples=400)
@given(stacks, st.integers(1, 15))
def test_many_stacks_in_tiles_are_the_whole(stack: list[str], tile: int) -> None:
    check_tiles(stack, tile)


@settings(max_examples=15)
@given(paths, st.sampled_from(["add", "concat"]), st.integers(3, 9))
def test_paths_that_see_differently_are_joined_as_in_the_whole(
    paths: list[list[str]], join: str, tile: int
) -> None:
    check_tiles(joined(paths, join), tile)


# Of operations with settings of their own, those that matter where a map of 8 channels is cut.
CUT = {
    "pad": ["pad:1.2.3.0", "pad:3,mode=reflect", "pad:2x0,mode=circular", "pad:1,mode=constant:3"],
    "crop": ["crop:1", "crop:0.1.2.0"],
    "upsample": ["upsample:2", "upsample:2,mode=bilinear", "upsample:1.5x3,mode=bicubic",
                 "upsample:2,mode=bilinear,coords=align-corners"],
    "resize": ["resize:17x9", "resize:5x31,mode=bilinear", "resize:7x8,mode=bicubic,inside"],
    "pixelshuffle": ["pixelshuffle:2"],
    "pixelunshuffle": ["pixelunshuffle:2"],
    "reshape": ["reshape:8x12x14", "reshape:4x24x14"],
    "conv": ["conv:3,p=1,c=4,g=4", "conv:3,s=2,g=depthwise"],
    "concat": ["conv:3,p=1,name=a", "concat:from=a+input"],
    "slice": ["slice:2..5"],
    "channelshuffle": ["channelshuffle:4"],
}  # fmt: skip
# What cannot be run or takes flat values; `tconv` is cut in the stacks above.
APART = ("opaque", "input", "linear", "tconv")


def alone(operation: Operation) -> list[list[str]]:
    """Return networks in which an operation has a part, between two convolutions."""
    name = operation.name
    if operation.is_join:
        stacks = [["conv:3,p=1,name=a", f"{name}:from=a+input"],
                  ["conv:1,c=1,name=a", f"{name}:from=input+a"]]  # fmt: skip
        return stacks if name != "concat" else stacks[:1]
    return [[text] for text in CUT.get(name, [operation.example])]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in APART])
def test_every_operation_in_tiles_is_the_whole_or_is_refused_by_name(name: str) -> None:
    """One that is added later is refused, or its parts are right: never wrong without a word."""
    for texts in alone(OPERATIONS[name]):
        stack = ["abs:name=first", *texts, "clip:-1e6:1e6"]
        size = (12, 14)
        try:
            network = random_network(stack, (8, *size))
        except ArgumentError as error:
            pytest.fail(f"{stack}: {error}")
        x = np.abs(reals(1, 8, *size)) + 0.5
        whole = network.run(x)
        for tile in (3, 5, 13):
            try:
                tiles = network.run_tiles(x, tile)
            except ArgumentError as error:
                assert "depends on its whole input" in str(error)  # noqa: PT017
                assert name in str(error)  # noqa: PT017
                assert name in WHOLE
                break
            assert_allclose(tiles, whole, rtol=1e-10, atol=1e-10, err_msg=str(stack))
            assert name not in WHOLE or name == "reshape"


WHOLE = (  # in their examples
    "globalavgpool", "globalmaxpool", "adaptiveavgpool", "adaptivemaxpool", "flatten",
    "layernorm", "groupnorm", "instancenorm", "reshape",
)  # fmt: skip

scales = st.sampled_from(["2", "3", "1.5", "2/3", "0.5", "5/4"])
numbers = st.integers(2, 25)
coordinates = st.sampled_from(
    ["half-pixel", "asymmetric", "tf-half-pixel", "align-corners", "half-pixel-symmetric"]
)
interpolations = st.sampled_from(
    ["nearest", "nearest,nearest=round-up", "bilinear", "bicubic", "bicubic,inside"]
)
resized = st.one_of(
    st.builds(
        "upsample:{}x{},mode={},coords={}".format, scales, scales, interpolations, coordinates
    ),
    st.builds(
        "resize:{}x{},mode={},coords={}".format, numbers, numbers, interpolations, coordinates
    ),
)


@settings(max_examples=15)
@given(st.lists(st.one_of(resized, convolutions), min_size=1, max_size=4), st.integers(2, 15))
@example(["upsample:2,mode=bicubic,coords=asymmetric"], 2)
@example(["resize:21x9,mode=bicubic", "conv:3,p=1,c=4"], 4)
def test_maps_that_are_resampled_one_after_the_other_are_the_whole(
    stack: list[str], tile: int
) -> None:
    check_tiles(stack, tile)


UNET = [
    "conv:3,p=1,c=8", "bn", "relu:name=a", "maxpool:2", "conv:3,p=1,c=12,name=b", "relu:name=c",
    "maxpool:2", "conv:3,p=1,c=16", "relu", "tconv:2,s=2,c=12,name=up", "concat:from=up+c",
    "conv:3,p=1,c=8", "relu", "tconv:4,s=2,p=1,c=8,name=up2", "concat:from=up2+a", "conv:1,c=2",
]  # fmt: skip


@pytest.mark.parametrize("tile", [7, 24, 64])
def test_a_u_net_in_float32_is_the_whole_within_a_hundred_thousandth(tile: int) -> None:
    network, x = random_network(UNET, (3, 48, 64)), reals(2, 3, 48, 64)
    whole = network.run(x)
    assert_allclose(network.run_tiles(x, tile), whole, atol=1e-5 * abs(whole).max())


def test_batches_and_several_outputs_are_tiled() -> None:
    network, x = random_network(UNET, (3, 16, 24)), reals(3, 2, 3, 16, 24)
    found = network.run_tiles(x, 8, at=["b", "up2"])
    expected = network.run(x, at=["b", "up2"])
    for name, values in expected.items():
        assert_allclose(found[name], values, atol=1e-5)


def test_a_tile_takes_what_its_corners_depend_on_and_no_more() -> None:
    """The arithmetic of receptive fields, which goes forwards, says the same of the input."""
    stack = ["conv:3,p=1,c=4", "maxpool:3,s=2,p=1", "conv:5,d=2,p=3,c=4", "conv:3,s=2"]
    network, shape = random_network(stack, (1, 70, 90)), (1, 70, 90)
    plan, walk = network.plan_tiles({"input": shape}, 16, "conv3"), network.walk()
    index = len(stack) - 1
    for axis, tiles in enumerate((plan.rows, plan.columns)):
        for tile in tiles:
            spans = []
            for end in tile.spans[index]:
                at = (end, 0) if axis == 0 else (0, end)
                region = backtrace(walk, index, at)[-1][axis]
                assert region is not None
                spans.append(region)
            last = shape[axis + 1] - 1
            assert tile.spans[-1] == (max(spans[0][0], 0), min(spans[1][1], last))


def test_the_overlap_is_what_the_receptive_field_says() -> None:
    network = random_network(["conv:3,p=1,c=2", "conv:5,p=2", "conv:3,p=1"], (1, 40, 60))
    plan = network.plan_tiles({"input": (1, 40, 60)}, 20, "conv3")
    assert plan.count == 6
    assert plan.overlap == tuple(side - 1 for side in network.walk().layers[-1].receptive_field)
    assert network.plan_tiles({"input": (1, 40, 60)}, 60, "conv3").overlap == (0, 0)


def test_memory_is_that_of_a_tile() -> None:
    stack = ["conv:3,p=1,c=16", "relu", *(["conv:3,p=1", "relu"] * 3), "conv:3,p=1,c=1"]
    network, x = random_network(stack, (1, 256, 256)), reals(4, 1, 256, 256)
    network.run_tiles(x[:, :64, :64], 32)
    tracemalloc.start()
    network.run_tiles(x, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20  # one map of the whole is 4, and there would be three
    assert network.plan_tiles({"input": (1, 256, 256)}, 64, "conv5").peak_values() < 80**2 * 70


REFUSED: dict[str, tuple[list[str], str]] = {
    "a global pool": (["conv:3,p=1", "globalavgpool", "conv:1"], "layer globalavgpool1"),
    "an adaptive pool": (["adaptiveavgpool:3"], "layer adaptiveavgpool1 (adaptiveavgpool:3)"),
    "flat values": (["conv:3", "flatten", "linear:3"], "layer flatten1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_layer_that_sees_its_whole_input_is_refused_by_name(case: str) -> None:
    stack, words = REFUSED[case]
    network = random_network(stack, (2, 8, 8))
    with pytest.raises(ArgumentError, match=re.escape(words) + ".* depends on its whole input"):
        network.run_tiles(np.ones((2, 8, 8)), 4)


def test_a_layer_that_is_not_needed_is_not_refused() -> None:
    network = random_network(["conv:3,p=1,name=a", "globalavgpool"], (2, 8, 8))
    x = reals(5, 2, 8, 8)
    assert_allclose(network.run_tiles(x, 3, at="a"), network.run(x, at="a"), atol=1e-6)


@pytest.mark.parametrize("tile", [0, -1, 1.5, "8"])
def test_a_tile_is_a_whole_number(tile: Any) -> None:
    with pytest.raises(ArgumentError, match="tile"):
        random_network(["relu"], (1, 4, 4)).run_tiles(np.ones((1, 4, 4)), tile)


def test_too_many_tiles_are_refused() -> None:
    network = random_network(["relu"], (1, 300, 300))
    with pytest.raises(LimitError, match="90,000 tiles of 1 are too many"):
        network.run_tiles(np.ones((1, 300, 300)), 1)
