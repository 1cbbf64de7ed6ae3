"""The whole path: file -> picture -> feature maps -> range -> file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import ArgumentError, FileError
from convcli.images import FrameSource, Header, Picture
from convcli.images.metadata import NO_METADATA
from convcli.images.quantize import quantize
from convcli.images.read import open_frames
from convcli.pipeline.fused import (
    can_fuse,
    can_stream,
    filter_to_pixels,
    stream_npy,
    without_pixel_limit,
)
from convcli.pipeline.memory import check_memory
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.route import Route, choose_route
from convcli.pipeline.write import (
    OutputFile,
    Rendered,
    render,
    write_animations,
    write_maps,
    write_rendered,
)

if TYPE_CHECKING:
    from convcli.pipeline.execute import StageCallback

PLACEHOLDER = np.zeros((1, 1, 1), np.uint8)  # where values are not kept


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    source : str
        The input.
    picture : Picture
        What was read; without its values where the maps were not to be kept.
    maps : tuple of ndarray, (H, W, C)
        Its feature maps, in the input's own units, where they were to be kept.
    written : tuple of Written
        The files made of them.
    notes : tuple of str
        What the user would want to know.
    route : Rehearsal
        What its header said of it.
    seconds : float
        How long it took.
    """

    source: str
    picture: Picture
    maps: tuple[Array, ...]
    written: tuple[OutputFile, ...]
    notes: tuple[str, ...]
    route: Route | None = None
    seconds: float = 0.0


def process(
    source: str,
    plan: Plan,
    target: OutputTarget,
    watch: StageCallback | None = None,
    *,
    keep_maps: bool = True,
) -> Outcome:
    """Read one input, filter it, write what comes out.

    Parameters
    ----------
    source : str
    plan : Plan
    target : Target
    watch : callable, optional
        Is told of every stage.
    keeps_maps : bool
        Whether the outcome is to have the picture and its maps. Where not, a kernel may go from
        pixels to pixels in bands, and its map is never held as floats.

    Raises
    ------
    FileError
        Whatever went wrong, with the file that it went wrong with.
    """
    started = perf_counter()
    target.check(source)
    streams = watch is None and can_stream(source, plan, target)
    plan = without_pixel_limit(plan) if streams else plan
    try:
        with open_frames(source, max_pixels=plan.max_pixels) as film:
            route = choose_route(film, plan, target, source, draws_figure=watch is not None)
            check_memory(route.memory, plan, source)
            if streams:
                written = (stream_npy(source, plan, target),)
                made = Outcome(source, Picture(PLACEHOLDER), (), written, ())
            else:
                made = _made(source, film, plan, target, watch, keep_maps=keep_maps)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    except MemoryError as error:
        raise FileError(source, "there is not enough memory for it") from error
    return replace(made, route=route, seconds=perf_counter() - started)


def to_display_pixels(picture: Picture, values: Array, plan: Plan) -> Array:
    """A map as 8-bit pixels to look at, (h, w) or (h, w, 3), by the range that it would get."""
    depth = picture.depth or 8
    pixels = quantize(values, plan.range_policy(picture.depth), depth).pixels
    eight = pixels if depth == 8 else (pixels // 257).astype(np.uint8)
    return eight if eight.shape[2] == 3 else eight[:, :, 0]


def _made(
    source: str,
    film: FrameSource,
    plan: Plan,
    target: OutputTarget,
    watch: StageCallback | None,
    *,
    keep_maps: bool,
) -> Outcome:
    """Filter an opened input by the way that suits it, and write what comes out."""
    maps: list[Array] = []
    notes: tuple[str, ...] = ()
    picture = film.read(plan.frame or 0)
    policy = plan.range_policy(picture.depth)
    if film.count > 1 and plan.frame is None and target.can_hold_frames and watch is None:
        maps, results = _filtered(picture, plan)
        frames = [[render(one, policy, 8) for one in results], *_other_frames(film, plan, policy)]
        written = write_animations(source, frames, target, film.loop)
    elif watch is None and not keep_maps and can_fuse(Header.of(picture), plan, target):
        pixels = filter_to_pixels(picture, plan, policy)
        picture = replace(picture, values=PLACEHOLDER)  # so that they can be let go of
        written = write_rendered(source, pixels, target)
        notes = _frame_notes(film, plan)
    else:
        maps, results = _filtered(picture, plan, watch)
        keep_floats = plan.value_range is None and picture.depth is None
        written = write_maps(source, results, target, policy, keep_floats=keep_floats)
        notes = _frame_notes(film, plan)
    notes = (*picture.notes, *notes, *(note for one in written for note in one.notes))
    return Outcome(source, picture, tuple(maps), tuple(written), notes)


def _filtered(
    picture: Picture, plan: Plan, watch: StageCallback | None = None
) -> tuple[list[Array], list[Picture]]:
    """The feature maps of a picture, and the same with their alpha and what belongs to it."""
    from convcli.pipeline.execute import check_finite, filter_alpha, filter_picture

    with np.errstate(over="ignore", invalid="ignore"):
        alphas = filter_alpha(picture, plan)
        maps = filter_picture(picture, plan, watch, alphas)
    check_finite(maps, plan)
    metadata = NO_METADATA if plan.strip else picture.metadata
    return maps, [
        Picture(one, picture.depth, alpha, metadata)
        for one, alpha in zip(maps, alphas, strict=True)
    ]


def _other_frames(film: FrameSource, plan: Plan, policy: str) -> Iterator[list[Rendered]]:
    """Every frame but the first, filtered by itself; pixels are all that is kept of each."""
    for number in range(1, film.count):
        _, results = _filtered(film.read(number), plan)
        yield [render(one, policy, 8) for one in results]


def _frame_notes(film: FrameSource, plan: Plan) -> tuple[str, ...]:
    if film.count == 1 or plan.frame is not None:
        return ()
    return (f"holds {film.count} frames; the first is filtered, and --frame N takes another",)
