"""Products with matrices: linear layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convcli.networks.onnx.constants import Array, Constant
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
    value, weight = call.map(), call.constant(1)
    if weight is None or len(weight.shape) != 2:
        raise UnknownError
    return _linear(call, value, {"weight": weight.transpose((1, 0))})


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
