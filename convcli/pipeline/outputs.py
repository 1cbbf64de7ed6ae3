"""Output files: their names, their labels, and inputs that they must not replace."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from convcli.errors import ArgumentError, ShapeError
from convcli.files import STDIN, STDOUT
from convcli.files.output import check_output
from convcli.files.paths import real_path
from convcli.files.restriction import is_allowed
from convcli.grids import NUMBER_SUFFIXES
from convcli.images.formats import (
    DEFAULT_ENCODING,
    FORMATS,
    IMAGE_SUFFIXES,
    EncoderSettings,
)

DEFAULT_SUFFIX = ".png"
DEFAULT_NAME = "{stem}.{kernel}"
DEFAULT_TEMPLATE = f"{DEFAULT_NAME}{DEFAULT_SUFFIX}"
TIFF_SUFFIX = ".tif"  # by default of what PNG cannot hold, or few readers of PNG know
OUTPUT_SUFFIXES = (*IMAGE_SUFFIXES, *NUMBER_SUFFIXES)
MAIN_SUFFIXES = (  # without others of the same formats
    *(record.suffixes[0] for record in FORMATS.values() if record.suffixes),
    *NUMBER_SUFFIXES,
)
IMAGE_CHANNELS = (1, 3)  # gray, RGB
MAX_FILES_PER_MAP = 1024  # one for each channel

_ANY_FIELD = re.compile(r"\{\w*\}")
_FIELDS = re.compile(r"\{(stem|kernel)\}")
_NOT_IN_SLUGS = re.compile(r"[^A-Za-z0-9._-]+")


def _never(_: str) -> bool:
    return False


class OutputTarget(NamedTuple):
    """The files, or the stream, that results are written to.

    Parameters
    ----------
    template : str, optional
        A path in which `{stem}` is the input's and `{kernel}` the kernel's name; `-` is standard
        output, None is nowhere.
    labels : tuple of str
        The values of `{kernel}`, one for each feature map.
    force : bool
        Replace existing files.
    protected : tuple of str
        Files that are never replaced: the inputs, and those of kernels.
    encoding : EncoderSettings
    keep_existing : callable
        Whether the file of a channel, given by its path, is to be left: a resumed run skips it.
    is_default : bool
        Whether neither a name nor a format was asked for; then `as_tiff` may take another format.
    stdout_format : str
        The format of standard output.
    """

    template: str | None
    labels: tuple[str, ...]
    force: bool = False
    protected: tuple[str, ...] = ()
    encoding: EncoderSettings = DEFAULT_ENCODING
    keep_existing: Callable[[str], bool] = _never
    is_default: bool = False
    stdout_format: str = IMAGE_SUFFIXES[DEFAULT_SUFFIX]

    @property
    def is_stacked(self) -> bool:
        """Whether all maps are written to one file, as its channels."""
        return self.format == ".npy" and not self.has_file_per_map

    @property
    def is_image(self) -> bool:
        """Whether images are written."""
        return self.template is not None and self.format not in NUMBER_SUFFIXES

    @property
    def can_hold_frames(self) -> bool:
        """Whether an output can hold several frames."""
        return self.format in FORMATS and FORMATS[self.format].frames != "none"

    @property
    def has_file_per_map(self) -> bool:
        """Whether each map has a file of its own."""
        return self.template is not None and "{kernel}" in self.template

    @property
    def format(self) -> str:
        """The format of the outputs, as `format_name` has it; empty if nothing is written."""
        if self.template is None:
            return ""
        return self.stdout_format if self.template == STDOUT else format_name(self.template)

    def paths(self, source: str) -> list[str]:
        """Return the files of an input's maps, as far as they are known before it is read."""
        if self.template is None:
            return []
        return [self.path(source, label) for label in self.labels[: 1 if self.is_stacked else None]]

    def as_tiff(self) -> OutputTarget:
        """Return the target that writes TIFF, unless a name or a format was asked for."""
        if not self.is_default or self.template is None:
            return self
        return self._replace(template=str(Path(self.template).with_suffix(TIFF_SUFFIX)))

    def possible_paths(self, source: str) -> list[str]:
        """Return `paths`, and those of `as_tiff`, one of which is taken once it is read."""
        return list(dict.fromkeys([*self.paths(source), *self.as_tiff().paths(source)]))

    def can_hold(self, channels: int) -> bool:
        """Whether one file holds a map of so many channels."""
        if channels == 1 or self.format == ".npy":
            return True
        return self.is_image and (channels == 3 or FORMATS[self.format].holds_bands)

    def path(self, source: str, label: str) -> str:
        """Return the file of one map of an input."""
        values = {"stem": _stem(source), "kernel": label}
        return _FIELDS.sub(lambda field: values[field[1]], self.template or "")

    def channel_paths(self, source: str, label: str) -> Iterator[str]:
        """Yield the files of a map that is split into its channels, without end.

        There are none if one file holds any map, or another map has the label of a channel.
        """
        is_split = self.has_file_per_map and self.format != ".npy"
        if is_split and channel_label(label, 0) not in self.labels:
            for channel in itertools.count():
                yield self.path(source, channel_label(label, channel))

    def file_labels(self, label: str, channels: int) -> list[str]:
        """Return the label of a map's file, or those of the files of its channels.

        Raises
        ------
        ShapeError
            If the channels do not fit one file, and the template has no name for several.
        """
        if self.can_hold(channels):
            return [label]
        if self.has_file_per_map and channels <= MAX_FILES_PER_MAP:
            return [channel_label(label, channel) for channel in range(channels)]
        raise ShapeError(
            f"its {channels} channels do not fit one {self.format}; put {{kernel}} in the output's "
            "name for a file each, or write .tif or .npy"
        )

    def output_files(self, source: str, channels: Sequence[int]) -> Iterator[tuple[str, ...]]:
        """Yield the files of each map of an input, or the one of all; they have so many channels.

        They are one, or one for each channel.
        """
        if self.is_stacked:
            yield (self.path(source, self.labels[0]),)
        elif self.template is not None:
            for label, count in zip(self.labels, channels, strict=True):
                yield tuple(self.path(source, name) for name in self.file_labels(label, count))

    def check(self, source: str) -> None:
        """Refuse outputs of an input that must not be written, as far as their names are known."""
        for path in self.paths(source):
            if path != STDOUT:
                check_output(path, force=self.force, inputs=self.protected)


def validate_target(target: OutputTarget, sources: Sequence[str]) -> None:
    """Check a target by itself and against all inputs, before any file is opened.

    Raises
    ------
    ArgumentError
        For an unknown field or suffix, and for several maps or inputs with one output.
    """
    template = target.template
    if template is None:
        return
    unknown = _ANY_FIELD.findall(_FIELDS.sub("", template))
    if unknown:
        raise ArgumentError(f"output {template!r}: {unknown[0]} is neither {{stem}} nor {{kernel}}")
    if template != STDOUT and _suffix(template) not in OUTPUT_SUFFIXES:
        known = ", ".join(MAIN_SUFFIXES)
        raise ArgumentError(f"output {template!r}: its suffix must be one of {known}")
    if len(target.labels) > 1 and not (target.has_file_per_map or target.is_stacked):
        raise ArgumentError(
            f"output {template!r} is one file for {len(target.labels)} kernels; put {{kernel}} in "
            "its name, or give --combine"
        )
    users: dict[str, tuple[int, str]] = {}
    for index, source in enumerate(sources):
        for path in target.paths(source):
            file = path if path == STDOUT else real_path(path)
            first, other = users.setdefault(file, (index, source))
            if first != index:
                raise ArgumentError(_collision_text(target, other, source, path))


def _collision_text(target: OutputTarget, first: str, second: str, path: str) -> str:
    """Describe two inputs with one output, and what to do about it."""
    if first == second:
        return f"{first} is given twice, for one {path}; give it once"
    if "{stem}" not in (target.template or ""):
        advice = "put {stem} in the output's name"
    elif _stem(first) == _stem(second):
        stem = _stem(first)
        advice = f"both have the {{stem}} {stem!r}: filter them apart, with an --output-dir each"
    else:
        advice = "give the output another name"
    return f"{first} and {second} would both be written to {path}; {advice}"


class OverwriteGuard:
    """Finds the inputs that the outputs of each input could replace: few, of however many.

    Comparing each output with all inputs would take hours for a folder of a hundred thousand.

    Parameters
    ----------
    target : OutputTarget
    sources : sequence of str
        The inputs.
    others : sequence of str
        Files that are written beside the target's.
    """

    def __init__(
        self, target: OutputTarget, sources: Sequence[str], others: Sequence[str] = ()
    ) -> None:
        self._target = target
        self._inputs: dict[str, str] = {}
        self._possible_channels: tuple[str, ...] = ()
        if len(sources) == 1:  # of which there is nothing to find
            return
        files = [source for source in sources if source != STDIN]
        outputs = itertools.chain(others, *map(target.possible_paths, sources))
        folders = {real_path(str(Path(path).parent)) for path in outputs}
        self._inputs = {real_path(source): source for source in files}
        self._inputs |= _find_links(folders, files)
        if target.has_file_per_map:
            is_channel = _channel_file_pattern(target).search
            self._possible_channels = tuple(
                source for name, source in self._inputs.items() if is_channel(name)
            )

    def protect(self, source: str, *others: str) -> OutputTarget:
        """Return the target of one input, whose outputs and `others` replace no input."""
        outputs = (*self._target.possible_paths(source), *others)
        paths = [real_path(path) for path in outputs]
        replaced = (self._inputs[path] for path in paths if path in self._inputs)
        protected = (*self._target.protected, source, *replaced, *self._possible_channels)
        return self._target._replace(protected=tuple(dict.fromkeys(protected)))


def _find_links(folders: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Return the entries of folders that are one of the files under any name: entry -> file."""
    known: dict[tuple[int, int], str] = {}
    for path in filter(is_allowed, files):
        with suppress(OSError, ValueError):
            status = Path(path).stat()
            known[status.st_dev, status.st_ino] = path
    links: dict[str, str] = {}
    for folder in filter(is_allowed, folders):
        with suppress(OSError, ValueError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    if (status.st_dev, status.st_ino) in known:
                        links[entry.path] = known[status.st_dev, status.st_ino]
    return links


def _channel_file_pattern(target: OutputTarget) -> re.Pattern[str]:
    """Match the files of channels, whose number is unknown until an input is read."""
    labels = "|".join(map(re.escape, target.labels))
    patterns = {"stem": ".*", "kernel": rf"(?:{labels})-\d+"}
    pieces = _FIELDS.split(Path(target.template or "").name)  # text, field, text, field ...
    name = "".join(
        patterns[piece] if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return re.compile(rf"(?:^|[/\\]){name}$", re.DOTALL)


def channel_label(label: str, channel: int) -> str:
    """Return the value of `{kernel}` for the file of one channel of a map."""
    return f"{label}-{channel}"


def is_image(channels: int) -> bool:
    """Whether a map of so many channels is one image, gray or in color."""
    return channels in IMAGE_CHANNELS


def format_name(path: str) -> str:
    """Return the format that a file's suffix asks for: an image's, or the suffix itself.

    >>> format_name("cat.JPG"), format_name("cat.npy"), format_name(".jpg")
    ('JPEG', '.npy', 'JPEG')
    """
    suffix = path.lower() if path in OUTPUT_SUFFIXES else _suffix(path)
    return IMAGE_SUFFIXES.get(suffix, suffix)


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


def _stem(source: str) -> str:
    return "stdin" if source == STDIN else Path(source).stem


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()
