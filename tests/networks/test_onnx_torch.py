"""Networks that torch exports: parameters and products as torch counts them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from support.peers import require_peer

from convcli.arithmetic.network import walk
from convcli.networks import read_onnx

pytestmark = pytest.mark.peers

# Of torchvision; the largest take long to export.
NETWORKS = [
    "convnext_tiny", "densenet121", "efficientnet_b0", "mnasnet0_5", "mobilenet_v2",
    "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnext50_32x4d", "shufflenet_v2_x0_5",
    "squeezenet1_1",
]  # fmt: skip
OF_TIMM = ["ghostnet_050", "mixnet_s", "tf_efficientnetv2_b0", "hardcorenas_a", "resnet10t"]


def export(module: Any, shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    """Write a module with random weights as ONNX; return its parameters and its products."""
    torch = require_peer("torch")
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    for parameter in module.parameters():  # those that are alike would be written once
        parameter.data = torch.randn_like(parameter) * 0.05
    module, image = module.eval(), torch.zeros(1, *shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, image, path, dynamo=False, opset_version=17, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # with what is folded otherwise
        )  # fmt: skip
    params = sum(parameter.numel() for parameter in module.parameters())
    return params, counter.get_total_flops() // 2


def compare(module: Any, shape: tuple[int, ...], folder: Path) -> list[str]:
    """Compare the costs of a module, and return the operations that it is read as."""
    path = folder / "model.onnx"
    params, macs = export(module, shape, path)
    network = read_onnx(str(path))
    found = walk(network.layers, shape, counted=network.counted)
    assert found.params == params
    assert found.macs == macs
    assert network.notes == ()
    return [layer.op for layer in network.layers]


def test_blocks_of_common_networks_are_counted_as_torch_does(tmp_path: Path) -> None:
    torch: Any = require_peer("torch")
    nn = torch.nn

    class Blocks(nn.Module):  # type: ignore[misc,name-defined]  # of a library without types
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU(),
                nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.GroupNorm(4, 16), nn.GELU(),
            )  # fmt: skip
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU6(), nn.Conv2d(4, 16, 1),
                nn.Hardsigmoid(),
            )  # fmt: skip
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear"), nn.PixelUnshuffle(2),
                nn.ConvTranspose2d(64, 8, 4, 2, 1), nn.PReLU(8), nn.ReflectionPad2d(1),
            )  # fmt: skip
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 5)
            self.scale = nn.Parameter(torch.ones(8, 1, 1))

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            first, second = (x * self.gate(x)).chunk(2, dim=1)
            x = self.scale * self.up(torch.cat([second, first[:, :8]], dim=1))
            return self.head(self.norm(x.permute(0, 2, 3, 1))).mean(dim=(1, 2)).softmax(dim=-1)

    operations = compare(Blocks(), (3, 32, 32), tmp_path)
    assert "opaque" not in operations
    assert {"groupnorm", "gelu", "hardsigmoid", "slice", "affine", "tconv"} <= set(operations)


@pytest.mark.parametrize(
    "name", [name if name == "squeezenet1_1" else pytest.param(name, marks=pytest.mark.slow)
             for name in NETWORKS],
)  # fmt: skip
def test_networks_of_torchvision_are_counted_as_torch_does(tmp_path: Path, name: str) -> None:
    module = getattr(require_peer("torchvision.models"), name)(weights=None)
    assert "opaque" not in compare(module, (3, 224, 224), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TIMM)
def test_networks_of_timm_are_counted_as_torch_does(tmp_path: Path, name: str) -> None:
    module = require_peer("timm").create_model(name)
    assert "opaque" not in compare(module, (3, 224, 224), tmp_path)
