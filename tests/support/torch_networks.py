"""Convolutional networks as their papers have them, written with `torch.nn`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from support.peers import require_peer

Module: TypeAlias = Any  # torch.nn.Module


def conv_bn(c_in: int, c_out: int, kernel: int, **settings: Any) -> list[Module]:
    nn = require_peer("torch.nn")
    padding = settings.pop("padding", kernel // 2)
    convolution = nn.Conv2d(c_in, c_out, kernel, padding=padding, bias=False, **settings)
    return [convolution, nn.BatchNorm2d(c_out)]


def chain(*modules: Module) -> Module:
    return require_peer("torch.nn").Sequential(*modules)


def module_of(forward: Callable[..., Any], **parts: Module) -> Module:
    """Return a module with some parts: `forward` takes it and the inputs."""
    nn = require_peer("torch.nn")

    class Joined(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

        def forward(self, *inputs: Any) -> Any:
            return forward(self, *inputs)

    return Joined()


def residual(c_in: int, c_out: int, stride: int) -> Module:
    """A basic block, K. He et al. (2015)."""
    nn = require_peer("torch.nn")
    path = chain(
        *conv_bn(c_in, c_out, 3, stride=stride), nn.ReLU(inplace=True), *conv_bn(c_out, c_out, 3)
    )
    is_same = stride == 1 and c_in == c_out
    shortcut = nn.Identity() if is_same else chain(*conv_bn(c_in, c_out, 1, stride=stride))
    return module_of(
        lambda self, x: self.relu(self.path(x) + self.shortcut(x)),
        path=path, shortcut=shortcut, relu=nn.ReLU(),
    )  # fmt: skip


def resnet18() -> Module:
    nn = require_peer("torch.nn")
    blocks = [
        residual(64 * 2 ** max(stage - (number == 0), 0), 64 * 2**stage, 1 + (stage > 0 == number))
        for stage in range(4)
        for number in range(2)
    ]
    stem = [*conv_bn(3, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return chain(*stem, *blocks, *head)


def gate(channels: int) -> Module:
    """A squeeze-and-excitation gate, J. Hu et al. (2018), as MobileNetV3 has it."""
    nn = require_peer("torch.nn")
    scale = chain(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // 4, 1), nn.ReLU(),
        nn.Conv2d(channels // 4, channels, 1), nn.Hardsigmoid(),
    )  # fmt: skip
    return module_of(lambda self, x: x * self.scale(x), scale=scale)


def inverted(c_in: int, c_out: int, stride: int, activation: Module, *, gated: bool) -> Module:
    """An inverted residual, M. Sandler et al. (2018), with a gate as A. Howard et al. (2019)."""
    nn = require_peer("torch.nn")
    wide = 4 * c_in
    path = chain(
        *conv_bn(c_in, wide, 1), activation,
        *conv_bn(wide, wide, 3, stride=stride, groups=wide), activation,
        gate(wide) if gated else nn.Identity(), *conv_bn(wide, c_out, 1),
    )  # fmt: skip
    if stride == 1 and c_in == c_out:
        return module_of(lambda self, x: x + self.path(x), path=path)
    return path


def mobilenet() -> Module:
    nn = require_peer("torch.nn")
    return chain(
        *conv_bn(3, 16, 3, stride=2), nn.Hardswish(),
        inverted(16, 16, 1, nn.ReLU(), gated=True),
        inverted(16, 24, 2, nn.ReLU6(), gated=False),
        inverted(24, 24, 1, nn.Hardswish(), gated=True),
        inverted(24, 40, 2, nn.SiLU(), gated=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(40, 10),
    )  # fmt: skip


def unet() -> Module:
    """A U-Net, O. Ronneberger et al. (2015), of two levels."""
    nn = require_peer("torch.nn")
    torch = require_peer("torch")

    def double(c_in: int, c_out: int) -> Module:
        return chain(*conv_bn(c_in, c_out, 3), nn.ReLU(), *conv_bn(c_out, c_out, 3), nn.ReLU())

    def forward(self: Module, x: Any) -> Any:
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.bottom(self.pool(b))
        d = self.join1(torch.cat([self.up1(c), b], 1))
        return self.last(self.join2(torch.cat([self.up2(d), a], 1)))

    return module_of(
        forward, down1=double(3, 8), down2=double(8, 16), bottom=double(16, 32),
        pool=nn.MaxPool2d(2), up1=nn.ConvTranspose2d(32, 16, 2, 2), join1=double(32, 16),
        up2=nn.ConvTranspose2d(16, 8, 4, 2, 1), join2=double(16, 8), last=nn.Conv2d(8, 2, 1),
    )  # fmt: skip


def densenet() -> Module:
    """Dense blocks, G. Huang et al. (2017): normalizations come before convolutions."""
    nn = require_peer("torch.nn")
    torch = require_peer("torch")

    def growing(c_in: int) -> Module:
        path = chain(
            nn.BatchNorm2d(c_in), nn.ReLU(), *conv_bn(c_in, 16, 1), nn.ReLU(),
            nn.Conv2d(16, 8, 3, padding=1, bias=False),
        )  # fmt: skip
        return module_of(lambda self, x: torch.cat([x, self.path(x)], 1), path=path)

    return chain(
        *conv_bn(3, 16, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), growing(16), growing(24),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.AvgPool2d(2, 2), growing(16),
        nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 7),
        nn.Softmax(1),
    )  # fmt: skip


def shufflenet() -> Module:
    """Units of ShuffleNetV2, N. Ma et al. (2018)."""
    nn = require_peer("torch.nn")
    torch = require_peer("torch")

    def unit(channels: int) -> Module:
        half = channels // 2
        path = chain(
            *conv_bn(half, half, 1), nn.ReLU(), *conv_bn(half, half, 3, groups=half),
            *conv_bn(half, half, 1), nn.ReLU(),
        )  # fmt: skip

        def forward(self: Module, x: Any) -> Any:
            kept, changed = x.chunk(2, 1)
            joined = torch.cat([kept, self.path(changed)], 1)
            n, c, h, w = joined.shape  # nn.ChannelShuffle is not exported
            return joined.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)

        return module_of(forward, path=path)

    return chain(*conv_bn(3, 16, 3, stride=2), nn.ReLU(), unit(16), unit(16), nn.Conv2d(16, 4, 1))


NETWORKS: dict[str, Callable[[], Module]] = {
    "resnet block": lambda: chain(residual(3, 8, 2), residual(8, 8, 1)),
    "mobilenet": mobilenet,
    "unet": unet,
    "densenet": densenet,
    "shufflenet": shufflenet,
}


def randomize(module: Module, seed: int = 0) -> Module:
    """Return a module in its state after training, with statistics that are not 0 and 1."""
    torch = require_peer("torch")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in module.state_dict().items():
            if values.ndim >= 2:
                fan_in = values[0].numel()
                values.copy_(torch.randn(values.shape, generator=generator) * (2 / fan_in) ** 0.5)
            elif values.is_floating_point():
                noise = torch.randn(values.shape, generator=generator) / 8
                is_one = name.endswith(("running_var", "weight"))
                values.copy_(noise.exp() if is_one else noise)
    return module.eval()


def export(module: Module, shapes: Sequence[Sequence[int]], path: Path, **settings: Any) -> str:
    """Write a module of inputs of these shapes, (C, H, W), as an ONNX file."""
    torch = require_peer("torch")
    inputs = tuple(torch.zeros(1, *shape) for shape in shapes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, str(path), dynamo=False, **settings)
    return str(path)
