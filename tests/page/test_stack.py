"""A stack of layers on a page: its sizes are those of `walk`, and fields are what outputs see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.browser import call
from support.page_states import random_state, run_engine

from convcli.arithmetic.layers import OPERATIONS, Layer, output_shape
from convcli.arithmetic.notation import parse_layer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LAYERS = [
    "conv:3", "conv:3,p=1", "conv:2x3,s=2x1,p=1.0.2.1", "conv:3,d=2,p=2,mode=reflect", "relu",
    "maxpool:2", "maxpool:3,s=2,p=1,ceil", "avgpool:2,s=1", "tconv:3,s=2,p=1,op=1", "tconv:2,s=2",
    "conv:5,p=same", "conv:4,s=2,p=same-lower", "conv:3,p=full", "tconv:4,s=2,p=same", "clip:0:6",
    "conv:3,p=1,mode=replicate", "conv:3,p=valid", "tconv:3,d=2",
]  # fmt: skip


def small_state(random: np.random.Generator, size: list[int]) -> dict[str, Any]:
    weights = np.ones((1, 1, 2, 3)).tolist()
    values = random.integers(1, 9, (1, *size)).tolist()
    return {
        "op": "conv", "kernel": [2, 3], "stride": [1, 1], "padding": [[1, 0], [1, 1]],
        "dilation": [1, 1], "outputPadding": [0, 0], "mode": "zero", "flip": False, "ceil": False,
        "countPadding": True, "bias": 0, "mapBiases": [], "range": "none", "relu": False,
        "layers": [], "weights": weights, "input": values, "size": size,
    }  # fmt: skip


def stacks() -> list[dict[str, Any]]:
    random = np.random.default_rng(11)
    found: list[dict[str, Any]] = []
    while len(found) < 16:
        state = small_state(random, [int(side) for side in random.integers(7, 12, 2)])
        names = [str(name) for name in random.choice(LAYERS, int(random.integers(1, 4)))]
        shape = (1, *state["size"])
        try:
            for name in names:
                shape = output_shape(parse_layer(name), [shape])
        except ValueError:
            continue
        if max(shape) <= 40:
            found.append({**state, "layers": names})
    return found


def as_state(layer: Layer, values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A page's state of a layer of ones over a map."""
    window = layer.window
    size = values.shape[1:]
    return {
        "op": layer.op, "kernel": window.kernel, "stride": window.stride, "flip": False,
        "padding": window.pads(size), "dilation": window.dilation, "relu": False,
        "outputPadding": window.output_padding, "mode": layer.mode, "ceil": layer.ceil,
        "countPadding": True, "bias": 0, "mapBiases": [], "input": values, "size": size,
        "weights": np.ones((1, 1, *window.kernel)),
    }  # fmt: skip


def run_stack(state: dict[str, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The outputs of a stack of ones; a maximum is a sum, so that each input counts."""
    outputs = run_engine({**state, "input": values})
    for layer in map(parse_layer, state["layers"]):
        if layer.kernel is None:
            continue
        each = as_state(layer, outputs)
        each["op"] = "avgpool" if layer.op == "maxpool" else layer.op
        outputs = run_engine(each)
    return outputs


def test_sizes_are_those_of_walk(modules: Page) -> None:
    cases = stacks()
    found = call(modules, "arithmetic.js", "listLayers", [[state] for state in cases])
    for state, layers in zip(cases, found, strict=True):
        shape = run_engine(state).shape
        assert tuple(layers[0]["size"]) == shape[1:]
        for name, layer in zip(state["layers"], layers[1:], strict=True):
            shape = output_shape(parse_layer(name), [shape])
            assert (layer["name"], tuple(layer["size"])) == (name, shape[1:])


def test_the_field_in_the_input_is_what_an_output_changes_with(modules: Page) -> None:
    random = np.random.default_rng(13)
    cases = [state for state in stacks() if not any("mode=" in name for name in state["layers"])]
    positions = []
    for state in cases:
        height, width = run_stack(state, np.asarray(state["input"], float)).shape[1:]
        positions.append([int(random.integers(height)), int(random.integers(width))])
    calls = [
        [state, {"row": row, "column": column}]
        for state, (row, column) in zip(cases, positions, strict=True)
    ]
    traced = call(modules, "arithmetic.js", "traceBack", calls)
    for state, at, fields in zip(cases, positions, traced, strict=True):
        assert [field["name"] for field in fields[::-1]] == ["input", "conv", *state["layers"]]
        impulses = np.eye(np.prod(state["size"]))
        seen = [
            (run_stack(state, impulse.reshape(1, *state["size"]))[0, at[0], at[1]] != 0)
            for impulse in impulses
        ]
        rows, columns = np.reshape(seen, state["size"]).nonzero()
        box = [
            [int(axis.min()), int(axis.max())] if axis.size else None for axis in (rows, columns)
        ]
        for key, side, expected in zip(("rows", "columns"), state["size"], box, strict=True):
            first, last = fields[-1][key]
            clipped = [max(first, 0), min(last, side - 1)]
            if expected is None:
                continue
            has_gaps = any("tconv" in name or "d=2" in name for name in state["layers"])
            assert clipped[0] <= expected[0] <= expected[1] <= clipped[1]
            if not has_gaps:
                assert clipped == expected, (state["layers"], at)


def test_every_elementwise_layer_is_known(modules: Page) -> None:
    state = random_state(np.random.default_rng(1), "conv")
    names = [
        operation.example.partition(":")[0] if not operation.needs else operation.example
        for operation in OPERATIONS.values()
        if operation.family == "elementwise"
    ]
    found = call(modules, "arithmetic.js", "listLayers", [[{**state, "layers": names}]])[0]
    assert [layer["name"] for layer in found[1:]] == names


@pytest.mark.parametrize(
    ("layer", "cause"),
    [("resnet:3", "is no layer"), ("conv:x", "k must be"), ("conv:3,p=some", "no name some"),
     ("maxpool:99", "is empty"), ("", "is no layer"), ("conv:3,s=0", "s must be")],
)  # fmt: skip
def test_what_cannot_be_read_is_said(modules: Page, layer: str, cause: str) -> None:
    state = random_state(np.random.default_rng(1), "conv")
    with pytest.raises(Exception, match=cause):
        call(modules, "arithmetic.js", "listLayers", [[{**state, "layers": [layer]}]])
