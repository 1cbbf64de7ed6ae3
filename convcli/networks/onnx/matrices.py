"""Products with matrices: linear layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convcli.networks.onnx.constants import Array, Constant
from convcli.networks.onnx.layout import CHANNELS, find_letters, with_channels
from convcli.networks.onnx.reader import Call, Converter, UnknownError, Value, make_layer


def _gemm(call: Call) -> Value:
    """`alpha·A·B + beta·C`, with A a flat value."""
    value, weight = call.map(), call.constant(1)
    if call.attribute("transA", 0) or weight is None or len(weight.shape) != 2:
        raise UnknownError
    rows = weight if call.attribute("transB", 0) else weight.transpose((1, 0))
    arrays = {"weight": _times(rows, call.attribute("alpha", 1.0))}
    bias = call.constant(2)
    if bias is not None:
        arrays["bias"] = _times(_row(bias, rows.shape[0]), call.attribute("beta", 1.0))
    return _linear(call, value, arrays)


def _matmul(call: Call) -> Value:
    """`A·B` with a known B: of flat values, or at each position of a map with channels last."""
    value, weight = call.value(), call.constant(1)
    if weight is None or len(weight.shape) != 2:
        raise UnknownError
    rows = weight.transpose((1, 0))
    if len(value.shape) == 3 and find_letters(value)[-1] == CHANNELS:
        made = _pointwise(call, value, rows)
    else:
        made = _linear(call, call.map(), {"weight": rows})
    if call.node.outputs[0] in call.reader.graph.inner:
        call.reader.open_biases[call.node.outputs[0]] = made.layer
    return made


def _pointwise(call: Call, value: Value, rows: Constant) -> Value:
    """Return a convolution of one position, which does the same to each."""
    layer = make_layer("conv", kernel=(1, 1), channels=rows.shape[0], bias=False)
    arrays = {"weight": rows.reshape((*rows.shape, 1, 1))}
    return call.emit(layer, value, weights=arrays, view=with_channels(value, rows.shape[0]))


def _linear(call: Call, value: Value, arrays: dict[str, Constant]) -> Value:
    outputs = arrays["weight"].shape[0]
    if len(value.dims) != 2 or value.dims[0] != call.batch:
        raise UnknownError
    layer = make_layer("linear", channels=outputs, bias="bias" in arrays)
    return call.emit(layer, value, weights=arrays, dims=(call.batch, outputs))


def _times(constant: Constant, factor: float) -> Constant:
    scaled: Callable[[Array], Array] = lambda x: (x * np.float32(factor)).astype(x.dtype)  # noqa: E731
    return constant if factor == 1 else constant.map(scaled)


def _row(constant: Constant, count: int) -> Constant:
    """Return an array that is added to rows of so many values as one row."""
    if constant.size not in (1, count) or constant.shape[-1:] not in ((1,), (count,), ()):
        raise UnknownError
    return constant.derive((count,), lambda x: np.broadcast_to(x.reshape(-1), (count,)))


CONVERTERS: dict[str, Converter] = {"Gemm": _gemm, "MatMul": _matmul}
