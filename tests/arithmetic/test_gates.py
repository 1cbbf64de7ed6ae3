"""What outputs see of the whole map: gates, spread maps, and operations over the whole map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import here

from convcli.arithmetic.explain import explain_walk
from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import backtrace
from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.network import check_alignment, walk
from convcli.arithmetic.notation import INPUT, parse_layer
from convcli.arithmetic.operations import Operation, Parts, Resampling, WholeAxis
from convcli.arithmetic.receptive_field import ReceptiveField
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def over_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy operation: a normalization over the map."""
    whole = Operation(
        "over-map",
        "normalization",
        "a normalization over the map",
        axes=lambda _, inputs: tuple(WholeAxis(side, side, has_own=True) for side in inputs[0][1:]),
    )
    monkeypatch.setitem(OPERATIONS, whole.name, whole)


def walked(*layers: str, size: int = 32) -> Walk:
    return walk(layers, (3, size, size))


def last(*layers: str, size: int = 32) -> LayerReport:
    return walked(*layers, size=size).layers[-1]


GATED = ("conv:3,p=1,name=x", "globalavgpool", "conv:1", "sigmoid:name=g", "mul:from=x+g")


# ---- gates -------------------------------------------------------------------------------------


def test_a_gate_from_a_global_pool_sees_the_whole_input() -> None:
    one = last(*GATED)
    assert (one.receptive_field, one.local_receptive_field) == ((32, 32), (3, 3))
    assert (one.coverage, one.jump, one.start) == ((32, 32), (1, 1), (0, 0))
    assert one.has_gate
    assert one.sees_whole_input
    assert one.notes == ()


# Of efficientnet_b0: expansion, kernel, stride, channels and repeats of each stage.
STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip


def efficientnet_b0() -> list[str]:
    layers, channels = ["conv:3,s=2,p=1,c=32,nobias", "bn", "silu:name=in0"], 32
    for expansion, kernel, first_stride, outputs, repeats in STAGES:
        for stride in (first_stride, *[1] * (repeats - 1)):
            block, wide = len(layers), channels * expansion
            before = layers[-1].rpartition("name=")[2]
            layers += [f"conv:1,c={wide},nobias", "bn", "silu"] if expansion > 1 else []
            layers += [f"conv:{kernel},s={stride},p={kernel // 2},g=depthwise,nobias", "bn"]
            layers += [f"silu:name=x{block}", "globalavgpool", f"conv:1,c={channels // 4}"]
            layers += ["silu", f"conv:1,c={wide}", f"sigmoid:name=g{block}"]
            layers += [f"mul:from=x{block}+g{block}", f"conv:1,c={outputs},nobias"]
            layers += [f"bn:name=y{block}"]
            if stride == 1 and channels == outputs:
                layers += [f"add:from=y{block}+{before},name=z{block}"]
            channels = outputs
    return [*layers, "conv:1,c=1280,nobias", "bn", "silu", "globalavgpool", "flatten"]


def test_efficientnet_sees_the_whole_picture() -> None:
    found = walk([*efficientnet_b0(), "linear:1000"], (3, 224, 224))
    one = found.last_map
    assert one is not None
    assert (found.params, one.output) == (5_288_548, (1280, 7, 7))
    assert (one.receptive_field, one.local_receptive_field) == ((224, 224), (851, 851))
    assert one.jump == (32, 32)


def test_what_comes_after_a_gate_slides_on() -> None:
    one = last(*GATED, "conv:3,s=2", "maxpool:2", "tconv:2,s=2", "relu")
    assert one.receptive_field == (32, 32)
    assert one.local_receptive_field == last("conv:3", "conv:3,s=2", "maxpool:2").receptive_field
    assert not last("conv:3,p=1").has_gate


def test_a_gate_of_a_part_of_the_input_says_how_much() -> None:
    layers = ("relu:name=x", "crop:4", "conv:3", "globalavgpool:name=g", "mul:from=x+g")
    one = last(*layers, size=20)
    # A corner sees itself and the 12 rows from 4 to 15.
    assert (one.receptive_field, one.coverage) == ((13, 13), (13, 13))
    assert one.fields is not None
    assert [one.fields[0].at(at) for at in (0, 8, 19)] == [(0, 15), (4, 15), (4, 19)]


def test_a_gate_along_one_axis_leaves_the_other() -> None:
    layers = ("relu:name=x", "adaptiveavgpool:32x1,name=g", "mul:from=x+g")
    one = last(*layers)
    assert (one.receptive_field, one.local_receptive_field) == ((1, 32), (1, 1))


def test_a_map_of_one_position_spread_by_resampling_sees_the_whole() -> None:
    field = ReceptiveField.of_input().after(Parts(9, 1))
    wide = field.after(Resampling(1, 9, step=1, denominator=9))
    assert [wide.at(at) for at in (0, 8)] == [(0, 8), (0, 8)]
    assert not wide.slides
    assert [wide.receptive_field, wide.jump] == [0, 0]
    assert [wide.start, wide.effective_padding] == [4, 0]
    assert wide.after(Axis(9, 3, before=1, after=1)) == wide


def test_a_normalization_over_the_map_sees_it_all() -> None:
    one = last("conv:3", "over-map", "conv:3", size=10)
    assert (one.receptive_field, one.local_receptive_field) == ((10, 10), (5, 5))


def test_what_depends_on_the_whole_only_has_no_window() -> None:
    field = ReceptiveField.of_input().after(Axis(9, 3)).after(WholeAxis(7, 5))
    assert (field.at(3), field.slides) == ((0, 8), False)


# ---- joins of one position ---------------------------------------------------------------------


@pytest.mark.parametrize("end", ["globalavgpool", "flatten", "adaptiveavgpool:1"])
def test_maps_of_one_position_are_joined_whatever_their_jumps(end: str) -> None:
    end += "," if ":" in end else ":"
    layers = ("conv:3,s=2,name=y", f"{end}from=y,name=a", f"{end}from=input,name=b")
    one = last(*layers, "concat:from=a+b")
    assert (one.coverage, one.receptive_field, one.jump) == ((32, 32), (32, 32), (32, 32))
    assert one.notes == (
        "its branches, of one position, come from maps with different jumps: 30 and 32",
    )
    assert last(*layers, "concat:from=a+b,name=c", "add:from=c+c").notes == ()


def test_detection_heads_are_joined() -> None:
    layers = ["conv:3,s=2,p=1,name=a", "conv:3,s=2,p=0,name=b", "conv:3,p=1,c=4,from=a"]
    layers += ["flatten:name=one", "conv:3,p=1,c=4,from=b", "flatten:name=two"]
    one = last(*layers, "concat:from=one+two", "linear:3")
    assert one.inputs == ((4 * 16 * 16 + 4 * 7 * 7,),)
    assert one.coverage == (32, 32)
    assert "different jumps: 28 and 32" in last(*layers, "concat:from=one+two").notes[0]
    shapes = {INPUT: (3, 32, 32)} | dict(
        enumerate(one.output for one in walked(*layers, "concat:from=one+two").layers)
    )
    stack = [parse_layer(layer) for layer in (*layers, "concat:from=one+two")]
    check_alignment(stack, shapes)


def test_larger_maps_that_drift_apart_are_refused_still() -> None:
    layers = ["conv:1,s=2,name=a", "crop:8,from=input,name=b", "concat:from=a+b"]
    with pytest.raises(ShapeError, match="different jumps, 1 and 2"):
        walked(*layers)


# ---- the last map ------------------------------------------------------------------------------


def name_of_last_map(*layers: str) -> str | None:
    found = walked(*layers).last_map
    return None if found is None else found.name


def test_a_map_after_a_global_pool_is_one_again() -> None:
    layers = ("conv:3,p=1,name=a", "globalavgpool", "tconv:32,s=32,name=g")
    assert name_of_last_map(*layers) == "g"
    assert name_of_last_map(*layers, "concat:from=a+g,name=c") == "c"
    assert name_of_last_map(*layers[:2], "conv:3,p=1") == "a"
    assert name_of_last_map(*GATED) == "mul1"


@pytest.mark.parametrize("end", ["globalavgpool", "adaptiveavgpool:2", "adaptiveavgpool:6"])
def test_of_a_classifier_it_is_the_one_before_the_pool(end: str) -> None:
    layers = ("conv:3,name=a", end, "conv:3,p=2", "relu", "flatten", "linear:10")
    assert name_of_last_map(*layers) == "a"


def test_the_total_is_of_the_layer_that_has_its_output(tmp_path: Path) -> None:
    layers = (
        "conv:3,p=1,c=8,name=a", "globalavgpool:from=a", "tconv:64,s=64,g=depthwise,nobias,name=g",
        "concat:from=a+g", "conv:7,p=3,c=4",
    )  # fmt: skip
    found = walked(*layers, size=64)
    assert found.last_map is found.layers[-1]
    assert found.layers[-1].receptive_field == (130, 130)
    done = here("shape", "--input", "3x64x64", *layers, "--json", cwd=tmp_path)
    total = json.loads(done.stdout)["total"]
    assert (total["output"], total["receptive_field"]) == ([4, 64, 64], [130, 130])


# ---- unknown operations ------------------------------------------------------------------------

UNKNOWN = ("conv:3,name=a", "opaque:Einsum,out=3x30x30,params=7,macs=9,name=u", "relu")


def test_from_an_unknown_operation_on_nothing_is_said_of_the_field() -> None:
    found = walked(*UNKNOWN, "concat:from=a+u", "flatten", "linear:2")
    assert [one.fields is None for one in found.layers] == [False, *[True] * 5]
    one = found.layers[1]
    assert (one.params, one.macs, one.output) == (7, 9, (3, 30, 30))
    values = (one.receptive_field, one.jump, one.start, one.effective_padding, one.coverage)
    assert values == (None,) * 5
    assert [note.partition(" (")[0] for note in found.notes] == ["layer 2"]
    explained = explain_walk(found)
    assert "rf      unknown" in explained
    assert explained.count("unknown") == 5
    with pytest.raises(ArgumentError, match=r"layer 2 \(u\) depend on is unknown"):
        backtrace(found, 1, (0, 0))


def test_an_unknown_operation_takes_maps_of_any_shape() -> None:
    layers = ["relu:name=a", "flatten:name=b", "opaque:Foo,out=77x8,from=a+b,name=c"]
    found = walked(*layers, "opaque:com.x:Bar,out=2x3x4x5,from=c", "opaque:Baz,out=6")
    assert [one.output for one in found.layers[2:]] == [(77, 8), (2, 3, 4, 5), (6,)]
    assert found.layers[2].bytes == 4 * 77 * 8
    with pytest.raises(ShapeError, match=r"needs a map of \(C, H, W\) or flat values, not 77x8"):
        walked(*layers, "relu")


def test_what_is_unknown_is_null_and_a_question_mark(tmp_path: Path) -> None:
    arguments = ("shape", "--input", "3x32x32", *UNKNOWN)
    done = here(*arguments, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    for one in (found["layers"][2], found["total"]):
        assert [one[key] for key in ("receptive_field", "jump", "effective_padding")] == [None] * 3
        assert "coverage" not in one
    assert done.stderr.count("unknown") == 1
    table = here(*arguments, cwd=tmp_path).text
    assert " ?   " in table
    drawn = here(*arguments, "--figure", "x.png", cwd=tmp_path)
    assert drawn.code == 2
    assert "is unknown" in drawn.stderr


# ---- what users see ----------------------------------------------------------------------------


def test_a_gate_is_said_in_the_table_and_in_json(tmp_path: Path) -> None:
    arguments = ("shape", "--input", "3x32x32", *GATED)
    assert "whole (local 3)" in here(*arguments, cwd=tmp_path).text
    found = json.loads(here(*arguments, "--json", cwd=tmp_path).stdout)
    for one in (found["layers"][-1], found["total"]):
        assert (one["receptive_field"], one["local_receptive_field"]) == ([32, 32], [3, 3])
        assert "coverage" not in one
    assert "local_receptive_field" not in found["layers"][0]


def test_the_formulas_of_a_gate_tell_the_window_from_the_whole() -> None:
    text = explain_walk(walked(*GATED, "conv:3"))
    assert (
        "rf             the window of 5 and, for all outputs, -1..32, within the input = 32" in text
    )
    assert "local rf       3 + (3 - 1)*1 = 5" in text


@given(st.integers(0, 29), st.integers(0, 29))
def test_the_figure_has_what_the_gate_sees(row: int, column: int) -> None:
    found = walked("conv:3,name=a", "globalavgpool:name=g", "mul:from=a+g")
    regions = backtrace(found, 2, (row, column))
    assert regions[0] == regions[-1] == ((0, 29), (0, 29)) or regions[-1] == ((0, 31), (0, 31))
    assert regions[1] == ((0, 0), (0, 0))


def seen_by_taps(axis: Resampling, output: int) -> Sequence[int]:
    return [min(max(tap, 0), axis.size - 1) for tap in axis.bounds(output)]


@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from(["floor", "linear", "cubic"]))
def test_a_resampled_map_sees_what_its_taps_see(size: int, outputs: int, taps: str) -> None:
    # Half-pixel centers: (u + 1/2)·size/outputs - 1/2, but from 0 for floor.
    first = 0 if taps == "floor" else size - outputs
    axis = Resampling(size, outputs, 2 * size, first, 2 * outputs, taps)
    field = ReceptiveField.of_input().after(axis)
    for output in range(outputs):
        found, seen = field.at(output), seen_by_taps(axis, output)
        assert found is not None
        assert (max(found[0], 0), min(found[1], size - 1)) == (min(seen), max(seen))
