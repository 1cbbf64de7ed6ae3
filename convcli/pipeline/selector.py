"""Selections of one input after another: their masks are read, checked, and kept for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from convcli.arithmetic.values import Pair
from convcli.deadline import allow_pixels
from convcli.errors import ImageError
from convcli.files import STDIN
from convcli.files.restriction import check_real
from convcli.images import FrameSource, Picture, ReadSettings, Values
from convcli.images.color import map_rows, to_gray
from convcli.images.quantize import Span
from convcli.images.read import open_frames
from convcli.pipeline.blend import SelectedMaps, Weights, select_maps
from convcli.pipeline.computation import Computation
from convcli.pipeline.execute import StageCallback
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.selection import Mask, Selection

_kept: dict[str, Weights] = {}  # of the last mask of one frame, by its key


class MaskReader:
    """The frames of a mask: one for all frames of an input, or one for each.

    Parameters
    ----------
    mask : Mask
    source : FrameSource or Weights
        The open file, or its only frame once that is read.
    """

    def __init__(self, mask: Mask, source: FrameSource | Weights) -> None:
        self._mask = mask
        self._source = source

    def check(self, size: Pair, count: int, index: int) -> None:
        """Raise if the mask does not fit, as far as its header says.

        Parameters
        ----------
        size : (height, width)
            Of a frame of the picture.
        count : int
            How many frames it has.
        index : int
            Of the frame.

        Raises
        ------
        ImageError
            With both sizes, or with both counts.
        """
        if isinstance(self._source, Weights):
            self._check_size(self._source.values.shape, size)
            return
        frames = self._source.frame_count
        if frames not in (1, count):
            wanted = "one" if count == 1 else f"one for all or one for each of {count:,}"
            raise ImageError(self._mask.path, f"holds {frames:,} frames, and a mask has {wanted}")
        self._check_size(self._source.read_header(index if frames > 1 else 0).shape, size)

    def read(self, size: Pair, count: int, index: int) -> Weights:
        """Return the weights of a frame; parameters and errors are those of `check`."""
        self.check(size, count, index)
        if isinstance(self._source, Weights):
            return self._source
        is_single = self._source.frame_count == 1
        allow_pixels(size[0] * size[1])
        picture = self._source.read(0 if is_single else index)
        self._check_size(picture.values.shape, size)
        weights = to_weights(picture, self._mask.path)
        if is_single:
            self._source = weights
            _kept.clear()
            _kept[self._mask.key] = weights
        return weights

    def _check_size(self, shape: tuple[int, ...], size: Pair) -> None:
        if shape[:2] != size:
            height, width = size
            raise ImageError(
                self._mask.path,
                f"has {shape[1]}x{shape[0]} pixels, and the picture that it masks {width}x{height}",
            )


@contextmanager
def open_mask(mask: Mask | None, settings: ReadSettings) -> Iterator[MaskReader | None]:
    """Open a mask, unless it is kept.

    What is left of a damaged mask is never used.

    Raises
    ------
    FileError
        As `open_frames`.
    """
    if mask is None:
        yield None
        return
    weights = _kept.get(mask.key)
    if weights is not None:
        if mask.path != STDIN:
            check_real(mask.path, ImageError)
        yield MaskReader(mask, weights)
        return
    with open_frames(mask.path, settings._replace(keep_damaged=False)) as source:
        yield MaskReader(mask, source)


def to_weights(picture: Picture, path: str) -> Weights:
    """Return a picture as weights: gray, from 0 to white; numbers, from 0 to 1.

    Raises
    ------
    ImageError
        For transparency, for channels that are neither gray nor RGB, and for other numbers.
    """
    channels = picture.values.shape[2]
    if picture.alpha is not None:
        raise ImageError(
            path, "is transparent in part, and a mask is gray alone: white where to filter"
        )
    if channels not in (1, 3):
        raise ImageError(path, f"has {channels} channels, and a mask is gray or RGB")
    if picture.depth is None:
        low, high = float(picture.values.min()), float(picture.values.max())
        if not (low >= 0 and high <= 1):  # nor NaN
            cause = f"has numbers of {low:g}..{high:g}, and those of a mask are 0 to 1"
            raise ImageError(path, cause)
    white = 1.0 if picture.depth is None else picture.white

    def make_gray(part: Values) -> Values:
        gray = to_gray(part)
        gray[(part == white).all(axis=2)] = white  # whose luma may be rounded
        return gray

    values = picture.values if channels == 1 else map_rows(make_gray, picture.values)
    return Weights(values, white)


class Selector:
    """Blends the maps of an input with its frames.

    Parameters
    ----------
    selection : Selection
    mask : MaskReader, optional
        Open.
    count : int
        How many frames the input has.
    policy_of : callable
        Returns the range policy of values of so many bits; None if they are blended as numbers.
    """

    def __init__(
        self,
        selection: Selection,
        mask: MaskReader | None,
        count: int,
        policy_of: Callable[[int | None], str | None],
    ) -> None:
        self._selection = selection
        self._mask = mask
        self._count = count
        self.policy_of = policy_of

    def check(self, computation: Computation, index: int) -> None:
        """Raise if the mask does not fit a frame, as far as its header says.

        Raises
        ------
        ImageError
            With both sizes.
        """
        if self._mask is not None:
            self._mask.check(_size(computation), self._count, index)

    def run(
        self,
        picture: Picture,
        computation: Computation,
        index: int,
        spans: Sequence[Span | None] = (),
        on_stage: StageCallback | None = None,
    ) -> SelectedMaps:
        """Return the maps of the frame of an index, as `select_maps` does."""
        weights = None
        if self._mask is not None:
            weights = self._mask.read(_size(computation), self._count, index)
        policy = self.policy_of(picture.depth)
        return select_maps(
            *(self._selection, picture, computation, weights, policy),
            spans=spans,
            on_stage=on_stage,
        )


@contextmanager
def open_selector(
    plan: Plan, selection: Selection, frames: FrameSource, target: OutputTarget
) -> Iterator[Selector]:
    """Open the mask of a selection, and yield what blends the maps of an input.

    Raises
    ------
    FileError
        For a mask that cannot be opened.
    """
    is_drawn = target.is_image or (target.template is None and plan.value_range is not None)
    is_drawn = is_drawn and plan.depth != "float"

    def policy_of(depth: int | None) -> str | None:
        is_integer = depth is not None and plan.output_depth(depth, target.format) is not None
        return plan.filter_policy(depth) if is_drawn and is_integer else None

    with open_mask(selection.mask, plan.reading) as mask:
        yield Selector(selection, mask, frames.frame_count, policy_of)


def _size(computation: Computation) -> Pair:
    _, height, width = computation.outputs[0]
    return height, width
