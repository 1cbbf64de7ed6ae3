"""Rehearsal: what filtering an input comes to, found from its header alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from convcli.arithmetic.graph import INPUT, input_indices
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Shape
from convcli.engine.filter2d import Choice, sum_dtype
from convcli.errors import ArgumentError, FileError
from convcli.images import FrameSource
from convcli.images.read import open_frames
from convcli.parallel import get_threads
from convcli.pipeline.fused import can_stream, without_pixel_limit
from convcli.pipeline.memory import estimate_memory
from convcli.pipeline.operations import plan_step
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan, Step
from convcli.pipeline.shapes import MapShapes, has_preprocessing, infer_shapes, preprocessed_shape


class RouteStep(NamedTuple):
    """One step of a map's way.

    Parameters
    ----------
    title : str
        The kernel's name, or the layer in the notation.
    shape : (H, W) or (H, W, C)
        Of what it makes.
    choice : Choice, optional
        How a convolution is computed, and why.
    """

    title: str
    shape: tuple[int, ...]
    choice: Choice | None = None


class Route(NamedTuple):
    """What filtering an input comes to.

    Parameters
    ----------
    shape : (H, W) or (H, W, C)
        Of the input; alpha is not counted.
    kind : str
        The type of its values.
    frames : int
        How many it has.
    ways : tuple of (str, tuple of RehearsedStep)
        Of each map its label and its steps.
    memory : int
        About how many bytes a process will hold.
    outputs : tuple of str
        The files that would be written.
    """

    shape: tuple[int, ...]
    kind: str
    frames: int
    ways: tuple[tuple[str, tuple[RouteStep, ...]], ...]
    memory: int
    outputs: tuple[str, ...]

    @property
    def methods(self) -> str | None:
        """How the convolutions are computed, `+` between different ways; None without any."""
        used = [step.choice.method for _, way in self.ways for step in way if step.choice]
        return "+".join(dict.fromkeys(used)) or None


def inspect_input(
    source: str,
    plan: Plan,
    target: OutputTarget,
    *,
    is_folder_new: bool,
    draws_figure: bool = False,
) -> Route:
    """Look at an input's header, and at what its outputs would meet: nothing in a new folder.

    Raises
    ------
    FileError
        As `process` would, for what can be known before the pixels are read.
    """
    if not is_folder_new:
        target.check(source)
    plan = without_pixel_limit(plan) if can_stream(source, plan, target) else plan
    with open_frames(source, max_pixels=plan.max_pixels) as film:
        try:
            return choose_route(film, plan, target, source, draws_figure=draws_figure)
        except ArgumentError as error:
            raise FileError(source, str(error)) from error


def choose_route(
    film: FrameSource, plan: Plan, target: OutputTarget, source: str, *, draws_figure: bool = False
) -> Route:
    """What filtering an opened input comes to."""
    header = film.header
    if plan.frame is not None:
        film.check_frame(plan.frame)
    height, width, channels = header.shape
    shape = preprocessed_shape(plan, (channels, height, width))
    sums = sum_dtype(header.dtype)
    dtype = sums if has_preprocessing(plan, header) else header.dtype
    ways = infer_shapes(plan, shape)
    scratch: list[int] = []
    kernels = [_plan_kernel(step, shape, dtype, plan, scratch) for step in plan.kernels]
    starts: list[tuple[RouteStep, ...]] = [(one,) for one in kernels] or [()]
    if plan.combine is not None:
        starts = [(*kernels, RouteStep(plan.combine, _rows_first(ways[0].start)))]
    return Route(
        shape=_rows_first((channels, height, width)),
        kind=header.dtype.name,
        frames=film.count,
        ways=tuple(
            (label, (*start, *_rehearsed_layers(plan, way, sums, scratch)))
            for label, start, way in zip(target.labels, starts, ways, strict=True)
        ),
        memory=estimate_memory(
            film, plan, target, ways, max(scratch, default=0), draws_figure=draws_figure
        ),
        outputs=tuple(_outputs(source, target, [way.output[0] for way in ways])),
    )


def _outputs(source: str, target: OutputTarget, channels: Sequence[int]) -> Iterator[str]:
    """The files that maps of so many channels go to."""
    if target.template is None:
        return
    if target.is_stacked:
        yield target.path(source, target.labels[0])
        return
    for label, count in zip(target.labels, channels, strict=True):
        for part in target.file_labels(label, count):
            yield target.path(source, part)


def _plan_kernel(
    step: Step, shape: Shape, dtype: np.dtype[Any], plan: Plan, scratch: list[int]
) -> RouteStep:
    """Plan a kernel over an input of (C, H, W); what scratch memory it takes is noted."""
    channels, height, width = shape
    found = plan_step(step, (height, width, channels), dtype, plan.method)
    scratch.append(found.scratch_bytes(get_threads()))
    made = found.shape[:2] if found.shape[2:] == (1,) else found.shape
    return RouteStep(step.kernel.name if step.kernel else "", made, found.choice)


def _rehearsed_layers(
    plan: Plan, way: MapShapes, dtype: np.dtype[Any], scratch: list[int]
) -> list[RouteStep]:
    """The layers of a map's way."""
    shapes = {INPUT: way.start, **dict(enumerate(way.layers))}
    places = input_indices([step.layer for step in plan.layers])
    steps = []
    for step, inputs, made in zip(plan.layers, places, way.layers, strict=True):
        choice = None
        if step.layer.op == "conv":
            choice = _plan_kernel(step, shapes[inputs[0]], dtype, plan, scratch).choice
        steps.append(RouteStep(format_layer(step.layer), _rows_first(made), choice))
    return steps


def _rows_first(shape: Shape) -> tuple[int, ...]:
    """(C, H, W) as arrays of images are laid out: (H, W), or (H, W, C)."""
    channels, height, width = shape
    return (height, width) if channels == 1 else (height, width, channels)
