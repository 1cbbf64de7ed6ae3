"""Where sizes in PyTorch, TensorFlow and ONNX differ, and a stack as PyTorch code.

- `same` with a stride above 1 is TensorFlow's SAME and ONNX's SAME_UPPER; PyTorch refuses it.
- `same-lower` is ONNX's alone.
- Pools that round up are those of PyTorch and ONNX; TensorFlow has none.

`convcli.arithmetic.framework_rules` has all that a framework refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.operations import CEIL
from convcli.arithmetic.values import format_padding, format_shape

if TYPE_CHECKING:
    from convcli.arithmetic.reports import Walk
    from convcli.arithmetic.values import Shape

FRAMEWORKS = {"torch": "PyTorch", "tf": "TensorFlow", "onnx": "ONNX"}


def _difference(layer: Layer, framework: str) -> str | None:
    """Return what a framework does not have that decides the size; None if it has the layer."""
    name = FRAMEWORKS[framework]
    if framework == "torch" and layer.padding == "same" and max(layer.stride) > 1:
        return f"{name} has no same padding at a stride above 1"
    if framework != "onnx" and layer.padding == "same-lower":
        return f"{name} has no same-lower padding"
    if framework == "tf" and layer.ceil and CEIL in layer.operation.flags:
        return f"{name} has no pools that round up"
    return None


def differences(layer: Layer, shape: Shape, framework: str | None) -> tuple[str, ...]:
    """Return what other frameworks do differently with a layer over an input of `shape`."""
    reasons = [_difference(layer, other) for other in FRAMEWORKS if other != framework]
    instead = _alternative(layer, shape) if any(reasons) else None
    return tuple(f"{reason}; {instead}" for reason in reasons if reason and instead)


def _alternative(layer: Layer, shape: Shape) -> str | None:
    """Return the equivalent padding, or the output's other size; None if there is no difference."""
    size = (shape[1], shape[2])
    if isinstance(layer.padding, str):
        return f"there it is p={format_padding(layer.window.pads(size))}"
    height, width = layer.window.output(size)
    rows, columns = (axis.slack // axis.stride + 1 for axis in layer.window.axes(size))
    if (rows, columns) == (height, width):
        return None
    return f"rounding down gives {rows}x{columns} there instead of {height}x{width}"


def format_torch(walk: Walk) -> str:
    """Return the code of a stack of layers as `torch.nn.Sequential`.

    Raises
    ------
    ArgumentError
        If a layer has no code for PyTorch.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> print(format_torch(walk(["conv:3,s=2,p=1,c=8", "relu"], (3, 32, 32))))
    from torch import nn
    <BLANKLINE>
    # 3x32x32 -> 8x16x16, 224 parameters
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
    )
    """
    modules = (
        report.layer.operation.torch(report.layer, report.inputs[0], report.output)
        for report in walk.layers
    )
    layers = "".join(f"    {module},\n" for module in modules)
    about = f"{format_shape(walk.input)} -> {format_shape(walk.output)}, {walk.params:,} parameters"
    return f"from torch import nn\n\n# {about}\nmodel = nn.Sequential(\n{layers})"
