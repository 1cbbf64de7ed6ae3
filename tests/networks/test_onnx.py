"""Models are read as the layers that they are, with their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.onnx_models import model, node, save, weight

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer
from convcli.networks import read_onnx


def test_a_network_is_read_as_its_layers_with_names_and_weights(tmp_path: Path) -> None:
    weights = {
        "w": weight(8, 3, 3, 3), "b": weight(8), "v": weight(4, 3, 1, 1), "m": weight(5, 12 * 16)
    }  # fmt: skip
    path = save(
        model(
            [
                node("Conv", "x w b", "c", pads=[1, 1, 1, 1], strides=[2, 2], name="/first/Conv"),
                node("Relu", "c", "r"),
                node("Conv", "x v", "d", strides=[2, 2]),
                node("Concat", "r d", "j", axis=1),
                node("MaxPool", "j", "p", kernel_shape=[2, 2], strides=[2, 2]),
                node("Flatten", "p", "f", name="flat"),
                node("Gemm", "f m", "y", transB=1, name="head"),
            ],
            {"x": (1, 3, 16, 16)},
            weights=weights,
        ),
        tmp_path,
    )
    network = read_onnx(path)
    assert network.name == "model"
    assert network.inputs == {"x": (3, 16, 16)}
    assert network.outputs == {"y": "head"}
    assert [format_layer(layer) for layer in network.layers] == [
        "conv:3,s=2,p=1,c=8,name=/first/Conv",
        "relu:name=r",
        "conv:1,s=2,c=4,name=d,from=input,nobias",
        "concat:name=j,from=r+d",
        "maxpool:2,name=p",
        "flatten:name=flat",
        "linear:5,name=head,nobias",
    ]
    assert set(network.weights) == {"/first/Conv", "d", "head"}
    np.testing.assert_array_equal(network.weights["/first/Conv"]["weight"], weights["w"])
    np.testing.assert_array_equal(network.weights["/first/Conv"]["bias"], weights["b"])
    np.testing.assert_array_equal(network.weights["head"]["weight"], weights["m"])
    walked = walk(network.layers, (3, 16, 16))
    assert walked.output == (5,)
    assert walked.params == sum(array.size for array in weights.values())
    assert network.notes == ()
