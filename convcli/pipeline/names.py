"""The names of output files: templates, whose fields stand for parts of the input's path."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence

from convcli.errors import ArgumentError, did_you_mean
from convcli.files import STDIN
from convcli.files.paths import real_path, split_name

KERNEL_FIELD = "kernel"
EXT_SUFFIX = ".{ext}"  # of a template: the format is that of each input

_ANY_FIELD = re.compile(r"\{(\w*)\}")
_NOT_IN_SLUGS = re.compile(r"[^A-Za-z0-9._-]+")


def stem(source: str) -> str:
    """Return the value of `{stem}`: the input's name without its suffix.

    >>> stem("photos/my.cat.jpg"), stem("-")
    ('my.cat', 'stdin')
    """
    return "stdin" if source == STDIN else split_name(source)[0]


def folder(source: str) -> str:
    """Return the value of `{dir}`: the folder that was typed; "." for none, and standard input.

    >>> folder("photos/2024/cat.jpg"), folder("cat.jpg"), folder("/cat.jpg"), folder("-")
    ('photos/2024', '.', '/', '.')
    """
    from pathlib import Path

    return str(Path(source).parent)


def parent(source: str) -> str:
    """Return the value of `{parent}`: the name of the input's folder; "." for the root folder.

    It is the last part of `{dir}`. That of "." and ".." is the name of the folder itself.

    >>> parent("photos/2024/cat.jpg"), parent("/cat.jpg")
    ('2024', '.')
    """
    from pathlib import Path

    name = Path(folder(source)).name
    if name in ("", os.pardir):
        name = Path(real_path(folder(source))).name
    return name or os.curdir


def extension(source: str) -> str:
    """Return the value of `{ext}`: the input's suffix without its dot; empty for none.

    >>> extension("photos/my.cat.JPG"), extension("photos.d/cat"), extension("-")
    ('JPG', '', '')
    """
    return "" if source == STDIN else split_name(source)[1][1:]


INPUT_FIELDS: Mapping[str, Callable[[str], str]] = {
    "stem": stem, "dir": folder, "parent": parent, "ext": extension
}  # fmt: skip
FIELDS = ("stem", KERNEL_FIELD, *(name for name in INPUT_FIELDS if name != "stem"))


def check_fields(template: str, what: str, known: Sequence[str]) -> None:
    """Refuse fields in a template that are none.

    Raises
    ------
    ArgumentError
        With the first of them, and those that there are.
    """
    for name in _ANY_FIELD.findall(template):
        if name not in known:
            fields = ", ".join(f"{{{field}}}" for field in known)
            hint = did_you_mean(name, known)
            raise ArgumentError(f"{what} {template!r}: {{{name}}} is none of {fields}{hint}")


def input_values(template: str, source: str) -> dict[str, str]:
    """Return the values of the fields in a template that depend on the input."""
    names = INPUT_FIELDS.keys() & _ANY_FIELD.findall(template)
    return {name: INPUT_FIELDS[name](source) for name in names}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values for the fields of a template; what has none stays.

    >>> fill("{stem}-{kernel}.png", {"stem": "{kernel}", "kernel": "blur"})
    '{kernel}-blur.png'
    """
    return _ANY_FIELD.sub(lambda field: values.get(field[1], field[0]), template)


def make_pattern(template: str, patterns: Mapping[str, str]) -> re.Pattern[str]:
    """Return a pattern of the paths whose last part a template can name.

    Parameters
    ----------
    template : str
    patterns : mapping of str to str
        Those of fields; any other field stands for any text.
    """
    from pathlib import Path

    pieces = _ANY_FIELD.split(Path(template).name)  # text, field, text, field ...
    name = "".join(
        patterns.get(piece, ".*") if index % 2 else re.escape(piece)
        for index, piece in enumerate(pieces)
    )
    return re.compile(rf"(?:^|[/\\]){name}$", re.DOTALL)


def slugify(name: str) -> str:
    """Replace all characters but letters, digits, `.`, `_` and `-` by `-`.

    >>> slugify("gaussian:1.5")
    'gaussian-1.5'
    """
    return _NOT_IN_SLUGS.sub("-", name)


def number_duplicates(names: Sequence[str]) -> tuple[str, ...]:
    """Make names distinct by numbers.

    >>> number_duplicates(["blur", "blur", "sharpen"])
    ('blur', 'blur-2', 'sharpen')
    """
    distinct: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        distinct.append(next(n for n in itertools.chain([name], numbered) if n not in distinct))
    return tuple(distinct)
