"""Random settings typed into the controls of a page: every number on it is the engine's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.command import here
from support.page_states import random_state, run_engine

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

AXES = ("rows", "columns")
SIZES = {"Kernel": "kernel", "Stride": "stride", "Dilation": "dilation"}
LABEL = re.compile(r"row (\d+), column (\d+): (\u2212\u221e|[-\u22120-9.e]+)")


def propose(random: np.random.Generator, values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A random state over an input, whose output is not empty and fits the screen."""
    while True:
        state = random_state(random)
        state |= {"size": list(values.shape[1:]), "input": values.tolist(), "mapBiases": []}
        state["weights"] = np.ones((1, 1, *state["kernel"])).tolist()
        try:
            outputs = run_engine(state)
        except ValueError:
            continue
        if max(outputs.shape) <= 12:
            return state


def type_settings(tab: Page, state: dict[str, Any]) -> None:
    """Type all settings that the page shows for the state's operation."""
    tab.get_by_label("Operation", exact=True).select_option(state["op"])
    fields = {name: state[key] for name, key in SIZES.items()}
    fields["Padding before"] = [before for before, _ in state["padding"]]
    fields["Padding after"] = [after for _, after in state["padding"]]
    if state["op"] == "tconv":
        fields["Output padding"] = state["outputPadding"]
    boxes = {"ReLU": "relu"}
    if state["op"] == "conv":
        mode, _, constant = state["mode"].partition(":")
        tab.get_by_label("Padding mode").select_option(mode)
        if constant:
            tab.get_by_label("Constant", exact=True).fill(constant)
    if state["op"].endswith("pool"):
        boxes["Ceil"] = "ceil"
    else:
        boxes["Flip"] = "flip"
        tab.get_by_label("Bias").fill(str(state["bias"]))
    if state["op"] == "avgpool":
        boxes["Count padding"] = "countPadding"
    for name, sides in fields.items():
        for axis, side in zip(AXES, sides, strict=True):
            tab.fill(f"[data-setting='{name} {axis}']", str(side))
    for name, key in boxes.items():
        tab.get_by_label(name).first.set_checked(state[key])


def read_panel(tab: Page, panel: str) -> np.ndarray[Any, Any]:
    """Return the numbers of a panel's cells by what a screen reader says of them."""
    cells = tab.locator(f".panel-{panel} .cell:not(.padding)")
    labels = cells.evaluate_all("cells => cells.map((cell) => cell.getAttribute('aria-label'))")
    found = {}
    for label in labels:
        match = LABEL.search(label)
        assert match is not None, label
        text = match[3].replace("\u2212", "-").replace("\u221e", "inf")
        found[int(match[1]), int(match[2])] = float(text)
    shape = [max(place) + 1 for place in zip(*found, strict=True)]
    assert len(found) == np.prod(shape)
    return np.array([found[place] for place in np.ndindex(*shape)]).reshape(shape)


@pytest.mark.parametrize("count", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_every_number_on_the_page_is_the_engines(tmp_path: Path, tab: Page, count: int) -> None:
    random = np.random.default_rng(count)
    values = random.integers(-9, 10, (1, 5, 6))
    text = "\n".join(",".join(map(str, row)) for row in values[0])
    (tmp_path / "grid.csv").write_text(text)
    done = here("page", "grid.csv", "-k", "1 -2 3; 0 4 -1", "-o", "page.html", cwd=tmp_path)
    assert done.code == 0, done.stderr
    tab.set_viewport_size({"width": 1920, "height": 1400})
    tab.goto((tmp_path / "page.html").as_uri())
    for is_linked in (True, False):  # as chosen, which stays
        tab.get_by_label("Same on all sides").set_checked(is_linked)
    for _ in range(count):
        state = propose(random, values)
        type_settings(tab, state)
        if "conv" in state["op"]:
            state["weights"] = [[read_panel(tab, "kernel").tolist()]]
            state["flip"] = False  # they are shown as they are applied
        assert len(state["weights"][0][0]) == state["kernel"][0]
        expected = run_engine(state)[0]
        shown = read_panel(tab, "output")
        assert shown.shape == expected.shape, state
        np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=1e-6, err_msg=str(state))
