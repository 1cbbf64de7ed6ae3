"""The whole path: file -> picture -> feature maps -> range -> file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TypeAlias

import numpy as np

from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.wiring import INPUT, sources
from convcli.engine.arrays import Array
from convcli.engine.filtering import sum_type
from convcli.errors import ArgumentError, FileError
from convcli.files import STDOUT, check_output
from convcli.images.alpha import divided, premultiplied
from convcli.images.film import Film
from convcli.images.light import from_linear, to_linear
from convcli.images.metadata import NO_METADATA
from convcli.images.picture import Picture, resized, to_gray
from convcli.images.ranges import to_pixels
from convcli.images.reading import opened_film
from convcli.kernels.kernel import Kernel
from convcli.pipeline.names import Target
from convcli.pipeline.opacity import alpha_plan, keeps_proportion, without_bias
from convcli.pipeline.operations import apply_step, combined, convolved
from convcli.pipeline.plan import Plan, check_sizes
from convcli.pipeline.results import Written, write_films, write_maps
from convcli.pipeline.streaming import can_stream, stream


@dataclass(frozen=True, slots=True)
class Stage:
    """One step on the way of an input, and the map that it made.

    Parameters
    ----------
    title : str
        The kernel's name, how kernels were combined, or the layer in the notation.
    values : ndarray, (H, W, C)
    kernel : Kernel, optional
        What it was filtered with.
    """

    title: str
    values: Array
    kernel: Kernel | None = None


Watch: TypeAlias = Callable[[int, Stage], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    source : str
        The input.
    picture : Picture
        What was read.
    maps : tuple of ndarray, (H, W, C)
        Its feature maps, in the input's own units.
    written : tuple of Written
        The files made of them.
    notes : tuple of str
        What the user would want to know.
    seconds : float
        How long it took.
    """

    source: str
    picture: Picture
    maps: tuple[Array, ...]
    written: tuple[Written, ...]
    notes: tuple[str, ...]
    seconds: float


def process(source: str, plan: Plan, target: Target, watch: Watch | None = None) -> Outcome:
    """Read one input, filter it, write what comes out; `watch` is told of every stage.

    Raises
    ------
    FileError
        Whatever went wrong, with the file that it went wrong with.
    """
    started = perf_counter()
    notes: tuple[str, ...] = ()
    for path in target.paths(source):
        if path != STDOUT:
            check_output(path, force=target.force, inputs=target.protected)
    if watch is None and can_stream(source, plan, target):
        return _streamed(source, plan, target, started)
    try:
        with opened_film(source, max_pixels=plan.max_pixels) as film:
            picture = film.frame(plan.frame or 0)
            policy = plan.value_range or default_range(picture, plan)
            if film.count > 1 and plan.frame is None and target.holds_frames and watch is None:
                maps, frames = _filmed(picture, film, plan)
                written = write_films(source, frames, target, policy, film.loop)
            else:
                maps, results = _filtered_picture(picture, plan, watch)
                written = write_maps(source, results, target, policy)
                notes = _frame_notes(film, plan)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    except MemoryError as error:
        raise FileError(source, "there is not enough memory for it") from error
    notes = (*picture.notes, *notes, *(note for one in written for note in one.notes))
    return Outcome(source, picture, tuple(maps), tuple(written), notes, perf_counter() - started)


def shown(picture: Picture, values: Array, plan: Plan) -> Array:
    """A map as 8-bit pixels to look at, (h, w) or (h, w, 3), by the range that it would get."""
    depth = picture.depth or 8
    policy = plan.value_range or default_range(picture, plan)
    pixels = to_pixels(values, policy, depth).pixels
    eight = pixels if depth == 8 else (pixels // 257).astype(np.uint8)
    return eight if eight.shape[2] == 3 else eight[:, :, 0]


def _check_numbers(maps: Sequence[Array], plan: Plan) -> None:
    """Refuse what is no number; -inf is a maximum of padding alone, and stays."""
    has_maxima = any(step.layer.op == "maxpool" for step in plan.layers)
    for one in maps:
        least, largest = one.min(), one.max()
        if np.isnan(least) or np.isposinf(largest) or (np.isneginf(least) and not has_maxima):
            raise ArgumentError("a sum is beyond what floating point holds")


def _streamed(source: str, plan: Plan, target: Target, started: float) -> Outcome:
    """A grid too large to be held: its outcome has the file alone."""
    try:
        written = stream(source, plan, target)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    nothing = Picture(np.zeros((1, 1, 1), np.float32))
    return Outcome(source, nothing, (), (written,), (), perf_counter() - started)


def _filtered_picture(
    picture: Picture, plan: Plan, watch: Watch | None = None
) -> tuple[list[Array], list[Picture]]:
    """The feature maps of a picture, and the same with their alpha and what belongs to it."""
    with np.errstate(over="ignore", invalid="ignore"):
        alphas = filter_alpha(picture, plan)
        maps = filter_picture(picture, plan, watch, alphas)
    _check_numbers(maps, plan)
    return maps, results_of(picture, plan, maps, alphas)


def _filmed(first: Picture, film: Film, plan: Plan) -> tuple[list[Array], list[list[Picture]]]:
    """Filter every frame by itself, of which the first is read already; its maps stand for all."""
    maps, results = _filtered_picture(first, plan)
    others = (film.frame(number) for number in range(1, film.count))
    return maps, [results, *(_filtered_picture(frame, plan)[1] for frame in others)]


def _frame_notes(film: Film, plan: Plan) -> tuple[str, ...]:
    if film.count == 1 or plan.frame is not None:
        return ()
    return (f"holds {film.count} frames; the first is filtered, and --frame N takes another",)


def default_range(picture: Picture, plan: Plan) -> str:
    """Clamp what has a black and a white; rescale numbers that have neither."""
    return "clamp" if picture.depth is not None and not plan.squashes else "rescale"


def filter_picture(
    picture: Picture,
    plan: Plan,
    watch: Watch | None = None,
    alphas: Sequence[Array | None] | None = None,
) -> list[Array]:
    """The feature maps of a picture, (H, W, C) each: one for each kernel, or one of them all.

    Parameters
    ----------
    picture : Picture
    plan : Plan
    watch : callable, optional
        Is told the number of the map and the stage that it has come to, after every step; kernels
        that are combined count as maps, too.
    alphas : sequence of ndarray or None, optional
        What `filter_alpha` found; worked out where left out.
    """
    opacities = filter_alpha(picture, plan) if alphas is None else alphas
    values = prepared(picture, plan)
    if picture.alpha is None or not keeps_proportion(plan):
        maps = filtered(values, plan, watch)
    else:
        bare, owed = without_bias(plan)
        maps = [
            one if alpha is None else divided(one, alpha, picture.white) + one.dtype.type(bias)
            for one, alpha, bias in zip(filtered(values, bare, watch), opacities, owed, strict=True)
        ]
    return [from_linear(one, picture.white) for one in maps] if plan.linear else maps


def filter_alpha(picture: Picture, plan: Plan) -> list[Array | None]:
    """How opaque every feature map is, (H, W, 1) each; None for an opaque picture."""
    if picture.alpha is None:
        return [None] * max(1 if plan.combine else len(plan.kernels), 1)
    own = alpha_plan(plan)
    maps = filtered(prepared(Picture(picture.alpha), own), own)
    return [one.clip(0, picture.white) for one in maps]


def filtered(values: Array, plan: Plan, watch: Watch | None = None) -> list[Array]:
    """Send values through a plan: every kernel, their combination, the layers."""
    tell = watch or (lambda *_: None)
    check_sizes(plan, (values.shape[2], *values.shape[:2]))
    maps = []
    for number, step in enumerate(plan.kernels):
        maps.append(convolved(step, values, plan.method))
        tell(number, Stage(step.kernel.name if step.kernel else "", maps[-1], step.kernel))
    if not maps:
        maps = [values.astype(sum_type(values.dtype))]
    first = 0
    if plan.combine is not None:
        first, maps = len(maps), [combined(maps, plan.combine)]
        tell(first, Stage(plan.combine, maps[0]))
    return [
        run_stack(plan, one, partial(tell, number)) for number, one in enumerate(maps, start=first)
    ]


def results_of(
    picture: Picture, plan: Plan, maps: Sequence[Array], alphas: Sequence[Array | None]
) -> list[Picture]:
    """The feature maps as pictures again, with what belongs to the input."""
    metadata = NO_METADATA if plan.strip else picture.metadata
    return [
        Picture(one, picture.depth, alpha, metadata)
        for one, alpha in zip(maps, alphas, strict=True)
    ]


def prepared(picture: Picture, plan: Plan) -> Array:
    """The values to filter: in linear light and under their alpha, grey, resampled, as planned."""
    values = picture.values
    if plan.linear:
        if picture.depth is None:
            raise ArgumentError(
                "--linear goes with pictures of 8 or 16 bits, whose values are sRGB"
            )
        values = to_linear(values, picture.white)
    if picture.alpha is not None:
        values = premultiplied(values, picture.alpha, picture.white)
    if plan.gray:
        values = to_gray(values)
    if plan.resize is not None:
        values = resized(values, plan.resize)
    return values


def run_stack(plan: Plan, values: Array, tell: Callable[[Stage], None]) -> Array:
    """Send a map through a plan's layers; a layer's output is let go after its last use."""
    layers = [step.layer for step in plan.layers]
    inputs_of = sources(layers)
    last_use = {place: user for user, places in enumerate(inputs_of) for place in places}
    outputs = {INPUT: values}
    for user, (step, places) in enumerate(zip(plan.layers, inputs_of, strict=True)):
        outputs[user] = apply_step(step, [outputs[place] for place in places], plan.method)
        tell(Stage(format_layer(step.layer), outputs[user], step.kernel))
        for place in set(places):
            if last_use[place] == user:
                del outputs[place]
    return np.ascontiguousarray(outputs[len(layers) - 1])
