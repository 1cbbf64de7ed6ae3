"""What layers a framework refuses, and which layers do the same there.

- PyTorch: the modules of `torch.nn`.
- TensorFlow: the layers of Keras, and `tf.pad`.
- ONNX: the operators Conv, ConvTranspose, MaxPool, AveragePool and Pad.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from convcli.arithmetic.frameworks import FRAMEWORKS
from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.operations.convolution import group_count
from convcli.arithmetic.values import NO_PADDING, Pair, Shape, Sides, padding_value
from convcli.errors import ArgumentError, ShapeError
from convcli.records import NamedTuple

LOWEST = "constant:-3e+38"  # padding that is no maximum, of a float32


class Refusal(NamedTuple):
    """Why a framework does not have a layer, and what does the same there.

    Parameters
    ----------
    reason : str
        What it does not have.
    instead : tuple of Layer
        One after the other; none if there is nothing.
    remark : str
        What is to be known of them.
    """

    reason: str
    instead: tuple[Layer, ...] = ()
    remark: str = ""


def check_rules(layer: Layer, shape: Shape, framework: str) -> None:
    """Check a layer over an input of `shape` against the rules of a framework.

    Raises
    ------
    ArgumentError
        If the framework does not have the layer, with what to write instead.
    """
    if framework not in FRAMEWORKS:
        raise ArgumentError(f"framework {framework!r} is none of {', '.join(FRAMEWORKS)}")
    refusal = find_refusal(layer, shape, framework)
    if refusal is None:
        return
    reason = f"{FRAMEWORKS[framework]} has no {refusal.reason}"
    if not refusal.instead:
        raise ArgumentError(f"{reason}, and no layers that do the same")
    raise ArgumentError(
        f"{reason}; write {' '.join(map(format_layer, refusal.instead))}{refusal.remark}"
    )


def find_refusal(layer: Layer, shape: Shape, framework: str) -> Refusal | None:
    """Return why a framework refuses a layer over an input of `shape`; None if it does not.

    >>> from convcli.arithmetic.notation import parse_layer
    >>> found = find_refusal(parse_layer("conv:3,s=2,p=same"), (3, 32, 32), "torch")
    >>> found.reason, [format_layer(layer) for layer in found.instead]
    ('same padding at a stride above 1', ['pad:0.1.0.1', 'conv:3,s=2'])
    """
    reason = _find_reason(layer, shape, framework)
    if reason is None:
        return None
    output = output_shape(layer, [shape])
    for layers, remark in _equivalents(layer, shape):
        if _has_all(layers, shape, framework, output):
            return Refusal(reason, layers, remark)
    return Refusal(reason)


def _find_reason(layer: Layer, shape: Shape, framework: str) -> str | None:
    is_padding = layer.op == "pad" and layer.margin is not None
    if len(shape) != 3 or not (layer.operation.is_window or is_padding):
        return None
    size = (shape[1], shape[2])
    sides = layer.margin if layer.margin is not None else layer.window.pads(size)
    reasons = _RULES[framework](layer, shape, sides)
    return next((reason for reason in reasons if reason), None)


def _has_all(layers: Sequence[Layer], shape: Shape, framework: str, output: Shape) -> bool:
    """Whether a framework has layers one after the other, which make an output of this shape."""
    for layer in layers:
        try:
            if _find_reason(layer, shape, framework):
                return False
            shape = output_shape(layer, [shape])
        except ShapeError:
            return False
    return shape == output


# ---- rules ---------------------------------------------------------------------------------------


def _torch_rules(layer: Layer, shape: Shape, sides: Sides) -> Iterator[str | None]:
    padding, kind = layer.padding, _kind(layer)
    if isinstance(padding, str) and padding not in ("valid", "same"):
        yield f"{padding} padding"
    if padding == "same" and layer.op != "conv":
        yield f"same padding in {kind}"
    if padding == "same" and max(layer.stride) > 1:
        yield "same padding at a stride above 1"
    if layer.op != "pad" and padding != "same" and any(before != after for before, after in sides):
        yield f"padding that differs between opposite sides in {kind}"
    if layer.operation.reduction is not None and any(
        2 * max(pair) > side for pair, side in zip(sides, layer.window.kernel, strict=True)
    ):
        yield "padding of a pool above half the window"
    if layer.operation.reduction == "mean" and max(layer.dilation) > 1:
        yield "dilated average pools"
    modes = ("zero", "reflect", "replicate", "circular")
    yield _unknown_mode(layer, sides, modes, has_constants=layer.op == "pad")
    yield _too_wide(layer, shape, sides, {"reflect": 1, "circular": 0})


def _tf_rules(layer: Layer, shape: Shape, sides: Sides) -> Iterator[str | None]:
    kind, is_padded = _kind(layer), sides != NO_PADDING
    if layer.op == "pad":
        yield _unknown_mode(layer, sides, ("zero", "reflect", "symmetric"), has_constants=True)
        yield _too_wide(layer, shape, sides, {"reflect": 1, "symmetric": 0})
        return
    if layer.padding in ("same-lower", "full"):
        yield f"{layer.padding} padding"
    if is_padded and layer.padding != "same":
        yield f"padding but same and valid in {kind}"
    if layer.operation.reduction is not None and max(layer.dilation) > 1:
        yield "dilated pools"
    if max(layer.stride) > 1 and max(layer.dilation) > 1:
        yield "stride above 1 with a dilation above 1"
    if layer.ceil:
        yield "pools that round up"
    if layer.operation.reduction == "mean" and layer.count_padding and is_padded:
        yield "average pools that count the padding"
    if layer.operation.is_transposed:
        yield from _tf_transposed_rules(layer, shape)
    yield _unknown_mode(layer, sides, ("zero",))


def _tf_transposed_rules(layer: Layer, shape: Shape) -> Iterator[str | None]:
    extra = zip(layer.output_padding, layer.stride, strict=True)
    if any(added >= step for added, step in extra if added):
        yield "output padding that is not below the stride"
    if layer.padding == "same" and max(layer.output_padding):
        yield "output padding beside same padding"
    if group_count(layer, shape[0]) > 1:
        yield f"groups in {_kind(layer)}"


def _onnx_rules(layer: Layer, shape: Shape, sides: Sides) -> Iterator[str | None]:
    if layer.padding == "full":
        yield "full padding"
    modes = ("zero", "reflect", "replicate", "circular") if layer.op == "pad" else ("zero",)
    yield _unknown_mode(layer, sides, modes, has_constants=layer.op == "pad")
    yield _too_wide(layer, shape, sides, {"reflect": 1, "circular": 0})


_RULES: dict[str, Callable[[Layer, Shape, Sides], Iterator[str | None]]] = {
    "torch": _torch_rules,
    "tf": _tf_rules,
    "onnx": _onnx_rules,
}


def _kind(layer: Layer) -> str:
    kinds = {"conv": "a convolution", "tconv": "a transposed convolution", "pad": "a pad"}
    return kinds.get(layer.op, "a pool")


def _unknown_mode(
    layer: Layer, sides: Sides, modes: Sequence[str], *, has_constants: bool = False
) -> str | None:
    is_constant = has_constants and padding_value(layer.mode) is not None
    if sides == NO_PADDING or layer.mode in modes or is_constant:
        return None
    mode = layer.mode if padding_value(layer.mode) is None else "constant"
    return f"{mode} padding in {_kind(layer)}"


def _too_wide(layer: Layer, shape: Shape, sides: Sides, less: dict[str, int]) -> str | None:
    """Say that padding is wider than what it repeats: a side, or that less some positions."""
    for pair, side in zip(sides, shape[1:], strict=True):
        if layer.mode in less and max(pair) > max(side - less[layer.mode], 0):
            return f"{layer.mode} padding of {max(pair)} beside {side} positions"
    return None


# ---- what does the same --------------------------------------------------------------------------


def _equivalents(layer: Layer, shape: Shape) -> Iterator[tuple[tuple[Layer, ...], str]]:
    """Yield layers that do the same one after the other, with a remark; the shortest come first."""
    if not layer.operation.is_window:
        return
    size = (shape[1], shape[2])
    sides = layer.window.pads(size)
    numeric = layer._replace(padding=sides, origin=None)
    bare = numeric._replace(padding=NO_PADDING, mode="zero")
    yield (numeric,), ""
    yield (numeric._replace(ceil=False),), ""
    if layer.operation.is_transposed:
        yield (bare, Layer("crop", margin=sides)), ""
        return
    reduction, is_counted = layer.operation.reduction, layer.count_padding or sides == NO_PADDING
    if reduction == "mean" and not is_counted:
        return
    if not (layer.ceil and reduction == "mean"):
        padded = _sides_for(layer, size) if layer.ceil else sides
        before = _pad_layers(padded, LOWEST if reduction == "max" else layer.mode)
        plain = bare._replace(ceil=False)
        steps = Layer("maxpool", kernel=(1, 1), stride=layer.stride)
        yield (*before, plain), ""
        yield (*before, plain._replace(stride=(1, 1)), steps), ""
    if reduction == "mean" and not layer.ceil:
        weights = Layer(
            "conv", layer.kernel, stride=layer.stride, padding=sides, dilation=layer.dilation,
            groups="depthwise", bias=False,
        )  # fmt: skip
        remark = f", with weights of 1/{math.prod(layer.window.kernel)}"
        unpadded = weights._replace(padding=NO_PADDING, stride=(1, 1))
        steps = Layer("maxpool", kernel=(1, 1), stride=layer.stride)
        yield (weights,), remark
        yield (*_pad_layers(sides, "zero"), weights._replace(padding=NO_PADDING)), remark
        yield (*_pad_layers(sides, "zero"), unpadded, steps), remark


def _pad_layers(sides: Sides, mode: str) -> tuple[Layer, ...]:
    return () if sides == NO_PADDING else (Layer("pad", margin=sides, mode=mode),)


def _sides_for(layer: Layer, size: Pair) -> Sides:
    """Return the padding with which windows that round down are as many as those that round up."""
    rows, columns = (
        (
            axis.before,
            max((axis.output - 1) * axis.stride + axis.effective_kernel - axis.before - axis.size,
                axis.after),
        )
        for axis in layer.window.axes(size)
    )  # fmt: skip
    return rows, columns
