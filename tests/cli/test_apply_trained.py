"""The weights of a layer as a bank of kernels: `apply -k`, `explain -k` and `kernels`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator
from PIL import Image
from safetensors.numpy import save_file
from scipy import ndimage
from support.apply import pixels, usage
from support.command import Finished, here

RNG = np.random.default_rng(8)
WEIGHTS: NDArray[Any] = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tensors = {"conv1.weight": WEIGHTS, "blur": np.full((3, 3), 1 / 9), "ids": np.arange(4)}
    save_file(tensors, tmp_path / "net.safetensors")
    Image.fromarray(pixels(12, 11, 3)).save(tmp_path / "in.png")
    return tmp_path


def refused(folder: Path, *arguments: str, code: int = 1) -> str:
    done: Finished = here(*arguments, cwd=folder)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (code, b"", 1)
    return done.stderr


def test_a_layers_weights_make_a_map_each(folder: Path) -> None:
    done = here("apply", "in.png", "-k", "net.safetensors:conv1.weight", "-o", "o.npy", cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    image = pixels(12, 11, 3).astype(float)
    expected = [
        sum(
            ndimage.correlate(image[:, :, channel], plane, mode="nearest")
            for channel, plane in enumerate(planes)
        )
        for planes in WEIGHTS.astype(float)
    ]
    np.testing.assert_allclose(np.load(folder / "o.npy"), np.stack(expected, 2), atol=2e-3)


def test_a_plane_of_weights_is_named_after_its_file_and_tensor(folder: Path) -> None:
    assert here("apply", "in.png", "-k", "net.safetensors:blur", cwd=folder).code == 0
    assert (folder / "in.net-blur.png").exists()
    layer = ("-l", "conv:kernel=net.safetensors:blur", "--figure", "f.png")
    assert here("apply", "in.png", *layer, cwd=folder).code == 0
    assert (folder / "f.png").exists()


def test_the_file_of_weights_is_never_replaced(folder: Path) -> None:
    os.link(folder / "net.safetensors", folder / "out.npy")
    options = ("-k", "net.safetensors:conv1.weight", "-o", "out.npy", "-f")
    assert "is an input" in refused(folder, "apply", "in.png", *options)


def test_the_layers_of_a_file_are_listed(folder: Path) -> None:
    done = here("kernels", "net.safetensors", cwd=folder)
    assert [line.split() for line in done.text.splitlines()[2:]] == [
        ["blur", "3x3", "1", "F64"],
        ["conv1.weight", "4x3x3x3", "1", "F32"],
    ]
    done = here("kernels", "net.safetensors", "--json", cwd=folder)
    first = {"name": "blur", "shape": [3, 3], "groups": 1, "kind": "F64"}
    assert json.loads(done.text)[0] == first


def test_a_layer_is_shown_with_the_first_of_its_planes(folder: Path) -> None:
    save_file({"many": RNG.normal(size=(9, 2, 3, 3))}, folder / "many.safetensors")
    text = here("kernels", "many.safetensors:many", cwd=folder).text
    assert text.startswith("many:many: 9x2x3x3, sum ")
    assert text.count("\n\n") == 1 + 16
    assert text.endswith("... and 2 more, which --json holds\n")
    document = json.loads(here("kernels", "many.safetensors:many", "--json", cwd=folder).text)
    assert np.shape(document["matrix"]) == (9, 2, 3, 3)


def test_what_a_file_does_not_hold_is_named(folder: Path) -> None:
    (folder / "bad.safetensors").write_bytes(b"\x80\x04pickled")
    assert "did you mean 'blur'" in refused(folder, "apply", "in.png", "-k", "net.safetensors:blr")
    assert "holds 2 kernels: net.safetensors:blur, net" in refused(
        folder, "apply", "in.png", "-k", "net.safetensors"
    )
    assert "is no .safetensors file" in refused(folder, "kernels", "bad.safetensors:a")
    assert "no such file" in refused(folder, "kernels", "gone.safetensors:a")
    outside = ("in.png", "-k", "../net.safetensors:a", "--restrict", ".")
    assert "lies outside" in usage(folder, *outside)


# ---- layers of ONNX files ----------------------------------------------------------------------


def tensor(name: str, *shape: int) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


@pytest.fixture
def model(folder: Path) -> onnx.ModelProto:
    """A convolution with biases, a depthwise, a transposed and a linear layer; open sizes."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="conv1", pads=[1] * 4),
        helper.make_node("Identity", ["w2"], ["same"]),
        helper.make_node("Conv", ["a", "same"], ["b"], name="/dw/Conv", group=4, pads=[1] * 4),
        helper.make_node("ConvTranspose", ["b", "w3", "b3"], ["c"], name="up", strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "w4"], ["y"], name="fc"),
    ]
    shapes = {"w1": (4, 3, 3, 3), "b1": (4,), "w2": (4, 1, 3, 3), "w3": (4, 2, 2, 2), "b3": (2,)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [tensor(name, *shape) for name, shape in {**shapes, "w4": (2, 5)}.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "m.onnx")
    return made


def reference(model: onnx.ModelProto, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """A value of a model, by the evaluator that ONNX defines itself with."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    cut.graph.output[0].name = name
    made: NDArray[Any] = ReferenceEvaluator(cut).run(None, {"x": x[np.newaxis]})[0][0]
    return made


def test_an_error_is_one_line_without_the_notes_of_kernels(folder: Path) -> None:
    for command in (("apply", "in.png", "--gray"), ("explain", "in.png", "--gray", "--at", "0,0")):
        done = here(*command, "-k", "m.onnx:conv1", cwd=folder)
        assert done.code == 1
        assert done.stderr.count("\n") == 1
        assert "biases" not in done.stderr


def test_a_layer_of_a_model_brings_its_biases_and_groups(
    folder: Path, model: onnx.ModelProto
) -> None:
    layers = ("-k", "m.onnx:conv1", "-l", "conv:kernel=m.onnx:/dw/Conv")
    kernel = ("--padding-mode", "zero", "-o", "o.npy")
    done = here("apply", "in.png", *layers, *kernel, cwd=folder)
    assert done.code == 0
    assert done.stderr.count("\n") == 1
    assert "m.onnx:conv1: its biases are added as they are" in done.stderr
    x = pixels(12, 11, 3).transpose(2, 0, 1).astype(np.float32)
    expected = reference(model, "b", x).transpose(1, 2, 0)
    np.testing.assert_allclose(np.load(folder / "o.npy"), expected, atol=2e-2)


def test_biases_are_added_to_what_alpha_shows(folder: Path, model: onnx.ModelProto) -> None:
    rgba = np.concatenate([pixels(12, 11, 3), np.full((12, 11, 1), 254, np.uint8)], axis=2)
    Image.fromarray(rgba).save(folder / "alpha.png")
    options = ("-k", "m.onnx:conv1", "--padding-mode", "zero", "-o", "{stem}.npy")
    assert here("apply", "alpha.png", *options, cwd=folder).code == 0
    x = pixels(12, 11, 3).transpose(2, 0, 1).astype(np.float32) * 254 / 255
    expected = reference(model, "a", x).transpose(1, 2, 0)
    np.testing.assert_allclose(np.load(folder / "alpha.npy"), expected, atol=2e-2)


def test_an_explanation_has_the_bias_of_each_map(folder: Path, model: onnx.ModelProto) -> None:
    options = ("-k", "m.onnx:conv1", "--at", "1,1", "--json")
    found = json.loads(here("explain", "in.png", *options, cwd=folder).text)
    biases = onnx.numpy_helper.to_array(model.graph.initializer[1]).astype(float)
    assert [entry["bias"] for entry in found] == biases.tolist()


@pytest.mark.usefixtures("model")
def test_the_layers_of_a_model_are_listed_and_found_by_their_arrays(folder: Path) -> None:
    done = here("kernels", "m.onnx", "--json", cwd=folder)
    assert [tuple(entry.values()) for entry in json.loads(done.text)] == [
        ("conv1", [4, 3, 3, 3], 1, "Conv"),
        ("/dw/Conv", [4, 1, 3, 3], 4, "Conv"),
        ("up", [4, 2, 2, 2], 1, "ConvTranspose"),
    ]
    assert here("kernels", "m.onnx:w1", cwd=folder).text.startswith("m:conv1: 4x3x3x3, sum ")
    assert "is a transposed convolution" in here("kernels", "m.onnx:up", cwd=folder).stderr


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("m.onnx:fc", "'fc' is a linear layer (Gemm), whose weights are no kernel"),
        ("m.onnx:conv2", "did you mean 'conv1'"),
        ("m.onnx", "holds 3 kernels: m.onnx:conv1, m.onnx:/dw/Conv, m.onnx:up"),
        ("bad.onnx:conv1", "is no ONNX file"),
    ],
)
def test_a_layer_that_is_no_kernel_is_named(folder: Path, spec: str, words: str) -> None:
    (folder / "bad.onnx").write_bytes(b"not a model")
    assert words in refused(folder, "apply", "in.png", "-k", spec)
