"""The whole path: from an input to feature maps to output files."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from convcli.deadline import allow_pixels
from convcli.engine.arrays import Array
from convcli.images import PLACEHOLDER, FrameSource, Header, Picture
from convcli.pipeline.computation import Computation
from convcli.pipeline.execute import StageCallback, compute_maps
from convcli.pipeline.fused import stream_npy, write_filtered
from convcli.pipeline.memory import check_memory
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.route import Route, RouteChooser, open_route
from convcli.pipeline.write import (
    OutputFile,
    find_remedies,
    render,
    write_maps,
)
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pipeline.selector import Selector


class Outcome(NamedTuple):
    """The result of processing one input.

    Parameters
    ----------
    picture : Picture
        The input; without its values if the maps were not to be kept.
    results : tuple of Picture
        Its feature maps, in the input's own units, with their alpha, if they were to be kept.
    written : tuple of OutputFile
    notes : tuple of str
        Remarks for the user.
    route : Route
        How it was filtered, its first frame if there are several.
    seconds : float
        Elapsed time.
    """

    picture: Picture
    results: tuple[Picture, ...]
    written: tuple[OutputFile, ...]
    notes: tuple[str, ...]
    route: Route
    seconds: float

    @property
    def maps(self) -> tuple[Array, ...]:
        """The values of the feature maps, (H, W, C) each."""
        return tuple(result.values for result in self.results)


def process(
    source: str,
    plan: Plan,
    target: OutputTarget,
    on_stage: StageCallback | None = None,
    *,
    keep_maps: bool = True,
) -> Outcome:
    """Read one input, filter it, and write the results.

    Parameters
    ----------
    source : str
    plan : Plan
    target : OutputTarget
    on_stage : callable, optional
        Called with every stage.
    keep_maps : bool
        Whether the outcome has the picture and its maps. If not, they may never be held as floats.

    Raises
    ------
    FileError
        For any error, with the file that it concerns.
    """
    started = perf_counter()
    draws_figure = on_stage is not None
    if not target.is_default:
        target.check(source)
    with open_route(source, plan, target, keep_maps=keep_maps, draws_figure=draws_figure) as (
        frames,
        choose,
        output,
    ):
        if output.is_default:  # its format is known now
            output.check(source)
        route, computation = choose(frames.read_header(plan.frame or 0))
        check_memory(route.memory, plan, source)
        height, width, _ = frames.header.shape
        pictures = 1
        if plan.frame is None and frames.is_sequence:
            pictures = frames.frame_count + (frames.decode_still is not None)
        allow_pixels(height * width * pictures)
        selecting = None if plan.selection is None else _open_selector(plan, frames, output)
        with selecting or nullcontext() as selector:
            if selector is not None:
                selector.check(computation, plan.frame or 0)
            route, picture, results, written = _run(
                *(frames, choose, plan, output, on_stage), selector=selector, keep_maps=keep_maps
            )
    notes = list(picture.notes)
    has_others = frames.frame_count > 1 and frames.kind != "previews"
    if has_others and plan.frame is None and route.execution != "frames":
        notes.append(
            f"holds {frames.frame_count} frames; the first is filtered, and --frame N takes another"
        )
    notes += (note for file in written for note in file.notes)
    written = find_remedies(written, route.files, plan)
    seconds = perf_counter() - started
    unique = tuple(dict.fromkeys(notes))  # several files of one input may have the same
    return Outcome(picture, tuple(results), tuple(written), unique, route, seconds)


def dry_run(
    source: str,
    plan: Plan,
    target: OutputTarget,
    *,
    is_folder_new: bool = False,
    draws_figure: bool = False,
) -> Route:
    """Return the route of an input, and check its outputs: none exist in a new folder.

    Raises
    ------
    FileError
        As `process`, for any error that can be found before the pixels are read.
    """
    if not (target.is_default or is_folder_new):
        target.check(source)
    with open_route(source, plan, target, draws_figure=draws_figure) as (frames, choose, output):
        if output.is_default and not is_folder_new:
            output.check(source)
        route, computation = choose(frames.read_header(plan.frame or 0))
        with _open_selector(plan, frames, output) as selector:
            if selector is not None:
                selector.check(computation, plan.frame or 0)
            if route.execution == "frames":
                from convcli.pipeline.sequence import Sequence

                return Sequence(frames, choose, plan, output, selector).check()
        return route


def to_display_pixels(result: Picture, plan: Plan) -> Array:
    """Return a map as 8-bit pixels to look at, (H, W) or (H, W, 3), as it would be written.

    NaN is shown as the smallest value.
    """
    values = result.values
    if np.isnan(least := np.fmin.reduce(values, axis=None)):
        least = values.dtype.type(0)
    shown = result._replace(values=np.where(np.isnan(values), least, values))
    pixels = render(shown, plan.range_policy(result.depth), 8).colors.pixels
    return pixels if pixels.shape[2] == 3 else pixels[:, :, 0]


def _open_selector(
    plan: Plan, frames: FrameSource, target: OutputTarget
) -> AbstractContextManager[Selector | None]:
    if plan.selection is None:
        return nullcontext()
    from convcli.pipeline.selector import open_selector

    return open_selector(plan, plan.selection, frames, target)


def _run(
    frames: FrameSource,
    choose: RouteChooser,
    plan: Plan,
    target: OutputTarget,
    on_stage: StageCallback | None,
    *,
    selector: Selector | None,
    keep_maps: bool,
) -> tuple[Route, Picture, list[Picture], list[OutputFile]]:
    """Run the route of an opened input, and write the results.

    Returns
    -------
    The route, the picture, its maps and the files; if no maps are kept, the picture without its
    values.
    """
    route, computation = choose(frames.read_header(plan.frame or 0))
    if route.execution == "streamed":
        written = [stream_npy(frames.path, computation, *route.outputs, force=target.force)]
        return route, Picture(PLACEHOLDER, notes=frames.notes), [], written
    if route.execution == "frames":
        from convcli.pipeline.sequence import Sequence

        sequence = Sequence(frames, choose, plan, target, selector)
        sequence.check()
        first, written = sequence.write(keep_maps=keep_maps)
        return first.route, first.picture, first.maps, written
    picture = frames.read(plan.frame or 0, by_rows=route.takes_rows)
    # A decoded picture may differ from its header: its alpha may be opaque, or it is another page.
    route, computation = choose(Header.of(picture))
    if route.execution == "fused":
        rows, notes = picture.rows, picture.notes
        # No name keeps its values, which are released as soon as they are filtered.
        values, picture = [picture], picture._replace(values=PLACEHOLDER, rows=None)
        with rows or nullcontext():
            written = write_filtered(values.pop(), computation, route.files, target)
        notes += () if rows is None else rows.notes
        return route, picture._replace(notes=notes), [], written
    arguments = route, computation, target, on_stage
    return route, *_write_maps(picture, *arguments, selector=selector, keep_maps=keep_maps)


def _write_maps(
    picture: Picture,
    route: Route,
    computation: Computation,
    target: OutputTarget,
    on_stage: StageCallback | None,
    *,
    selector: Selector | None,
    keep_maps: bool,
) -> tuple[Picture, list[Picture], list[OutputFile]]:
    """Compute and write all maps of a picture; return it with all notes, its maps and the files."""
    plan, policy = computation.plan, None
    if selector is None:
        is_shown = target.is_image or keep_maps
        with_errors = is_shown and plan.range_policy(picture.depth) == "rescale"
        maps = compute_maps(picture, computation, on_stage, with_errors=with_errors)
        notes = () if computation.network is None else computation.network.notes
    else:
        maps, _, notes = selector.run(picture, computation, plan.frame or 0, on_stage=on_stage)
        policy = selector.policy_of(picture.depth)
    written = write_maps(maps, route.files, target, plan, route.header.dtype)
    written = [file.with_policy(policy) for file in written]
    return picture._replace(notes=(*picture.notes, *notes)), maps, written
