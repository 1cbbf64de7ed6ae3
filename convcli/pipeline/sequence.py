"""Sequences: frames go from the reader through the filters to the writers one at a time.

What depends on all frames, as a range policy may, takes a second pass over the input, so that
memory does not grow with the number of frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, BinaryIO

from convcli.errors import ArgumentError, FileError, ShapeError
from convcli.files.output import atomic_write
from convcli.images import (
    PLACEHOLDER,
    DamagedFrameError,
    FrameSource,
    Header,
    Picture,
)
from convcli.images.formats import FORMATS
from convcli.images.png.write_apng import Layout, LayoutError
from convcli.images.quantize import Span
from convcli.images.sequences import STILL_FORMATS, open_sequence
from convcli.pipeline.computation import Computation
from convcli.pipeline.execute import compute_maps
from convcli.pipeline.memory import check_memory, default_max_memory
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import preprocessed_shape
from convcli.pipeline.route import Route, RouteChooser
from convcli.pipeline.sequence_file import SequenceFile
from convcli.pipeline.write import OutputFile
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pipeline.selector import Selector


class SequenceError(ShapeError):
    """Frames that do not fit one file together."""


class Frame(NamedTuple):
    """One frame, filtered.

    Parameters
    ----------
    route : Route
    picture : Picture
        The frame itself.
    maps : list of Picture
        Its feature maps with their alpha and metadata.
    spans : list of Span or None, optional
        Of what is selected of each map, if a selection is rescaled.
    """

    route: Route
    picture: Picture
    maps: list[Picture]
    spans: list[Span | None] | None = None


class Sequence:
    """The frames of an input, and the files that their maps are written to.

    Parameters
    ----------
    frames : FrameSource
    choose : RouteChooser
    plan : Plan
    target : OutputTarget
        Of a format that holds several frames.
    selector : Selector, optional
        What blends the maps with the frames, of a plan with a selection.
    """

    def __init__(
        self,
        frames: FrameSource,
        choose: RouteChooser,
        plan: Plan,
        target: OutputTarget,
        selector: Selector | None = None,
    ) -> None:
        self._frames = frames
        self._choose = choose
        if plan.max_memory is None:  # finding it takes longer than filtering a small frame
            plan = plan._replace(max_memory=default_max_memory())
        self._plan = plan
        self._target = target
        self._selector = selector
        self._selected_spans: list[Span | None] = []
        self._shapes: list[tuple[int, int]] = []  # of the first frame's maps
        self._checked = 0  # frames that are, from the first one on
        self._needs_spans = False
        self._end_note: tuple[str, ...] = ()
        self._has_still = frames.decode_still is not None and target.format in STILL_FORMATS

    def check(self) -> Route:
        """Check every frame as far as it is known before any is decoded.

        Returns
        -------
        The route of the first frame, with the memory of the one that takes most.

        Raises
        ------
        FileError
            For a frame that takes too much memory; it is named.
        ArgumentError
            For frames that the output's format cannot hold.
        """
        first, _ = self._choose(self._frames.header)
        memory = first.memory
        pixels = 0
        for index in range(self._frames.frame_count if self._frames.sizes else 1):
            with frame_errors(self._frames.path, index):
                route, _ = self._plan_frame(index)
            memory = max(memory, route.memory)
            pixels += prod(preprocessed_shape(self._plan, route.header)[1:])
            self._checked += 1
        self._check_pixels(pixels if self._frames.sizes else pixels * self._frames.frame_count)
        return first._replace(memory=memory)

    def _check_pixels(self, total: int) -> None:
        """Refuse more pixels of all frames together than allowed, once they are resampled."""
        most = self._plan.reading.max_pixels
        if total > most:
            raise SequenceError(
                f"--resize would make {total:,} pixels in {self._frames.frame_count:,} frames, and "
                f"--max-pixels allows {most:,}; --frame N takes one"
            )

    def write(self, *, keep_maps: bool) -> tuple[Frame, list[OutputFile]]:
        """Filter and write all frames.

        Returns
        -------
        The first frame, whose picture has the notes of all, and which has values only if its maps
        are to be kept; and the files.
        """
        route, _ = self._choose(self._frames.header)
        paths = [path for path, *_ in route.files]
        spans = self._find_spans(len(paths)) if self._needs_spans else [None] * len(paths)
        layouts: list[Layout | None] = [None] * len(paths)
        with ExitStack() as stack:
            streams = [
                stack.enter_context(atomic_write(path, force=self._target.force)) for path in paths
            ]
            while True:
                files = [
                    self._open_file(*arguments)
                    for arguments in zip(paths, streams, spans, layouts, strict=True)
                ]
                try:
                    first = self._write_frames(files, keep_maps=keep_maps)
                    return first, self._close(files, route)
                except LayoutError:
                    layouts = [file.layout for file in files]
                    for stream in streams:
                        stream.seek(0)
                        stream.truncate()

    def _close(self, files: list[SequenceFile], route: Route) -> list[OutputFile]:
        policy = None if self._selector is None else self._selector.policy_of(route.header.depth)
        return [file.close().with_policy(policy) for file in files]

    def _open_file(
        self, path: str, stream: BinaryIO, span: Span | None, layout: Layout | None
    ) -> SequenceFile:
        target = self._target
        writer = open_sequence(stream, target.format, self._frames.loop, target.encoding, layout)
        return SequenceFile(path, target, writer, span, layout)

    def __iter__(self) -> Iterator[Frame]:
        """Filter the frames, each when it is asked for, up to the first that is damaged."""
        for index in range(self._frames.frame_count):
            try:
                with frame_errors(self._frames.path, index):
                    frame = self._filter_frame(index)
            except DamagedFrameError:
                self._end_note = (f"is damaged from frame {index} on, and read up to it",)
                return
            yield frame
            del frame  # before the next one is decoded

    def _iterate_stills(self) -> Iterator[Frame]:
        """Filter the still picture that is no frame, if there is one and it can be written."""
        if self._has_still and self._frames.decode_still is not None:
            with _named_errors(self._frames.path, "its still picture"):
                still = self._filter_picture(self._frames.decode_still(), 0)
            yield still

    def _filter_frame(self, index: int) -> Frame:
        if index >= self._checked:
            self._plan_frame(index)
        return self._filter_picture(self._frames.read(index), index)

    def _filter_picture(self, picture: Picture, index: int) -> Frame:
        """Filter a picture, of which a selection has the mask of a frame."""
        # A decoded frame may differ from its header: its alpha may be opaque.
        route, computation = self._choose(Header.of(picture))
        self._check_shapes(computation)
        if self._selector is None:
            maps = compute_maps(picture, computation, with_errors=self._needs_spans)
            return Frame(route, picture, maps)
        maps, spans, notes = self._selector.run(picture, computation, index, self._selected_spans)
        picture = picture._replace(notes=(*picture.notes, *notes))
        is_rescaled = self._selector.policy_of(picture.depth) == "rescale"
        return Frame(route, picture, maps, spans if is_rescaled else None)

    def _plan_frame(self, index: int) -> tuple[Route, Computation]:
        """Plan a frame by its header, and check it against the limits."""
        header = self._frames.read_header(index)
        route, computation = self._choose(header)
        if index:  # the first one is checked by whoever opened the input
            check_memory(route.memory, self._plan, self._frames.path)
        self._check_shapes(computation)
        if self._selector is not None:
            self._selector.check(computation, index)
        is_rescaled = self._plan.filter_policy(header.depth) == "rescale"
        depth = self._plan.output_depth(header.depth, self._target.format)
        self._needs_spans |= is_rescaled and depth is not None
        return route, computation

    def _check_shapes(self, computation: Computation) -> None:
        """Refuse maps that the format does not hold as frames."""
        outputs = computation.outputs
        for channels, _, _ in outputs:
            if not self._target.can_hold(channels):
                raise SequenceError(
                    f"its frames have {channels} channels, and those of a {self._target.format} "
                    "are gray or RGB; write .tif"
                )
        shapes = [(height, width) for _, height, width in outputs]
        self._shapes = self._shapes or shapes
        if shapes != self._shapes and FORMATS[self._target.format].frames != "pages":
            raise SequenceError(
                f"its frames differ in size, which {self._target.format} cannot hold; write .tif, "
                "or take one with --frame"
            )

    def _find_spans(self, count: int) -> list[Span | None]:
        """Return the span of each map over all frames and the still picture."""
        spans: list[Span | None] = [None] * count
        for frame in chain(self._iterate_stills(), self):
            if frame.spans is not None:
                self._selected_spans = frame.spans
            spans_of_frame = frame.spans or map(Span.of, frame.maps)
            spans = [*map(_join_spans, spans, spans_of_frame)]
            del frame
        if self._selected_spans:
            self._selected_spans = spans
        return spans

    def _write_frames(self, files: list[SequenceFile], *, keep_maps: bool) -> Frame:
        first: Frame | None = None
        notes: dict[str, None] = {}
        for still in self._iterate_stills():
            for result, file in zip(still.maps, files, strict=True):
                file.add(result, self._plan, still.route.header.dtype, is_still=True)
            notes |= dict.fromkeys(still.picture.notes)
        if self._frames.decode_still is not None and not self._has_still:
            left_out = f"is left out of a {self._target.format}"
            notes[f"its still picture, which is no frame, {left_out}"] = None
        for frame in self:
            for result, file in zip(frame.maps, files, strict=True):
                file.add(result, self._plan, frame.route.header.dtype)
            notes |= dict.fromkeys(frame.picture.notes)
            if first is None:
                first = frame if keep_maps else Frame(frame.route, Picture(PLACEHOLDER), [])
            del frame
        assert first is not None  # noqa: S101  # a sequence has a frame
        notes |= dict.fromkeys(self._end_note)
        return first._replace(picture=first.picture._replace(notes=tuple(notes)))


def _join_spans(first: Span | None, second: Span | None) -> Span | None:
    """Return the span of two, of which one may be missing."""
    if first is None or second is None:
        return first or second
    (low, high), (other_low, other_high) = first.bounds, second.bounds
    bounds = min(low, other_low), max(high, other_high)
    return Span(bounds, max(first.error, second.error))


@contextmanager
def frame_errors(path: str, index: int) -> Iterator[None]:
    """Name the frame in an error of any but the first."""
    if index == 0:
        yield
        return
    with _named_errors(path, f"frame {index}"):
        yield


@contextmanager
def _named_errors(path: str, name: str) -> Iterator[None]:
    """Name what an error of an input is in."""
    try:
        yield
    except (SequenceError, DamagedFrameError):
        raise
    except (FileError, ArgumentError) as error:
        is_of_another_file = isinstance(error, FileError) and error.path != path
        if is_of_another_file:
            raise
        cause = error.cause if isinstance(error, FileError) else str(error)
        is_named = cause.startswith((f"{name} ", f"{name}: "))
        raise FileError(path, cause if is_named else f"{name}: {cause}") from error
