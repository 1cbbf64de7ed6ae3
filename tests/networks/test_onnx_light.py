"""The networks that the package of ONNX ships: their costs and shapes, to the digit."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import onnx
import pytest

from convcli.arithmetic.network import walk
from convcli.networks import read_onnx

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


class Published(NamedTuple):
    """The multiply-accumulates of Conv and Gemm, and the trained parameters."""

    macs: int
    params: int | None
    output: tuple[int, ...] = (1000,)


NETWORKS = {
    "bvlc_alexnet": Published(654_560_384, 60_965_224),
    "densenet121": Published(2_834_161_664, None, (1000, 1, 1)),
    "inception_v1": Published(1_431_556_352, 6_998_552),
    "inception_v2": Published(2_018_851_840, None),
    "resnet50": Published(4_089_184_256, 25_557_032),
    "shufflenet": Published(124_664_528, 1_393_320),
    "squeezenet": Published(349_151_936, 1_235_496, (1000, 1, 1)),
    "vgg19": Published(19_632_062_464, 143_667_240),
    "zfnet512": Published(1_481_727_008, 87_250_536),
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_has_its_published_costs(name: str) -> None:
    network = read_onnx(str(LIGHT / f"light_{name}.onnx"))
    published = NETWORKS[name]
    (shape,) = network.inputs.values()
    assert shape == (3, 224, 224)
    walked = walk(network.layers, shape, counted=network.counted)
    assert walked.macs == published.macs
    assert walked.output == published.output
    assert walked.params == (published.params or walked.params)
    assert network.notes == ()
    assert "opaque" not in {layer.op for layer in network.layers}


@pytest.mark.parametrize("name", ["resnet50", "shufflenet"])
def test_every_value_has_the_shape_that_onnx_infers(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    network = read_onnx(str(path))
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
    shapes = {
        info.name: tuple(side.dim_value for side in info.type.tensor_type.shape.dim)[1:]
        for info in (*inferred.value_info, *inferred.output)
    }
    walked = walk(network.layers, (3, 224, 224))
    nodes = {node.name: node for node in inferred.node}
    compared = 0
    for report in walked.layers:
        if report.name in nodes and nodes[report.name].op_type != "Reshape":
            assert report.output == shapes[nodes[report.name].output[0]]
            compared += 1
    assert compared > 100
