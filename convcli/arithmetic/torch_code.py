"""A stack as PyTorch code: what builds the same layers there."""

from __future__ import annotations

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.network import Walk, Walked
from convcli.arithmetic.shapes import format_shape, resolved_groups
from convcli.errors import ArgumentError

INDENT = "    "


def torch_code(walk: Walk) -> str:
    """Code that builds a stack of convolutions and activations as `torch.nn.Sequential`.

    Raises
    ------
    ArgumentError
        For a layer that a plain sequence cannot hold.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> print(torch_code(walk(["conv:3,s=2,p=1,c=8", "relu"], (3, 32, 32))))
    from torch import nn
    <BLANKLINE>
    # 3x32x32 -> 8x16x16, 224 parameters
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
    )
    """
    layers = "".join(f"{INDENT}{_module(walked)},\n" for walked in walk.layers)
    about = f"{format_shape(walk.input)} -> {format_shape(walk.output)}, {walk.params:,} parameters"
    return f"from torch import nn\n\n# {about}\nmodel = nn.Sequential(\n{layers})"


def _module(walked: Walked) -> str:
    layer = walked.layer
    if layer.op == "relu":
        return "nn.ReLU()"
    if layer.op != "conv" or isinstance(layer.padding, str):
        raise ArgumentError(f"{layer.op} is not written as code for PyTorch")
    channels = walked.inputs[0][0]
    groups = resolved_groups(layer, channels)
    (top, bottom), (left, right) = layer.padding
    if (top, left) != (bottom, right):
        raise ArgumentError("PyTorch's Conv2d pads opposite sides alike")
    settings = {
        "stride": (_size(layer.stride), "1"),
        "padding": (_size((top, left)), "0"),
        "dilation": (_size(layer.dilation), "1"),
        "groups": (str(groups), "1"),
        "bias": (str(layer.bias), "True"),
    }
    given = [f"{name}={value}" for name, (value, default) in settings.items() if value != default]
    first = [str(channels), str(walked.output[0]), _size(layer.window.kernel)]
    return f"nn.Conv2d({', '.join(first + given)})"


def _size(size: Pair) -> str:
    return str(size[0]) if size[0] == size[1] else str(size)
