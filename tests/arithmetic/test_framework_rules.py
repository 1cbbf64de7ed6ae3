"""`--framework` refuses what the framework refuses, and what it recommends does the same."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.peers import require_peer

from convcli.arithmetic.framework_rules import Refusal, find_refusal
from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer, parse_layer
from convcli.arithmetic.values import NO_PADDING, PADDING_MODES, padding_value
from convcli.engine.arrays import Array
from convcli.engine.operations import find_function
from convcli.errors import ArgumentError, ShapeError

SHAPE = (2, 7, 6)
PADDINGS = ("0", "1", "2", "3x1", "0.1.0.1", "valid", "same", "same-lower", "full")
WINDOWS = [
    f"{op}:{kernel},s={stride},d={dilation},p={padding}"
    for op, kernel, stride, dilation, padding in product(
        ("conv", "tconv", "maxpool", "avgpool"), ("2", "3"), ("1", "2"), ("1", "2x1"), PADDINGS
    )
]
MODES = (*PADDING_MODES, "constant:2")
OTHERS = [
    *(f"conv:3,p={p},mode={mode}" for p, mode in product(("0", "1", "5x6", "6", "7"), MODES)),
    *(f"pad:{p},mode={mode}" for p, mode in product(("1", "0.1.2.0", "5", "6x7"), MODES)),
    *(f"{op}:3,s=2,p=1,ceil" for op in ("maxpool", "avgpool")),
    *(f"{op}:2,s=2,ceil" for op in ("maxpool", "avgpool")),
    *(f"avgpool:3,s=2,p={p},nopad" for p in ("1", "same", "2")),
    *(f"{op}:3,p=1,g=2" for op in ("conv", "tconv")),
    *("conv:3,s=2,d=2,p=2", "maxpool:3,s=2,d=2,p=2", "tconv:3,s=2,op=1"),
    *("relu", "globalavgpool", "bn"),
]


def fits(text: str) -> bool:
    try:
        output_shape(parse_layer(text), [SHAPE])
    except ShapeError:
        return False
    return True


LAYERS = [text for text in (*WINDOWS, *OTHERS) if fits(text)]
FRAMEWORKS = ("torch", "tf", "onnx")


def refusal_of(text: str, framework: str) -> Refusal | None:
    return find_refusal(parse_layer(text), SHAPE, framework)


# ---- PyTorch -------------------------------------------------------------------------------------


def run_in_torch(layer: Layer) -> None:
    """Run a layer in PyTorch; its settings are passed on as they are."""
    torch = require_peer("torch")
    functional, nn, x = torch.nn.functional, torch.nn, torch.ones(1, *SHAPE)
    is_constant = padding_value(layer.mode) is not None
    if layer.op == "pad":
        (top, bottom), (left, right) = layer.margin or NO_PADDING
        mode = "constant" if is_constant else layer.mode
        functional.pad(x, (left, right, top, bottom), mode)
        return
    padding: Any = layer.padding
    if not isinstance(padding, str):
        (top, bottom), (left, right) = padding
        is_even = (top, left) == (bottom, right)
        padding = (top, left) if is_even else (top, bottom, left, right)
    elif padding == "valid" and layer.op != "conv":
        padding = 0
    settings: dict[str, Any] = {"stride": layer.stride, "padding": padding}
    if layer.op in ("conv", "tconv"):
        module = nn.Conv2d if layer.op == "conv" else nn.ConvTranspose2d
        has_mode = layer.op == "conv" and layer.padding != NO_PADDING
        if has_mode:
            settings["padding_mode"] = "zeros" if layer.mode == "zero" else layer.mode
        module(2, 2, layer.kernel, dilation=layer.dilation, **settings)(x)
    elif layer.op == "maxpool":
        nn.MaxPool2d(layer.kernel, dilation=layer.dilation, ceil_mode=layer.ceil, **settings)(x)
    elif layer.op == "avgpool":
        if layer.dilation != (1, 1):
            raise TypeError("AvgPool2d has no dilation")
        nn.AvgPool2d(layer.kernel, ceil_mode=layer.ceil, **settings)(x)


@pytest.mark.peers
@pytest.mark.parametrize("text", LAYERS)
def test_what_pytorch_refuses_is_refused_and_nothing_else(text: str) -> None:
    require_peer("torch")
    error = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a copy is made
        try:
            run_in_torch(parse_layer(text))
        except (TypeError, ValueError, RuntimeError, NotImplementedError) as raised:
            error = raised
    assert (refusal_of(text, "torch") is None) == (error is None), error


# ---- the others ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "framework", "reason"),
    [
        ("conv:3,s=2,d=2", "tf", "stride above 1 with a dilation above 1"),
        ("conv:3,p=1", "tf", "padding but same and valid in a convolution"),
        ("maxpool:3,p=1", "tf", "padding but same and valid in a pool"),
        ("avgpool:3,s=2,p=same", "tf", "average pools that count the padding"),
        ("avgpool:2,s=2,ceil", "tf", "pools that round up"),
        ("maxpool:2,d=2", "tf", "dilated pools"),
        ("tconv:3,g=2", "tf", "groups in a transposed convolution"),
        ("tconv:3,d=2,op=1", "tf", "output padding that is not below the stride"),
        ("tconv:3,s=2,op=1,p=same", "tf", "output padding beside same padding"),
        ("pad:1,mode=circular", "tf", "circular padding in a pad"),
        ("conv:3,p=same,mode=reflect", "tf", "reflect padding in a convolution"),
        ("conv:3,p=1,mode=reflect", "onnx", "reflect padding in a convolution"),
        ("pad:1,mode=symmetric", "onnx", "symmetric padding in a pad"),
        ("conv:3,p=full", "onnx", "full padding"),
    ],
)
def test_what_the_others_do_not_have_is_named(text: str, framework: str, reason: str) -> None:
    found = refusal_of(text, framework)
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(
    ("text", "framework"),
    [
        *(("conv:3,s=2,p=same", name) for name in ("tf", "onnx")),
        *(("avgpool:3,s=2,p=same,nopad", name) for name in ("tf", "onnx")),
        *(("conv:3,g=2", name) for name in FRAMEWORKS),
        *(("avgpool:3", name) for name in FRAMEWORKS),
        ("avgpool:3,s=2,p=1,ceil", "onnx"),
        ("conv:3,p=0.1.2.3", "onnx"),
        ("maxpool:3,s=2,d=2,p=same-lower", "onnx"),
        ("pad:1,mode=symmetric", "tf"),
        ("pad:1,mode=circular", "onnx"),
    ],
)
def test_what_the_others_have_is_taken(text: str, framework: str) -> None:
    assert refusal_of(text, framework) is None


# ---- what is recommended -------------------------------------------------------------------------


def run(layers: tuple[Layer, ...], x: Array, weight: Array) -> Array:
    for layer in layers:
        own = layer.operation.weights(layer, x.shape)
        weights = {"bias": np.ones(2), "weight": weight} if own else {}
        if layer.groups == "depthwise":
            size = layer.window.kernel
            weights["weight"] = np.full((2, 1, *size), 1 / (size[0] * size[1]))
        x = find_function(layer.operation)(layer, [x], {name: weights[name] for name in own})
    return x


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_recommended_can_be_typed_and_does_the_same(framework: str) -> None:
    x = np.random.default_rng(7).normal(size=SHAPE)
    count = 0
    for text in LAYERS:
        found = refusal_of(text, framework)
        if found is None or not found.instead:
            continue
        count += 1
        layer = parse_layer(text)
        instead = tuple(parse_layer(format_layer(one)) for one in found.instead)
        assert instead == found.instead
        there = walk(instead, SHAPE, framework=framework)  # is taken there
        assert there.output == output_shape(layer, [SHAPE])
        groups = layer.groups if isinstance(layer.groups, int) else 1
        weight = np.random.default_rng(8).normal(size=(2, 2 // groups, *(layer.kernel or (1, 1))))
        expected, same = run((layer,), x, weight), run(instead, x, weight)
        # Only a window of padding alone is -inf here, and the lowest number there.
        is_finite = np.isfinite(expected)
        assert_allclose(same[is_finite], expected[is_finite], rtol=1e-12, atol=1e-12)
        assert (same[~is_finite] < -1e38).all()
    assert count > 40


@pytest.mark.parametrize(
    ("text", "framework", "message"),
    [
        (
            "maxpool:3,p=2",
            "torch",
            "a pool above half the window; write pad:2,mode=constant:-3e+38",
        ),
        ("tconv:3,s=2,p=same", "torch", "write tconv:3,s=2 crop:0.1.0.1"),
        ("avgpool:3,s=1,d=2", "torch", "write conv:3,d=2,g=depthwise,nobias, with weights of 1/9"),
        ("conv:3,s=2,d=2", "tf", "write conv:3,d=2 maxpool:1,s=2"),
        ("pad:1,mode=symmetric", "onnx", "ONNX has no symmetric padding in a pad, and no layers"),
    ],
)
def test_the_message_says_what_to_write(text: str, framework: str, message: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        walk([text], (1, 16, 16), framework=framework)
    assert message in str(refused.value)
