"""The whole path: file -> picture -> feature maps -> range -> file."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from convcli.arithmetic.wiring import INPUT, sources
from convcli.engine.arrays import Array
from convcli.engine.filtering import sum_type
from convcli.errors import ArgumentError, FileError
from convcli.files import STDOUT, check_output
from convcli.images.picture import Picture, resized, to_gray
from convcli.images.reading import read_input
from convcli.pipeline.names import Target
from convcli.pipeline.operations import apply_step, combined, convolved
from convcli.pipeline.plan import Plan, Step, check_sizes
from convcli.pipeline.results import Written, write_maps


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    source : str
        The input.
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
    maps: tuple[Array, ...]
    written: tuple[Written, ...]
    notes: tuple[str, ...]
    seconds: float


def process(source: str, plan: Plan, target: Target) -> Outcome:
    """Read one input, filter it, write what comes out.

    Raises
    ------
    FileError
        Whatever went wrong, with the file that it went wrong with.
    """
    started = perf_counter()
    for path in target.paths(source):
        if path != STDOUT:
            check_output(path, force=target.force, inputs=target.protected)
    try:
        picture = read_input(source, max_pixels=plan.max_pixels)
        with np.errstate(over="ignore", invalid="ignore"):
            maps = filter_picture(picture, plan)
        if any(np.isnan(one.min()) for one in maps):
            raise ArgumentError("a sum is no number: infinite values met with opposite signs")
        policy = plan.value_range or default_range(picture, plan)
        written = write_maps(source, maps, target, policy, picture.depth or 8)
    except ArgumentError as error:
        raise FileError(source, str(error)) from error
    except MemoryError as error:
        raise FileError(source, "there is not enough memory for it") from error
    notes = (*picture.notes, *(note for one in written for note in one.notes))
    return Outcome(source, tuple(maps), tuple(written), notes, perf_counter() - started)


def default_range(picture: Picture, plan: Plan) -> str:
    """Clamp what has a black and a white; rescale numbers that have neither."""
    return "clamp" if picture.depth is not None and not plan.squashes else "rescale"


def filter_picture(picture: Picture, plan: Plan) -> list[Array]:
    """The feature maps of a picture, (H, W, C) each: one for each kernel, or one of them all."""
    values = picture.values
    if plan.gray:
        values = to_gray(values)
    if plan.resize is not None:
        values = resized(values, plan.resize)
    check_sizes(plan, (values.shape[2], *values.shape[:2]))
    maps = [convolved(step, values, plan.method) for step in plan.kernels]
    if not maps:
        maps = [values.astype(sum_type(values.dtype))]
    if plan.combine is not None:
        maps = [combined(maps, plan.combine)]
    return [run_stack(plan.layers, one, plan.method) for one in maps]


def run_stack(steps: tuple[Step, ...], values: Array, method: str) -> Array:
    """Send a map through layers; a layer's output is let go after its last use."""
    inputs_of = sources([step.layer for step in steps])
    last_use = {place: user for user, places in enumerate(inputs_of) for place in places}
    outputs = {INPUT: values}
    for user, (step, places) in enumerate(zip(steps, inputs_of, strict=True)):
        outputs[user] = apply_step(step, [outputs[place] for place in places], method)
        for place in set(places):
            if last_use[place] == user:
                del outputs[place]
    return np.ascontiguousarray(outputs[len(steps) - 1])
