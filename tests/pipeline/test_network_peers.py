"""Networks in ONNX files give what others compute of them: stored outputs, ONNX Runtime, torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support import torch_networks
from support.oracles import reals
from support.peers import require_peer

from convcli import load_network
from convcli.engine.arrays import Array


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


@pytest.mark.peers
@pytest.mark.parametrize("name", ["resnet block", "unet", "shufflenet"])
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
