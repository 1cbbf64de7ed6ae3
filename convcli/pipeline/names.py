"""Where results go: slugs, output names, and what may not collide."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convcli.errors import ArgumentError
from convcli.files import STDIN, STDOUT
from convcli.images.formats import WRITTEN, format_of

TEMPLATE = "{stem}.{kernel}.png"
NUMBER_SUFFIXES = (".npy", ".csv")

_PLACES = re.compile(r"\{(stem|kernel)\}")
_NOT_IN_SLUGS = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go.

    Parameters
    ----------
    template : str, optional
        A path in which `{stem}` is the input's and `{kernel}` the kernel's name; `-` is standard
        output, None is nowhere.
    labels : tuple of str
        What stands for `{kernel}`, one for each feature map.
    force : bool
        Replace what exists.
    protected : tuple of str
        The inputs, kernel files among them, which are never replaced.
    """

    template: str | None
    labels: tuple[str, ...]
    force: bool = False
    protected: tuple[str, ...] = ()

    @property
    def is_stacked(self) -> bool:
        """Whether all maps go into one file, as its channels."""
        return self.template is not None and _suffix(self.template) == ".npy" and not self.is_named

    @property
    def is_named(self) -> bool:
        """Whether each map has a file of its own."""
        return self.template is not None and "{kernel}" in self.template

    def paths(self, source: str) -> list[str]:
        """The files that an input's maps go to, as far as they are known before it is read."""
        if self.template is None:
            return []
        return [self.path(source, label) for label in self.labels[: 1 if self.is_stacked else None]]

    def path(self, source: str, label: str) -> str:
        """The file that one map of an input goes to."""
        stem = "stdin" if source == STDIN else Path(source).stem
        words = {"stem": stem, "kernel": label}
        return _PLACES.sub(lambda place: words[place[1]], self.template or "")


def check_target(target: Target, sources: Sequence[str]) -> None:
    """Refuse a target that cannot hold what goes there, before any file is opened.

    Raises
    ------
    ArgumentError
        For an unknown suffix, for several maps or inputs with one name.
    """
    template = target.template
    if template is None:
        return
    if template != STDOUT and _suffix(template) not in (*WRITTEN, *NUMBER_SUFFIXES):
        known = ", ".join((*WRITTEN, *NUMBER_SUFFIXES))
        raise ArgumentError(f"output {template!r}: its suffix must be one of {known}")
    if len(target.labels) > 1 and not (target.is_named or target.is_stacked):
        raise ArgumentError(
            f"output {template!r} is one file for {len(target.labels)} kernels; put {{kernel}} in "
            "its name, or give --combine"
        )
    taken: dict[str, str] = {}
    for source in sources:
        for path in target.paths(source):
            place = path if path == STDOUT else os.path.realpath(path)
            other = taken.setdefault(place, source)
            if other != source or sources.count(source) > 1:
                raise ArgumentError(
                    f"{other} and {source} would both be written to {path}; "
                    "put {stem} in the output's name, or filter them one by one"
                )


def format_name(path: str) -> str:
    """The format that a path asks for: a picture's, ".npy" or ".csv"; PNG on standard output."""
    return "PNG" if path == STDOUT else format_of(path) or _suffix(path)


def slug(name: str) -> str:
    """A name with everything but letters, digits, `.`, `_` and `-` turned into `-`.

    >>> slug("gaussian:1.5")
    'gaussian-1.5'
    """
    return _NOT_IN_SLUGS.sub("-", name)


def distinct(slugs: Sequence[str]) -> tuple[str, ...]:
    """Number what stands there more than once.

    >>> distinct(["blur", "blur", "sharpen"])
    ('blur', 'blur-2', 'sharpen')
    """
    found: list[str] = []
    for one in slugs:
        label, count = one, 1
        while label in found:
            count += 1
            label = f"{one}-{count}"
        found.append(label)
    return tuple(found)


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()
