"""JavaScript made shorter: without comments and blanks, and with short names for its own ones.

It takes what the modules of a page are written in: statements that end in semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, pairwise, product
from string import ascii_letters

from convcli.records import NamedTuple

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*) | (?P<space>\s+) | (?P<word>[A-Za-z_$\#][\w$]*)
    | \d[\w.]* | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
    | \?\?= | \*\*= | \.\.\. | [=!]== | => | \?\. | \?\? | && | \|\| | \+\+ | -- | \*\*
    | [-+*/%&|^<>=!]= | .""",
    re.VERBOSE | re.DOTALL,
)
_PATTERN = re.compile(r"/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_TEMPLATE = re.compile(r"[`}](?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)", re.DOTALL)
# After these a slash begins a regular expression.
_OPERATOR = re.compile(r"[-(,=:\[!&|?{};+*%<>~^]\Z|\A(?:return|typeof|case|in|of)\Z")
_OPEN_ENDS = "{;,([=:?&|+-*<>"  # after which a line ends no statement
_DECLARATIONS = ("const", "let", "function", "class")
_CLOSES = (")", "]", "}")
# Words of the language, and what a browser has by these names.
_RESERVED = (
    "as await break case catch class const continue default delete do else export extends false "
    "finally for from function get if import in instanceof let new null of return set static super "
    "switch this throw true try typeof undefined var void while with yield async arguments "
    "close document event history location name navigator open parent print screen self status "
    "stop top window"
)


class Token(NamedTuple):
    """A token, with the kind of bracket it lies in: "(", "[", "{", "class" or "`"."""

    text: str
    is_word: bool
    has_line: bool  # a line ends before it
    bracket: str


def shorten(text: str, names: Iterable[str] = ()) -> tuple[str, Mapping[str, str]]:
    r"""Return a module without what only people read, and the new names of those that it declares.

    Parameters
    ----------
    text : str
        JavaScript.
    names : iterable of str
        Other names that may be new ones: what the module imports.

    Examples
    --------
    >>> shorten("// one\nconst half = (side) => side / 2; use({ half: half(`${ half( 3 ) } 4`) });")
    ('const a=(side)=>side/2;use({half:a(`${a(3)} 4`)});', {'half': 'a'})
    """
    tokens = list(_tokenize(text))
    declared = {
        token.text
        for before, token in pairwise(tokens)
        if token.is_word and before.text in _DECLARATIONS
    }
    new = _choose_names(tokens, declared.union(names))
    parts: list[str] = []
    last = ""
    for index, token in enumerate(tokens):
        word = token.text
        if token.is_word and word in new and not _is_property(tokens, index):
            word = new[word]
        parts += _separate(last, word, has_line=token.has_line), word
        last = word
    return "".join(parts), new


def _separate(last: str, text: str, *, has_line: bool) -> str:
    """Return what has to stand between two tokens."""
    if not last:
        return ""
    is_open = last[-1] in _OPEN_ENDS and last not in ("++", "--")
    if has_line and not is_open and text[0] not in "}).,:?":
        return "\n"
    joins = _is_word(last[-1]) and _is_word(text[0])
    return " " if joins or last[-1] + text[0] in ("++", "--") else ""


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "_$#"


def _choose_names(tokens: list[Token], declared: set[str]) -> dict[str, str]:
    """Return a new name for each that can have one; all others keep theirs.

    A name is given up for its module as a whole, wherever it is declared, so that one that stands
    for two things still does.
    """
    kept = set(_RESERVED.split())
    uses = dict.fromkeys(declared, 0)
    for index, token in enumerate(tokens):
        if token.text in uses and token.is_word and not _is_property(tokens, index):
            uses[token.text] += 1
            if _may_be_property(tokens, index):
                kept.add(token.text)
    taken = {token.text for token in tokens if token.is_word} | kept
    free = (name for name in _list_names() if name not in taken)
    most_used = sorted(uses, key=lambda name: (-uses[name], name))
    return {name: name if name in kept else next(free) for name in most_used}


def _list_names() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(ascii_letters, repeat=length))


def _is_property(tokens: list[Token], index: int) -> bool:
    """Whether a word names a property: behind a dot, or as the key of an object."""
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if before in (".", "?."):
        return True
    if tokens[index].bracket == "class":
        return before != "extends"
    return tokens[index].bracket == "{" and before in ("{", ",") and after == ":"


def _may_be_property(tokens: list[Token], index: int) -> bool:
    """Whether a word may be a property and a variable at once: `{ size }`, or `{ draw() {} }`."""
    if tokens[index].bracket != "{":
        return False
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return before in ("{", ",", "get", "set", "async") and after in (",", "}", "=", "(")


def _tokenize(text: str) -> Iterator[Token]:
    """Yield the tokens that mean something; a template is its parts between values."""
    brackets = [""]  # that are open, the innermost last
    last, has_line, is_class, position = ";", False, False, 0
    while position < len(text):
        found = _match(text, position, last, brackets[-1])
        word, kind, position = found[0], found.lastgroup, found.end()
        if kind in ("comment", "space"):
            has_line = has_line or "\n" in word
            continue
        if word in _CLOSES or (brackets[-1] == "`" and word[0] == "}"):
            brackets.pop()
        yield Token(word, kind == "word", has_line, brackets[-1])
        if word[0] in "`}" and word.endswith("${"):
            brackets.append("`")
        elif word in ("(", "[", "{"):
            brackets.append("class" if word == "{" and is_class else word)
        is_class = word == "class" or (is_class and kind == "word")
        last, has_line = word, False


def _match(text: str, position: int, last: str, bracket: str) -> re.Match[str]:
    """Match what comes after a token: a part of a template, a regular expression, or a token."""
    found = None
    if text[position] == "`" or (text[position] == "}" and bracket == "`"):
        found = _TEMPLATE.match(text, position)
    elif _OPERATOR.search(last):
        found = _PATTERN.match(text, position)
    found = found or _TOKEN.match(text, position)
    if found is None:
        raise ValueError(f"no JavaScript: {text[position : position + 20]!r}")
    return found
