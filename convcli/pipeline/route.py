"""Route: the decisions on how one input is filtered, made once, from its header.

A dry run prints the route, the memory limit is checked against it, and
`convcli.pipeline.process` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Literal, TypeAlias

from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair, Shape
from convcli.blas import find_blas
from convcli.engine.filter2d.problem import Choice
from convcli.errors import NO_MEMORY, ArgumentError, FileError
from convcli.images import MAX_PIXELS, FrameSource, Header
from convcli.images.read import open_frames
from convcli.pipeline.computation import Computation, infer_shapes, plan_computation
from convcli.pipeline.fused import can_fuse, can_stream, can_take_rows
from convcli.pipeline.memory import estimate_memory
from convcli.pipeline.outputs import IMAGE_CHANNELS, OutputTarget, is_image
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import preprocessed_shape
from convcli.records import NamedTuple

UNLIMITED_PIXELS = 1 << 62
NO_METHODS: Mapping[str, int] = {}
MAX_KNOWN_ROUTES = 16  # of one input, whose pages may all differ in size

# Whole maps, one frame after another, from pixels to pixels without a map of floats, or from
# `.npy` to `.npy` in parts.
Execution: TypeAlias = Literal["maps", "frames", "fused", "streamed"]


class RouteEntry(NamedTuple):
    """One step of a map.

    Parameters
    ----------
    title : str
        The kernel's name, or the layer in the notation.
    shape : (H, W) or (H, W, C)
        Of its output.
    choice : Choice, optional
        The method of a convolution, and the reason.
    tile : (int, int), optional
        The rows and columns of its output that are computed at once.
    methods : mapping
        How many convolutions of a network each method computes.
    """

    title: str
    shape: tuple[int, ...]
    choice: Choice | None = None
    tile: Pair | None = None
    methods: Mapping[str, int] = NO_METHODS


class Route(NamedTuple):
    """The decisions on how one input is filtered.

    Parameters
    ----------
    header : Header
        Of the input.
    frames : int
        How many frames the input has.
    execution : Execution
    maps : tuple of (str, tuple of RouteEntry)
        The label and the steps of each map.
    memory : int
        About how many bytes a process will hold.
    files : tuple of tuple of str
        The files of each map that are written, one or one for each channel; of stacked maps, the
        one of all.
    blas : str
        The core that the BLAS has kernels for, where convolutions are computed.
    takes_rows : bool
        Whether a fused filter takes the rows of a decoded picture, not an array of its values.
    """

    header: Header
    frames: int
    execution: Execution
    maps: tuple[tuple[str, tuple[RouteEntry, ...]], ...]
    memory: int
    files: tuple[tuple[str, ...], ...]
    blas: str = ""
    takes_rows: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """All files that are written."""
        return tuple(chain.from_iterable(self.files))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the input, (H, W) or (H, W, C); alpha is not counted."""
        height, width, channels = self.header.shape
        return _rows_first((channels, height, width))

    @property
    def dtype(self) -> str:
        """The type of the input's values."""
        return self.header.dtype.name

    @property
    def methods(self) -> str | None:
        """The methods of the convolutions, joined by `+`; None without any."""
        used = [step.choice.method for _, steps in self.maps for step in steps if step.choice]
        return "+".join(dict.fromkeys(used)) or None


RouteChooser: TypeAlias = Callable[[Header], tuple[Route, Computation]]


@contextmanager
def open_route(
    source: str,
    plan: Plan,
    target: OutputTarget,
    *,
    keep_maps: bool = False,
    draws_figure: bool = False,
) -> Iterator[tuple[FrameSource, RouteChooser, OutputTarget]]:
    """Open an input, and decide what is written.

    Yields its frames, `choose_route` for it, which plans equal headers once, and the target in the
    format that it has by default for such an input.

    Parameters
    ----------
    source : str
    plan : Plan
    target : OutputTarget
    keep_maps : bool
        Whether the maps are needed beside the outputs.
    draws_figure : bool
        Whether every step of the first frame is drawn, for which maps are kept, too.

    Raises
    ------
    FileError
        For an input that cannot be opened, and any error of what is done with it.
    """
    keep_maps = keep_maps or draws_figure
    is_streamed = not keep_maps and can_stream(source, plan, target)
    if is_streamed and plan.reading.max_pixels == MAX_PIXELS:  # no limit was asked for
        plan = plan._replace(reading=plan.reading._replace(max_pixels=UNLIMITED_PIXELS))
    try:
        with open_frames(source, plan.reading) as frames:
            is_one_image = frames.frame_count == 1 and frames.header.shape[2] in IMAGE_CHANNELS
            if plan.network is not None:
                from convcli.pipeline.inference.plan import fit_target

                header = frames.read_header(plan.frame or 0)
                target = fit_target(plan, header, target)
            if not is_one_image and _is_wide(frames, plan, draws_figure):
                target = target.as_tiff()

            @lru_cache(MAX_KNOWN_ROUTES)
            def choose(header: Header) -> tuple[Route, Computation]:
                return choose_route(
                    *(frames, plan, target, header),
                    is_streamed=is_streamed,
                    keep_maps=keep_maps,
                    draws_figure=draws_figure,
                )

            yield frames, choose, target
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    except MemoryError as error:
        raise FileError(source, NO_MEMORY) from error


def choose_route(
    frames: FrameSource,
    plan: Plan,
    target: OutputTarget,
    header: Header,
    *,
    is_streamed: bool,
    keep_maps: bool,
    draws_figure: bool,
) -> tuple[Route, Computation]:
    """Decide how a plan is run on frames with a header, and plan what is computed.

    Parameters
    ----------
    frames : FrameSource
    plan : Plan
    target : OutputTarget
    header : Header
    is_streamed : bool
        Whether the input is a grid to be filtered from file to file.
    keep_maps, draws_figure : bool
        As in `open_route`.

    Raises
    ------
    ShapeError, LimitError
        As `infer_shapes`.
    ArgumentError
        For methods that cannot filter, and values that cannot be preprocessed as planned.
    ImageError
        For a frame that the input does not have.
    """
    if plan.frame is not None:
        frames.check_pixels(plan.reading.max_pixels, plan.frame)
    shape = preprocessed_shape(plan, header)
    computation = None
    if plan.network is not None or plan.selection is not None:
        computation = _plan_network_or_selection(plan, header)
    if computation is None:
        shapes = infer_shapes(plan, shape)
        outputs = tuple(branch.output for branch in shapes)
    else:
        outputs = computation.outputs
    execution: Execution = "maps"
    if is_streamed:
        execution = "streamed"
    elif _is_sequence(frames, plan, draws_figure) and target.can_hold_frames:
        execution = "frames"
        frames.check_pixels(plan.reading.max_pixels)
    elif not keep_maps and can_fuse(header, plan, target, outputs):
        execution = "fused"
    if computation is None:
        computation = plan_computation(
            *(plan, header, shape, shapes), integer_output=execution == "fused"
        )
    if is_streamed:  # a part of a file is whole rows
        filters = tuple(found.with_whole_rows() for found in computation.kernels)
        computation = computation._replace(kernels=filters)
    maps = tuple(zip(target.labels, _steps(computation, shape), strict=True))
    takes_rows = execution == "fused" and can_take_rows(frames, header, computation)
    memory = estimate_memory(
        *(frames, header, target, execution, computation),
        takes_rows=takes_rows,
        draws_figure=draws_figure,
    )
    files = tuple(target.output_files(frames.path, [channels for channels, _, _ in outputs]))
    has_filters = any(step.choice or step.methods for _, steps in maps for step in steps)
    blas = find_blas().core if has_filters else ""
    count = frames.frame_count
    return Route(header, count, execution, maps, memory, files, blas, takes_rows), computation


def _plan_network_or_selection(plan: Plan, header: Header) -> Computation | None:
    """Plan a network, or what is filtered of a selection."""
    if plan.network is not None:
        from convcli.pipeline.inference.plan import plan_network

        return plan_network(plan, header)
    if plan.selection is not None:
        from convcli.pipeline.selection_plan import plan_selection

        return plan_selection(plan, plan.selection, header)
    return None


def _is_wide(frames: FrameSource, plan: Plan, draws_figure: bool) -> bool:
    """Whether TIFF is the format by default.

    It is of frames of more than 8 bits or of several sizes, and of a picture's bands that are
    neither gray nor RGB.
    """
    depth = str(frames.header.depth) if plan.depth is None else plan.depth
    differ = plan.resize is None and len(set(frames.sizes)) > 1
    if (depth != "8" or differ) and _is_sequence(frames, plan, draws_figure):
        return True
    if not frames.format or is_image(frames.header.shape[2]) or plan.network is not None:
        return False
    shapes = infer_shapes(plan, preprocessed_shape(plan, frames.header))
    return not all(is_image(branch.output[0]) for branch in shapes)


def _is_sequence(frames: FrameSource, plan: Plan, draws_figure: bool) -> bool:
    """Whether all of several frames are wanted."""
    return frames.is_sequence and plan.frame is None and not draws_figure


def _steps(computation: Computation, resized: Shape) -> Iterator[tuple[RouteEntry, ...]]:
    """Yield the steps of each map, of frames that are resampled to (C, H, W) where they are."""
    plan, shapes = computation.plan, computation.shapes
    resizing = () if plan.resize is None else (RouteEntry("resize", _rows_first(resized)),)
    if (run := computation.network) is not None:
        for name, shape, methods in zip(run.names, run.outputs, run.methods, strict=True):
            rows_first = shape if len(shape) == 1 else _rows_first(shape)
            yield (*resizing, RouteEntry(run.title(name), rows_first, methods=methods))
        return
    kernels = [
        RouteEntry(
            step.kernel.name if step.kernel else "",
            filter_plan.shape[:2] if filter_plan.shape[2:] == (1,) else filter_plan.shape,
            filter_plan.choice,
            filter_plan.algorithm.tile,
        )
        for step, filter_plan in zip(plan.kernels, computation.kernels, strict=True)
    ]
    starts: list[tuple[RouteEntry, ...]] = [(kernel,) for kernel in kernels] or [()]
    if plan.combine is not None:
        starts = [(*kernels, RouteEntry(plan.combine, _rows_first(shapes[0].start)))]
    for start, branch, filters in zip(starts, shapes, computation.layers, strict=True):
        choices = (
            (filter_plan.choice, filter_plan.algorithm.tile) if filter_plan else ()
            for filter_plan in filters
        )
        layers = (
            RouteEntry(format_layer(step.layer), _rows_first(shape), *choice)
            for step, shape, choice in zip(plan.layers, branch.layers, choices, strict=True)
        )
        blended: tuple[RouteEntry, ...] = ()
        if computation.selected_shape is not None:
            blended = (RouteEntry(str(plan.selection), _rows_first(computation.selected_shape)),)
        yield (*resizing, *start, *layers, *blended)


def _rows_first(shape: Shape) -> tuple[int, ...]:
    """(C, H, W) as the axes of an image: (H, W) or (H, W, C)."""
    channels, height, width = shape
    return (height, width) if channels == 1 else (height, width, channels)
