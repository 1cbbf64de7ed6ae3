"""Rows of whole networks: one ONNX file, run by ONNX Runtime and by `load_network`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.photo import Workplace, sides
from benchmarks.row import Profile, Row, everywhere
from benchmarks.timing import Contest, Verdict
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import LayerReport
from convcli.arithmetic.zoo import zoo_network

OF_LARGEST = 1e-4  # of a network's output
TILE = 512
DENOISER = (
    "conv:3,p=1,c=16", "relu", "conv:3,p=1,c=32", "relu", "conv:3,p=1,c=32", "relu",
    "conv:3,p=1,c=16", "relu", "conv:3,p=1,c=3",
)  # fmt: skip


def rows(profile: Profile) -> list[Row]:
    height, width = sides(profile.network_megapixels)
    resnet = "resnet18", zoo_network("resnet18")[1], (3, 224, 224)
    denoiser = "denoiser", DENOISER, (3, height, width)
    return [
        Row(
            "network resnet18, 224²", "onnxruntime", network(*resnet), "onnxruntime",
            everywhere(3.0, 1.5), on_each_core=True,
        ),
        Row(
            f"network of 5 convolutions, {profile.network_megapixels:g} MP, in tiles",
            "onnxruntime", network(*denoiser, tile=TILE), "onnxruntime",
            everywhere(3.0, 1.5), on_each_core=True, most_runs=1,
        ),
    ]  # fmt: skip


def network(
    name: str, layers: Sequence[str], shape: tuple[int, int, int], *, tile: int | None = None
) -> Any:
    def prepare(place: Workplace) -> Contest:
        import onnxruntime

        import convcli

        path = place.folder / f"{name}-{shape[1]}x{shape[2]}.onnx"
        if not path.exists():
            write_onnx(layers, shape, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Threads that wait by spinning would take the cores of the other side.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        own = convcli.load_network(str(path))
        x = np.random.default_rng(6).standard_normal((1, *shape), np.float32)

        def ours() -> Any:
            return own.run(x) if tile is None else own.run_tiles(x, tile)

        return Contest(ours, lambda: session.run(None, {"input": x})[0], alike)

    return prepare


def alike(ours: Any, theirs: Any) -> Verdict:
    """A check of two outputs: no further apart than a share of the largest value."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return Verdict(False, f"{ours.shape} {ours.dtype} is not {theirs.shape} {theirs.dtype}")
    apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return Verdict(apart <= OF_LARGEST, f"{apart:.1e} of the largest value")


def write_onnx(layers: Sequence[str], shape: tuple[int, int, int], path: Path) -> None:
    """Write layers with random weights as an ONNX file."""
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.default_rng(5)
    nodes, constants = [], []
    reports = walk(layers, shape).layers
    outputs = ["input", *(f"y{index}" for index in range(len(reports)))]
    for index, report in enumerate(reports):
        taken = [outputs[source + 1] for source in report.indices]
        for name, sizes in learned(report).items():
            array = random_array(random, name, sizes)
            taken.append(f"{name}{index}")
            constants.append(numpy_helper.from_array(array, taken[-1]))
        kind, attributes = as_node(report)
        nodes.append(helper.make_node(kind, taken, [outputs[index + 1]], **attributes))
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("input", floats, (1, *shape))],
        [helper.make_tensor_value_info(outputs[-1], floats, (1, *reports[-1].output))],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def learned(report: LayerReport) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a layer's arrays, in the order in which ONNX takes them."""
    operation, before = report.layer.operation, report.inputs[0]
    return operation.weights(report.layer, before) | operation.statistics(report.layer, before)


def random_array(random: np.random.Generator, name: str, sizes: tuple[int, ...]) -> Any:
    values = random.standard_normal(sizes, np.float32)
    if name == "weight":  # so that values stay near 1
        return values * np.float32((2 / np.prod(sizes[1:])) ** 0.5)
    return np.exp(values / 8) if name in ("scale", "variance") else values / 8


def as_node(report: LayerReport) -> tuple[str, dict[str, Any]]:
    """Return a layer's operation in ONNX, and its attributes."""
    layer = report.layer
    if layer.operation.is_window:
        (top, bottom), (left, right) = layer.window.pads(report.inputs[0][1:])  # type: ignore[arg-type]
        kind = "Conv" if layer.op == "conv" else "MaxPool"
        settings = {"kernel_shape": layer.kernel, "strides": layer.stride}
        return kind, settings | {"pads": [top, left, bottom, right]}
    kinds = {
        "bn": "BatchNormalization", "relu": "Relu", "add": "Add", "flatten": "Flatten",
        "globalavgpool": "GlobalAveragePool", "linear": "Gemm",
    }  # fmt: skip
    return kinds[layer.op], {"transB": 1} if layer.op == "linear" else {}
