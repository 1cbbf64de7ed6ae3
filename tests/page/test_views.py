"""What a person sees and does on a page: pointing, keys, controls, the address bar, and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.page_views import MINUS, SOBEL, cell, control, show

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


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


def test_padding_feeds_nothing_of_its_own(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL, "-p", "1", "--padding-mode", "zero")
    cell(tab, "input", 0, 0).hover()
    assert len(marked(tab, "output", "fed")) == 4
    cell(tab, "input", -1, -1).hover()
    assert (marked(tab, "output", "fed"), marked(tab, "output", "current")) == ([], [(0, 0)])


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
        assert tab.locator(".cell .focus:visible").count() == 1  # where the keyboard is
    tab.locator("[aria-live]", has_text="Output row 2").wait_for(state="attached")
    seen = set()
    for _ in range(60):  # no trap: the key comes past everything and around
        tab.keyboard.press("Tab")
        name = "document.activeElement.closest('figure, section, form, body')?.className"
        seen.add(tab.evaluate(name))
    assert {"panel panel-input", "panel panel-kernel", "transport", "controls", "share"} <= seen


def outputs(tab: Page) -> list[str]:
    return texts(tab, "output")


def address(tab: Page) -> str:
    """Return what the address bar holds, after the pause with which it follows the position."""
    tab.wait_for_timeout(400)
    return str(tab.evaluate("location.hash"))


def test_controls_change_size_formula_and_numbers(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    control(tab, "Stride, rows").fill("2")
    assert len(outputs(tab)) == 4
    formula = tab.inner_text("#size-formula").replace(MINUS, "-")
    assert "⌊(5 + 0 + 0 - 1·(3 - 1) - 1) / 2⌋ + 1 = 2" in formula
    tab.get_by_role("button", name="same").click()
    assert len(outputs(tab)) == 9
    tab.get_by_label("Padding mode").select_option("circular")
    tab.get_by_label("From the bank").select_option("blur")
    assert texts(tab, "kernel")[4] == "0.25"
    tab.get_by_label("Operation", exact=True).last.select_option("maxpool")
    assert tab.locator(".panel-kernel:visible").count() == 0
    assert tab.get_by_label("From the bank").is_hidden()


def test_rows_that_no_window_covers_are_hatched(tab: Page, folder: Path) -> None:
    show(tab, folder, "--h", "6", "--w", "5", "--k", "3", "--s", "2")
    assert marked(tab, "input", "dropped") == [(5, column) for column in range(5)]
    assert "1 row at the end is not used" in tab.inner_text("#size-formula")
    assert tab.locator(".cell.dropped .hatch").first.is_visible()


WRONG = [
    ("Kernel, rows", "9", "window has 9 rows and the padded input 5"),
    ("Stride, rows", "0", "whole number from 1"),
    ("Stride, rows", "two", "not “two”"),
    ("Padding before, rows", "-1", "whole number from 0"),
    ("Bias", "1,5", "must be a number"),
    ("Layers after this one", "sigmod", "sigmod is no layer"),
    ("Layers after this one", "conv:9", "output is empty"),
]


def test_a_wrong_value_is_told_at_its_control_and_changes_nothing(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    before = outputs(tab)
    for label, typed, problem in WRONG:
        field = control(tab, label)
        right = field.input_value()
        field.fill(typed)
        told = tab.locator(f"#{field.get_attribute('aria-describedby')}")
        assert problem in told.inner_text()
        assert field.get_attribute("aria-invalid") == "true"
        assert (outputs(tab), field.input_value()) == (before, typed)
        field.fill(right)
        assert (told.is_visible(), tab.locator("[aria-invalid]").count()) == (False, 0)


def test_a_value_that_was_too_large_counts_once_another_makes_room(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    control(tab, "Kernel, rows").fill("7")
    control(tab, "Padding before, rows").fill("2")
    assert len(outputs(tab)) == 9
    assert tab.locator("[aria-invalid]").count() == 0


def test_weights_and_inputs_are_edited_by_the_keyboard(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    cell(tab, "kernel", 1, 1).focus()
    tab.keyboard.type("1/4")
    tab.keyboard.press("Enter")
    assert texts(tab, "kernel")[4] == "0.25"
    assert tab.evaluate("document.activeElement.dataset.row") == "1"  # the focus stays in the grid
    cell(tab, "input", 0, 0).focus()
    tab.keyboard.press("Enter")
    tab.keyboard.type("x7")
    tab.keyboard.press("Enter")
    box = tab.locator(".cell-editor").bounding_box()
    assert box is not None
    assert 40 < box["width"] < 120  # the whole field can be seen
    assert "not “x7”" in tab.locator(".panel-input .problem").first.inner_text()
    tab.keyboard.press("Escape")
    assert texts(tab, "input")[0] == "1"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.type("-2.5")
    tab.keyboard.press("Enter")
    assert texts(tab, "input")[1] == "-2.5"


def test_a_second_tap_on_a_cell_edits_it(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    cell(tab, "kernel", 0, 0).click()
    assert tab.locator(".cell-editor").count() == 0
    cell(tab, "kernel", 0, 0).click()
    tab.keyboard.type("9")
    tab.keyboard.press("Enter")
    assert texts(tab, "kernel")[0] == "9"


def test_the_address_holds_the_state_and_the_browser_goes_back(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    control(tab, "Stride, rows").fill("2")
    tab.get_by_label("Flip the kernel").check()
    cell(tab, "input", 0, 0).focus()
    tab.keyboard.type("5")
    tab.keyboard.press("Enter")
    cell(tab, "output", 1, 1).click()
    expected, place = outputs(tab), address(tab)
    assert "s=2x2" in place
    assert "at=0,1,1" in place
    tab.reload()
    tab.wait_for_selector(".panel-output [role=gridcell]")
    assert (outputs(tab), marked(tab, "output", "current")) == (expected, [(1, 1)])
    tab.go_back()
    tab.go_back()
    assert not tab.get_by_label("Flip the kernel").is_checked()
    assert control(tab, "Stride, rows").input_value() == "2"


HOSTILE = [
    "#k=99x99", "#s=0x0", "#x=1x1x1:NaN", "#w=1x1x3x3:1,2", "#op=<img src=x onerror=alert(1)>",
    "#__proto__=1", "#n=4096x4096&k=1x1", "#x=1x9999x9999:1", "#d=4096x4096", "#%E0%A4%A",
    "#l=" + "conv:3+" * 200, "#mode=constant:1e999", "#at=0,99,99&p=9,9,9,99999", "#=&&=",
]  # fmt: skip


def test_a_hostile_address_is_told_and_leaves_the_pages_own_state(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    for state in HOSTILE:
        tab.evaluate("(state) => { location.hash = state; }", state)
        told = tab.locator(".hash-problem")
        told.wait_for()
        assert "holds no state of this page" in told.inner_text()
        assert (len(outputs(tab)), tab.locator("img").count()) == (9, 0)
        tab.evaluate("() => { location.hash = 'bias=1'; }")
        told.wait_for(state="detached")


def test_it_plays_step_by_step_and_pauses(tab: Page, folder: Path) -> None:
    show(tab, folder, *SOBEL)
    tab.get_by_role("button", name="Play").click()
    tab.locator(".place", has_text="(2 of 9)").wait_for()
    assert tab.locator(".panel-output .cell.blank").count() > 0  # what is not yet computed
    tab.get_by_role("button", name="Pause").click()
    assert tab.locator(".panel-output .cell.blank").count() == 0
    tab.get_by_role("button", name="Next").click()
    tab.get_by_label("Position of the window").press("End")
    assert marked(tab, "output", "current") == [(2, 2)]
    assert tab.get_by_label("Position of the window").get_attribute("aria-valuetext") == (
        "row 2, column 2"
    )


def test_nothing_moves_while_stepping(tab: Page, folder: Path) -> None:
    stepped = (
        (*SOBEL, "-p", "1", "--padding-mode", "zero"),
        (SOBEL[0], "-k", "ones:3", "--transposed", "-s", "2"),  # of one product, and of four
    )
    for arguments in stepped:
        show(tab, folder, *arguments)
        places = set()
        for row, column in [(0, 0), (0, 1), (2, 2), (1, 3), (4, 4)]:
            cell(tab, "output", row, column).click()
            box = tab.locator(".share").bounding_box()
            places.add(box and box["y"] + tab.evaluate("scrollY"))
        assert len(places) == 1


def test_sums_of_several_channels_and_a_stack(tab: Page, folder: Path) -> None:
    random = np.random.default_rng(3)
    np.save(folder / "x.npy", random.integers(0, 9, (6, 6, 3)).astype(float))
    weights = random.integers(-3, 4, (2, 3, 3, 3)).astype(float)
    np.save(folder / "k.npy", weights)
    show(tab, folder, folder / "x.npy", "-k", folder / "k.npy", "--bias", "2", "-l", "maxpool:2")
    sums = [int(text.split(" = ")[1].replace(MINUS, "-")) for text in
            tab.locator(".lane-sum:visible").all_text_contents()]  # fmt: skip
    values = np.load(folder / "x.npy")[:3, :3].transpose(2, 0, 1)
    np.testing.assert_array_equal(sums, (values * weights[0]).sum(axis=(1, 2)))
    assert tab.inner_text(".result-line").endswith(f"= {sum(sums) + 2}".replace("-", MINUS))
    assert tab.locator(".stack-seen").all_text_contents() == [
        "rows 0 to 3, columns 0 to 3", "rows 0 to 1, columns 0 to 1", "row 0, column 0"
    ]  # fmt: skip
    tab.locator("#output-map").select_option("1")
    assert texts(tab, "kernel")[0] == str(int(weights[1, 0, 0, 0]))


def test_a_tap_shows_what_an_input_feeds_and_reset_brings_the_page_back(
    tab: Page, folder: Path
) -> None:
    show(tab, folder, *SOBEL)
    before = outputs(tab)
    cell(tab, "input", 2, 2).click()
    assert len(marked(tab, "output", "fed")) == 9
    tab.get_by_label("From the bank").select_option("gaussian-5x5")
    assert len(outputs(tab)) == 1
    tab.get_by_role("button", name="Reset").click()
    assert outputs(tab) == before


def test_a_large_input_is_followed_by_the_grids(tab: Page, folder: Path) -> None:
    show(tab, folder, "--h", "300", "--w", "200", "--k", "3", "--at", "150,120")
    assert marked(tab, "output", "current") == [(150, 120)]
    assert marked(tab, "input", "window") == square(150, 120)
    cell(tab, "output", 150, 120).focus()
    for _ in range(12):
        tab.keyboard.press("ArrowDown")
    assert marked(tab, "output", "current") == [(162, 120)]
    assert marked(tab, "input", "window") == square(162, 120)
    assert tab.evaluate("document.activeElement.dataset.row") == "162"


def test_many_channels_are_shown_four_at_a_time(tab: Page, folder: Path) -> None:
    np.save(folder / "x6.npy", np.arange(6 * 16.0).reshape(4, 4, 6))
    np.save(folder / "k6.npy", np.ones((1, 6, 3, 3)))
    show(tab, folder, folder / "x6.npy", "-k", folder / "k6.npy")
    assert tab.locator(".lane:visible").count() == 4
    tab.get_by_role("button", name="Channels after").click()
    assert tab.inner_text(".pager-label") == "Channels 4 to 5 of 6"
    assert tab.locator(".lane:visible").count() == 2
    before = int(outputs(tab)[0])
    cell(tab, "kernel", 0, 0).focus()  # of channel 4
    tab.keyboard.type("3")
    tab.keyboard.press("Enter")
    assert int(outputs(tab)[0]) == before + 2 * 4


def test_sizes_alone_have_no_controls_without_effect(tab: Page, folder: Path) -> None:
    show(tab, folder, "--h", "5", "--k", "3")
    for label in ("Bias", "Padding mode", "Output shown as"):
        assert control(tab, label).is_hidden()
    tab.get_by_role("button", name="Fill in numbers").click()
    assert control(tab, "Bias").is_visible()
    assert all(outputs(tab))


def test_a_page_shows_the_engines_own_numbers_first(
    tab: Page, folder: Path, tmp_path: Path
) -> None:
    show(tab, folder, *SOBEL)
    text = (folder / tab.url.rpartition("/")[2]).read_text()
    data = json.loads(text.split('id="convcli-data">')[1].split("</script>")[0])
    assert "outputs" in data
    first = json.dumps(data["outputs"])
    (tmp_path / "page.html").write_text(text.replace(first, first.replace("[[[", "[[[77", 1)))
    tab.goto((tmp_path / "page.html").as_uri())
    tab.wait_for_selector(".panel-output [role=gridcell]")
    assert outputs(tab)[0].startswith("77")
    control(tab, "Bias").fill("0.5")  # from here on, the page computes
    assert not outputs(tab)[0].startswith("77")


def test_sizes_alone_show_names_of_weights_and_no_setting_of_numbers(
    tab: Page, folder: Path
) -> None:
    show(tab, folder, "--h", "5", "--k", "3", "--p", "1")
    assert tab.inner_text("h1") == "conv:3,p=1 on 5\u00d75"
    for label in ("From the bank", "Flip the kernel", "Bias", "Padding mode", "ReLU"):
        assert tab.get_by_label(label).is_hidden()
    assert tab.locator(".copy code").last.inner_text() == (
        "y = F.conv2d(x, x.new_ones(1, 1, 3, 3), padding=1)"
    )
    rows = tab.locator(".panel-input .window").first.evaluate(
        "cell => ['rect', '.note'].map((part) => cell.querySelector(part).getBoundingClientRect())"
        ".map(({ top, bottom }) => (top + bottom) / 2)"
    )
    assert abs(rows[0] - rows[1]) < 3  # in the middle of its cell
    tab.get_by_role("button", name="Fill in numbers").click()
    assert tab.get_by_label("From the bank").is_visible()


def test_a_title_names_files_without_their_folders(tab: Page, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("1,2\n3,4\n")
    show(tab, folder, SOBEL[0], "-k", tmp_path / "own.csv")
    assert tab.inner_text("h1") == "own.csv on grid5.csv"


def test_outputs_that_a_padding_crops_are_a_rim_that_is_no_output(tab: Page, folder: Path) -> None:
    words = ("--transposed", "-s", "2", "-p", "2.1.1.0", "--output-padding", "1x1")
    show(tab, folder, SOBEL[0], "-k", "ones:3", *words)
    rows, columns = range(-2, 9), range(-1, 11)  # the sums are 11x11; the last column is added
    size = tuple(
        map(int, tab.inner_text(".panel-output .caption-detail").split()[1].split("\u00d7"))
    )
    assert size == (9, 11)
    cropped = [
        (row, column) for row in rows for column in columns
        if not (0 <= row < size[0] and 0 <= column < size[1])
    ]  # fmt: skip
    assert marked(tab, "output", "dropped") == cropped
    cell(tab, "output", 3, 3).click()
    for act in ("hover", "click"):
        getattr(cell(tab, "output", -1, 0), act)()
        assert marked(tab, "output", "current") == [(3, 3)]
    tab.keyboard.press("Escape")
    cell(tab, "output", 3, 3).click()
    tab.keyboard.press("Control+Home")
    tab.keyboard.press("ArrowUp")
    assert marked(tab, "output", "current") == [(0, 0)]
