"""The records of the operations, and what finds an operation by its record alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command import here

from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.layers import OPERATIONS, Layer, activations
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer, parse_layer
from convcli.arithmetic.operations import Operation
from convcli.arithmetic.operations.elementwise import elementwise
from convcli.engine import operations as engine


def test_the_engine_has_a_function_for_each_operation_and_for_no_other() -> None:
    for operation in OPERATIONS.values():
        assert callable(engine.find_function(operation))
    assert list(engine.FUNCTIONS.keys() - OPERATIONS.keys()) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_record_is_whole(name: str) -> None:
    operation = OPERATIONS[name]
    named = {"name", "family", "syntax", "example", "description"}
    assert vars(operation).keys() <= Operation.__annotations__.keys() | named
    assert operation.name == name
    assert operation.syntax.startswith(name)
    assert format_layer(parse_layer(operation.example)) == operation.example
    assert all([operation.family, operation.description])
    assert all([operation.shape_effect, operation.field_effect])
    layer = Layer(operation.name)
    fields = [key.field for key in operation.keys.values()]
    for field in (*fields, *(flag.field for flag in operation.flags)):
        assert layer.with_values(**{field: layer.value(field)}) == layer
    assert {"name", "from"} <= operation.keys.keys()
    assert operation.defaults.keys() <= operation.keys.keys()


@pytest.mark.parametrize("name", [name for name in OPERATIONS if not OPERATIONS[name].takes_flat])
def test_the_rules_of_an_operation_agree(name: str) -> None:
    operation = OPERATIONS[name]
    layer, shape = parse_layer(operation.example), (8, 20, 22)
    output = operation.shape(layer, [shape])
    formulas = operation.cost_formulas(layer, shape, output)
    costs = {
        "params": operation.parameters(layer, shape),
        "MACs": operation.macs(layer, shape, output),
    }
    assert {cost for cost in costs if costs[cost]} == formulas.keys()
    for cost, formula in formulas.items():
        assert eval(formula) == costs[cost]
    if operation.is_window:
        axes = operation.axes(layer, [shape])
        assert axes == layer.window.axes((20, 22))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """An operation of two entries: its record, and its function on arrays."""
    record = elementwise("double", "twice each value", torch="Double")
    monkeypatch.setitem(OPERATIONS, "double", record)
    function = engine.on_each_value(lambda x: x * np.asarray(2, x.dtype))
    monkeypatch.setitem(engine.FUNCTIONS, "double", function)
    for module in [name for name in sys.modules if name.startswith("convcli.cli.commands.apply")]:
        monkeypatch.delitem(sys.modules, module)  # whose options are made when it is loaded
    return "double"


def test_a_new_operation_is_known_to_the_arithmetic(toy: str, tmp_path: Path) -> None:
    found = here("shape", "--input", "3x4x4", "conv:3", toy, "--json", cwd=tmp_path)
    last = json.loads(found.stdout)["layers"][-1]
    assert [last["layer"], last["output"], last["receptive_field"]] == [toy, [3, 2, 2], [3, 3]]
    explained = here("shape", "--input", "3x4x4", toy, "--explain", cwd=tmp_path)
    assert "1. double1: double\n   3x4x4 -> 3x4x4" in explained.text
    assert "    nn.Double(),\n" in format_torch(walk([toy], (3, 4, 4)))
    assert here("shape", "--input", "3x4x4", "duoble", cwd=tmp_path).stderr.endswith(
        "unknown operation 'duoble'; did you mean 'double'? `convcli layers` lists them\n"
    )


def test_a_new_operation_is_applied(toy: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    for options in (("-l", toy), ("-k", "identity", "--activation", toy)):
        done = here("apply", "a.csv", *options, "--print", "-q", cwd=tmp_path)
        assert done.rows == [[2, 4], [6, 8]], done.stderr


def test_a_new_operation_is_listed_and_in_the_help(toy: str, tmp_path: Path) -> None:
    assert "double" in activations()
    listed = json.loads(here("layers", "--json", cwd=tmp_path).stdout)
    assert [one["about"] for one in listed if one["name"] == toy] == ["twice each value"]
    assert "twice each value" in here("layers", toy, cwd=tmp_path).text
    assert "|double" in "".join(here("apply", "--help", cwd=tmp_path).text.split())
