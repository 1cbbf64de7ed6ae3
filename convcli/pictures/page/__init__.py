"""The interactive page: one HTML file that computes a convolution in the browser.

The page is `page.html`, its style `page.css`, and its program the modules `*.js`, which are
joined to one script. They compute everything themselves (`arithmetic.js`); what a page shows first
is data. Names and values are text everywhere: the data are JSON without a character that HTML would
read, and the page's policy runs no other script than its own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from convcli.pictures.page.script import join_modules
from convcli.pictures.page.state import PageState

MAIN = "main.js"
STYLES = ("page.css", "picture.css")
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def make_page(state: PageState, *, version: str) -> bytes:
    """Return the HTML file that shows a state, in UTF-8.

    Parameters
    ----------
    state : PageState
    version : str
        Of the program that makes it.
    """
    style, script = make_style(), make_script()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_read("page.html")).substitute(
        policy=policy, title=html.escape(state.title), version=html.escape(version), style=style,
        script=script, data=format_data({"version": version, **state.make_data()}),
    )  # fmt: skip
    return page.encode("utf-8", "replace")


def format_data(data: Any) -> str:
    r"""Return JSON that HTML reads as nothing but text, whatever is in it.

    >>> format_data({"name": "</script><!--\u2028"})
    '{"name": "\\u003c/script\\u003e\\u003c!--\\u2028"}'
    """
    return json.dumps(data, allow_nan=False).translate(_ESCAPES)


@cache
def make_script() -> str:
    """Return the program of every page."""
    return join_modules(_read, MAIN)


@cache
def make_style() -> str:
    """Return the style of every page, without comments and indentation."""
    text = re.sub(r"/\*.*?\*/", "", "".join(map(_read, STYLES)), flags=re.DOTALL)
    return "\n".join(["", *filter(None, map(str.strip, text.splitlines())), ""])


@cache
def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return a source of a content security policy: the digest of an element's text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
