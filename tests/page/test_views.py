"""What a person sees and does on a page: pointing, keys, controls, the address bar, and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import SAMPLES, here

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

MINUS = "\u2212"
SOBEL = (SAMPLES / "grid5.csv", "-k", "sobel-x")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


def show(tab: Page, folder: Path, *arguments: str | Path, state: str = "") -> None:
    """Open the page that a command writes."""
    done = here("page", *arguments, "-f", "-o", "page.html", cwd=folder)
    assert (done.code, done.stdout) == (0, b""), done.stderr
    tab.goto((folder / "page.html").as_uri() + state)
    tab.wait_for_selector(".panel-output [role=gridcell]")


def cell(tab: Page, panel: str, row: int, column: int) -> Locator:
    return tab.locator(f".panel-{panel} [data-row='{row}'][data-column='{column}']").first


def marked(tab: Page, panel: str, mark: str) -> list[tuple[int, int]]:
    """Return the places of a panel's cells that have a mark, row by row."""
    places = tab.locator(f".panel-{panel} .cell.{mark}").evaluate_all(
        "cells => cells.map((cell) => [Number(cell.dataset.row), Number(cell.dataset.column)])"
    )
    return [(row, column) for row, column in places]


def texts(tab: Page, panel: str, part: str = "value") -> list[str]:
    found = tab.locator(f".panel-{panel} .cell .{part}").all_text_contents()
    return [text.replace(MINUS, "-") for text in found]


def square(row: int, column: int, side: int = 3) -> list[tuple[int, int]]:
    return [(row + i, column + j) for i in range(side) for j in range(side)]


def test_hovering_an_output_shows_its_window_weights_products_and_sum(
    tab: Page, folder: Path
) -> None:
    show(tab, folder, *SOBEL)
    cell(tab, "output", 2, 2).hover()
    assert marked(tab, "input", "window") == square(2, 2)
    notes = [note for note in texts(tab, "input", "note") if note]
    assert notes == ["×-1", "×0", "×1", "×-2", "×0", "×2", "×-1", "×0", "×1"]
    assert texts(tab, "products") == ["0", "0", "1", "-4", "0", "6", "-1", "0", "1"]
    sums = [note.removeprefix("Σ ") for note in texts(tab, "products", "note")]
    assert sums == ["0", "0", "1", "-3", "-3", "3", "2", "2", "3"]
    assert tab.inner_text(".result-line") == "Y[2, 2] = 3"
    assert f"2 × ({MINUS}2)" in tab.inner_text(".terms")
    tab.mouse.move(1, 1)  # away: back to what was chosen
    assert marked(tab, "output", "current") == [(0, 0)]


def test_hovering_an_input_shows_the_outputs_that_it_feeds_and_by_which_weight(
    tab: Page, folder: Path
) -> None:
    show(tab, folder, *SOBEL)
    cell(tab, "input", 1, 1).hover()
    assert marked(tab, "output", "fed") == square(0, 0, 2)
    notes = [note for note in texts(tab, "output", "note") if note]
    assert notes == ["×0", "×-2", "×0", "×-1"]
    assert "feeds 4 outputs: rows 0 to 1, columns 0 to 1" in tab.inner_text(".sentence")


def test_hovering_a_weight_shows_the_inputs_that_it_met(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL, "--flip")
    cell(tab, "kernel", 0, 2).hover()  # as applied: turned
    assert marked(tab, "input", "met") == square(0, 2)
    assert f"is {MINUS}1 and meets 9 inputs" in tab.inner_text(".sentence")


def test_every_grid_is_one_stop_of_the_tab_key_and_walked_by_arrows(
    tab: Page, folder: Path
) -> None:
    show(tab, folder, *SOBEL)
    for panel in ("input", "kernel", "products", "output"):
        assert tab.locator(f".panel-{panel} [tabindex='0']").count() == 1
    cell(tab, "output", 0, 0).focus()
    moves = {
        "ArrowRight": (0, 1), "ArrowDown": (1, 1), "End": (1, 2), "Control+Home": (0, 0),
        "ArrowLeft": (0, 0), "PageDown": (2, 0),
    }  # fmt: skip
    for key, place in moves.items():
        tab.keyboard.press(key)
        assert marked(tab, "output", "current") == [place]
        focused = tab.evaluate("document.activeElement.dataset.row") or ""
        assert focused == str(place[0])
    tab.locator("[aria-live]", has_text="Output row 2").wait_for(state="attached")
    seen = set()
    for _ in range(60):  # no trap: the key comes past everything and around
        tab.keyboard.press("Tab")
        name = "document.activeElement.closest('figure, section, form, body')?.className"
        seen.add(tab.evaluate(name))
    assert {"panel panel-input", "panel panel-kernel", "transport", "controls", "share"} <= seen
