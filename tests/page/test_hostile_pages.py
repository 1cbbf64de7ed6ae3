"""Names and values on a page are text, whatever is in them: nothing of them runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from support.command import here

from convcli.pictures.page import format_data

if TYPE_CHECKING:
    from playwright.sync_api import Page

SLOW = pytest.mark.slow
NAMES = [
    "<img src=x onerror=alert(1)>.csv",
    '"><svg onload=alert(2)>.csv',
    "'-alert(3)-'.csv",
    "<!--.csv",
    "<!-- <script>.csv",
    "]]>&lt;script&gt;.csv",
    "\u2028alert(4)\u2029.csv",
    "${alert(5)}`.csv",
    "$policy$$.csv",
    "</script><script>alert(6)</script>.csv",  # of folders, too
    "\\u003cscript>.csv",
    "\udcff\u202e.csv",
    "a\nb\x1b[31m.csv",
]
HASHES = [
    "<script>alert(1)</script>", "javascript:alert(1)", "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    "op=<svg onload=alert(1)>", "x=1x1x1:1e999", "w=1x1x1x1:NaN", "__proto__=1", "constructor=1",
    "k=9999999x9999999", "n=4000x4000", "l=conv:kernel=%3Cb%3E", "mode=constant:1e400", "%", "&&==",
    "x=99999x99999x99999:1", "s=0x0", "d=-1x3", "at=9,9,9", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", [*NAMES, "</SCRIPT >", "\x00", "\ud800"])
def test_data_are_json_in_which_html_reads_nothing(text: str) -> None:
    written = format_data({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert written.isascii()
    assert not set("<>&\n\r") & set(written)


@pytest.mark.browser
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=SLOW) for part in (1, 2, 3))])
def test_names_of_inputs_and_kernels_are_shown_and_never_run(
    tmp_path: Path, tab: Page, part: int
) -> None:
    for index, name in enumerate(NAMES[part::4]):
        path = tmp_path / str(index) / name
        path.parent.mkdir(parents=True)
        path.write_text("1,2,3\n4,5,6\n7,8,9\n")
        done = here("page", path, "-k", path, "-f", "-o", "page.html", cwd=tmp_path)
        assert done.code == 0, done.stderr
        tab.goto((tmp_path / "page.html").as_uri())
        data = tab.evaluate("JSON.parse(document.getElementById('convcli-data').textContent)")
        assert data["spec"].encode(errors="replace") == str(path).encode(errors="replace")
        assert tab.evaluate("document.scripts.length") == 2
        assert tab.locator("[onerror], [onload], main script, main img").count() == 0
        assert tab.locator("#page > *").count() > 0


@pytest.mark.browser
def test_no_address_runs_anything_or_breaks_the_page(tmp_path: Path, tab: Page) -> None:
    done = here("page", "--h", "6", "--k", "3", "-f", "-o", "page.html", cwd=tmp_path)
    assert done.code == 0
    address = (tmp_path / "page.html").as_uri()
    for index, text in enumerate(HASHES):
        if index % 4:
            tab.evaluate("text => { location.hash = text; }", text)
        else:
            tab.goto("about:blank")
            tab.goto(f"{address}#{quote(text, errors='replace')}")
        assert tab.evaluate("document.scripts.length") == 2
        assert tab.locator("[onerror], [onload], main script, main img").count() == 0
        assert tab.locator("#page > *").count() > 0
