"""Networks in ONNX files give what others compute of them: stored outputs, ONNX Runtime, torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from onnx import numpy_helper
from support import torch_networks
from support.oracles import reals
from support.peers import require_peer

from convcli import load_network
from convcli.engine.arrays import Array

QUICK = ("shufflenet", "squeezenet")
SLOW = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "vgg19", "zfnet512"
)  # fmt: skip


TORCHVISION = (
    "alexnet", "vgg11_bn", "resnet50", "resnext50_32x4d", "squeezenet1_1", "densenet121",
    "googlenet", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_small", "mnasnet1_0",
    "efficientnet_b0", "regnet_y_400mf", "convnext_tiny",
)  # fmt: skip
TIMM = ("ghostnet_100", "hrnet_w18_small", "mixnet_s", "repvgg_a0", "tf_efficientnet_lite0")


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("peers"):
        torch = require_peer("torch")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)
    else:
        yield


def run_onnxruntime(path: str, *inputs: Array) -> list[Array]:
    runtime = require_peer("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    named = dict(zip([found.name for found in session.get_inputs()], inputs, strict=True))
    outputs: list[Array] = session.run(None, named)
    return outputs


def light_folder() -> Path:
    """Return the folder of the models that ONNX's own tests run."""
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def stored_output(path: Path) -> Array:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    values: Array = numpy_helper.to_array(tensor)
    return values


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_the_light_models_give_their_stored_outputs(name: str) -> None:
    """Their weights are constants, and their input counts from 0 to below 1.

    The maps of SqueezeNet are of 1e10, where a float32 is off by 500, before it takes exponentials
    of their differences; in float64 they are the same for each class, as they have to be.
    """
    folder = light_folder()
    network = load_network(str(folder / f"light_{name}.onnx"))
    (shape,) = network.inputs.values()
    assert shape is not None
    count = int(np.prod(shape))
    dtype = np.float64 if name == "squeezenet" else np.float32
    x = (np.arange(count).reshape(1, *shape) / count).astype(np.float32)
    expected = stored_output(folder / f"light_{name}_output_0.pb")
    result = network.run(x.astype(dtype))
    assert_allclose(result.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_the_light_models_with_random_weights_give_what_onnxruntime_does(
    name: str, tmp_path: Path
) -> None:
    """Their own weights are so small that most of them give the same for each class."""
    model = onnx.load(light_folder() / f"light_{name}.onnx")
    with_random_weights(model)
    path = str(tmp_path / "model.onnx")
    onnx.save(model, path)
    network = load_network(path)
    (shape,) = network.inputs.values()
    assert shape is not None
    x = np.random.default_rng(7).random((1, *shape), np.float32)
    (expected,) = run_onnxruntime(path, x)
    assert expected.std() > 0
    result = network.run(x)
    assert_allclose(result.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)


def with_random_weights(model: Any) -> None:
    """Replace the constants of a model that are made of a shape by random ones."""
    random = np.random.default_rng(6)
    known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    users = {name: node for node in model.graph.node for name in node.input}
    for node in [node for node in model.graph.node if node.op_type == "ConstantOfShape"]:
        shape = tuple(known[node.input[0]])
        values = random.standard_normal(shape, np.float32)
        if len(shape) > 1:
            values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        elif users[node.output[0]].op_type == "BatchNormalization":
            values = np.exp(values / 8)  # a variance is above zero
        model.graph.node.remove(node)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))


@pytest.mark.peers
@pytest.mark.parametrize("name", torch_networks.NETWORKS)
def test_exported_networks_give_what_torch_and_onnxruntime_do(name: str, tmp_path: Path) -> None:
    torch = require_peer("torch")
    module = torch_networks.randomize(torch_networks.NETWORKS[name]())
    path = torch_networks.export(module, [(3, 32, 40)], tmp_path / "model.onnx")
    x = reals(1, 1, 3, 32, 40).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    found = load_network(path).run(x)
    tolerance = 1e-4 * max(abs(expected).max(), 1)
    assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert_allclose(found, run_onnxruntime(path, x)[0], rtol=0, atol=tolerance)


@pytest.mark.peers
def test_normalizations_that_the_exporter_left_are_folded_alike(tmp_path: Path) -> None:
    torch = require_peer("torch")
    module = torch_networks.randomize(torch_networks.unet())
    training = torch.onnx.TrainingMode.PRESERVE
    shape = (3, 16, 24)
    kept = torch_networks.export(
        module, [shape], tmp_path / "kept.onnx", training=training, do_constant_folding=False
    )
    network = load_network(kept)
    assert any(layer.op == "bn" for layer in network.layers)
    x = reals(2, 2, *shape).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert_allclose(network.run(x), expected, rtol=0, atol=1e-4 * abs(expected).max())
    tiles = network.run_tiles(x, 7)
    assert_allclose(tiles, expected, rtol=0, atol=1e-4 * abs(expected).max())


@pytest.mark.peers
def test_several_inputs_and_outputs_have_names(tmp_path: Path) -> None:
    torch = require_peer("torch")
    nn = require_peer("torch.nn")
    module = torch_networks.module_of(
        lambda self, x, y: (self.a(x) + self.b(y), self.b(y).relu()),
        a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(2, 4, 1),
    )  # fmt: skip
    torch_networks.randomize(module)
    x, y = reals(3, 1, 3, 8, 9).astype(np.float32), reals(4, 1, 2, 8, 9).astype(np.float32)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    names = {"input_names": ["x", "y"], "output_names": ["s", "r"]}
    network = load_network(
        torch_networks.export(module, [(3, 8, 9), (2, 8, 9)], tmp_path / "two.onnx", **names)
    )
    assert dict(network.inputs) == {"x": (3, 8, 9), "y": (2, 8, 9)}
    assert list(network.outputs) == ["s", "r"]
    found = network.run({"x": x, "y": y}, at=["s", "r"])
    for name, expected in zip(("s", "r"), module(*tensors), strict=True):
        assert_allclose(found[name], expected.detach().numpy(), rtol=0, atol=1e-4)
    assert_allclose(network.run({"y": y[0]}, at="r"), found["r"][0], atol=1e-6)
    assert_allclose(network.run_tiles({"x": x, "y": y}, 5, at="s"), found["s"], atol=1e-5)
    with pytest.raises(ValueError, match="needs its input 'x'"):
        network.run({"y": y}, at="s")


@pytest.mark.peers
@pytest.mark.slow
def test_resnet18_gives_what_torch_does(tmp_path: Path) -> None:
    torch = require_peer("torch")
    module = torch_networks.randomize(torch_networks.resnet18())
    path = torch_networks.export(module, [(3, 224, 224)], tmp_path / "model.onnx")
    x = reals(5, 1, 3, 224, 224).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert_allclose(load_network(path).run(x), expected, rtol=0, atol=1e-4 * abs(expected).max())


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision_give_what_torch_does(name: str, tmp_path: Path) -> None:
    settings = {"init_weights": False} if name == "googlenet" else {}
    module = getattr(require_peer("torchvision.models"), name)(weights=None, **settings)
    # Adaptive pools are exported where they divide their input.
    check_module(module, tmp_path, 224 if name in ("alexnet", "vgg11_bn") else 96)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm_give_what_torch_does(name: str, tmp_path: Path) -> None:
    check_module(require_peer("timm").create_model(name), tmp_path)


def check_module(module: Any, folder: Path, side: int = 96) -> None:
    """Check a module with random weights, on a picture of a side."""
    torch = require_peer("torch")
    torch_networks.randomize(module)
    path = torch_networks.export(module, [(3, side, side)], folder / "model.onnx")
    x = reals(8, 1, 3, side, side).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert np.isfinite(expected).all()
    assert_allclose(load_network(path).run(x), expected, rtol=0, atol=1e-4 * abs(expected).max())
