"""ONNX models that tests build, and what ONNX's own evaluator makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 21


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """Return a node: names with spaces between them, `_` for one that is left out."""
    names = [[name.replace("_", "") if name == "_" else name for name in text.split()]
             for text in (inputs, outputs)]  # fmt: skip
    return helper.make_node(op, *names, **attributes)


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int | str] | None],
    outputs: str = "y",
    weights: Mapping[str, Any] | None = None,
    opset: int = OPSET,
    **options: Any,
) -> Any:
    """Return a model of float inputs."""
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, floats, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, floats, None) for name in outputs.split()],
        [
            numpy_helper.from_array(np.asarray(array), name)
            for name, array in (weights or {}).items()
        ],
    )
    imports = [helper.make_opsetid("", opset), *options.pop("opset_imports", [])]
    return helper.make_model(graph, opset_imports=imports, **options)


def save(proto: Any, folder: Path, name: str = "model.onnx") -> str:
    """Write a model, and return its path."""
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return str(path)


def weight(*shape: int, seed: int = 0) -> Any:
    """Return random weights."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
