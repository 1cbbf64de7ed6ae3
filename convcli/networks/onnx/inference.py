"""The shapes of what single nodes make: by simple rules here, else by ONNX in another process.

ONNX infers shapes in C++, which hostile nodes crash or keep busy: that ends a process of its own.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from contextlib import suppress
from threading import Timer
from typing import IO, Any, Self, cast

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.model import DEFAULT_DOMAINS
from convcli.networks.onnx.reader import Call, Made, Value

MAX_INFERRED_VALUES = 1 << 12  # of an input whose values may say what shape there is
MAX_DIED = 3  # processes for one file
ANSWER_TIMEOUT_S = 5
WORKER_CPU_S = 30
WORKER_BYTES = 4 << 30

# Reads models and writes what ONNX infers, each after its length; nothing where it infers nothing.
WORKER = """
import struct, sys
sys.path[:] = sys.argv[3:]
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, OSError, ValueError):
    pass
import onnx
import onnx.shape_inference
while header := sys.stdin.buffer.read(4):
    content = sys.stdin.buffer.read(struct.unpack("<I", header)[0])
    try:
        model = onnx.ModelProto.FromString(content)
        result = onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString()
    except Exception:
        result = b""
    sys.stdout.buffer.write(struct.pack("<I", len(result)) + result)
    sys.stdout.buffer.flush()
"""

_LIKE_FIRST = frozenset((
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitwiseNot", "Cast",
    "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh", "CumSum", "DequantizeLinear", "Dropout",
    "Erf", "Floor",
    "Gelu", "Hardmax", "IsInf", "IsNaN", "LayerNormalization", "LogSoftmax",
    "MeanVarianceNormalization", "Not", "PRelu",
    "QuantizeLinear", "RMSNormalization", "Reciprocal", "Round", "ScatterElements", "ScatterND",
    "Shrink", "Sign", "Sin", "Sinh", "Softmax", "Softsign", "Sqrt", "Tan", "ThresholdedRelu",
    "Trilu",
))  # fmt: skip
_OF_SIDES = frozenset((
    "Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Max", "Mean", "Min", "Mod",
    "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
))  # fmt: skip
_COMPARISONS = frozenset(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"))


class ShapeInference:
    """Infers the shapes of what nodes make, in a process that is started when it is needed."""

    def __init__(self) -> None:
        self._worker: subprocess.Popen[bytes] | None = None
        self._died = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def infer(self, call: Call) -> dict[str, Shape | tuple[int | None, ...]]:
        """Return the shapes of outputs by their names; a side that is not known is None."""
        node = call.node
        if node.domain not in DEFAULT_DOMAINS or node.op in call.reader.graph.functions:
            return {}
        dims = _simple_dims(call)
        if dims is not None:
            _note_type(call)
            return {node.outputs[0]: dims}
        try:
            content = _model(call).SerializeToString()
        except (TypeError, ValueError):  # a side or a type that the format does not hold
            return {}
        answer = self._ask(content)
        return {} if answer is None else _read_answer(call, answer)

    def _ask(self, content: bytes) -> bytes | None:
        """Send a model to the process, and return its answer; None if it died, now or too often."""
        if self._died >= MAX_DIED:
            return None
        try:
            worker = self._worker or self._start()
            requests, answers = cast("IO[bytes]", worker.stdin), cast("IO[bytes]", worker.stdout)
            timer = Timer(ANSWER_TIMEOUT_S, worker.kill)
            timer.start()
            try:
                requests.write(struct.pack("<I", len(content)) + content)
                requests.flush()
                header = answers.read(4)
                answer = answers.read(struct.unpack("<I", header)[0]) if header else b""
            finally:
                timer.cancel()
        except (OSError, struct.error):
            header, answer = b"", b""
        if not header:
            self._died += 1
            self._end()
        return answer or None

    def _start(self) -> subprocess.Popen[bytes]:
        limits = (str(WORKER_CPU_S), str(WORKER_BYTES))
        self._worker = subprocess.Popen(  # noqa: S603  # this interpreter
            [sys.executable, "-P", "-c", WORKER, *limits, *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._worker

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        for stream in (worker.stdin, worker.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        worker.wait()


def _dims(value: Made | None) -> Shape:
    if value is None:
        return ()
    return value.dims if isinstance(value, Value) else value.shape


def _simple_dims(call: Call) -> Shape | None:
    """Return the shape of the only output of a node that has a simple rule."""
    node = call.node
    if sum(name in call.reader.graph.used for name in node.outputs[1:]):
        return None
    shapes = [_dims(value) for value in call.inputs if value is not None]
    try:
        if node.op in _LIKE_FIRST:
            return shapes[0]
        if node.op in _OF_SIDES or node.op in _COMPARISONS:
            return np.broadcast_shapes(*shapes)
        if node.op == "MatMul" and min(map(len, shapes)) >= 2 and shapes[0][-1] == shapes[1][-2]:
            outer = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
            return (*outer, shapes[0][-2], shapes[1][-1])
        if node.op == "Concat":
            return _concatenated(shapes, call.attribute("axis", 1))
    except (IndexError, ValueError):
        pass
    return None


def _concatenated(shapes: list[Shape], axis: int) -> Shape | None:
    """Return the shape of a concatenation; ONNX takes a negative axis since set 11 alone."""
    first = shapes[0]
    place = range(len(first))[axis]
    others = {(len(shape), shape[:place], shape[place + 1 :]) for shape in shapes}
    if len(others) > 1:
        return None
    return (*first[:place], sum(shape[place] for shape in shapes), *first[place + 1 :])


def _note_type(call: Call) -> None:
    """Note the type of what a node makes, which others may need."""
    import onnx

    types, name = call.reader.types, call.node.outputs[0]
    if call.node.op in _COMPARISONS:
        types[name] = onnx.TensorProto.BOOL
    elif call.node.op == "Cast" and isinstance(call.attribute("to"), int):
        types[name] = call.attribute("to")
    elif call.node.inputs and call.node.inputs[-1] in types:
        types[name] = types[call.node.inputs[-1]]


def _model(call: Call) -> Any:
    """Return a model of the node alone: inputs have their shapes, and small ones their values."""
    import onnx

    node, inputs, tensors = call.node, [], []
    for name, value in dict(zip(node.inputs, call.inputs, strict=True)).items():
        if value is None:
            continue
        if isinstance(value, Constant):
            kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            if value.size <= MAX_INFERRED_VALUES:
                tensors.append(onnx.numpy_helper.from_array(value.load(), name))
                continue
        else:
            kind = call.reader.types.get(name, onnx.TensorProto.FLOAT)
        inputs.append(onnx.helper.make_tensor_value_info(name, kind, _dims(value)))
    outputs = [onnx.ValueInfoProto(name=name) for name in node.outputs if name]
    graph = onnx.helper.make_graph([node.proto], "node", inputs, outputs, tensors)
    imports = [onnx.helper.make_opsetid("", call.opset)]
    return onnx.helper.make_model(graph, opset_imports=imports)


def _read_answer(call: Call, answer: bytes) -> dict[str, Any]:
    import onnx

    graph = onnx.ModelProto.FromString(answer).graph
    found: dict[str, Any] = {}
    for info in (*graph.value_info, *graph.output):
        kind = info.type.tensor_type
        if kind.elem_type:
            call.reader.types[info.name] = kind.elem_type
        if info.type.HasField("tensor_type") and kind.HasField("shape"):
            found[info.name] = tuple(
                side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim
            )
    return found
