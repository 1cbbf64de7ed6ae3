"""A page under a finger: taps, and a window that is dragged over a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.command import SAMPLES
from support.page_views import MINUS, SOBEL, cell, show

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    yield context.new_page()
    context.close()


def count(page: Page, panel: str, mark: str) -> int:
    return page.locator(f".panel-{panel} .cell.{mark}").count()


def tap(place: Locator) -> None:
    place.scroll_into_view_if_needed()
    place.tap()


def test_taps_choose_outputs_inputs_and_weights_and_a_second_one_edits(
    phone: Page, folder: Path
) -> None:
    show(phone, folder, *SOBEL)
    tap(cell(phone, "output", 2, 2))
    assert phone.inner_text(".result-line") == "Y[2, 2] = 3"
    tap(cell(phone, "input", 1, 1))
    assert count(phone, "output", "fed") == 4  # and they stay, though the finger has left
    tap(cell(phone, "kernel", 0, 0))
    assert (count(phone, "output", "fed"), count(phone, "input", "met")) == (0, 9)
    assert f"is {MINUS}1 and meets 9 inputs" in phone.inner_text(".sentence")
    tap(cell(phone, "kernel", 0, 0))
    phone.locator(".cell-editor").fill("7")
    phone.keyboard.press("Enter")
    assert phone.locator(".panel-kernel .cell .value").first.text_content() == "7"
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_finger_drags_the_window_over_a_picture(phone: Page, folder: Path) -> None:
    show(phone, folder, SAMPLES / "cat.jpg", "-k", "sharpen")
    box = phone.locator("canvas").first.bounding_box()
    assert box is not None
    session = phone.context.new_cdp_session(phone)
    places = [phone.inner_text(".place")]
    for kind, share in (("touchStart", 0.25), ("touchMove", 0.4), ("touchMove", 0.75)):
        point = {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] * share}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        told = "last => document.querySelector('.place').textContent !== last"
        phone.wait_for_function(told, arg=places[-1])  # a move comes with the next drawing
        places.append(phone.inner_text(".place"))
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert len(set(places)) == 4
    row, column = (int(word.strip(",(")) for word in places[-1].split()[1:4:2])
    assert (abs(row - 0.75 * 209) < 4, abs(column - 0.75 * 313) < 4) == (True, True)
