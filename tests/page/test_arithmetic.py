"""The arithmetic of pages, in a browser: every number is the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.browser import call
from support.page_states import random_state, run_engine

from convcli.arithmetic.geometry import Window, formula

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def states() -> list[dict[str, Any]]:
    random = np.random.default_rng(7)
    return [random_state(random) for _ in range(300)]


def ask(modules: Page, function: str, calls: list[list[Any]]) -> list[Any]:
    return call(modules, "arithmetic.js", function, calls)


def window_of(state: dict[str, Any]) -> Window:
    is_pool = state["op"].endswith("pool")
    is_transposed = state["op"] == "tconv"
    return Window(
        kernel=tuple(state["kernel"]),
        stride=tuple(state["stride"]),
        padding=tuple(map(tuple, state["padding"])),  # type: ignore[arg-type]
        dilation=tuple(state["dilation"]),
        ceil_mode=is_pool and state["ceil"],
        transposed=is_transposed,
        output_padding=tuple(state["outputPadding"]) if is_transposed else (0, 0),
    )


def test_outputs_are_those_of_the_engine(modules: Page, states: list[dict[str, Any]]) -> None:
    found = ask(modules, "computeOutputs", [[state] for state in states])
    for state, outputs in zip(states, found, strict=True):
        np.testing.assert_allclose(outputs, run_engine(state), rtol=1e-12, atol=1e-9)


def test_an_explanation_adds_up_to_the_engines_output(
    modules: Page, states: list[dict[str, Any]]
) -> None:
    steps = ask(modules, "explainOutput", [[state, state["at"]] for state in states])
    for state, step in zip(states, steps, strict=True):
        at = state["at"]
        value = run_engine(state)[at["channel"], at["row"], at["column"]]
        np.testing.assert_allclose(step["value"], value, rtol=1e-12, atol=1e-9)
        products = [tap["product"] for tap in step["taps"]]
        combine = max if state["op"] == "maxpool" else sum
        total = combine(products) if products else 0
        np.testing.assert_allclose(step["sum"], total, atol=1e-9)
        counted = sum(tap["isCounted"] for tap in step["taps"])
        assert step["divisor"] == (max(counted, 1) if state["op"] == "avgpool" else 1)
        values, (height, width) = state["input"], state["size"]
        for tap in step["taps"]:
            row, column = tap["row"], tap["column"]
            is_inside = 0 <= row < height and 0 <= column < width
            assert tap["isPadding"] is not is_inside
            if is_inside:
                assert tap["value"] == values[tap["channel"]][row][column]


def test_sizes_and_formulas_are_those_of_shape(modules: Page, states: list[dict[str, Any]]) -> None:
    calls = [[{**state, "input": None, "weights": []}] for state in states]
    sizes, dropped, formulas = (
        ask(modules, name, calls) for name in ("outputSize", "droppedRows", "sizeFormula")
    )
    for state, size, left, texts in zip(states, sizes, dropped, formulas, strict=True):
        window = window_of(state)
        assert tuple(size) == window.output(tuple(state["size"]))
        assert tuple(left) == window.dropped(tuple(state["size"]))
        for axis, text in zip(window.axes(tuple(state["size"])), texts, strict=True):
            written, _, result = text.rpartition(" = ")
            assert int(result) == axis.output
            assert written.removesuffix(" - 1") == formula(axis)


def test_an_input_feeds_the_outputs_that_change_with_it(
    modules: Page, states: list[dict[str, Any]]
) -> None:
    """With positive weights alone, so that nothing cancels out."""
    random = np.random.default_rng(3)
    changed = []
    for state in states[:120]:
        if state["op"] == "maxpool":
            continue
        row, column = (int(random.integers(side)) for side in state["size"])
        weights = np.ones_like(state["weights"]).tolist()
        flat = {**state, "weights": weights, "relu": False}
        more = np.array(flat["input"])
        more[:, row, column] += 1000
        away = run_engine({**flat, "input": more.tolist()}) - run_engine(flat)
        changed.append((state, {"row": row, "column": column}, np.abs(away).max(axis=0) > 1))
    found = ask(modules, "findOutputs", [[state, position] for state, position, _ in changed])
    for fed, (_, _, expected) in zip(found, changed, strict=True):
        assert sorted((at["row"], at["column"]) for at in fed) == list(zip(*expected.nonzero()))  # noqa: B905


def test_a_weight_meets_the_inputs_whose_gradient_it_is(
    modules: Page, states: list[dict[str, Any]]
) -> None:
    """The outputs of a single weight of 1, summed: each input counts where the weight met it."""
    random = np.random.default_rng(5)
    cases = []
    for state in [state for state in states if "conv" in state["op"]][:40]:
        row, column = (int(random.integers(side)) for side in state["kernel"])
        weights = np.zeros_like(state["weights"], float)
        weights[:, :, row, column] = 1
        met = set()
        for at in np.ndindex(*state["size"]):
            x = np.zeros_like(state["input"], float)
            x[:, at[0], at[1]] = 1
            alone = {**state, "mode": "zero", "bias": 0, "weights": weights.tolist()}
            if run_engine({**alone, "input": x.tolist()}).any():
                met.add(at)
        cases.append((state, {"kernelRow": row, "kernelColumn": column}, met))
    found = ask(modules, "findInputs", [[state, weight] for state, weight, _ in cases])
    for inputs, (_, _, met) in zip(found, cases, strict=True):
        assert {(at["row"], at["column"]) for at in inputs} == met
        assert len(inputs) == len(met)
