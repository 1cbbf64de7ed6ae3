from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browser import open_browser, serve_modules

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a process."""
    with open_browser() as started:
        yield started


@pytest.fixture(scope="session")
def modules(browser: Browser) -> Iterator[Page]:
    """An empty page on which `support.browser.call` calls the functions of modules."""
    page = browser.new_page()
    serve_modules(page)
    yield page
    page.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pages that several tests open are written once."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A new tab, in which anything that a page says to the console, and any error, fails."""
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:", "blob:"))
            else faults.append(f"request: {request.url}")
        ),
    )
    yield page
    context.close()
    assert faults == []
