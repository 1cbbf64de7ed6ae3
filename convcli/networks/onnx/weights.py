"""The weights of the single layers of an ONNX file, found without the shapes of its maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

from convcli.arithmetic.operations import as_name
from convcli.networks.onnx import open_graph
from convcli.networks.onnx.constants import Constant, read_tensor
from convcli.networks.onnx.folding import NotFoldedError, fold
from convcli.networks.onnx.model import DEFAULT_DOMAINS, Node
from convcli.networks.weights import Array, LayerWeights

CONVOLUTIONS = ("Conv", "ConvTranspose")
PRODUCTS = ("Gemm", "MatMul")
REAL_KINDS = "f"
FLIPPED_NOTE = "is a transposed convolution: tconv:kernel= applies its weights so, without bias"


def list_weights(path: str) -> dict[str, LayerWeights]:
    """Return the weights of convolutions and of products of matrices, by the layers' names."""
    graph = open_graph(path)
    constants: dict[str, Constant] = {
        name: read_tensor(tensor, path)
        for name, tensor in graph.tensors.items()
        if name in graph.used
    }
    layers: dict[str, LayerWeights] = {}
    names: Counter[str] = Counter()
    for node in graph.nodes:
        if node.domain not in DEFAULT_DOMAINS or node.op in graph.functions:
            continue
        if node.op in (*CONVOLUTIONS, *PRODUCTS):
            name = wanted = as_name(node.name)
            while name in layers:
                names[wanted] += 1
                name = f"{wanted}_{names[wanted] + 1}"
            layer = _find_weights(node, name, constants)
            layers |= {} if layer is None else {name: layer}
        elif all(name in constants or not name for name in node.inputs):
            try:
                made = fold(node, [constants.get(name) for name in node.inputs])
            except NotFoldedError:
                continue
            constants.update(zip(node.outputs, made, strict=False))
    return layers


def _find_weights(node: Node, name: str, constants: Mapping[str, Constant]) -> LayerWeights | None:
    """Return the weights of a node; None if they are no constant."""
    tensor = next((known for known in node.inputs[1::-1] if known in constants), "")
    if not tensor or (node.op in CONVOLUTIONS and tensor != node.inputs[1]):
        return None
    weights = constants[tensor]
    if len(weights.shape) == 3 and node.op in CONVOLUTIONS:  # of 1-D maps, which have one row
        weights = weights.reshape((*weights.shape[:2], 1, weights.shape[2]))
    is_flipped = node.op == "ConvTranspose"
    bias = constants.get(node.inputs[2]) if len(node.inputs) > 2 and not is_flipped else None
    fault = ""
    if node.op in PRODUCTS:
        fault = f"is a linear layer ({node.op}), whose weights are no kernel"
    elif weights.dtype.kind not in REAL_KINDS:
        fault = f"holds {weights.dtype}, not real numbers"
    return LayerWeights(
        *(name, weights.shape, node.op, partial(_load, weights, bias)),
        groups=int(node.attributes.get("group", 1)),
        tensor=tensor,
        notes=(FLIPPED_NOTE,) if is_flipped else (),
        fault=fault,
    )


def _load(weights: Constant, bias: Constant | None) -> tuple[Array, Array | None]:
    return weights.load(), None if bias is None else bias.load()
