"""One step as a picture: an output, with its window, kernel and products.

Of a large input, a few windows around the output are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.intervals import clip_positions
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.explain import Explanation, Taps, format_slice, look_up
from convcli.engine.pooling import is_counted
from convcli.errors import LimitError
from convcli.files.output import atomic_write, check_output
from convcli.pictures.canvas import DEFAULT_STYLE, make_canvas
from convcli.pictures.frame import draw_scene
from convcli.pictures.frame_layout import make_layouts
from convcli.pictures.scene import (
    MAX_PLANES,
    MAX_SIDE_CELLS,
    Numbers,
    Scene,
    make_scene,
    make_title,
)
from convcli.pictures.theme import Style
from convcli.records import NamedTuple

MAX_WHOLE_CELLS = 16  # a side of a padded input that is drawn whole
NEAR_OUTPUTS = 2  # on either side of the one that is explained, of a larger one
MAX_STEPS = 8  # in one picture

Step: TypeAlias = tuple[Scene, int]  # and the number of its frame


class Part(NamedTuple):
    """What is drawn of one axis.

    Parameters
    ----------
    axis : Axis
        Of the inputs that are drawn, with the padding around them.
    outputs, inputs : range
        The outputs and the inputs that are drawn.
    cells : tuple of int
        The position of each cell of the padded input: outside of the input it is padding, and -1
        between the inputs of a transposed convolution.
    """

    axis: Axis
    outputs: range
    inputs: range
    cells: tuple[int, ...]


class Subject(NamedTuple):
    """What a step is of.

    Parameters
    ----------
    layer : Layer
    planes : ndarray, (C, H, W)
        The input.
    explain_at : callable
        Returns the explanations of the output `at`, one for each channel.
    weights : ndarray, optional
        As `orient_weights` returns them; None for a pool.
    name : str
        The kernel's.
    flip : bool
        Whether the kernel is turned by 180 degrees.
    """

    layer: Layer
    planes: Array
    explain_at: Callable[..., Sequence[Explanation]]
    weights: Array | None = None
    name: str = ""
    flip: bool = False


def write_steps(
    path: str,
    subject: Subject,
    positions: Sequence[Pair],
    *,
    style: Style = DEFAULT_STYLE,
    force: bool = False,
    inputs: Sequence[str] = (),
) -> None:
    """Write the steps of outputs, one above the other, as a PNG or an SVG file.

    Parameters
    ----------
    path : str
        Ends in .png or .svg.
    subject : Subject
    positions : sequence of (row, column)
        Of the outputs.
    style : Style
    force : bool
        Replace an existing file.
    inputs : sequence of str
        Paths that are never replaced.

    Raises
    ------
    LimitError
        For more than `MAX_STEPS`, and for what is too large to draw.
    """
    check_output(path, force=force, inputs=inputs)
    count = len(positions) * len(subject.explain_at(at=positions[0]))
    if count > MAX_STEPS:
        raise LimitError(
            f"a figure of {count} steps is too large: the most is {MAX_STEPS}; each channel "
            "has one of its own"
        )
    steps = [step for at in positions for step in make_steps(subject, at)]
    content = render_steps(steps, Path(path).suffix.lower(), style)
    with atomic_write(path, force=force) as stream:
        stream.write(content)


def render_steps(steps: Sequence[Step], suffix: str, style: Style = DEFAULT_STYLE) -> bytes:
    """Render steps, one above the other, as a ".png" or an ".svg" file."""
    size, layouts = make_layouts([scene for scene, _ in steps])
    canvas = make_canvas(size, suffix, style)
    for (scene, number), layout in zip(steps, layouts, strict=True):
        draw_scene(canvas, scene, number, layout, style.theme)
    description = "; ".join(
        f"{scene.title}: {scene.frames[number].formula}" for scene, number in steps
    )
    return canvas.document(steps[0][0].title, description)


def make_steps(subject: Subject, at: Pair) -> list[Step]:
    """Make the steps of an output: a scene for each of its channels.

    Raises
    ------
    LimitError
        For a window, or for channels, too large to draw.
    """
    layer, planes = subject.layer, subject.planes
    size = planes.shape[1], planes.shape[2]
    own = subject.explain_at(at=at)
    if len(own[0].window) > MAX_PLANES:
        raise LimitError(
            f"{len(own[0].window)} channels are too many to be drawn one below the other: the most "
            f"is {MAX_PLANES}"
        )
    axes = layer.window.axes(size)
    parts = cut_axis(axes[0], at[0]), cut_axis(axes[1], at[1])
    found = [
        [own if (row, column) == at else subject.explain_at(at=(row, column))
         for column in parts[1].outputs]
        for row in parts[0].outputs
    ]  # fmt: skip
    number = parts[0].outputs.index(at[0]) * len(found[0]) + parts[1].outputs.index(at[1])
    padded = _pad(subject, axes, parts)
    title = f"Y[{at[0]},{at[1]}] of {', '.join(filter(None, (subject.name, _title(subject, own))))}"
    note = _describe_part(parts, size)
    steps = []
    for channel, explanation in enumerate(own):
        is_summed = len(explanation.window) == len(planes)
        numbers = Numbers(
            padded if is_summed else padded[channel : channel + 1],
            np.array([[outputs[channel].value for outputs in line] for line in found]),
            _weights_of(subject, channel),
            explanation.bias,
            is_turned=subject.flip != layer.operation.is_transposed,
        )
        notes = [f"channel {channel}"] * (len(own) > 1) + [note] * bool(note)
        scene = make_scene(
            title, (parts[0].axis.size, parts[1].axis.size), _window_of(layer.window, parts),
            op=layer.op, numbers=numbers, note=", ".join(notes),
        )  # fmt: skip
        steps.append((replace(scene, is_complete=True), number))
    return steps


def _title(subject: Subject, own: Sequence[Explanation]) -> str:
    size = subject.planes.shape[1], subject.planes.shape[2]
    return make_title(subject.layer, size, has_numbers=True, bias=own[0].bias)


def _describe_part(parts: tuple[Part, Part], size: Pair) -> str:
    """Say what is drawn of the input and the output; nothing if that is all."""
    if tuple(len(part.inputs) for part in parts) == size:
        return ""
    inputs = ", ".join(format_slice(part.inputs) for part in parts)
    outputs = ", ".join(format_slice(part.outputs) for part in parts)
    return f"here: X[{inputs}] and Y[{outputs}]"


def cut_axis(axis: Axis, output: int) -> Part:
    """Cut what is drawn around an output along one axis: all of it, if that is small.

    >>> cut_axis(Axis(size=5, kernel=3, before=1, after=1), 0).cells
    (-1, 0, 1, 2, 3, 4, 5)
    >>> part = cut_axis(Axis(size=100, kernel=3, stride=2, before=1), 25)
    >>> part.outputs, part.inputs, part.axis.output
    (range(23, 28), range(45, 56), 5)
    """
    near = [range(max(output - count, 0), min(output + count + 1, axis.output))
            for count in range(NEAR_OUTPUTS, -1, -1)]  # fmt: skip
    whole = [range(axis.output)] if axis.output <= MAX_WHOLE_CELLS else []
    cut = _cut_transposed if axis.transposed else _cut
    for outputs in [*whole, *near]:
        part = cut(axis, outputs)
        most = MAX_WHOLE_CELLS if len(outputs) == axis.output > 1 else MAX_SIDE_CELLS
        if len(part.cells) <= most:
            break
    else:
        raise LimitError(
            f"a window of {axis.effective_kernel:,} cells is too large to draw: the most is "
            f"{MAX_SIDE_CELLS} a side"
        )
    if not part.inputs:
        raise LimitError("a window that reaches no input is not drawn")
    return part


def _cut(axis: Axis, outputs: range) -> Part:
    """Cut the windows of some outputs, with what follows the last of all."""
    start = outputs[0] * axis.stride - axis.before
    stop = outputs[-1] * axis.stride - axis.before + axis.effective_kernel
    end = axis.size + axis.after
    if outputs.stop == axis.output and end - start <= MAX_SIDE_CELLS:
        stop = max(stop, end)
    cells = range(start, min(stop, start + MAX_SIDE_CELLS + 1))
    inputs = clip_positions(cells, axis.size)
    if inputs:
        axis = axis._replace(
            size=len(inputs), before=inputs.start - start, after=min(stop, end) - inputs.stop
        )
    return Part(axis, outputs, inputs, tuple(cells))


def _cut_transposed(axis: Axis, outputs: range) -> Part:
    """Cut the cells of some outputs from an input that is spread out, zeros between."""
    corner = axis.effective_kernel - 1 - axis.before  # the cell of the first input
    cells = range(outputs[0], outputs[-1] + axis.effective_kernel)[: MAX_SIDE_CELLS + 1]
    first = max(-((corner - cells.start) // axis.stride), 0)
    inputs = range(first, min((cells.stop - 1 - corner) // axis.stride + 1, axis.size))
    places = {corner + index * axis.stride: index for index in inputs}
    if inputs:
        before = axis.effective_kernel - 1 - (corner + inputs[0] * axis.stride - cells.start)
        reach = (len(inputs) - 1) * axis.stride + axis.effective_kernel
        axis = axis._replace(
            size=len(inputs), before=before, after=reach - before - len(outputs), output_padding=0
        )
    return Part(axis, outputs, inputs, tuple(places.get(cell, -1) for cell in cells))


def _window_of(window: Window, parts: tuple[Part, Part]) -> Window:
    """Return the window over the parts that are drawn."""
    rows, columns = ((part.axis.before, part.axis.after) for part in parts)
    return window._replace(padding=(rows, columns), output_padding=(0, 0), origin=None)


def _pad(subject: Subject, axes: tuple[Axis, Axis], parts: tuple[Part, Part]) -> Array:
    """Return the values of all cells, (C, h, w): NaN where an average does not count one."""
    operation = subject.layer.operation
    is_convolution = subject.weights is not None and not operation.is_transposed
    taps = Taps(parts[0].cells, ()), Taps(parts[1].cells, ())
    _, values, is_padding = look_up(
        subject.planes, taps, subject.layer.mode if is_convolution else "zero"
    )
    if operation.reduction == "max":
        return np.where(is_padding, -np.inf, values)
    if operation.reduction == "mean":
        counted = np.logical_and.outer(
            *(
                is_counted(axis, np.array(part.cells), include_pad=subject.layer.count_padding)
                for axis, part in zip(axes, parts, strict=True)
            )
        )
        return np.where(counted, values, np.nan)
    return values


def _weights_of(subject: Subject, channel: int) -> Array | None:
    """Return the weights of a map, (C, kh, kw), as they lie on the input that is drawn."""
    if subject.weights is None:
        return None
    weights = subject.weights[channel] if subject.weights.ndim == 4 else subject.weights
    weights = weights.reshape(-1, *weights.shape[-2:])
    return weights[:, ::-1, ::-1] if subject.layer.operation.is_transposed else weights
