"""Convolutions and pools: nodes that move a window."""

from __future__ import annotations

from typing import Any

from convcli.arithmetic.values import NO_PADDING, Pair, Sides
from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.reader import (
    Call,
    Converter,
    MisfitError,
    UnknownError,
    Value,
    as_axis,
    make_layer,
)
from convcli.networks.onnx.views import View

_AUTO_PADS: dict[str, str | Sides] = {
    "SAME_UPPER": "same",
    "SAME_LOWER": "same-lower",
    "VALID": NO_PADDING,
}


def _pair(values: Any, rank: int, default: int = 1) -> Pair:
    """Return the values along rows and columns; there is one row on 1-D maps."""
    values = [default] * (rank - 2) if not values else list(values)
    if len(values) != rank - 2:
        raise UnknownError
    first, last = (default, values[0]) if rank == 3 else values
    return int(first), int(last)


def _sides(pads: Any, rank: int) -> Sides:
    """Return the padding: all starts, then all ends."""
    pads = list(pads or [0] * (2 * rank - 4))
    if len(pads) != 2 * rank - 4 or min(pads) < 0:
        raise UnknownError
    if rank == 3:
        return (0, 0), (int(pads[0]), int(pads[1]))
    return (int(pads[0]), int(pads[2])), (int(pads[1]), int(pads[3]))


def _padding(call: Call, rank: int) -> str | Sides:
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in _AUTO_PADS:
        return _AUTO_PADS[auto]
    return _sides(call.attribute("pads"), rank)


def _map(call: Call) -> Value:
    value = call.map()
    if len(value.dims) not in (3, 4) or value.dims[0] != call.batch:
        raise UnknownError
    return value


def _weights(call: Call) -> tuple[Constant, dict[str, Constant]]:
    """Return the weights as they are stored, and weights and biases as a layer's."""
    weight, bias = call.constant(1), call.constant(2)
    if weight is None or len(weight.shape) not in (3, 4):
        raise UnknownError
    taps = call.attribute("kernel_shape")
    if taps and tuple(taps) != weight.shape[2:]:
        raise MisfitError(f"its kernel_shape is {taps}, and its weight {weight.shape}")
    as_rows = weight
    if len(weight.shape) == 3:
        as_rows = weight.reshape((*weight.shape[:2], 1, weight.shape[2]))
    arrays = {"weight": as_rows}
    if bias is not None:
        arrays["bias"] = bias
    return as_rows, arrays


def _conv(call: Call) -> Value:
    value, (weight, arrays) = _map(call), _weights(call)
    rank, groups = len(value.dims), call.attribute("group", 1)
    layer = make_layer(
        "conv",
        kernel=weight.shape[2:],
        stride=_pair(call.attribute("strides"), rank),
        padding=_padding(call, rank),
        dilation=_pair(call.attribute("dilations"), rank),
        groups=_groups(groups, value.shape[0]),
        channels=weight.shape[0],
        bias="bias" in arrays,
    )
    return call.emit(layer, value, weights=arrays)


def _groups(groups: int, channels: int) -> int | str | None:
    if groups < 1:
        raise UnknownError
    if groups == 1:
        return None
    return "depthwise" if groups == channels else groups


def _conv_transpose(call: Call) -> Value:
    value, (weight, arrays) = _map(call), _weights(call)
    rank, groups = len(value.dims), call.attribute("group", 1)
    kernel = weight.shape[2], weight.shape[3]
    stride = _pair(call.attribute("strides"), rank)
    dilation = _pair(call.attribute("dilations"), rank)
    extra = _pair(call.attribute("output_padding"), rank, 0)
    sizes = call.attribute("output_shape")
    auto = call.attribute("auto_pad", "NOTSET")
    if sizes or auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = [side * step for side, step in zip(value.shape[1:], stride, strict=True)] if (
            not sizes) else _pair(sizes[-(rank - 2):], rank)  # fmt: skip
        totals = [
            step * (side - 1) + more + (taps - 1) * apart + 1 - size
            for step, side, more, taps, apart, size in zip(
                stride, value.shape[1:], extra, kernel, dilation, sizes, strict=True
            )
        ]
        if rank == 3:
            totals[0] = 0
        if min(totals) < 0:
            raise UnknownError
        halves = [total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals]
        rows, columns = ((half, total - half) for half, total in zip(halves, totals, strict=True))
        padding = rows, columns
    else:
        sides = _padding(call, rank)
        padding = sides if isinstance(sides, tuple) else NO_PADDING
    layer = make_layer(
        "tconv",
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
        groups=_groups(groups, value.shape[0]),
        channels=weight.shape[1] * groups,
        bias="bias" in arrays,
    )
    return call.emit(layer, value, weights=arrays)


def _pool(call: Call) -> Value:
    value = _map(call)
    rank, is_mean = len(value.dims), call.node.op == "AveragePool"
    padding = _padding(call, rank)
    values = {
        "kernel": _pair(call.attribute("kernel_shape"), rank),
        "stride": _pair(call.attribute("strides"), rank),
        "padding": padding,
        "dilation": _pair(call.attribute("dilations"), rank),
        "ceil": bool(call.attribute("ceil_mode", 0)),
    }
    if is_mean and padding != NO_PADDING:
        values["count_padding"] = bool(call.attribute("count_include_pad", 0))
    return call.emit(make_layer("avgpool" if is_mean else "maxpool", **values), value)


def _global_pool(op: str) -> Converter:
    def convert(call: Call) -> Value:
        return call.emit(make_layer(op), _map(call))

    return convert


def _reduce(pool: str) -> Converter:
    """Return what converts a reduction over rows, columns or both to a pool."""

    def convert(call: Call) -> Value:
        value = call.value()
        axes = call.numbers(1) if call.has(1) else call.attribute("axes")
        rank, order = len(value.dims), value.view.permutation
        if rank not in (3, 4) or (not axes and call.attribute("noop_with_empty_axes", 0)):
            raise UnknownError
        reduced = {as_axis(axis, rank) for axis in (axes or range(rank))}
        if order is None:
            value, order = call.map(), tuple(range(rank))
        value = value._replace(
            view=View.of(tuple(value.dims[order.index(axis)] for axis in range(rank)))
        )
        inner = {order[axis] for axis in reduced}
        if value.dims[0] != call.batch or any(value.dims[axis] > 1 for axis in inner & {0, 1}):
            raise UnknownError
        kept = tuple(1 if axis in inner else side for axis, side in enumerate(value.dims))
        if all(side == 1 for side in kept[2:]):
            layer = make_layer(f"global{pool}")
        else:
            layer = make_layer(f"adaptive{pool}", size=(1, *kept[2:])[-2:])
        view = View.of(kept).transpose(order)
        if not call.attribute("keepdims", 1):
            left = [axis for axis in range(rank) if axis not in reduced]
            view = View(view.factors, tuple(view.axes[axis] for axis in left))
        return call.emit(layer, value, view=view)

    return convert


CONVERTERS: dict[str, Converter] = {
    "AveragePool": _pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global_pool("globalavgpool"),
    "GlobalMaxPool": _global_pool("globalmaxpool"),
    "MaxPool": _pool,
    "ReduceMax": _reduce("maxpool"),
    "ReduceMean": _reduce("avgpool"),
}
