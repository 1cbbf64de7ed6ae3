"""Oracles: slow or foreign computations of the engine's numbers, and the settings to try them on.

None of them shares code with the engine: padding walks back into the array step by step, windows
are counted by sliding them, and the rest is SciPy, PyTorch and ONNX Runtime.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, signal
from support.peers import require_peer

Array = NDArray[Any]
Pair = tuple[int, int]
Sides = tuple[Pair, Pair]

MODES = ("zero", "reflect", "replicate", "circular", "symmetric")
PADDING_NAMES = ("valid", "same", "same-lower", "full")
SCIPY_MODES = {
    "zero": "constant",
    "replicate": "nearest",
    "symmetric": "reflect",
    "reflect": "mirror",
    "circular": "wrap",
}


# ---- sizes -------------------------------------------------------------------------------------


def span(kernel: int, dilation: int) -> int:
    """Positions from a window's first tap to its last."""
    return len(range(0, kernel * dilation, dilation)) * dilation - dilation + 1


def count_windows(
    size: int, kernel: int, stride: int, sides: Pair, dilation: int = 1, *, ceil: bool = False
) -> int:
    """Slide a window over the padded axis and count the places where it may stop."""
    padded = sides[0] + size + sides[1]
    count = start = 0
    while start + span(kernel, dilation) <= padded:
        count, start = count + 1, start + stride
    # Rounded up: one window more, if anything is left over and it starts before the far padding.
    left_over = count > 0 and start - stride + span(kernel, dilation) < padded
    if ceil and left_over and start < size + sides[0]:
        return count + 1
    if ceil and not left_over and start - stride >= size + sides[0]:
        return count - 1
    return count


@cache
def sides_of_axis(name: str, size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """What a padding's name means along one axis, by trying."""
    if name == "valid":
        return 0, 0
    if name == "full":  # the last tap still meets the first position
        return span(kernel, dilation) - 1, span(kernel, dilation) - 1
    wanted, total = len(range(0, size, stride)), 0
    while count_windows(size, kernel, stride, (0, total), dilation) < wanted:
        total += 1
    small, large = sorted((total // 2, total - total // 2))
    return (small, large) if name == "same" else (large, small)


# ---- arrays ------------------------------------------------------------------------------------


def source(position: int, size: int, mode: str) -> int | None:
    """Where a position beyond the border takes its value from: turn back until inside."""
    if mode.startswith(("zero", "constant:")) and not 0 <= position < size:
        return None
    if mode == "reflect" and size == 1:
        return 0
    while not 0 <= position < size:
        below = position < 0
        if mode == "replicate":
            position += 1 if below else -1
        elif mode == "circular":
            position += size if below else -size
        elif mode == "symmetric":
            position = -1 - position if below else 2 * size - 1 - position
        else:
            position = -position if below else 2 * (size - 1) - position
    return position


def pad(x: Array, sides: Sides, mode: str) -> Array:
    """Pad the last two axes, position by position."""
    height, width = x.shape[-2:]
    (top, bottom), (left, right) = sides
    fill = float(mode.partition(":")[2] or 0)
    out = np.full((*x.shape[:-2], top + height + bottom, left + width + right), fill, x.dtype)
    for i, j in np.ndindex(out.shape[-2:]):
        row, column = source(i - top, height, mode), source(j - left, width, mode)
        if row is not None and column is not None:
            out[..., i, j] = x[..., row, column]
    return out


def convolve(
    x: Array,
    weight: Array,
    *,
    stride: Pair = (1, 1),
    sides: Sides = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    mode: str = "zero",
) -> Array:
    """Correlate (N, C, H, W) with (C_out, C / groups, kh, kw), window by window, in float64."""
    padded = pad(x.astype(np.float64), sides, mode)
    c_out, depth, kh, kw = weight.shape
    rows, columns = (
        range(0, padded.shape[2 + axis] - span(weight.shape[2 + axis], dilation[axis]) + 1, step)
        for axis, step in enumerate(stride)
    )
    out = np.zeros((len(x), c_out, len(rows), len(columns)))
    ends = [span(side, step) for side, step in zip((kh, kw), dilation, strict=True)]
    weights = weight.astype(np.float64).reshape(c_out, -1)
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        window = padded[
            :, :, row : row + ends[0] : dilation[0], column : column + ends[1] : dilation[1]
        ]
        for o in range(c_out):
            group = o * groups // c_out
            taps = window[:, group * depth : (group + 1) * depth].reshape(len(x), -1)
            out[:, o, i, j] = taps @ weights[o]
    return out


def paint(
    x: Array,
    weight: Array,
    *,
    stride: Pair = (1, 1),
    sides: Sides = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    output_padding: Pair = (0, 0),
) -> Array:
    """Transposed convolution of (N, C, H, W): paint the kernel once for every value, then crop."""
    n, c_in, *size = x.shape
    c_out, taps = weight.shape[1] * groups, weight.shape[2:]
    (top, bottom), (left, right) = sides
    ends = [
        (size[a] - 1) * stride[a] + span(taps[a], dilation[a]) + output_padding[a] for a in (0, 1)
    ]
    canvas = np.zeros((n, c_out, *ends))
    for c, i, j, o in product(range(c_in), *map(range, size), range(weight.shape[1])):
        map_ = c * groups // c_in * weight.shape[1] + o
        for u, v in product(*map(range, taps)):
            row, column = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
            canvas[:, map_, row, column] += x[:, c, i, j] * weight[c, o, u, v]
    return canvas[:, :, top : ends[0] - bottom, left : ends[1] - right]


def filter_channels(image: Array, kernel: Array, **settings: Any) -> Array:
    """Correlate each channel of (H, W) or (H, W, C) with one kernel, by `convolve`."""
    planes = np.atleast_3d(image).transpose(2, 0, 1)[:, np.newaxis]
    maps = convolve(planes, kernel[np.newaxis, np.newaxis], **settings)[:, 0].transpose(1, 2, 0)
    return maps if image.ndim == 3 else maps[:, :, 0]


def scipy_correlate(image: Array, kernel: Array, mode: str, *, lower: bool = False) -> Array:
    """`same` by scipy.ndimage; its own rule for even kernels is our `same-lower`."""
    origin = [0 if lower or side % 2 else -1 for side in kernel.shape]
    plane = image.astype(np.float64)
    return np.asarray(ndimage.correlate(plane, kernel, mode=SCIPY_MODES[mode], origin=origin))


def scipy_convolve(image: Array, kernel: Array, size: str) -> Array:
    """True convolution with zeros beyond the border: full, same or valid."""
    return np.asarray(signal.convolve2d(image.astype(np.float64), kernel, mode=size))


def assert_rounded(result: Array, exact: Array, *, near: float = 1e-3) -> None:
    """Hold integers to the exact values: rounded half to even and clamped.

    Where an exact value lies this near to a half, one level either way is right.
    """
    bounds = np.iinfo(result.dtype)
    expected = np.clip(np.rint(exact), bounds.min, bounds.max)
    off = np.abs(result.astype(np.float64) - expected)
    from_half = np.abs(exact - np.floor(exact) - 0.5)
    allowed = np.where((from_half < near) & (from_half > 0), 1, 0)
    worst = np.argmax(off - allowed)
    assert np.all(off <= allowed), f"{exact.flat[worst]} became {result.flat[worst]}"


# ---- random settings ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """A window that fits its input; `padding` as a user writes it, `sides` what it means."""

    size: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Any
    sides: Sides

    @property
    def settings(self) -> dict[str, Any]:
        """What the engine's functions take, a pair of equals as one number."""
        return {
            "stride": brief(self.stride),
            "padding": self.padding,
            "dilation": brief(self.dilation),
        }

    @property
    def numbers(self) -> dict[str, Any]:
        """What the oracles take."""
        return {"stride": self.stride, "sides": self.sides, "dilation": self.dilation}

    @property
    def output(self) -> Pair:
        """The output's size, by counting windows."""
        rows, columns = (
            count_windows(self.size[a], self.kernel[a], self.stride[a], self.sides[a], gap)
            for a, gap in enumerate(self.dilation)
        )
        return rows, columns


def brief(pair: Pair) -> int | Pair:
    return pair[0] if pair[0] == pair[1] else pair


def pairs(least: int, most: int) -> st.SearchStrategy[Pair]:
    number = st.integers(least, most)
    return st.tuples(number, number)


seeds = st.integers(0, 2**32 - 1)


@st.composite
def geometries(
    draw: st.DrawFn,
    *,
    largest_kernel: int = 4,
    largest_dilation: int = 3,
    forms: Sequence[str] = ("number", "pair", "sides", *PADDING_NAMES),
) -> Geometry:
    """Any window over any input that it fits: sizes from 1, padding wider than either, too."""
    kernel = draw(pairs(1, largest_kernel))
    stride, dilation = draw(pairs(1, 3)), draw(pairs(1, largest_dilation))
    form = draw(st.sampled_from(forms))
    extents = [span(k, d) for k, d in zip(kernel, dilation, strict=True)]
    extra = draw(pairs(0, 5))
    padding: Any = form
    if form in PADDING_NAMES:
        least = extents if form == "valid" else [1, 1]
        size = (least[0] + extra[0], least[1] + extra[1])
        sides = tuple(
            sides_of_axis(form, *numbers)
            for numbers in zip(size, kernel, stride, dilation, strict=True)
        )
    else:
        if form == "number":
            padding = draw(st.integers(0, 4))
            sides = ((padding, padding),) * 2
        elif form == "pair":
            padding = draw(pairs(0, 4))
            sides = tuple((p, p) for p in padding)
        else:
            sides = padding = (draw(pairs(0, 4)), draw(pairs(0, 4)))
        fits = [max(e - sum(p), 1) for e, p in zip(extents, sides, strict=True)]
        size = (fits[0] + extra[0], fits[1] + extra[1])
    return Geometry(size, kernel, stride, dilation, padding, (sides[0], sides[1]))


@st.composite
def transposes(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """Settings of a transposed convolution that leaves an output: settings, kernel, size."""
    kernel, size = draw(pairs(1, 4)), draw(pairs(1, 4))
    stride, dilation = draw(pairs(1, 3)), draw(pairs(1, 3))
    extra = tuple(
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    sides = (draw(pairs(0, 3)), draw(pairs(0, 3)))
    for axis in range(2):
        reach = (size[axis] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
        assume(reach + extra[axis] > sum(sides[axis]))
    asked = {"stride": stride, "dilation": dilation, "padding": sides, "output_padding": extra}
    return asked, kernel, size


def whole_numbers(seed: int, *shape: int) -> Array:
    """Small whole numbers as floats: their sums are exact in any order."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float64)


def reals(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def pixels(seed: int, *shape: int, dtype: Any = np.uint8) -> Array:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


# ---- ONNX --------------------------------------------------------------------------------------


def onnx_run(op: str, *inputs: Array, **attributes: Any) -> Array:
    """Run one operator of ONNX Runtime on float32 arrays."""
    runtime = require_peer("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    names = [f"x{place}" for place in range(len(inputs))]
    session = runtime.InferenceSession(
        _onnx_model(op, names, attributes), options, providers=["CPUExecutionProvider"]
    )
    feeds = {name: x.astype(np.float32) for name, x in zip(names, inputs, strict=True)}
    return np.asarray(session.run(None, feeds)[0])


def _onnx_model(op: str, names: list[str], attributes: dict[str, Any]) -> bytes:
    """Write a model of one node as protobuf; the numbers are the fields of onnx.proto."""
    float_tensor = _field(2, _field(1, _field(1, 1)))
    inputs = b"".join(_field(11, _field(1, name.encode()) + float_tensor) for name in names)
    output = _field(12, _field(1, b"y") + float_tensor)
    node = b"".join(_field(1, name.encode()) for name in names)
    node += _field(2, b"y") + _field(4, op.encode())
    for name, value in attributes.items():
        node += _field(5, _field(1, name.encode()) + _onnx_value(value))
    graph = _field(1, node) + _field(2, b"g") + inputs + output
    opset = _field(1, b"") + _field(2, 19)
    return _field(1, 9) + _field(7, graph) + _field(8, opset)


def _onnx_value(value: float | str | Sequence[int]) -> bytes:
    if isinstance(value, str):
        return _field(4, value.encode()) + _field(20, 3)
    if isinstance(value, int):
        return _field(3, value) + _field(20, 2)
    if isinstance(value, float):
        return _varint(2 << 3 | 5) + struct.pack("<f", value) + _field(20, 1)
    return b"".join(_field(8, number) for number in value) + _field(20, 7)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
