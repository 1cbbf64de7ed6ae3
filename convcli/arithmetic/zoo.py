"""Well-known networks as layers in the notation: torchvision's definitions, LeNet-5 and U-Net.

A function named after a network returns its layers; the others return parts of networks.
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
    """Return the input shape and the layers of a well-known network.

    Raises
    ------
    ArgumentError
        If no network has the name; the message suggests the most similar one.

    Examples
    --------
    >>> shape, layers = zoo_network("lenet5")
    >>> shape, layers[:2]
    ((1, 32, 32), ['conv:5,c=6', 'tanh'])
    """
    if name not in ZOO:
        hint = did_you_mean(name, ZOO) or f"; there are {', '.join(ZOO)}"
        raise ArgumentError(f"no network is named {name!r}{hint}")
    return SHAPES.get(name, IMAGENET_SHAPE), ZOO[name]()


def lenet5() -> Layers:
    """LeNet-5, Y. LeCun et al. (1998); its second convolution takes all channels of its input."""
    return [
        *("conv:5,c=6", "tanh", "avgpool:2", "conv:5,c=16", "tanh", "avgpool:2"),
        *("conv:5,c=120", "tanh", "flatten", "linear:84", "tanh", "linear:10"),
    ]


def alexnet() -> Layers:
    """AlexNet, A. Krizhevsky (2014): the version whose channels are not split over two GPUs."""
    return [
        *("conv:11,s=4,p=2,c=64", "relu", "maxpool:3,s=2"),
        *("conv:5,p=2,c=192", "relu", "maxpool:3,s=2"),
        *("conv:3,p=1,c=384", "relu", "conv:3,p=1,c=256", "relu", "conv:3,p=1,c=256", "relu"),
        *("maxpool:3,s=2", "adaptiveavgpool:6", "flatten"),
        *("dropout", "linear:4096", "relu", "dropout", "linear:4096", "relu", "linear:1000"),
    ]


def vgg(depths: Sequence[int]) -> Layers:
    """VGG, K. Simonyan and A. Zisserman (2014): five stages of `depths` 3x3 convolutions."""
    layers: Layers = []
    for depth, channels in zip(depths, (64, 128, 256, 512, 512), strict=True):
        layers += [f"conv:3,p=1,c={channels}", "relu"] * depth + ["maxpool:2"]
    layers += ["adaptiveavgpool:7", "flatten", *["linear:4096", "relu", "dropout"] * 2]
    return [*layers, "linear:1000"]


def resnet(path: Callable[[int, int], Layers], depths: Sequence[int], widening: int) -> Layers:
    """ResNet, K. He et al. (2015): four stages of residual blocks; each stage halves the size."""
    layers = [*conv_bn_relu("conv:7,s=2,p=3,c=64"), "maxpool:3,s=2,p=1,name=stem"]
    before, channels = "stem", 64
    for stage, depth in enumerate(depths):
        for unit in range(depth):
            width, stride = 64 << stage, 2 if stage and not unit else 1
            changes = stride > 1 or channels != width * widening
            shortcut = conv_bn(f"conv:1,s={stride},c={width * widening}") if changes else []
            name = f"block{stage + 1}.{unit + 1}"
            layers += add_shortcut(name, before, path(width, stride), shortcut)
            layers.append(f"relu:name={name}")
            before, channels = name, width * widening
    return layers + HEAD


def basic(width: int, stride: int) -> Layers:
    """Return the path of a basic block: two 3x3 convolutions."""
    return conv_bn_relu(f"conv:3,s={stride},p=1,c={width}") + conv_bn(f"conv:3,p=1,c={width}")


def bottleneck(width: int, stride: int) -> Layers:
    """Return the path of a bottleneck: 1x1, 3x3, and 1x1 to four times the channels."""
    path = conv_bn_relu(f"conv:1,c={width}", f"conv:3,s={stride},p=1,c={width}")
    return path + conv_bn(f"conv:1,c={4 * width}")


def googlenet() -> Layers:
    """GoogLeNet, C. Szegedy et al. (2014), without its auxiliary heads; the 5x5 branch is 3x3."""
    stages = (
        ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
        (
            *((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64)),
            *((128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64)),
            (256, 160, 320, 32, 128, 128),
        ),
        ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
    )
    layers = [*conv_bn_relu("conv:7,s=2,p=3,c=64"), "maxpool:3,s=2,ceil"]
    layers += conv_bn_relu("conv:1,c=64", "conv:3,p=1,c=192")
    for stage, blocks in enumerate(stages, start=3):
        before = f"pool{stage}"
        layers.append(f"maxpool:{2 if stage == 5 else 3},s=2,ceil,name={before}")
        for letter, widths in zip("abcde", blocks, strict=False):
            name = f"inception{stage}{letter}"
            layers += inception(name, before, widths)
            before = name
    return [*layers, "globalavgpool", "dropout", "flatten", "linear:1000"]


def inception(name: str, before: str, widths: Sequence[int]) -> Layers:
    """Return an inception block: branches of 1x1, twice 1x1 and 3x3, and a pool and 1x1."""
    width_1, narrow_3, wide_3, narrow_5, wide_5, pooled = widths
    branches = [
        conv_bn_relu(f"conv:1,c={width_1}"),
        conv_bn_relu(f"conv:1,c={narrow_3}", f"conv:3,p=1,c={wide_3}"),
        conv_bn_relu(f"conv:1,c={narrow_5}", f"conv:3,p=1,c={wide_5}"),
        ["maxpool:3,s=1,p=1,ceil", *conv_bn_relu(f"conv:1,c={pooled}")],
    ]
    return concat_branches(name, before, branches)


def squeezenet(kernel: int, channels: int, stages: Sequence[Sequence[int]]) -> Layers:
    """SqueezeNet, F. Iandola et al. (2016): stages of fire modules, a pool before each stage."""
    layers = [f"conv:{kernel},s=2,c={channels}", "relu"]
    for stage, widths in enumerate(stages, start=1):
        before = f"pool{stage}"
        layers.append(f"maxpool:3,s=2,ceil,name={before}")
        for unit, squeezed in enumerate(widths, start=1):
            name = f"fire{stage}.{unit}"
            layers += fire(name, before, squeezed)
            before = name
    return [*layers, "dropout", "conv:1,c=1000", "relu", "globalavgpool", "flatten"]


def fire(name: str, before: str, squeezed: int) -> Layers:
    """Return a fire module: a 1x1 to fewer channels, then a 1x1 and a 3x3 to four times as many."""
    narrow = chain(before, [f"conv:1,c={squeezed}", "relu"], f"{name}.squeezed")
    branches = [[f"{conv},c={4 * squeezed}", "relu"] for conv in ("conv:1", "conv:3,p=1")]
    return narrow + concat_branches(name, f"{name}.squeezed", branches)


def mobilenet_v2() -> Layers:
    """MobileNetV2, M. Sandler et al. (2018): inverted residuals. Its relu6 is written relu."""
    settings = [  # expansion, channels, blocks, stride of the first block
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ]
    layers = [*conv_bn("conv:3,s=2,p=1,c=32"), "relu:name=stem"]
    before, channels = "stem", 32
    for stage, (expansion, width, depth, first_stride) in enumerate(settings, start=1):
        for unit in range(depth):
            name, inside = f"block{stage}.{unit + 1}", channels * expansion
            stride = 1 if unit else first_stride
            path = conv_bn_relu(f"conv:1,c={inside}") if expansion > 1 else []
            path += conv_bn_relu(f"conv:3,s={stride},p=1,g=depthwise,c={inside}")
            path += conv_bn(f"conv:1,c={width}")
            if unit:  # the first of a stage has another stride or other channels
                *inner, total = add_shortcut(name, before, path, [])
                layers += [*inner, f"{total},name={name}"]
            else:
                layers += chain(before, path, name)
            before, channels = name, width
    return [*layers, *conv_bn_relu("conv:1,c=1280"), *HEAD]


def densenet121() -> Layers:
    """DenseNet, G. Huang et al. (2016): a layer of a block takes the outputs of all before it."""
    growth, depths = 32, (6, 12, 24, 16)
    layers = [*conv_bn_relu("conv:7,s=2,p=3,c=64"), "maxpool:3,s=2,p=1,name=block0"]
    before, channels = "block0", 64
    path = ["bn", "relu", *conv_bn_relu(f"conv:1,c={4 * growth}"), f"conv:3,p=1,c={growth},nobias"]
    for stage, depth in enumerate(depths, start=1):
        for unit in range(1, depth + 1):
            name = f"block{stage}.{unit}"
            layers += chain(before, path, f"{name}.new")
            layers.append(f"concat:from={before}+{name}.new,name={name}")
            before, channels = name, channels + growth
        if stage < len(depths):
            channels //= 2
            layers += ["bn", "relu", f"conv:1,c={channels},nobias", f"avgpool:2,name=block{stage}"]
            before = f"block{stage}"
    return [*layers, "bn", "relu", *HEAD]


def unet() -> Layers:
    """U-Net, O. Ronneberger et al. (2015), without padding, so maps are cropped to be joined."""
    stages = [[f"conv:3,c={64 << level}", "relu"] * 2 for level in range(5)]
    layers: Layers = []
    for level in range(4):
        layers += [*stages[level][:-1], f"relu:name=down{level + 1}", "maxpool:2"]
    layers += stages[4]
    for level in reversed(range(4)):
        up, down = f"up{level + 1}", f"down{level + 1}"
        layers += [
            f"tconv:2,s=2,c={64 << level},name={up}",
            f"crop:like={up},from={down},name={down}.cropped",
            f"concat:from={down}.cropped+{up}",
            *stages[level],
        ]
    return [*layers, "conv:1,c=2"]


def conv_bn(convolution: str) -> Layers:
    """Return a convolution without a bias and a batch normalization."""
    return [f"{convolution},nobias", "bn"]


def conv_bn_relu(*convolutions: str) -> Layers:
    """Return convolutions without a bias, each with a batch normalization and a relu."""
    return [layer for convolution in convolutions for layer in (*conv_bn(convolution), "relu")]


def chain(before: str, path: Layers, name: str) -> Layers:
    """Return a path that takes the output of the layer `before`, and whose last layer is `name`."""
    layers = path.copy()
    for index, item in ((0, f"from={before}"), (-1, f"name={name}")):
        layers[index] += ("," if ":" in layers[index] else ":") + item
    return layers


def add_shortcut(name: str, before: str, path: Layers, shortcut: Layers) -> Layers:
    """Return the sum of a path and a shortcut; an empty shortcut is the path's input."""
    layers, other = chain(before, path, f"{name}.path"), before
    if shortcut:
        other = f"{name}.shortcut"
        layers += chain(before, shortcut, other)
    return [*layers, f"add:from={name}.path+{other}"]


def concat_branches(name: str, before: str, branches: Sequence[Layers]) -> Layers:
    """Return branches that all take the output of the layer `before`, and their concatenation."""
    ends = {f"{name}.{number}": branch for number, branch in enumerate(branches, start=1)}
    layers = [layer for end, branch in ends.items() for layer in chain(before, branch, end)]
    return [*layers, f"concat:from={'+'.join(ends)},name={name}"]


IMAGENET_SHAPE: Shape = (3, 224, 224)
SHAPES: dict[str, Shape] = {"lenet5": (1, 32, 32), "unet": (1, 572, 572)}
ZOO: dict[str, Callable[[], Layers]] = {
    "alexnet": alexnet,
    "vgg11": partial(vgg, (1, 1, 2, 2, 2)),
    "vgg13": partial(vgg, (2, 2, 2, 2, 2)),
    "vgg16": partial(vgg, (2, 2, 3, 3, 3)),
    "vgg19": partial(vgg, (2, 2, 4, 4, 4)),
    "resnet18": partial(resnet, basic, (2, 2, 2, 2), 1),
    "resnet34": partial(resnet, basic, (3, 4, 6, 3), 1),
    "resnet50": partial(resnet, bottleneck, (3, 4, 6, 3), 4),
    "resnet101": partial(resnet, bottleneck, (3, 4, 23, 3), 4),
    "resnet152": partial(resnet, bottleneck, (3, 8, 36, 3), 4),
    "googlenet": googlenet,
    "squeezenet1_0": partial(squeezenet, 7, 96, [(16, 16, 32), (32, 48, 48, 64), (64,)]),
    "squeezenet1_1": partial(squeezenet, 3, 64, [(16, 16), (32, 32), (48, 48, 64, 64)]),
    "mobilenet_v2": mobilenet_v2,
    "densenet121": densenet121,
    "lenet5": lenet5,
    "unet": unet,
}
