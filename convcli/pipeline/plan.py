"""Options -> a plan: every kernel loaded, every layer known, every number within its limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from convcli.arithmetic.graph import input_indices
from convcli.arithmetic.layers import Layer, with_kernel
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair
from convcli.engine.filter2d import check_method
from convcli.errors import ArgumentError, LimitError
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
    by_spec = {spec: load_kernel(spec) for spec in sorted(set(specs), key=_is_file)}
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
    if layer.op == "conv":
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


def _is_file(spec: str) -> bool:
    return kernel_path(spec) is not None
