"""The way of a plan in shapes, before any of it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from convcli.arithmetic.graph import INPUT, input_indices
from convcli.arithmetic.layers import output_shape
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Shape, format_shapes
from convcli.errors import LimitError, ShapeError
from convcli.images import Header
from convcli.images.read import MAX_PIXELS
from convcli.pipeline.plan import Plan, Step


class MapShapes(NamedTuple):
    """The shapes, (C, H, W) each, that one feature map goes through.

    Parameters
    ----------
    start : Shape
        What its layers begin with: a kernel's map, the combined one, or the input.
    layers : tuple of Shape
        The output of every layer.
    """

    start: Shape
    layers: tuple[Shape, ...]

    @property
    def output(self) -> Shape:
        """The shape of the feature map."""
        return self.layers[-1] if self.layers else self.start


def preprocessed_shape(plan: Plan, shape: Shape) -> Shape:
    """What an input of (C, H, W) is once it is grey and resampled as planned."""
    channels = 1 if plan.gray else shape[0]
    return channels, *(plan.resize or shape[1:])


def has_preprocessing(plan: Plan, header: Header) -> bool:
    """Whether the values to filter are not the input's own, but floats made of them."""
    return plan.linear or header.has_alpha or plan.gray or plan.resize is not None


def infer_shapes(plan: Plan, shape: Shape) -> tuple[MapShapes, ...]:
    """Work out every map's shapes from an input of (C, H, W).

    Raises
    ------
    ShapeError
        Where a layer cannot take its input, or would give an empty output.
    LimitError
        Where a padded map or an output has more pixels than allowed.
    """
    starts = [_checked(step, [shape], plan.max_pixels) for step in plan.kernels] or [shape]
    if plan.combine is not None:
        if len(set(starts)) > 1:
            found = format_shapes(dict.fromkeys(starts))
            raise ShapeError(f"--combine needs maps of one shape, not {found}")
        starts = starts[:1]
    return tuple(MapShapes(start, _layer_shapes(plan, start)) for start in starts)


def _layer_shapes(plan: Plan, start: Shape) -> tuple[Shape, ...]:
    layers = [step.layer for step in plan.layers]
    shapes = {INPUT: start}
    for place, inputs in enumerate(input_indices(layers)):
        given = [shapes[source] for source in inputs]
        shapes[place] = _checked(plan.layers[place], given, plan.max_pixels)
    if any(layer.operation.is_join for layer in layers):
        from convcli.arithmetic.network import walk

        walk(layers, start)  # whose joins must agree, too
    return tuple(shapes[place] for place in range(len(layers)))


def _checked(step: Step, inputs: Sequence[Shape], max_pixels: int) -> Shape:
    layer = step.layer
    try:
        shape = output_shape(layer, inputs)
    except ShapeError as error:
        raise ShapeError(f"{_title(step)} on {format_shapes(inputs)}: {error}") from None
    areas = {"output": (shape[1] * shape[2], max_pixels)}
    if layer.operation.is_window and not layer.operation.is_transposed:
        rows, columns = layer.window.axes((inputs[0][1], inputs[0][2]))
        height = rows.size + rows.before + rows.after
        width = columns.size + columns.before + columns.after
        # A small limit is for pictures, not for the padding that they need.
        areas["padded input"] = (height * width, max(max_pixels, MAX_PIXELS))
    for what, (area, most) in areas.items():
        if area > most:
            raise LimitError(
                f"{_title(step)}: the {what} would have {area:,} pixels, "
                f"and --max-pixels allows {most:,}"
            )
    return shape


def _title(step: Step) -> str:
    return f"kernel {step.kernel.name}" if step.kernel else f"layer {format_layer(step.layer)}"
