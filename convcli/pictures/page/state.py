"""What a page shows first: the operation, its input, the engine's numbers, and how it was typed."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair, format_size
from convcli.engine.arrays import Array, as_exact_floats
from convcli.engine.conv2d import conv2d
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.engine.padding import pad2d
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import OVERFLOW, ArgumentError, LimitError, ShapeError
from convcli.images import Picture, Values
from convcli.images.color import resize, to_gray
from convcli.images.png.write import write_png
from convcli.kernels.bank import bank

MAX_PICTURE_PIXELS = 1 << 16  # of a picture in a page; a larger one is resampled
MAX_NUMBERS = 1 << 16  # of a grid, of weights, and of the maps that a page computes
MAX_EMBEDDED_NUMBERS = 1 << 12  # of the engine's maps in a page
MAX_SIDE = 1 << 12  # of an input without numbers
MAX_LAYERS = 100
WINDOWS = ("conv", "tconv", "maxpool", "avgpool")  # the operations of a page with a window


@dataclass(frozen=True, slots=True, eq=False)
class PageInput:
    """The input of a page.

    Parameters
    ----------
    size : (height, width)
    values : ndarray of float64, (C, H, W), optional
        None for sizes alone.
    is_picture : bool
        Whether the values are levels, 0 to 255, of one or three channels.
    options : tuple of str
        Options of `apply` by which it makes a PNG of the same levels of INPUT.
    notes : tuple of str
        Messages to the reader.
    """

    size: Pair
    values: Array | None = None
    is_picture: bool = False
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PageState:
    """All that a page shows first.

    Parameters
    ----------
    title : str
    layer : Layer
        A convolution, a transposed one or a pool, whose kernel size is known.
    input : PageInput
    weights : ndarray of float64, (kh, kw), (C, kh, kw) or (C_out, C / groups, kh, kw), optional
        Before it is flipped; None for a pool, and for sizes alone.
    flip : bool
    bias : float
        Added to every sum.
    map_biases : tuple of float
        Added to each output map's sums; empty for none.
    relu : bool
    layers : tuple of Layer
        After this one.
    value_range : str
        "none" or a range policy.
    at : (row, column), optional
        The output that is explained first.
    source, spec : str, optional
        INPUT and the kernel as they were typed.
    spec_bias : float
        The part of the bias that the kernel brings.
    """

    title: str
    layer: Layer
    input: PageInput
    weights: Array | None = None
    flip: bool = False
    bias: float = 0.0
    map_biases: tuple[float, ...] = ()
    relu: bool = False
    layers: tuple[Layer, ...] = ()
    value_range: str = "none"
    at: Pair | None = None
    source: str | None = None
    spec: str | None = None
    spec_bias: float = 0.0

    @property
    def first_output(self) -> Pair:
        """The output that is explained first: of a picture the middle where it is not given."""
        if self.at is not None or not self.input.is_picture:
            return self.at or (0, 0)
        height, width = self.layer.window.output(self.input.size)
        return height // 2, width // 2

    @property
    def filters(self) -> Array:
        """The weights with all four axes; ones for a pool, and for sizes alone."""
        if self.weights is None:
            return np.ones((1, 1, *self.layer.window.kernel))
        return self.weights.reshape((1,) * (4 - self.weights.ndim) + self.weights.shape)

    def make_data(self) -> dict[str, Any]:
        """Return what `types.d.ts` calls the page's data, but its version.

        Raises
        ------
        LimitError
            For more than a page can hold.
        ArgumentError
            Where the operation does not fit the input, or a sum overflows.
        """
        check_limits(self)
        outputs = compute_outputs(self)
        values = self.input.values
        picture = None
        if self.input.is_picture and values is not None:
            picture = make_picture(values)
        is_listed = outputs is not None and outputs.size <= MAX_EMBEDDED_NUMBERS
        return {
            "title": self.title,
            "state": self._make_state(),
            "bank": [
                {"name": name, "matrix": kernel.matrix.tolist()} for name, kernel in bank().items()
            ],
            "picture": picture,
            "outputs": _list_finite(outputs) if is_listed and outputs is not None else None,
            "source": self.source,
            "sourceOptions": self.input.options,
            "spec": self.spec,
            "specBias": self.spec_bias,
            "notes": self.input.notes,
        }

    def _make_state(self) -> dict[str, Any]:
        layer, values = self.layer, self.input.values
        row, column = self.first_output
        return {
            "op": layer.op,
            "kernel": layer.window.kernel,
            "stride": layer.stride,
            "padding": layer.window.pads(self.input.size),
            "dilation": layer.dilation,
            "outputPadding": layer.output_padding,
            "mode": layer.mode,
            "flip": self.flip,
            "ceil": layer.ceil,
            "countPadding": layer.count_padding,
            "bias": self.bias,
            "mapBiases": self.map_biases,
            "range": self.value_range,
            "relu": self.relu,
            "layers": [*map(format_layer, self.layers)],
            "weights": self.filters.tolist(),
            "input": None if values is None or self.input.is_picture else values.tolist(),
            "size": self.input.size,
            "at": {"channel": 0, "row": row, "column": column},
        }


def make_input(picture: Picture, *, is_gray: bool = False) -> PageInput:
    """Return a picture or a grid as the input of a page; a large picture is resampled.

    Parameters
    ----------
    picture : Picture
    is_gray : bool
        Convert colors to gray first.

    Raises
    ------
    LimitError
        For a grid that is too large.
    """
    values, depth = picture.values, picture.depth
    if is_gray:
        values = to_gray(values)
    if depth is None or values.shape[2] not in (1, 3):
        if values.size > MAX_NUMBERS:
            raise LimitError(
                f"it has {values.size:,} numbers; a page holds {MAX_NUMBERS:,} at most"
            )
        planes = as_exact_floats(np.moveaxis(values, 2, 0))
        return PageInput(picture.size, planes)
    notes: list[str] = []
    options: list[str] = []
    if is_gray and picture.values.shape[2] == 3:
        options.append("--gray")
        notes.append("gray levels are rounded to whole numbers")
    size = _fit(picture.size)
    if size != picture.size:
        values = resize(values, size)
        options += ["--resize", f"{size[1]}x{size[0]}"]
        notes.append(
            f"the picture is resampled from {format_size(picture.size)} to {format_size(size)}, "
            f"as a page holds {MAX_PICTURE_PIXELS:,} pixels at most"
        )
    if depth == 16:
        values = values / 257
        options += ["--depth", "8"]
        notes.append("its 16 bits are shown as levels of 8, 0 to 255")
    if picture.alpha is not None:
        notes.append("its transparency is not shown")
    levels = np.rint(np.moveaxis(values, 2, 0).astype(np.float64)).clip(0, 255)
    return PageInput(size, levels, is_picture=True, options=tuple(options), notes=tuple(notes))


def compute_outputs(state: PageState) -> Array | None:
    """Return the engine's numbers, (C, H, W), float64; None without an input of numbers."""
    values, layer = state.input.values, state.layer
    if values is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if layer.operation.reduction is not None:
            outputs = find_function(layer.operation)(layer, [values], NO_WEIGHTS)
        else:
            outputs = _convolve(state, values)
    if np.isnan(outputs).any() or np.isposinf(outputs).any():
        raise ArgumentError(OVERFLOW)  # -inf is the maximum of padding alone
    return np.maximum(outputs, 0.0) if state.relu else outputs


def _convolve(state: PageState, values: Array) -> Array:
    """Return the sums of a convolution or of a transposed one, with the biases."""
    layer, filters, channels = state.layer, state.filters, len(values)
    if filters.shape[:2] == (1, 1):
        filters = np.repeat(filters, channels, axis=0)  # each channel by itself
    groups = _count_groups(filters, channels)
    if state.flip:
        filters = filters[..., ::-1, ::-1]
    biases = np.full(len(filters), state.bias) + (state.map_biases or 0.0)
    settings: dict[str, Any] = {
        "stride": layer.stride, "dilation": layer.dilation, "groups": groups
    }  # fmt: skip
    pads = layer.window.pads(state.input.size)
    if layer.operation.is_transposed:
        weights = swap_filters(filters, groups)
        return conv_transpose2d(
            values, weights, biases, padding=pads, output_padding=layer.output_padding, **settings
        )
    return conv2d(pad2d(values, pads, layer.mode), filters, biases, **settings)


def swap_filters(weights: Array, groups: int) -> Array:
    """Return (C_out, C_in / groups, kh, kw) as a transposed convolution has it, and the reverse.

    That is (C_in, C_out / groups, kh, kw).
    """
    grouped = weights.reshape(groups, -1, *weights.shape[1:])
    swapped: Array = grouped.swapaxes(1, 2)
    return swapped.reshape(-1, *swapped.shape[2:])


def _count_groups(filters: Array, channels: int) -> int:
    """Return the groups of channels; raise where they do not divide the input and the output."""
    summed: int = filters.shape[1]
    groups, rest = divmod(channels, summed)
    if rest or len(filters) % groups:
        raise ShapeError(f"the kernel sums over {summed} channels; it has {channels}")
    return groups


def check_limits(state: PageState) -> None:
    """Raise for more numbers than a page can hold, by arithmetic alone."""
    height, width = state.layer.window.output(state.input.size)
    if max(*state.input.size, height, width) > MAX_SIDE:
        raise LimitError(
            f"a side of {max(*state.input.size, height, width):,} is too large for a page: "
            f"the most is {MAX_SIDE:,}"
        )
    _check_layers(state.layers, (height, width))
    maps = len(state.filters)
    channels = 0 if state.input.values is None else len(state.input.values)
    most = MAX_PICTURE_PIXELS * 4 if state.input.is_picture else MAX_NUMBERS
    counts = {
        "weights": (state.filters.size, MAX_NUMBERS),
        "outputs": ((channels if maps == 1 else maps) * height * width * bool(channels), most),
    }
    for name, (count, limit) in counts.items():
        if count > limit:
            raise LimitError(f"it has {count:,} {name}; a page holds {limit:,} at most")
    row, column = state.first_output
    if not (0 <= row < height and 0 <= column < width):
        raise ArgumentError(
            f"there is no output at {row},{column}: rows are 0..{height - 1}, "
            f"columns 0..{width - 1}"
        )


def can_follow(layer: Layer) -> bool:
    """Whether a layer may come after the page's own: it has a window, or works on each value."""
    is_known = layer.op in WINDOWS or layer.operation.family == "elementwise"
    return is_known and not layer.sources


def _check_layers(layers: Sequence[Layer], size: Pair) -> None:
    """Raise for too many layers after the first, and for those that do not fit its output."""
    if len(layers) > MAX_LAYERS:
        raise LimitError(f"these are {len(layers)} layers; a page has {MAX_LAYERS} at most")
    for layer in layers:
        if layer.op in WINDOWS:
            size = layer.window.output(size)


def _fit(size: Pair) -> Pair:
    """Return the size, shrunk in proportion to what a page can hold."""
    height, width = size
    if height * width <= MAX_PICTURE_PIXELS:
        return size
    share = math.sqrt(MAX_PICTURE_PIXELS / (height * width))
    short = max(math.floor(min(size) * share), 1)
    long = min(math.floor(max(size) * share), MAX_PICTURE_PIXELS // short, MAX_SIDE)
    return (short, long) if height < width else (long, short)


def make_picture(values: Array) -> dict[str, Any]:
    """Return levels, (C, H, W), as a PNG in a data URL, with its size."""
    pixels: Values = np.moveaxis(values, 0, 2).astype(np.uint8)
    stream = io.BytesIO()
    write_png(stream, pixels, [], 9)
    text = base64.b64encode(stream.getvalue()).decode()
    height, width, channels = pixels.shape
    url = f"data:image/png;base64,{text}"
    return {"width": width, "height": height, "channels": channels, "dataUrl": url}


def _list_finite(maps: Array) -> Any:
    """Return maps as lists, in which None is minus infinity."""
    found: Any = maps.astype(object)
    found[~np.isfinite(maps)] = None
    return found.tolist()
