"""What a user takes along from a page: copies, and the state that the address holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.page_views import SOBEL, cell, control, show

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_command_is_copied_as_it_is_shown(tab: Page, folder: Path, is_allowed: bool) -> None:
    show(tab, folder, *SOBEL)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not is_allowed:  # as in a frame of another page
        refuse = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
        tab.evaluate(refuse)
    for name, start in (
        ("Copy the command", "convcli explain "),
        ("Copy the PyTorch line", "y = "),
    ):
        tab.get_by_role("button", name=name).click()
        tab.get_by_role("button", name="Copied").wait_for()
        tab.get_by_role("button", name=name).wait_for()
        copied = tab.locator(".copy code", has_text=start).inner_text()
        control(tab, "Bias").focus()
        tab.keyboard.press("Control+a")
        tab.keyboard.press("Control+v")
        assert control(tab, "Bias").input_value() == copied
        control(tab, "Bias").fill("0")


def test_the_page_says_where_its_address_does_not_hold_the_numbers(
    tab: Page, folder: Path, tmp_path: Path
) -> None:
    np.savetxt(tmp_path / "large.csv", np.arange(60 * 60).reshape(60, 60), "%d", ",")
    show(tab, folder, tmp_path / "large.csv", "-k", "sobel-x")
    said = tab.get_by_text("The address of this page does not hold these numbers")
    control(tab, "Bias").fill("1")
    assert said.is_hidden()
    cell(tab, "input", 0, 0).focus()
    tab.keyboard.type("5")
    tab.keyboard.press("Enter")
    assert said.is_visible()
    tab.get_by_role("button", name="Reset all").click()
    assert said.is_hidden()
    tab.get_by_role("button", name="Clear the numbers").click()
    assert said.is_hidden()


def test_a_picture_that_was_opened_is_said_not_to_be_in_the_address(
    tab: Page, folder: Path, tmp_path: Path
) -> None:
    for name, side in (("own", 8), ("other", 70)):
        noise = np.random.default_rng(side).integers(0, 256, (side, side)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    show(tab, folder, tmp_path / "own.png", "-k", "sobel-x")
    tab.set_input_files("input[type=file]", tmp_path / "other.png")
    tab.locator(".summary", has_text="Input 70").wait_for()
    assert tab.get_by_text("The address of this page does not hold these numbers").is_visible()
