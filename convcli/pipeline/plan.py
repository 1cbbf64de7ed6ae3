"""Plan: the processing of every input, checked as far as no input is needed, its kernels loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from convcli.arithmetic.layers import Layer, with_kernel
from convcli.arithmetic.notation import format_layer, input_indices
from convcli.arithmetic.operations.convolution import group_count, output_channels
from convcli.arithmetic.values import (
    MAX_KERNEL_SIDE,
    Pair,
    Resize,
    format_padding,
)
from convcli.engine.arrays import Array
from convcli.engine.filter2d.plan import check_method
from convcli.errors import ArgumentError, KernelError, KernelFileError, LimitError
from convcli.images import DEFAULT_SETTINGS, MAX_PIXELS, ReadSettings
from convcli.images.formats import FORMATS
from convcli.images.quantize import DEGREES
from convcli.kernels import Kernel, check_size, kernel_path, load_kernel
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pipeline.inference.step import NetworkStep
    from convcli.pipeline.selection import Selection

MAX_STEP = 65_536  # padding, stride and dilation
DEPTHS = ("8", "16", "float")  # of pixels that are written
COMBINATIONS = ("sum", "mean", "max", "magnitude", "direction")


class Step(NamedTuple):
    """A layer with the kernel that it applies.

    Parameters
    ----------
    layer : Layer
        The size of its window is known.
    kernel : Kernel, optional
        The weights of a convolution.
    bias : float or ndarray, (C_out,)
        Added to every sum of a convolution.
    flip : bool
        Rotate the kernel by 180°: true convolution.
    """

    layer: Layer
    kernel: Kernel | None = None
    bias: float | Array = 0.0
    flip: bool = False

    def weights(self, channels: int) -> tuple[Array, int]:
        """Return the weights of a convolution on an input of so many channels, and its groups.

        A kernel of two axes that filters each channel by itself stays as it is, with one group; in
        any other grouping it is repeated for every pair of an input and an output channel. Those of
        a transposed convolution always have four axes.
        """
        layer, kernel = self.layer, cast("Kernel", self.kernel)
        matrix = kernel.matrix
        groups = group_count(layer, channels)
        maps = output_channels(layer, channels)
        if kernel.outer is not None:
            if layer.operation.is_transposed or not groups == channels == maps:
                raise LimitError(
                    f"a kernel of {matrix.shape[0]}x{matrix.shape[1]} filters each channel by "
                    f"itself; of one that is to do more, the most is {MAX_KERNEL_SIDE} a side"
                )
            return matrix, 1
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


class Plan(NamedTuple):
    """The processing that every input gets.

    Parameters
    ----------
    gray : bool
        Convert it to gray first.
    resize : Resize, optional
        Resample it first.
    kernels : tuple of Step
        Each makes a feature map of its own.
    combine : str, optional
        How their maps are combined into one: one of `COMBINATIONS`.
    layers : tuple of Step
        Applied to every map, in order.
    value_range : str, optional
        The range policy of images; left out, `range_policy` chooses it.
    depth : {"8", "16", "float"}, optional
        What is written of a value; left out, `output_depth` chooses it.
    frame : int, optional
        The index of a frame or page; left out, all, if the output can hold them.
    linear : bool
        Filter in linear light; for pictures, whose values are sRGB.
    strip : bool
        Drop metadata.
    method : str
        The method of convolutions.
    nan : {"refuse", "keep", "skip"}
        What becomes of NaN in the inputs, as in `filter_missing`.
    reading : ReadSettings
        How inputs are read; its limit of pixels is that of padded maps and outputs, too.
    max_memory : int, optional
        The most bytes that a process may need; left out, three quarters of the machine's memory.
    selection : Selection, optional
        What is filtered of a picture; the rest is as it would be without kernels and layers.
    network : NetworkStep, optional
        A network with its weights that is run, in place of kernels and layers.
    """

    gray: bool = False
    resize: Resize | None = None
    kernels: tuple[Step, ...] = ()
    combine: str | None = None
    layers: tuple[Step, ...] = ()
    value_range: str | None = None
    depth: str | None = None
    frame: int | None = None
    linear: bool = False
    strip: bool = False
    method: str = "auto"
    nan: str = "refuse"
    reading: ReadSettings = DEFAULT_SETTINGS
    max_memory: int | None = None
    selection: Selection | None = None
    network: NetworkStep | None = None

    @property
    def kernel_files(self) -> tuple[str, ...]:
        """The files that the kernels were loaded from."""
        specs = (step.layer.spec for step in (*self.kernels, *self.layers))
        return tuple(path for spec in specs if spec is not None and (path := kernel_path(spec)))

    def resized(self, size: Pair) -> Pair:
        """Return the size, (height, width), that a picture of some size is resampled to.

        Raises
        ------
        LimitError
            If it has more pixels than allowed.
        """
        if self.resize is None:
            return size
        height, width = self.resize.size_of(size)
        if height * width > self.reading.max_pixels:
            raise LimitError(
                f"--resize would make {width}x{height} = {height * width:,} pixels of it, and "
                f"--max-pixels allows {self.reading.max_pixels:,}"
            )
        return height, width

    def range_policy(self, depth: int | None) -> str:
        """Return the range policy of the maps of an input with `depth` bits.

        Left out, values that have a black and a white are clamped, and others rescaled: those of
        numbers (`depth` is None), and those of functions like sigmoid, which fill little of it.
        Degrees have a range of their own, whatever they are. Where a selection has blended the maps
        with a picture, they are on the scale of the output.
        """
        if self.selection is not None and depth is not None:
            return "clamp"
        if (
            self.combine == "direction"
            and not self.layers
            and self.value_range in (None, "rescale")
        ):
            return DEGREES
        if self.value_range is not None:
            return self.value_range
        is_bounded = any(step.layer.operation.is_bounded for step in self.layers)
        return "rescale" if depth is None or is_bounded else "clamp"

    def filter_policy(self, depth: int | None) -> str:
        """Return the range policy of what a selection takes, before it is blended."""
        return self._replace(selection=None).range_policy(depth)

    def output_depth(self, depth: int | None, image_format: str) -> int | None:
        """Return the bits of the pixels that are written of an input with `depth` bits.

        None are real numbers, in the input's own units and without a range policy: what a format
        that can hold them gets of an input of numbers.
        """
        if self.depth is not None:
            return None if self.depth == "float" else int(self.depth)
        holds_reals = image_format in FORMATS and FORMATS[image_format].holds_reals
        is_real = depth is None and self.value_range is None and holds_reals
        return None if is_real else depth or 8


def load_kernels(specs: Sequence[str]) -> list[Kernel]:
    """Load kernels by their SPECs; an error in a name is found before any file is opened."""
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
        For layers that images do not have, and for numbers beyond their limits.
    """
    stack = tuple(layers)
    for layer in stack:
        if not layer.operation.is_for_images:
            raise ArgumentError(f"layer {format_layer(layer)!r} has no meaning for an image")
        if layer.operation.needs_weights(layer) and layer.spec is None:
            source = "with kernel=SPEC" if layer.operation.needs_kernel else "with a file for --net"
            raise ArgumentError(
                f"layer {format_layer(layer)!r} has no weights; give it some {source}"
            )
        check_limits(layer, max_pixels)
    input_indices(stack)  # raises for unknown names
    kernels = iter(load_kernels([layer.spec for layer in stack if layer.spec is not None]))
    return tuple(
        Step(layer=layer) if layer.spec is None else make_convolution(layer, next(kernels), method)
        for layer in stack
    )


def make_convolution(layer: Layer, kernel: Kernel, method: str, *, flip: bool = False) -> Step:
    """Return a convolution with its kernel, to which the method must apply."""
    if not layer.operation.is_transposed:
        check_method(method, kernel)
    layer = with_kernel(layer, kernel.matrix.shape, kernel.groups)
    layer = layer._replace(origin=flip_origin(kernel) if flip else kernel.origin)
    _ = layer.window  # raises for an output padding that it cannot have
    return Step(layer=layer, kernel=kernel, bias=kernel.bias if layer.bias else 0.0, flip=flip)


def make_rim(kernels: Sequence[Step]) -> Step:
    """Return the layer that puts maps of kernels without padding back into the input's frame.

    It adds zeros where `same` pads the input: each value is then at its window's center, or at the
    origin that the kernel's file sets.

    Raises
    ------
    ArgumentError
        For kernels that leave out rims of different sides.
    """
    rims = {step.layer._replace(padding="same").window.pads((1, 1)) for step in kernels}
    if len(rims) > 1:
        rows_and_columns = " and ".join(sorted(map(format_padding, rims)))
        raise ArgumentError(
            f"--keep-size adds one rim, and these kernels leave out {rows_and_columns}: "
            "filter with kernels of one size together"
        )
    return Step(Layer(op="pad", margin=rims.pop()))


def check_renormalization(step: Step) -> None:
    """Check that the weights of a convolution can be renormalized, where NaN is left out.

    Raises
    ------
    KernelError, KernelFileError
        If it is transposed, or the weights of a map sum to 0.
    """
    kernel, layer = step.kernel, step.layer
    if kernel is None:
        return
    if layer.operation.is_transposed:
        raise KernelError(
            f"layer {format_layer(layer)!r} spreads each value, and --nan skip leaves values out "
            "of sums: take --nan keep"
        )
    if not kernel.has_zero_sum:
        return
    cause = "sums to 0, and --nan skip divides by the sum of the weights that are left"
    path = None if layer.spec is None else kernel_path(layer.spec)
    if path is not None:
        raise KernelFileError(path, f"{cause}: take --nan keep")
    raise KernelError(f"kernel {layer.spec!r} {cause}: take --nan keep")


def flip_origin(kernel: Kernel) -> Pair | None:
    """Return the origin of a kernel once it is rotated by 180°."""
    if kernel.origin is None:
        return None
    return kernel.size[0] - 1 - kernel.origin[0], kernel.size[1] - 1 - kernel.origin[1]


def check_limits(layer: Layer, max_pixels: int = MAX_PIXELS) -> None:
    """Check the numbers of a layer against their limits.

    Raises
    ------
    LimitError
        With the number and its limit.
    """
    if layer.kernel is not None:
        check_size(layer.kernel)
    margins = layer.margin or ()
    sides = margins if isinstance(layer.padding, str) else (*layer.padding, *margins)
    settings = {"stride": (layer.stride,), "dilation": (layer.dilation,), "padding": sides}
    for name, pairs in settings.items():
        largest = max(map(max, pairs), default=0)
        if largest > MAX_STEP:
            raise LimitError(f"{name} {largest} is too large: the most is {MAX_STEP}")
    if layer.channels is not None and layer.channels > MAX_STEP:
        raise LimitError(f"c={layer.channels} is too large: the most is {MAX_STEP}")
    if layer.size is not None and layer.size[0] * layer.size[1] > max_pixels:
        raise LimitError(
            f"an output of {layer.size[0]}x{layer.size[1]} is too large: "
            f"--max-pixels allows {max_pixels:,}"
        )


def title_of(step: Step) -> str:
    """Return what a step is called in messages."""
    return f"kernel {step.kernel.name}" if step.kernel else f"layer {format_layer(step.layer)}"
