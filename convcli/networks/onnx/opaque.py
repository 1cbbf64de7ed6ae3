"""What the notation has no operation for: its shape, its parameters and its products."""

from __future__ import annotations

import math
import re
from contextlib import suppress

from convcli.arithmetic.values import Shape
from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.reader import Call, Made, Value, make_layer
from convcli.networks.onnx.views import View

_NO_TYPE = re.compile(r"[^A-Za-z0-9_.:\-]")

# Inputs that say how a node works, and are no weights.
_SETTINGS = {
    "Clip": (1, 2), "Dropout": (1, 2), "Expand": (1,), "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1, 2), "Pad": (1, 2, 3), "Pow": (1,), "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2), "Range": (0, 1, 2), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4),
    "ThresholdedRelu": (1,), "TopK": (1,), "Upsample": (1,),
}  # fmt: skip

# Where the weights are of which each output is a sum of products: an output channel's are a row.
_ROWS_OF = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "DeformConv": 1}


def make_opaque(call: Call) -> list[Made]:
    """Return the outputs of a node of which nothing is known but shape, parameters and products."""
    node, reader = call.node, call.reader
    reader.unknown[node.op] += 1
    given = [value for value in call.inputs if isinstance(value, Value)]
    captured = [reader.values[name] for name in node.used if name not in node.inputs
                and name in reader.values]  # fmt: skip
    given += [value for value in captured if isinstance(value, Value)]
    dims = _infer(call)
    made: list[Made] = []
    for place, name in enumerate(node.outputs):
        if name not in reader.graph.used:
            made.append(Constant.of([]))
            continue
        roots, macs = (_roots(call), _macs(call, dims[0])) if not made else ({}, 0)
        layer = make_layer(
            "opaque",
            type=_NO_TYPE.sub("_", node.op) or "_",
            out=reader.shape_of(dims[place]),
            params=sum(roots.values()),
            macs=macs,
        )
        own = node.name if place == 0 else name
        value = call.emit(layer, *given, view=View.of(dims[place]), name=own)
        reader.learned[value.layer] = roots
        made.append(value)
    return made


def _roots(call: Call) -> dict[str, int]:
    """Return the sizes of the arrays that the node has learned, by their names."""
    settings = _SETTINGS.get(call.node.op, ())
    return {
        root.name: root.size
        for place, value in enumerate(call.inputs)
        if isinstance(value, Constant) and place not in settings
        for root in value.roots
    }


def _macs(call: Call, dims: Shape) -> int:
    """Return the products of what is a sum of products, for one of the batch."""
    op, batch = call.node.op, call.batch
    shapes = [value.dims if isinstance(value, Value) else value.shape if value else ()
              for value in call.inputs]  # fmt: skip
    outputs = math.prod(dims)
    if len(dims) > 1 and dims[0] == batch:
        outputs //= batch
    with suppress(IndexError):  # of a node without the inputs that it should have
        if op in ("MatMul", "MatMulInteger", "QLinearMatMul"):
            return outputs * shapes[0][-1]
        if op == "Gemm":
            return outputs * shapes[0][0 if call.attribute("transA") else -1]
        if op in _ROWS_OF:
            return outputs * math.prod(shapes[_ROWS_OF[op]][1:])
        if op == "ConvTranspose":
            return math.prod(shapes[0][2:]) * math.prod(shapes[1])
    return 0


def _infer(call: Call) -> list[Shape]:
    """Return the shapes of the outputs; a side that nothing says is 1, which is noted."""
    node, graph, reader = call.node, call.reader.graph, call.reader
    is_guess = not reader.guessed.isdisjoint(node.inputs)
    inferred = {} if is_guess else reader.inference.infer(call)
    result = []
    for name in node.outputs:
        dims: tuple[int | None, ...] | None = inferred.get(name)
        declared = graph.declared.get(name)
        if dims is None and declared is not None:
            dims = tuple(side if isinstance(side, int) else None for side in declared)
        if name in graph.used and (dims is None or not all(dims)):
            reader.guessed.add(name)
            reader.notes[f"the size of what {node} makes is not known before it runs, or 0: it and "
                         "what follows from it are taken as 1"] = None  # fmt: skip
        result.append(tuple(max(1, side or 1) for side in dims or ()))
    return result
