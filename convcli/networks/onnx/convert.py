"""A node of a graph as layers: by the table of its family, or else as an opaque one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from convcli.networks.onnx import elements, matrices, normalizations, rearrange, resampling, windows
from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.folding import NotFoldedError, fold, shape_slice
from convcli.networks.onnx.model import DEFAULT_DOMAINS, Node
from convcli.networks.onnx.opaque import make_opaque
from convcli.networks.onnx.reader import (
    Call,
    Converter,
    Made,
    MisfitError,
    Reader,
    UnknownError,
    Value,
)

CONVERTERS: Mapping[str, Converter] = {
    "Shape": lambda call: Constant.of(shape_slice(call.node, call.value().dims)),
    "Size": lambda call: Constant.of(math.prod(call.value().dims)),
    **elements.CONVERTERS,
    **matrices.CONVERTERS,
    **normalizations.CONVERTERS,
    **rearrange.CONVERTERS,
    **resampling.CONVERTERS,
    **windows.CONVERTERS,
}


def convert_node(reader: Reader, node: Node) -> None:
    """Add what a node makes to the values and layers that were read so far."""
    call = Call(reader, node)
    made = _convert(call)
    used = [name in reader.graph.used for name in node.outputs]
    if any(used[len(made) :]):
        made += make_opaque(call)[len(made) :]
    reader.values.update(zip(node.outputs, made, strict=False))


def _convert(call: Call) -> list[Made]:
    """Return the outputs of a node for which there is an operation; none where there is not."""
    node = call.node
    if node.domain not in DEFAULT_DOMAINS or node.op in call.reader.graph.functions:
        return []
    if not call.reader.guessed.isdisjoint(node.inputs):
        return []
    converter = CONVERTERS.get(node.op)
    known = [value for value in call.inputs if not isinstance(value, Value)]
    try:
        if len(known) == len(call.inputs) and node.op not in rearrange.VIEWS:
            return [*fold(node, known)]
        made = [] if converter is None else converter(call)
    except MisfitError as error:
        call.reader.fail(node, str(error))
    except (NotFoldedError, UnknownError):
        return []
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError):
        return []  # an attribute has a type or a number that the operation does not have
    return made if isinstance(made, list) else [made]
