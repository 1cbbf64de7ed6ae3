"""Where results go: slugs, output names, and what may not collide."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from convcli.errors import ArgumentError
from convcli.files import STDIN, STDOUT
from convcli.images import ANIMATED
from convcli.images.formats import WRITTEN, format_of

DEFAULT_TEMPLATE = "{stem}.{kernel}.png"
NUMBER_SUFFIXES = (".npy", ".csv")

_ANY_PLACE = re.compile(r"\{\w*\}")
_PLACES = re.compile(r"\{(stem|kernel)\}")
_NOT_IN_SLUGS = re.compile(r"[^A-Za-z0-9._-]+")


def _nothing(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class OutputTarget:
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
    png_level : int, optional
        How hard PNG is compressed, 0 to 9, as zlib has it; as suits photographs where left out.
    keep_existing : callable
        Says of the file of a channel that it is to stay as it is, for a run that was broken off.
    """

    template: str | None
    labels: tuple[str, ...]
    force: bool = False
    protected: tuple[str, ...] = ()
    png_level: int | None = None
    keep_existing: Callable[[str], bool] = _nothing

    @property
    def is_stacked(self) -> bool:
        """Whether all maps go into one file, as its channels."""
        return self.template is not None and _suffix(self.template) == ".npy" and not self.is_named

    @property
    def draws(self) -> bool:
        """Whether what is written are pictures."""
        return self.template is not None and format_name(self.template) not in NUMBER_SUFFIXES

    @property
    def can_hold_frames(self) -> bool:
        """Whether an output can hold several frames."""
        return self.template is not None and format_name(self.template) in ANIMATED

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
        words = {"stem": _stem(source), "kernel": label}
        return _PLACES.sub(lambda place: words[place[1]], self.template or "")

    def channel_paths(self, source: str, label: str) -> Iterator[str]:
        """The files of a map that goes into several, a channel each: without end, or none.

        There are none where one file holds any map, or where another map has the name of one.
        """
        splits = self.is_named and _suffix(self.template or "") != ".npy"
        if splits and channel_label(label, 0) not in self.labels:
            for channel in count():
                yield self.path(source, channel_label(label, channel))


def validate_target(target: OutputTarget, sources: Sequence[str]) -> None:
    """Refuse a target that cannot hold what goes there, before any file is opened.

    Raises
    ------
    ArgumentError
        For an unknown suffix, for several maps or inputs with one name.
    """
    template = target.template
    if template is None:
        return
    unknown = _ANY_PLACE.findall(_PLACES.sub("", template))
    if unknown:
        raise ArgumentError(f"output {template!r}: {unknown[0]} is neither {{stem}} nor {{kernel}}")
    if template != STDOUT and _suffix(template) not in (*WRITTEN, *NUMBER_SUFFIXES):
        known = ", ".join((*WRITTEN, *NUMBER_SUFFIXES))
        raise ArgumentError(f"output {template!r}: its suffix must be one of {known}")
    if len(target.labels) > 1 and not (target.is_named or target.is_stacked):
        raise ArgumentError(
            f"output {template!r} is one file for {len(target.labels)} kernels; put {{kernel}} in "
            "its name, or give --combine"
        )
    taken: dict[str, tuple[int, str]] = {}
    for number, source in enumerate(sources):
        for path in target.paths(source):
            place = path if path == STDOUT else os.path.realpath(path)
            first, other = taken.setdefault(place, (number, source))
            if first != number:
                raise ArgumentError(_collision(target, other, source, path))


def _collision(target: OutputTarget, one: str, other: str, path: str) -> str:
    """Two inputs for one output, and what helps."""
    if one == other:
        return f"{one} is given twice, for one {path}; give it once"
    if "{stem}" not in (target.template or ""):
        advice = "put {stem} in the output's name"
    elif _stem(one) == _stem(other):
        advice = (
            f"both have the {{stem}} {_stem(one)!r}: filter them apart, with an --output-dir each"
        )
    else:
        advice = "give the output another name"
    return f"{one} and {other} would both be written to {path}; {advice}"


class OverwriteGuard:
    """The inputs that each input's outputs must not replace: few, of however many there are.

    Looking at all of them for each would take hours for a folder of a hundred thousand.

    Parameters
    ----------
    target : Target
    sources : sequence of str
        The inputs.
    others : sequence of str
        What is written beside the target.
    """

    def __init__(
        self, target: OutputTarget, sources: Sequence[str], others: Sequence[str] = ()
    ) -> None:
        self._target = target
        files = [source for source in sources if source != STDIN]
        outputs = chain(others, *map(target.paths, sources))
        folders = {os.path.realpath(Path(path).parent) for path in outputs}
        self._inputs = {os.path.realpath(source): source for source in files}
        self._inputs |= _links(folders, files)
        unforeseen = _channel_names(target)
        self._unforeseen = tuple(
            source for name, source in self._inputs.items() if unforeseen.search(name)
        )

    def target(self, source: str, *others: str) -> OutputTarget:
        """The target of one input, which writes others as well."""
        paths = [os.path.realpath(path) for path in (*self._target.paths(source), *others)]
        met = (self._inputs[path] for path in paths if path in self._inputs)
        protected = (*self._target.protected, source, *met, *self._unforeseen)
        return replace(self._target, protected=tuple(dict.fromkeys(protected)))


def _links(folders: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """What is in folders, and is one of the files, by whatever name."""
    found: dict[str, str] = {}
    known: dict[tuple[int, int], str] = {}
    for path in files:
        with suppress(OSError, ValueError):
            status = Path(path).stat()
            known[status.st_dev, status.st_ino] = path
    for folder in folders:
        with suppress(OSError, ValueError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    if (status.st_dev, status.st_ino) in known:
                        found[entry.path] = known[status.st_dev, status.st_ino]
    return found


def _channel_names(target: OutputTarget) -> re.Pattern[str]:
    """The names of files that hold a channel of a map, of which nobody knows before it is made."""
    if not target.is_named:
        return re.compile(r"(?!)")  # none
    labels = "|".join(map(re.escape, target.labels))
    words = {"stem": ".*", "kernel": rf"(?:{labels})-\d+"}
    parts = _PLACES.split(Path(target.template or "").name)
    name = "".join(words[one] if place % 2 else re.escape(one) for place, one in enumerate(parts))
    return re.compile(rf"(?:^|[/\\]){name}$", re.DOTALL)


def channel_label(label: str, channel: int) -> str:
    """What stands for `{kernel}` in the name of a file that holds one channel of a map."""
    return f"{label}-{channel}"


def format_name(path: str) -> str:
    """The format that a path asks for: a picture's, ".npy" or ".csv"; PNG on standard output."""
    return "PNG" if path == STDOUT else format_of(path) or _suffix(path)


def slugify(name: str) -> str:
    """A name with everything but letters, digits, `.`, `_` and `-` turned into `-`.

    >>> slug("gaussian:1.5")
    'gaussian-1.5'
    """
    return _NOT_IN_SLUGS.sub("-", name)


def number_duplicates(slugs: Sequence[str]) -> tuple[str, ...]:
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


def _stem(source: str) -> str:
    return "stdin" if source == STDIN else Path(source).stem


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()
