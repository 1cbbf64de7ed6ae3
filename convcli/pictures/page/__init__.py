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

from convcli.pictures.page.state import PageState

MAIN = "main.js"
STYLES = ("page.css", "picture.css")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
# Lines of comments and empty ones, and indentation; no module has a text of several lines.
_BLANK = re.compile(
    r"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/[ \t]*\n|//[^\n]*\n|\n)|^[ \t]+", re.MULTILINE | re.DOTALL
)
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def make_page(state: PageState, *, version: str) -> bytes:
    """Return the HTML file that shows a state, in UTF-8.

    Parameters
    ----------
    state : PageState
    version : str
        Of the program that makes it.
    """
    style, script = "\n" + "\n".join(map(_read, STYLES)), join_modules()
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
def join_modules(main: str = MAIN) -> str:
    """Return a module and what it imports as one script, without comments.

    Each module becomes a function that runs once, after those that it imports, and returns its
    exports, so that names of two modules never meet.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = _read(name)
        for _, imported in _IMPORT.findall(text):
            if imported not in parts:
                add(imported)
        parts[name] = _wrap_module(name, text)

    add(main)
    script = "\n" + "\n".join(parts.values())
    if re.search(r"</script|<!--|^\s*(import|export)\b", script, re.IGNORECASE | re.MULTILINE):
        raise ValueError("the page's modules hold what HTML or this joining would misread")
    return script


def _wrap_module(name: str, text: str) -> str:
    """Return a module as a constant of its exports."""
    exports = ", ".join(_EXPORT.findall(text))
    body = _BLANK.sub("", text)
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_constant(found[2])};\n", body)
    body = _EXPORT.sub("", body)
    return f"const {_constant(name)} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"


def _constant(name: str) -> str:
    return f"${name.removesuffix('.js')}"


@cache
def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return a source of a content security policy: the digest of an element's text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
