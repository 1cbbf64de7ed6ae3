"""A browser for the tests of pages: Chromium as the system has it, driven by playwright.

Where `CONVCLI_PEERS` requires the libraries of the extra `dev`, no test that needs a browser may
be skipped, either.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from support.peers import REQUIRED, require_peer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
HOST = "http://convcli.test"  # answered by `serve_modules` alone
TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html"}


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium, or skip the test that needs it."""
    playwright = require_peer("playwright.sync_api")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        assert not REQUIRED, "there is no Chromium, and CONVCLI_PEERS requires it"
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def serve_modules(page: Page) -> None:
    """Answer for `HOST` with the modules of pages, and open an empty page there."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{HOST}/")
        kind = TYPES[name.rpartition(".")[2] or "html"]
        body = files("convcli.pictures.page").joinpath(name).read_bytes() if name else b""
        route.fulfill(body=body, content_type=kind)

    page.route(f"{HOST}/**", answer)
    page.goto(f"{HOST}/")


def call(page: Page, module: str, function: str, calls: list[list[Any]]) -> list[Any]:
    """Call a function of a module with each list of arguments; `page` has `serve_modules`."""
    program = """async ([module, name, calls]) => {
        const exports = await import("/" + module);
        const results = JSON.parse(calls).map((values) => exports[name](...values));
        const write = (_, value) => (value === -Infinity ? "-Infinity" : value);
        return JSON.stringify(results, write);
    }"""
    text = page.evaluate(program, [module, function, json.dumps(calls)])  # quicker than as values
    found: list[Any] = json.loads(text.replace('"-Infinity"', "-Infinity"))
    return found
