"""What is written down comes out: every formula, computed, is the number stated beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.marked_engine import Drawn, drawn_networks
from support.network_oracle import Case, networks

from convcli.arithmetic.explain import explain_walk
from convcli.arithmetic.footprint import Storage
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.arithmetic.zoo import zoo_network

SUM = re.compile(r"[-+*/() 0-9]*(?:floor|ceil)?[-+*/() 0-9]+\Z")
NUMBER = re.compile(r"(?<![\w])(\d+)")


def computed(formula: str) -> Fraction:
    """The value of a formula of whole numbers, exactly."""
    assert SUM.match(formula), formula
    exact: Any = eval(
        NUMBER.sub(r"F(\1)", formula), {"F": Fraction, "floor": math.floor, "ceil": math.ceil}
    )
    return Fraction(exact)


def lines_of(block: str) -> dict[str, str]:
    """What each line of one layer's block says, by its name."""
    found = [re.match(r"   (\S.*?)  +(\S.*)\Z", line) for line in block.splitlines()[2:]]
    return {line[1]: line[2] for line in found if line}


def leading_number(text: str) -> Fraction:
    found = re.match(r"-?[\d,/]+", text)
    assert found, text
    return Fraction(found[0].strip(",").replace(",", ""))


def check(text: str) -> Fraction | None:
    """Hold each `formula = number` to its value; the last number is the result."""
    formula, *results = text.split(" = ")
    stated = [leading_number(result) for result in results]
    if formula.startswith("the widest of"):
        widths = [int(one) for one in re.findall(r"\d+", formula.partition(": ")[2])]
        assert "..." in formula or max(widths) == stated[-1]
    if formula.startswith(("the ", "that ", "from ")):
        return stated[-1]
    assert computed(formula) == stated[0], text
    for less in re.findall(r"less (\d+)", text):
        assert stated[-1] == stated[0] - int(less)
    return stated[-1]


FIGURES: dict[str, Callable[[LayerReport, int], Any]] = {
    "height": lambda one, _: one.output[1],
    "width": lambda one, _: one.output[2],
    "local rf": lambda one, axis: one.local_receptive_field[axis],
    "rf": lambda one, axis: one.receptive_field[axis],
    "jump": lambda one, axis: one.jump[axis],
    "start": lambda one, axis: one.start[axis],
    "eff. padding": lambda one, axis: one.effective_padding[axis],
    "params": lambda one, _: one.params,
    "MACs": lambda one, _: one.macs,
    "bytes": lambda one, _: one.bytes,
}


def check_layer(one: LayerReport, block: str) -> set[str]:
    """Hold every figure of a block to its formula and to the walk; which there were."""
    named = set()
    for name, text in lines_of(block).items():
        value = check(text)
        for part in name.split(", "):
            figure, _, side = part.partition(" (")
            axis = 1 if side == "w)" else 0
            assert value == FIGURES[figure](one, axis), (name, text)
            named.add(figure)
    return named


def check_walk(found: Walk) -> None:
    blocks = explain_walk(found).split("\n\n")
    assert len(blocks) == len(found.layers)
    for place, (one, block) in enumerate(zip(found.layers, blocks, strict=True), start=1):
        assert block.startswith(f"{place}. {one.name}: ")
        named = check_layer(one, block)
        expected = {"bytes"}
        if one.layer.kernel is not None:
            expected |= {"height", "width", "rf", "jump", "start", "eff. padding"}
        if one.layer.operation.is_join:
            expected |= {"rf", "jump", "start", "eff. padding"}
        if one.has_gate and "rf" in expected:
            expected |= {"local rf"}
        expected |= {"params"} if one.params else set()
        expected |= {"MACs"} if one.macs else set()
        assert named == expected


@settings(max_examples=200)
@given(networks(), st.integers(1, 3))
def test_every_formula_gives_its_number(case: Case, channels: int) -> None:
    check_walk(walk(case.layers, (channels, *case.size)))


@settings(max_examples=50)
@given(drawn_networks())
def test_every_formula_of_any_operation_gives_its_number(drawn: Drawn) -> None:
    check_walk(drawn.walk())


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "googlenet", "mobilenet_v2", "unet"])
def test_every_formula_of_a_well_known_network_gives_its_number(name: str) -> None:
    shape, layers = zoo_network(name)
    check_walk(walk(layers, shape, name=name))


def test_one_layer_is_explained_as_a_student_would() -> None:
    text = explain_walk(walk(["conv:7,s=2,p=3,c=64"], (3, 224, 224)))
    assert text.splitlines() == [
        "1. conv1: conv:7,s=2,p=3,c=64",
        "   3x224x224 -> 64x112x112",
        "   height, width  floor((224 + 3 + 3 - 1*(7 - 1) - 1) / 2) + 1 = 112",
        "   rf             1 + (7 - 1)*1 = 7",
        "   jump           1*2 = 2",
        "   start          0 + ((7 - 1)/2 - 3)*1 = 0",
        "   eff. padding   (7 - 1)/2 - 0 = 3",
        "   params         64*(3/1)*7*7 + 64 = 9,472",
        "   MACs           64*(3/1)*7*7 * 112*112 = 118,013,952",
        "   bytes          4*64*112*112 = 3,211,264",
    ]


def test_rows_and_columns_are_explained_apart_where_they_differ() -> None:
    named = lines_of(explain_walk(walk(["conv:3x5,s=1x2"], (1, 9, 9))))
    assert {"height", "width", "rf (h)", "rf (w)", "jump (h)", "jump (w)"} <= set(named)


def test_a_window_that_would_start_in_the_padding_is_taken_back() -> None:
    named = lines_of(explain_walk(walk(["maxpool:1,s=2,ceil"], (1, 12, 12))))
    assert named["height, width"].startswith(
        "ceil((12 + 0 + 0 - 1*(1 - 1) - 1) / 2) + 1 = 7, less 1"
    )
    assert named["height, width"].endswith("= 6")


def test_costs_can_be_left_out() -> None:
    named = lines_of(explain_walk(walk(["conv:3"], (1, 9, 9)), costs=False))
    assert not {"params", "MACs", "bytes"} & set(named)


def test_bytes_are_those_of_a_batch_and_a_type() -> None:
    found = walk(["conv:3,c=5"], (1, 5, 5))
    lines = {
        ("float32", 1): "4*5*3*3 = 180",
        ("float16", 8): "2*8*5*3*3 = 720",
        ("int4", 1): "ceil(4*5*3*3 / 8) = 23",
    }
    for (dtype, batch), line in lines.items():
        assert lines_of(explain_walk(found, Storage(dtype, batch)))["bytes"] == line
