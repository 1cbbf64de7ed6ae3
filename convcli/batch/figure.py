"""Figures of a job: what its plan did to an input, as it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convcli.arithmetic.values import NO_PADDING, Pair, Sides, format_padding
from convcli.engine.arrays import Array
from convcli.images import Picture
from convcli.images.color import find_visible
from convcli.images.quantize import DEGREES, Bounds, find_bounds
from convcli.pictures.apply_figure import FigureMap, FigureStep, draw_apply_figure
from convcli.pictures.scales import Scale
from convcli.pictures.text import format_cell, format_sides
from convcli.pictures.theme import Color, Style
from convcli.pipeline.execute import Stage, finish_unfiltered
from convcli.pipeline.outputs import is_image
from convcli.pipeline.plan import Plan, Step
from convcli.pipeline.preprocess import preprocess
from convcli.pipeline.write import render
from convcli.records import NamedTuple

FORMULAS = {  # of the maps that are combined
    "sum": "Y1 + … + Y{count}",
    "mean": "(Y1 + … + Y{count}) / {count}",
    "max": "max(Y1, …, Y{count})",
    "magnitude": "sqrt(Y1^2 + … + Y{count}^2)",
    "direction": "angle of (Y1, \N{MINUS SIGN}Y2), in degrees",
}
NO_NOTES: tuple[str, ...] = ()
MAX_LISTED = 2  # maps in a formula without an ellipsis


class Result(NamedTuple):
    """A feature map, and its pixels if it is written as some."""

    picture: Picture
    written: Written | None


class Written(NamedTuple):
    """A map as it is written: its pixels, the numbers of black and white, and what is said."""

    pixels: Array
    scale: Scale
    notes: tuple[str, ...] = ()


def draw_figure(
    name: str,
    picture: Picture,
    results: Sequence[Picture],
    plan: Plan,
    stages: Mapping[int, Sequence[Stage]],
    *,
    has_pixels: bool = True,
    suffix: str,
    style: Style,
) -> bytes:
    """Draw an input, the kernels and every map.

    Parameters
    ----------
    name : str
        The input's.
    picture : Picture
        The input.
    results : sequence of Picture
        Its feature maps.
    plan : Plan
    stages : mapping of int to sequence of Stage
        As `compute_maps` reports them.
    has_pixels : bool
        Whether maps are drawn as the pixels that they have in a picture. Those that are written as
        numbers are not, unless a range was asked for.
    suffix : {".png", ".svg"}
    style : Style
    """
    page, white = style.theme.page, picture.white if picture.depth is not None else None
    source = finish_unfiltered(preprocess(picture, plan), picture, plan)
    drawn = FigureMap(name, source.values)
    if white is not None:
        own = write_pixels(source, "clamp", 8, page)
        drawn = FigureMap(name, source.values, own.pixels, own.scale)
    is_written = has_pixels or plan.value_range is not None
    found = [
        Result(result, _write_result(result, plan, page) if is_written else None)
        for result in results
    ]
    combined = len(plan.kernels) if plan.combine is not None else None
    branches = {}
    for number, branch in sorted(stages.items()):
        index = number - (combined or 0)
        last = found[index] if 0 <= index < len(found) else None
        branches[number] = _make_steps(branch, plan, source.size, last, number)
    joined = branches.pop(combined, []) if combined is not None else []
    return draw_apply_figure(
        drawn,
        list(branches.values())
        or [[FigureStep("", _make_map("result", source.values, (), found[0]))]],
        joined=joined,
        suffix=suffix,
        white=white if plan.network is None else None,
        style=style,
    )


def _make_steps(
    branch: Sequence[Stage], plan: Plan, size: Pair, last: Result | None, number: int
) -> list[FigureStep]:
    """Return the steps of one branch on an input of a size, the last of which makes a result."""
    steps = []
    for index, stage in enumerate(branch):
        result = last if index == len(branch) - 1 else None
        title, notes = stage.title, NO_NOTES
        if stage.step is not None and stage.step.kernel is not None:
            # With others it is a term of a formula.
            title = f"Y{number + 1}" if plan.combine and index == 0 else "feature map"
        elif stage.step is None and plan.combine and index == 0:
            notes = (_describe_combination(plan.combine, len(plan.kernels)),)
        steps.append(_make_step(stage, title, notes, size, result))
        size = stage.values.shape[0], stage.values.shape[1]
    return steps


def _make_step(
    stage: Stage, title: str, notes: tuple[str, ...], size: Pair, result: Result | None
) -> FigureStep:
    step = stage.step
    if step is None:
        return FigureStep(stage.title, _make_map(title, stage.values, notes, result))
    details, weights = describe_step(step, size), _applied_weights(step)
    if weights is None:  # what is said of the kernel stands below the map
        title = stage.title if step.kernel is not None else title
        notes = (*notes, *details)
    is_padded = _has_window(step) and not step.layer.operation.is_transposed
    return FigureStep(
        stage.title,
        _make_map(title, stage.values, notes, result),
        weights,
        details,
        padding=step.layer.window.pads(size) if is_padded else NO_PADDING,
        mode=step.layer.mode,
        is_next=not step.layer.sources,
    )


def _make_map(
    title: str, values: Array, notes: tuple[str, ...], result: Result | None
) -> FigureMap:  # fmt: skip
    if result is None:
        return FigureMap(title, values, notes=notes)
    own, written = result.picture.values, result.written
    is_sheet = own.shape[2] > 1 and not is_image(own.shape[2])
    if written is None:
        return FigureMap(title, own, notes=notes, is_sheet=is_sheet)
    notes = (*notes, *written.notes)
    return FigureMap(title, own, written.pixels, written.scale, notes, is_sheet)


def _applied_weights(step: Step) -> Array | None:
    """Return the weights as they are applied; none of a kernel that is too large to be drawn."""
    if step.kernel is None or step.kernel.outer is not None:
        return None
    return step.kernel.matrix[..., ::-1, ::-1] if step.flip else step.kernel.matrix


def describe_step(step: Step, size: Pair) -> tuple[str, ...]:
    """Say how a kernel or a pool is applied to an input of a size, in a few captions."""
    layer, operation = step.layer, step.layer.operation
    if not _has_window(step):
        return ()
    lines = []
    if step.kernel is None and layer.kernel is not None:
        lines.append(f"window {format_sides(*layer.kernel)}")
    if operation.is_transposed:
        lines.append("transposed")
    elif step.kernel is not None:
        lines.append("convolution: turned by 180°" if step.flip else "correlation: not turned")
    numbers = [f"stride {_format_pair(layer.stride)}"]
    if layer.dilation != (1, 1):
        numbers.append(f"dilation {_format_pair(layer.dilation)}")
    lines.append(", ".join(numbers))
    lines.append(_describe_padding(layer.window.pads(size), layer.mode))
    if np.any(step.bias):
        lines.append(f"bias {_format_bias(step.bias)}")
    return tuple(lines)


def _has_window(step: Step) -> bool:
    return step.layer.operation.is_window and step.layer.kernel is not None


def _describe_padding(padding: Sides, mode: str) -> str:
    text = f"padding {format_padding(padding).replace('x', '×')}"
    return text if padding == NO_PADDING else f"{text}, {mode}"


def _format_pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else format_sides(*pair)


def _format_bias(bias: float | Array) -> str:
    values = np.ravel(bias)
    if np.ptp(values) == 0:
        return format_cell(float(values[0]))
    return f"{format_cell(float(values.min()))} to {format_cell(float(values.max()))}"


def _describe_combination(how: str, count: int) -> str:
    """Say how maps Y1, Y2, … are combined."""
    formula = FORMULAS[how].format(count=count)
    return formula.replace("+ … ", "").replace(" …,", "") if count <= MAX_LISTED else formula


def _write_result(result: Picture, plan: Plan, page: Color) -> Written | None:
    """Return a map as it is written; None if as numbers, by default or by its channels."""
    policy = plan.range_policy(result.depth)
    is_chosen = plan.value_range is not None or policy == DEGREES
    has_pixels = result.depth is not None or is_chosen
    is_picture = plan.network is None or is_image(result.values.shape[2])
    if plan.depth == "float" or not (has_pixels and is_picture) or result.is_vector:
        return None
    return write_pixels(result, policy, int(plan.depth or result.depth or 8), page)


def write_pixels(result: Picture, policy: str, depth: int, page: Color) -> Written:
    """Return a map as pixels of 8 bits, as they are written, over a page where it is transparent.

    NaN is drawn as the least value.
    """
    values = result.values
    if np.isnan(least := np.fmin.reduce(values, axis=None)):
        least = values.dtype.type(0)
    values = np.where(np.isnan(values), least, values)
    shown = Picture(values, result.depth, result.alpha, error=result.error)
    rendered = render(shown, policy, depth)
    colors, alpha = rendered.colors, rendered.alpha
    pixels = _reduce(colors.pixels)
    if alpha is not None and is_image(pixels.shape[2]):
        share = _reduce(alpha) / 255.0
        pixels = np.rint(pixels * share + np.array(page) * (1 - share)).astype(np.uint8)
    notes = () if colors.clipped == 0 else (f"{colors.clipped:.1%} clipped",)
    white = result.white if result.depth is not None else 2.0**depth - 1
    is_visible = None if result.alpha is None else find_visible(result.alpha)
    scale = _scale_of(policy, find_bounds(values, is_visible), white)
    return Written(pixels, scale, (*_notes_of(policy), *notes))


def _reduce(pixels: Array) -> Array:
    """Return pixels of 8 bits."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257.0).astype(np.uint8)


def _scale_of(policy: str, bounds: Bounds, white: float) -> Scale:
    """Return the numbers that are black and white by a range policy."""
    if policy == "rescale":
        return Scale(*bounds)
    if policy == DEGREES:
        return Scale(0.0, 360.0, unit="°")
    middle = (white + 1) / 2 if policy == "offset" else 0.0
    return Scale(-middle, white - middle)


def _notes_of(policy: str) -> tuple[str, ...]:
    """Say what a range policy does, where the scale alone does not."""
    return {
        "abs": ("absolute values",),
        "offset": ("zero is mid-gray",),
    }.get(policy, ())
