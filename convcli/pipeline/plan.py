"""Options -> a plan: every kernel loaded, every layer known, every number within its limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np

from convcli.arithmetic.graph import INPUT, input_indices
from convcli.arithmetic.layers import Layer, output_shape, with_kernel
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.operations.convolution import group_count, output_channels
from convcli.arithmetic.values import Pair, Shape, format_shapes
from convcli.engine.arrays import Array
from convcli.engine.filter2d import check_method
from convcli.errors import ArgumentError, LimitError, ShapeError
from convcli.images.read import MAX_PIXELS
from convcli.kernels import Kernel, check_size, kernel_path, load_kernel

MAX_STEP = 65_536  # padding, stride and dilation
COMBINATIONS = ("sum", "mean", "max", "magnitude")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer of a plan, its kernel loaded.

    Parameters
    ----------
    layer : Layer
        The size of its window known.
    kernel : Kernel, optional
        The weights of a convolution.
    flip : bool
        Turn the kernel by 180°: true convolution.
    """

    layer: Layer
    kernel: Kernel | None = None
    flip: bool = False

    @property
    def bias(self) -> float:
        """What is added to every sum."""
        return self.kernel.bias if self.kernel is not None and self.layer.bias else 0.0

    def weights(self, channels: int) -> tuple[Array, int]:
        """Return the weights of a convolution on an input of so many channels, and its groups.

        A kernel of two axes that filters each channel by itself stays as it is, with one group; in
        any other grouping it is repeated for every pair of an input and an output channel. Those of
        a transposed convolution always have four axes.
        """
        layer, matrix = self.layer, cast("Kernel", self.kernel).matrix
        groups = group_count(layer, channels)
        maps = output_channels(layer, channels)
        if matrix.ndim > 2:
            is_one_map = layer.operation.is_transposed and matrix.ndim == 3
            return matrix[:, np.newaxis] if is_one_map else matrix, groups
        if layer.operation.is_transposed:
            depth = channels, maps // groups
        elif groups == channels == maps:
            return matrix, 1
        else:
            depth = maps, channels // groups
        return np.broadcast_to(matrix, (*depth, *matrix.shape)), groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done to each input.

    Parameters
    ----------
    gray : bool
        Make it grey first.
    resize : (height, width), optional
        Resample it first.
    kernels : tuple of Step
        Each makes a feature map of its own.
    combine : str, optional
        How these become one: a name of `COMBINATIONS`.
    layers : tuple of Step
        What every map goes through then, in order.
    value_range : str, optional
        The range policy of pictures; what suits the input where left out.
    frame : int, optional
        Which frame or page to filter, from 0; all, where the output can hold them, if left out.
    linear : bool
        Filter in linear light, for pictures whose values are sRGB.
    strip : bool
        Leave out what belongs to a picture beside its pixels.
    method : str
        How convolutions are computed.
    max_pixels : int
        The most that an input, a padded map and an output may have.
    max_memory : int, optional
        The most bytes that a process may need; three quarters of what its machine has where left
        out.
    """

    gray: bool = False
    resize: Pair | None = None
    kernels: tuple[Step, ...] = ()
    combine: str | None = None
    layers: tuple[Step, ...] = ()
    value_range: str | None = None
    frame: int | None = None
    linear: bool = False
    strip: bool = False
    method: str = "auto"
    max_pixels: int = MAX_PIXELS
    max_memory: int | None = None

    @property
    def kernel_files(self) -> tuple[str, ...]:
        """The files that its kernels come from."""
        specs = (step.layer.spec for step in (*self.kernels, *self.layers))
        return tuple(path for spec in specs if spec is not None and (path := kernel_path(spec)))

    def range_policy(self, depth: int | None) -> str:
        """Return the range policy of the maps of an input with `depth` bits.

        Left out, values that have a black and a white are clamped, and others rescaled: those of
        numbers (`depth` is None), and those of sigmoid and tanh, which fill little of the range.
        """
        if self.value_range is not None:
            return self.value_range
        is_bounded = any(step.layer.operation.is_bounded for step in self.layers)
        return "rescale" if depth is None or is_bounded else "clamp"


def load_kernels(specs: Sequence[str]) -> list[Kernel]:
    """Load kernels by their SPECs; what can be wrong as typed is found before a file is opened."""
    in_order = sorted(set(specs), key=lambda spec: kernel_path(spec) is not None)
    by_spec = {spec: load_kernel(spec) for spec in in_order}
    return [by_spec[spec] for spec in specs]


def make_layer_steps(
    layers: Iterable[Layer], *, method: str, max_pixels: int = MAX_PIXELS
) -> tuple[Step, ...]:
    """Check a stack of layers for use on images, and load its kernels.

    Raises
    ------
    ArgumentError
        For layers that mean nothing for an image, and for numbers beyond their limits.
    """
    stack = tuple(layers)
    for layer in stack:
        if not layer.operation.is_for_images:
            raise ArgumentError(f"layer {format_layer(layer)!r} has no meaning for an image")
        if layer.operation.needs_kernel and layer.spec is None:
            raise ArgumentError(
                f"layer {format_layer(layer)!r} has no weights; give it some with kernel=SPEC"
            )
        check_limits(layer, max_pixels)
    input_indices(stack)  # raises where a name leads nowhere
    kernels = iter(load_kernels([layer.spec for layer in stack if layer.spec is not None]))
    return tuple(
        Step(layer=layer) if layer.spec is None else make_convolution(layer, next(kernels), method)
        for layer in stack
    )


def make_convolution(layer: Layer, kernel: Kernel, method: str, *, flip: bool = False) -> Step:
    """Join a convolution with its kernel, which must be one that the method can take."""
    if layer.op == "conv" and method != "auto":
        check_method(method, kernel)
    sized = replace(with_kernel(layer, kernel.matrix.shape), origin=flip_origin(kernel, flip=flip))
    _ = sized.window  # raises for an output padding that it cannot have
    return Step(layer=sized, kernel=kernel, flip=flip)


def flip_origin(kernel: Kernel, *, flip: bool) -> Pair | None:
    """Where a kernel's origin lies once it is turned as it will be applied."""
    if kernel.origin is None or not flip:
        return kernel.origin
    return kernel.size[0] - 1 - kernel.origin[0], kernel.size[1] - 1 - kernel.origin[1]


def check_limits(layer: Layer, max_pixels: int = MAX_PIXELS) -> None:
    """Hold typed numbers to their limits, by arithmetic alone.

    Raises
    ------
    LimitError
        With the number and the most that it may be.
    """
    if layer.kernel is not None:
        check_size(layer.kernel)
    margins = () if layer.margin is None else (layer.margin,)
    sides = margins if isinstance(layer.padding, str) else (*layer.padding, *margins)
    typed = {"stride": (layer.stride,), "dilation": (layer.dilation,), "padding": sides}
    for what, pairs in typed.items():
        largest = max((max(pair) for pair in pairs), default=0)
        if largest > MAX_STEP:
            raise LimitError(f"{what} {largest} is too large: the most is {MAX_STEP}")
    if layer.channels is not None and layer.channels > MAX_STEP:
        raise LimitError(f"c={layer.channels} is too large: the most is {MAX_STEP}")
    if layer.size is not None and layer.size[0] * layer.size[1] > max_pixels:
        raise LimitError(
            f"an output of {layer.size[0]}x{layer.size[1]} is too large: "
            f"--max-pixels allows {max_pixels:,}"
        )


class MapShapes(NamedTuple):
    """The shapes, (C, H, W) each, of one feature map.

    Parameters
    ----------
    start : Shape
        The input of the layers: the output of a kernel, the combined one, or the input itself.
    layers : tuple of Shape
        The output of every layer.
    """

    start: Shape
    layers: tuple[Shape, ...]

    @property
    def output(self) -> Shape:
        """The shape of the feature map."""
        return self.layers[-1] if self.layers else self.start


def infer_shapes(plan: Plan, shape: Shape) -> tuple[MapShapes, ...]:
    """Infer the shapes of every map from a preprocessed input of (C, H, W).

    Raises
    ------
    ShapeError
        If a layer cannot take its input, or its output would be empty.
    LimitError
        If a padded map or an output has more pixels than allowed.
    """
    starts = [_output_shape(step, [shape], plan.max_pixels) for step in plan.kernels] or [shape]
    if plan.combine is not None:
        if len(set(starts)) > 1:
            different = format_shapes(dict.fromkeys(starts))
            raise ShapeError(f"--combine needs maps of one shape, not {different}")
        starts = starts[:1]
    return tuple(MapShapes(start, _layer_shapes(plan, start)) for start in starts)


def _layer_shapes(plan: Plan, start: Shape) -> tuple[Shape, ...]:
    layers = [step.layer for step in plan.layers]
    shapes = {INPUT: start}
    for index, inputs in enumerate(input_indices(layers)):
        given = [shapes[source] for source in inputs]
        shapes[index] = _output_shape(plan.layers[index], given, plan.max_pixels)
    if any(layer.operation.is_join for layer in layers):
        from convcli.arithmetic.network import walk

        walk(layers, start)  # which checks that the inputs of joins are aligned
    return tuple(shapes[index] for index in range(len(layers)))


def _output_shape(step: Step, inputs: Sequence[Shape], max_pixels: int) -> Shape:
    """Return the output shape of a step, within the limits of pixels."""
    layer = step.layer
    title = f"kernel {step.kernel.name}" if step.kernel else f"layer {format_layer(layer)}"
    try:
        shape = output_shape(layer, inputs)
    except ShapeError as error:
        raise ShapeError(f"{title} on {format_shapes(inputs)}: {error}") from None
    areas = {"output": (shape[1] * shape[2], max_pixels)}
    if layer.operation.is_window and not layer.operation.is_transposed:
        rows, columns = layer.window.axes((inputs[0][1], inputs[0][2]))
        height = rows.size + rows.before + rows.after
        width = columns.size + columns.before + columns.after
        # A small limit is for pictures, not for the padding that they need.
        areas["padded input"] = (height * width, max(max_pixels, MAX_PIXELS))
    for name, (area, limit) in areas.items():
        if area > limit:
            raise LimitError(
                f"{title}: the {name} would have {area:,} pixels, and --max-pixels allows {limit:,}"
            )
    return shape
