"""Files of trained networks: good ones, and how their parts are changed.

A change of bytes alone is nearly always refused by who reads the format, so most are changes of the
parts: numbers, names, kinds and places of nodes and weights.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx
from fuzzing.mutation import EXTREMES, SIGNS, spoiled
from onnx import helper, numpy_helper
from support.onnx_models import model, node, weight

SIZES = (-2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 33, 1000, 100_000)
FLOATS = (0.0, -1.0, 0.5, 1e-30, 1e30, float("nan"), float("inf"))
KERNEL = weight(4, 3, 3, 3)
IMAGE = (1, 3, 6, 8)


@cache
def onnx_seeds() -> tuple[bytes, ...]:
    """Small networks of pictures, which together have most kinds of nodes."""
    protos = (_classifier(), _unet(), _gates(), _views(), _unknown(), _nested(), _stored())
    return tuple(one.SerializeToString() for one in protos)


def _classifier() -> Any:
    ones = dict.fromkeys("gbmv", np.ones(4, np.float32))
    return model(
        [
            node("Conv", "x w c", "conv", pads=[1] * 4, strides=[2, 2]),
            node("BatchNormalization", "conv g b m v", "n"),
            node("Relu", "n", "r"),
            node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            node("GlobalAveragePool", "p", "q"),
            node("Flatten", "q", "f"),
            node("Gemm", "f d c", "o", transB=1),
            node("Softmax", "o", "y"),
        ],
        {"x": ("N", 3, "H", "W")},
        weights={"w": KERNEL, "c": weight(4), "d": weight(4, 4), **ones},
    )


def _unet() -> Any:
    return model(
        [
            node("Conv", "x w", "a", auto_pad="SAME_UPPER"),
            node("AveragePool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
            node("ConvTranspose", "b t", "c", kernel_shape=[2, 2], strides=[2, 2]),
            node("Concat", "a c", "d", axis=1),
            node("Resize", "d _ z", "e", mode="linear"),
            node("Pad", "e k", "f", mode="reflect"),
            node("Conv", "f u", "y", group=4, dilations=[2, 2]),
        ],
        {"x": IMAGE},
        weights={
            "w": KERNEL,
            "t": weight(4, 4, 2, 2),
            "u": weight(4, 2, 3, 3),
            "z": np.array([1, 1, 2, 2], np.float32),
            "k": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        },
    )


def _gates() -> Any:
    return model(
        [
            node("GlobalAveragePool", "x", "a"),
            node("Conv", "a w", "b"),
            node("HardSigmoid", "b", "c"),
            node("Mul", "x c", "d"),
            node("LRN", "d", "e", size=3),
            node("InstanceNormalization", "e s s", "f"),
            node("PRelu", "f q", "g"),
            node("Clip", "g lo hi", "h"),
            node("ReduceMean", "h axes", "i"),
            node("Sub", "h i", "j"),
            node("LayerNormalization", "j l", "k", axis=-1),
            node("Tanh", "k", "m"),
            node("Add", "m x", "y"),
        ],
        {"x": IMAGE},
        weights={
            "w": weight(3, 3, 1, 1),
            "s": weight(3),
            "q": weight(3, 1, 1),
            "l": weight(8),
            "lo": np.float32(0),
            "hi": np.float32(6),
            "axes": np.array([2, 3]),
        },
    )


def _views() -> Any:
    """Shapes that are worked out in the file, and maps that are cut and put together by them."""
    return model(
        [
            node("Shape", "x", "s"),
            node("Gather", "s index", "n"),
            node("Unsqueeze", "n zero", "v"),
            node("Concat", "v minus", "t", axis=0),
            node("Reshape", "x t", "a"),
            node("Reshape", "a s", "b"),
            node("Split", "b", "d e", axis=2, num_outputs=2),
            node("Slice", "d one two two", "f"),
            node("Slice", "b zero minus two", "i"),
            node("Conv", "i w", "j"),
            node("DepthToSpace", "j", "k", blocksize=2),
            node("Transpose", "k", "m", perm=[0, 1, 3, 2]),
            node("ReduceMean", "m axes", "o"),
            node("Mul", "k o", "y"),
        ],
        {"x": IMAGE},
        weights={
            "index": np.array(1),
            "one": np.array([1]),
            "zero": np.array([0]),
            "minus": np.array([-1]),
            "two": np.array([2]),
            "axes": np.array([2, 3]),
            "w": KERNEL,
        },
    )


def _unknown() -> Any:
    """Nodes that no layer stands for, and two inputs and outputs."""
    return model(
        [
            node("Own", "x", "a", domain="own", alpha=[1, 2]),
            node("MatMul", "x m", "b"),
            node("Einsum", "b", "c", equation="abcd->abdc"),
            node("Erf", "c", "d"),
            node("ConstantOfShape", "s", "c0"),
            node("Add", "d c0", "e"),
            node("Add", "e z", "y1"),
            node("TopK", "x two", "y2 i"),
        ],
        {"x": (1, 3, 6, 6), "z": (1, 3, 1, 6)},
        outputs="y1 y2 a",
        weights={"m": weight(6, 6), "two": np.array([2]), "s": np.array([1, 3, 6, 6])},
        opset_imports=[helper.make_opsetid("own", 1)],
    )


def _nested() -> Any:
    """Graphs in nodes, and a function."""
    floats = onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info("z", floats, None)]
    branches = {
        f"{name}_branch": helper.make_graph([node(op, "x", "z")], name, [], values)
        for name, op in (("then", "Relu"), ("else", "Abs"))
    }
    opsets = [helper.make_opsetid("", 21)]
    own = helper.make_function("own", "Twice", ["p"], ["q"], [node("Add", "p p", "q")], opsets)
    return model(
        [
            node("Constant", "", "c", value=numpy_helper.from_array(np.array(True))),
            node("If", "c", "a", **branches),
            node("Twice", "a", "b", domain="own"),
            node("Dropout", "b", "d"),
            node("Identity", "d", "y"),
        ],
        {"x": IMAGE},
        opset_imports=[helper.make_opsetid("own", 1)],
        functions=[own],
    )


def _stored() -> Any:
    """Weights beside the file, of few bits, and with a scale."""
    proto = model(
        [
            node("DequantizeLinear", "q s", "w"),
            node("Conv", "x w", "a"),
            node("Cast", "h", "e", to=1),
            node("Conv", "a e", "b"),
            node("Conv", "b o", "y"),
        ],
        {"x": IMAGE},
        weights={
            "q": (KERNEL * 20).astype(np.int8),
            "s": np.float32(0.1),
            "h": weight(2, 4, 1, 1).astype(np.float16),
            "o": weight(3, 2, 1, 1),
        },
    )
    outside = proto.graph.initializer[-1]
    outside.ClearField("raw_data")
    outside.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "k.csv"), ("offset", "0"), ("length", "24")):
        outside.external_data.add(key=key, value=value)
    return proto


def spoiled_onnx(rng: random.Random) -> bytes:
    """Return a network some of whose parts or bytes are changed."""
    seeds = onnx_seeds()
    content = rng.choice(seeds)
    if rng.random() < 0.2:
        return spoiled(content, seeds, rng)
    proto: Any = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(proto))
        _change(*rng.choice(places), _strings(proto), rng)
    changed: bytes = proto.SerializeToString()
    return changed


def _places(message: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each message in one, and each of its fields that is set."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _places(part)


def _strings(proto: Any) -> list[str]:
    """Return the names of values and of operations."""
    graph = proto.graph
    found = [one for each in graph.node for one in (*each.input, *each.output, each.op_type)]
    return [*found, *(sign for sign in SIGNS if sign.isprintable()), "", "a" * 1000, "../k.csv"]


def _change(message: Any, field: Any, strings: list[str], rng: random.Random) -> None:
    value = getattr(message, field.name)
    if isinstance(value, (int, float, str, bytes)):
        setattr(message, field.name, _other(value, field, strings, rng))
    elif hasattr(value, "ListFields"):
        message.ClearField(field.name)
    else:
        _change_list(value, field, strings, rng)


def _change_list(values: Any, field: Any, strings: list[str], rng: random.Random) -> None:
    """Change one of several, leave it out, repeat it, or put it elsewhere."""
    parts = list(values)
    at = rng.randrange(len(parts))
    deed = rng.randrange(6)
    if deed == 0:
        del parts[at]
    elif deed == 1:
        parts[at:at] = [parts[at]] * rng.choice((1, 2, 300))
    elif deed == 2:
        parts.insert(rng.randrange(len(parts)), parts.pop(at))
    elif field.message_type is None:
        parts[at] = _other(parts[at], field, strings, rng)
    copies = [type(one).FromString(one.SerializeToString()) for one in parts] if (
        field.message_type is not None
    ) else parts  # fmt: skip
    del values[:]
    values.extend(copies)


def _other(value: Any, field: Any, strings: list[str], rng: random.Random) -> Any:
    """Return another value of a field."""
    if isinstance(value, str):
        return rng.choice(strings)
    if isinstance(value, bytes):
        return spoiled(value, [value], rng) if value else b"\0"
    if isinstance(value, float):
        return rng.choice(FLOATS)
    if field.enum_type is not None:
        return rng.choice([one.number for one in field.enum_type.values])
    bits = 31 if field.cpp_type == field.CPPTYPE_INT32 else 63
    number = rng.choice((*SIZES, *SIZES, *EXTREMES)) % (1 << bits)
    return rng.choice(SIZES) if rng.random() < 0.5 else number


def spoiled_safetensors(rng: random.Random) -> bytes:
    """Return weights in a file whose header or data are changed."""
    content = safetensors_seeds()[0]
    if rng.random() < 0.4:
        return spoiled(content, safetensors_seeds(), rng)
    header, data = _header(), bytes(400)
    entry = rng.choice([one for name, one in header.items() if name != "__metadata__"])
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(("dtype", "shape", "data_offsets"))
        numbers = [rng.choice((*SIZES, *EXTREMES)) for _ in range(rng.choice((0, 1, 2, 4, 40)))]
        entry[key] = rng.choice((numbers, rng.choice(("F16", "BF16", "I8", "F8_E4M3", "", None))))
    return _safetensors(header, data)


@cache
def safetensors_seeds() -> tuple[bytes, ...]:
    return (_safetensors(_header(), bytes(400)),)


def _header() -> dict[str, Any]:
    return {
        "__metadata__": {"format": "pt"},
        "w": {"dtype": "F32", "shape": [6, 1, 3, 3], "data_offsets": [0, 216]},
        "b": {"dtype": "F16", "shape": [2], "data_offsets": [216, 220]},
        "k": {"dtype": "F64", "shape": [3, 3], "data_offsets": [220, 292]},
        "h": {"dtype": "BF16", "shape": [1, 1, 3, 3], "data_offsets": [292, 310]},
        "ids": {"dtype": "I64", "shape": [2], "data_offsets": [310, 326]},
    }


def _safetensors(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
