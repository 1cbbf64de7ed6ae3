"""Well-known networks, as layers: torchvision's definitions, LeNet-5 and U-Net.

A block is a function that returns layers in the notation; a network is a few lines of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, did_you_mean

Layers: TypeAlias = list[str]  # in the notation

HEAD: Layers = ["globalavgpool", "flatten", "linear:1000"]


def zoo_network(name: str) -> tuple[Shape, Layers]:
    """The input shape and the layers of a well-known network.

    Raises
    ------
    ArgumentError
        For a name that is not in the zoo; the nearest is suggested.

    Examples
    --------
    >>> shape, layers = zoo_network("lenet5")
    >>> shape, layers[:2]
    ((1, 32, 32), ['conv:5,c=6', 'tanh'])
    """
    if name not in ZOO:
        hint = did_you_mean(name, ZOO) or f"; there are {', '.join(ZOO)}"
        raise ArgumentError(f"no network is named {name!r}{hint}")
    shape, build = ZOO[name]
    return shape, build()


def lenet5() -> Layers:
    """Y. LeCun et al. (1998), every map of the third layer seeing all of the second."""
    return [
        *("conv:5,c=6", "tanh", "avgpool:2", "conv:5,c=16", "tanh", "avgpool:2"),
        *("conv:5,c=120", "tanh", "flatten", "linear:84", "tanh", "linear:10"),
    ]


def alexnet() -> Layers:
    """A. Krizhevsky (2014), one tower."""
    return [
        *("conv:11,s=4,p=2,c=64", "relu", "maxpool:3,s=2"),
        *("conv:5,p=2,c=192", "relu", "maxpool:3,s=2"),
        *("conv:3,p=1,c=384", "relu", "conv:3,p=1,c=256", "relu", "conv:3,p=1,c=256", "relu"),
        *("maxpool:3,s=2", "adaptiveavgpool:6", "flatten"),
        *("dropout", "linear:4096", "relu", "dropout", "linear:4096", "relu", "linear:1000"),
    ]


def vgg(depths: Sequence[int]) -> Layers:
    """K. Simonyan and A. Zisserman (2014): so many 3x3 convolutions in each of five stages."""
    layers: Layers = []
    for depth, channels in zip(depths, (64, 128, 256, 512, 512), strict=True):
        layers += [f"conv:3,p=1,c={channels}", "relu"] * depth + ["maxpool:2"]
    head = ["linear:4096", "relu", "dropout"] * 2
    return [*layers, "adaptiveavgpool:7", "flatten", *head, "linear:1000"]


def resnet(path: Callable[[int, int], Layers], depths: Sequence[int], widening: int) -> Layers:
    """K. He et al. (2015): four stages of residual blocks, each stage half as large."""
    layers = [*normed("conv:7,s=2,p=3,c=64"), "relu", "maxpool:3,s=2,p=1,name=stem"]
    before, channels = "stem", 64
    for stage, depth in enumerate(depths):
        for unit in range(depth):
            width, stride = 64 << stage, 2 if stage and not unit else 1
            changes = stride > 1 or channels != width * widening
            shortcut = normed(f"conv:1,s={stride},c={width * widening}") if changes else []
            name = f"block{stage + 1}.{unit + 1}"
            layers += [*residual(name, before, path(width, stride), shortcut), f"relu:name={name}"]
            before, channels = name, width * widening
    return layers + HEAD


def basic(width: int, stride: int) -> Layers:
    """The path of a basic block: two 3x3 convolutions."""
    return [*normed(f"conv:3,s={stride},p=1,c={width}"), "relu", *normed(f"conv:3,p=1,c={width}")]


def bottleneck(width: int, stride: int) -> Layers:
    """The path of a bottleneck: 1x1 to narrow, 3x3, 1x1 to widen fourfold."""
    return [
        *(*normed(f"conv:1,c={width}"), "relu"),
        *(*normed(f"conv:3,s={stride},p=1,c={width}"), "relu"),
        *normed(f"conv:1,c={4 * width}"),
    ]


def googlenet() -> Layers:
    """C. Szegedy et al. (2014), without its auxiliary heads; the 5x5 branch is 3x3."""
    stages = [
        [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
        [
            (192, 96, 208, 16, 48, 64),
            (160, 112, 224, 24, 64, 64),
            (128, 128, 256, 24, 64, 64),
            (112, 144, 288, 32, 64, 64),
            (256, 160, 320, 32, 128, 128),
        ],
        [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
    ]
    layers = [
        *(*normed("conv:7,s=2,p=3,c=64"), "relu", "maxpool:3,s=2,ceil"),
        *(*normed("conv:1,c=64"), "relu", *normed("conv:3,p=1,c=192"), "relu"),
    ]
    for stage, blocks in enumerate(stages, start=3):
        layers.append(f"maxpool:{2 if stage == 5 else 3},s=2,ceil,name=pool{stage}")
        before = f"pool{stage}"
        for letter, widths in zip("abcde", blocks, strict=False):
            name = f"inception{stage}{letter}"
            layers += inception(name, before, widths)
            before = name
    return [*layers, "globalavgpool", "dropout", "flatten", "linear:1000"]


def inception(name: str, before: str, widths: Sequence[int]) -> Layers:
    """Four branches side by side: 1x1, two of 1x1 and 3x3, pool and 1x1."""
    direct, narrow_3, wide_3, narrow_5, wide_5, pooled = widths
    branches = [
        [*normed(f"conv:1,c={direct}"), "relu"],
        [*normed(f"conv:1,c={narrow_3}"), "relu", *normed(f"conv:3,p=1,c={wide_3}"), "relu"],
        [*normed(f"conv:1,c={narrow_5}"), "relu", *normed(f"conv:3,p=1,c={wide_5}"), "relu"],
        ["maxpool:3,s=1,p=1,ceil", *normed(f"conv:1,c={pooled}"), "relu"],
    ]
    return concatenated(name, before, branches)


def squeezenet(stem: str, stages: Sequence[Sequence[int]]) -> Layers:
    """F. Iandola et al. (2016): fire modules, a pool before each stage."""
    layers = [stem, "relu"]
    before = ""
    for stage, widths in enumerate(stages, start=1):
        layers.append(f"maxpool:3,s=2,ceil,name=pool{stage}")
        before = f"pool{stage}"
        for unit, squeezed in enumerate(widths, start=1):
            name = f"fire{stage}.{unit}"
            layers += fire(name, before, squeezed)
            before = name
    return [*layers, "dropout", "conv:1,c=1000", "relu", "globalavgpool", "flatten"]


def fire(name: str, before: str, squeezed: int) -> Layers:
    """Squeeze by 1x1, then expand fourfold by 1x1 and by 3x3 side by side."""
    narrow = [f"conv:1,c={squeezed},from={before}", f"relu:name={name}.squeezed"]
    wide = 4 * squeezed
    branches = [[f"conv:1,c={wide}", "relu"], [f"conv:3,p=1,c={wide}", "relu"]]
    return narrow + concatenated(name, f"{name}.squeezed", branches)


def mobilenet_v2() -> Layers:
    """M. Sandler et al. (2018): inverted residuals. Its relu6 is written relu."""
    settings = [  # times wider inside, channels, blocks, stride of the first
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ]
    layers = [*normed("conv:3,s=2,p=1,c=32"), "relu:name=stem"]
    before, channels = "stem", 32
    for stage, (times, width, depth, first_stride) in enumerate(settings, start=1):
        for unit in range(depth):
            stride = 1 if unit else first_stride
            inside = channels * times
            path = [*normed(f"conv:1,c={inside}"), "relu"] if times > 1 else []
            path += [*normed(f"conv:3,s={stride},p=1,g=depthwise,c={inside}"), "relu"]
            path += normed(f"conv:1,c={width}")
            name = f"block{stage}.{unit + 1}"
            if stride == 1 and channels == width:
                *inner, total = residual(name, before, path, [])
                layers += [*inner, _with(total, f"name={name}")]
            else:
                layers += chained(before, path, name)
            before, channels = name, width
    return [*layers, *normed("conv:1,c=1280"), "relu", "globalavgpool", "flatten", *HEAD[2:]]


def densenet121() -> Layers:
    """G. Huang et al. (2016): every layer of a block takes all that went before it."""
    growth, depths = 32, (6, 12, 24, 16)
    layers = [*normed("conv:7,s=2,p=3,c=64"), "relu", "maxpool:3,s=2,p=1,name=block0"]
    before, channels = "block0", 64
    for stage, depth in enumerate(depths, start=1):
        for unit in range(1, depth + 1):
            name = f"block{stage}.{unit}"
            path = ["bn", "relu", *normed(f"conv:1,c={4 * growth}"), "relu"]
            path.append(f"conv:3,p=1,c={growth},nobias")
            layers += chained(before, path, f"{name}.new")
            layers.append(f"concat:from={before}+{name}.new,name={name}")
            before, channels = name, channels + growth
        if stage < len(depths):
            channels //= 2
            layers += ["bn", "relu", f"conv:1,c={channels},nobias", f"avgpool:2,name=block{stage}"]
            before = f"block{stage}"
    return [*layers, "bn", "relu", *HEAD]


def unet() -> Layers:
    """O. Ronneberger et al. (2015): valid convolutions, so what is joined is cropped first."""
    layers: Layers = []
    for level in range(4):
        layers += [*_pair(64 << level), f"relu:name=down{level + 1}", "maxpool:2"]
    layers += [*_pair(1024), "relu"]
    for level in reversed(range(4)):
        up, down = f"up{level + 1}", f"down{level + 1}"
        layers += [
            f"tconv:2,s=2,c={64 << level},name={up}",
            f"crop:like={up},from={down},name={down}.cropped",
            f"concat:from={down}.cropped+{up}",
            *(*_pair(64 << level), "relu"),
        ]
    return [*layers, "conv:1,c=2"]


def normed(convolution: str) -> Layers:
    """A convolution with a batch normalisation, which makes its bias idle."""
    return [f"{convolution},nobias", "bn"]


def chained(before: str, path: Layers, name: str) -> Layers:
    """A path that starts at the layer `before` and ends as `name`."""
    first, *rest = path
    *start, last = [_with(first, f"from={before}"), *rest]
    return [*start, _with(last, f"name={name}")]


def residual(name: str, before: str, path: Layers, shortcut: Layers) -> Layers:
    """The sum of a path and of a shortcut; without layers of its own, that is what went in."""
    layers = chained(before, path, f"{name}.path")
    other = before
    if shortcut:
        other = f"{name}.shortcut"
        layers += chained(before, shortcut, other)
    return [*layers, f"add:from={name}.path+{other}"]


def concatenated(name: str, before: str, branches: Sequence[Layers]) -> Layers:
    """Branches that all start at the layer `before`, side by side as channels."""
    layers: Layers = []
    ends = [f"{name}.{place}" for place in range(1, len(branches) + 1)]
    for end, branch in zip(ends, branches, strict=True):
        layers += chained(before, branch, end)
    return [*layers, f"concat:from={'+'.join(ends)},name={name}"]


def _pair(channels: int) -> Layers:
    """Two valid 3x3 convolutions, the second's activation left to the caller, who names it."""
    return [f"conv:3,c={channels}", "relu", f"conv:3,c={channels}"]


def _with(layer: str, item: str) -> str:
    return f"{layer}{',' if ':' in layer else ':'}{item}"


_IMAGENET: Shape = (3, 224, 224)

ZOO: dict[str, tuple[Shape, Callable[[], Layers]]] = {
    "alexnet": (_IMAGENET, alexnet),
    "vgg11": (_IMAGENET, partial(vgg, (1, 1, 2, 2, 2))),
    "vgg13": (_IMAGENET, partial(vgg, (2, 2, 2, 2, 2))),
    "vgg16": (_IMAGENET, partial(vgg, (2, 2, 3, 3, 3))),
    "vgg19": (_IMAGENET, partial(vgg, (2, 2, 4, 4, 4))),
    "resnet18": (_IMAGENET, partial(resnet, basic, (2, 2, 2, 2), 1)),
    "resnet34": (_IMAGENET, partial(resnet, basic, (3, 4, 6, 3), 1)),
    "resnet50": (_IMAGENET, partial(resnet, bottleneck, (3, 4, 6, 3), 4)),
    "resnet101": (_IMAGENET, partial(resnet, bottleneck, (3, 4, 23, 3), 4)),
    "resnet152": (_IMAGENET, partial(resnet, bottleneck, (3, 8, 36, 3), 4)),
    "googlenet": (_IMAGENET, googlenet),
    "squeezenet1_0": (
        _IMAGENET,
        partial(squeezenet, "conv:7,s=2,c=96", [(16, 16, 32), (32, 48, 48, 64), (64,)]),
    ),
    "squeezenet1_1": (
        _IMAGENET,
        partial(squeezenet, "conv:3,s=2,c=64", [(16, 16), (32, 32), (48, 48, 64, 64)]),
    ),
    "mobilenet_v2": (_IMAGENET, mobilenet_v2),
    "densenet121": (_IMAGENET, densenet121),
    "lenet5": ((1, 32, 32), lenet5),
    "unet": ((1, 572, 572), unet),
}
