"""Pages as a person opens them, and the parts of one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from support.command import SAMPLES, here

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

MINUS = "\u2212"
SOBEL = (SAMPLES / "grid5.csv", "-k", "sobel-x")


def show(tab: Page, folder: Path, *arguments: str | Path, state: str = "") -> None:
    """Open the page that a command writes."""
    page = folder / f"{hashlib.md5(repr(arguments).encode()).hexdigest()}.html"
    if not page.exists():
        done = here("page", *arguments, "-o", page.name, cwd=folder)
        assert (done.code, done.stdout) == (0, b""), done.stderr
    tab.goto(page.as_uri() + state)
    tab.wait_for_selector(".panel-output [role=gridcell]")


def cell(tab: Page, panel: str, row: int, column: int) -> Locator:
    return tab.locator(f".panel-{panel} [data-row='{row}'][data-column='{column}']").first


def control(tab: Page, label: str) -> Locator:
    return tab.get_by_label(label, exact=True)
