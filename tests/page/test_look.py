"""How a page looks: contrast, widths, motion, print, and the step as a file."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.command import SAMPLES
from support.page_views import MINUS, SOBEL, cell, control, show

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PADDED = (*SOBEL, "-p", "1", "--padding-mode", "zero")

# The colors of every text that can be seen, with the color behind it.
READ_COLORS = """() => {
  const isClear = (color) => color === "rgba(0, 0, 0, 0)" || color === "transparent";
  const behind = (element) => {
    const cell = element.closest(".cell");
    if (cell) return getComputedStyle(cell.querySelector("rect")).fill;
    for (let box = element; box; box = box.parentElement) {
      const color = getComputedStyle(box).backgroundColor;
      if (!isClear(color)) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    const box = element.getBoundingClientRect();
    if (!texts.length || box.width < 2) continue;
    if (element.closest("script, style, noscript, option, .unseen, :disabled")) continue;
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    found.push({
      text: texts[0].data.trim(), color: isDrawn ? style.fill : style.color,
      behind: behind(element),
    });
  }
  return found;
}"""


def luminance(color: str) -> float:
    """The relative luminance of an rgb(...) color, by WCAG 2.2."""
    levels = np.array([float(part) for part in re.findall(r"[\d.]+", color)[:3]]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_aa(tab: Page, folder: Path, scheme: Any) -> None:
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    show(tab, folder, *PADDED, "-l", "maxpool:2")
    for panel in ("output", "input", "kernel"):
        cell(tab, panel, 1, 1).hover()
        control(tab, "Bias").fill("x" if panel == "kernel" else "0")
        found = tab.evaluate(READ_COLORS)
        assert len(found) > 150
        low = [
            item for item in found
            if contrast(item["color"], item["behind"]) < 4.5
        ]  # fmt: skip
        assert low == []


@pytest.mark.parametrize(
    "arguments",
    [
        PADDED,
        ("--h", "40", "--w", "90", "--k", "11x3", "--d", "2"),
        pytest.param(
            (SAMPLES / "cat.jpg", "-k", "gaussian:9:3", "--at", "30,40"), marks=pytest.mark.slow
        ),
    ],
)
def test_no_width_scrolls_or_has_targets_too_small(
    tab: Page, folder: Path, arguments: tuple[Any, ...]
) -> None:
    show(tab, folder, *arguments)
    for width in (360, 768, 1280, 1920):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(60)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        sizes = tab.locator(".panel-output .cell.current, button:visible").evaluate_all(
            "all => all.map((one) => one.getBoundingClientRect())"
            ".map(({ width, height }) => Math.min(width, height))"
        )
        assert min(sizes) >= 24


def test_it_follows_a_change_of_width(tab: Page, folder: Path) -> None:
    show(tab, folder, *PADDED)
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.wait_for_timeout(200)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    input_box, output_box = (
        tab.locator(f".panel-{name}").first.bounding_box() for name in ("input", "output")
    )
    assert input_box is not None
    assert output_box is not None
    assert output_box["y"] > input_box["y"] + input_box["height"] / 2  # below, not beside


def test_reduced_motion_and_print(tab: Page, folder: Path) -> None:
    show(tab, folder, *PADDED)
    duration = "getComputedStyle(document.querySelector('.cell rect')).transitionDuration"
    assert "0.12s" in tab.evaluate(duration)
    tab.emulate_media(reduced_motion="reduce")
    assert tab.evaluate(duration) == "0s"
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.locator(".controls").is_hidden()
    assert tab.locator(".panel-output").is_visible()
    # A flexible box or a grid that goes on on another sheet is drawn over what comes after it.
    boxes = tab.locator(".work, .stage:not(.is-row)")
    kinds = boxes.evaluate_all("all => all.map((one) => getComputedStyle(one).display)")
    assert set(kinds) == {"block"}
    body = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert body == "rgb(255, 255, 255)"


def test_the_step_is_saved_as_an_svg_that_stands_alone(
    tab: Page, folder: Path, tmp_path: Path
) -> None:
    show(tab, folder, *PADDED)
    cell(tab, "output", 1, 2).click()
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Save the step as SVG").click()
    assert waiting.value.suggested_filename == "step-1-2.svg"
    waiting.value.save_as(tmp_path / "step.svg")
    root = ET.parse(tmp_path / "step.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    assert f"×{MINUS}2" in texts
    assert "Y[1, 2] = 0" in texts
    assert root.findtext(f"{space}title") == "sobel-x on grid5.csv, output 1, 2"
    assert len(list(root.iter(f"{space}rect"))) == 1 + 49 + 9 + 9 + 25
    assert not any("class" in node.attrib or "style" in node.attrib for node in root.iter())
    assert all("var(" not in value for node in root.iter() for value in node.attrib.values())
