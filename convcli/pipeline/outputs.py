"""Output files: their names and labels, and whether they can be written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from convcli.arithmetic.values import Shape
from convcli.errors import ShapeError
from convcli.files import STDOUT
from convcli.files.output import check_output
from convcli.files.paths import join, suffix_of
from convcli.grids import NUMBER_SUFFIXES
from convcli.images.formats import (
    DEFAULT_ENCODING,
    FORMATS,
    IMAGE_SUFFIXES,
    EncoderSettings,
)
from convcli.pipeline.names import (
    EXT_SUFFIX,
    KERNEL_FIELD,
    fill,
    input_values,
)
from convcli.records import NamedTuple

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


def _never(_: str) -> bool:
    return False


class OutputTarget(NamedTuple):
    """The files, or the stream, that results are written to.

    Parameters
    ----------
    template : str, optional
        A path in which `{kernel}` stands for the kernel's name, and the fields of
        `names.INPUT_FIELDS` for parts of the input's path; `-` is standard output, None is nowhere.
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
    folder : str
        The folder that the template is relative to; empty for the working folder.
    subfolders : mapping of str to str
        Folders below it, for the inputs that have one of their own; without a `folder`, they show
        that inputs were found in folders.
    values : mapping of str to str, optional
        The values of the fields of one input, to which the target is bound.
    """

    template: str | None
    labels: tuple[str, ...]
    force: bool = False
    protected: tuple[str, ...] = ()
    encoding: EncoderSettings = DEFAULT_ENCODING
    keep_existing: Callable[[str], bool] = _never
    is_default: bool = False
    stdout_format: str = IMAGE_SUFFIXES[DEFAULT_SUFFIX]
    folder: str = ""
    subfolders: Mapping[str, str] = {}
    values: Mapping[str, str] | None = None

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

    def bind(self, source: str) -> OutputTarget:
        """Return the target of one input, whose names are the same for a worker elsewhere."""
        if self.template is None or self.values is not None:
            return self
        values, template = input_values(self.template, source), self.template
        if template.endswith(EXT_SUFFIX):
            template = f"{template.removesuffix(EXT_SUFFIX)}.{values['ext']}"
        own = self.subfolders.get(source, "") if self.folder else ""
        folder = self.folder if own in ("", ".") else join(self.folder, own)
        return self._replace(template=template, folder=folder, values=values, subfolders={})

    def paths(self, source: str) -> list[str]:
        """Return the files of an input's maps, as far as they are known before it is read."""
        if self.template is None:
            return []
        return [self.path(source, label) for label in self.labels[: 1 if self.is_stacked else None]]

    def as_tiff(self) -> OutputTarget:
        """Return the target that writes TIFF, unless a name or a format was asked for."""
        if not self.is_default or self.template is None:
            return self
        from pathlib import Path

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
        if self.values is None and self.template is not None:
            return self.bind(source).path(source, label)
        template, values = self.template or "", self.values or {}
        if template == STDOUT:
            return template
        name = fill(template, {**values, KERNEL_FIELD: label})
        return join(self.folder, name)

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
    suffix = path.lower() if path in OUTPUT_SUFFIXES else suffix_of(path)
    return IMAGE_SUFFIXES.get(suffix, suffix)


def holds_vector(shape: Shape) -> bool:
    """Whether a map, (H, W, C), is a vector: one position with more channels than a color has.

    >>> holds_vector((1, 1, 1000)), holds_vector((1, 1, 3)), holds_vector((2, 1, 1000))
    (True, False, False)
    """
    return shape[:2] == (1, 1) and shape[2] > max(IMAGE_CHANNELS)
