"""Elementwise operations: each output is a function of the input at its position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import (
    Flag,
    Key,
    Operation,
    TorchRule,
    format_module,
    key_table,
    parse_limited,
    refuse_torch,
)
from convcli.arithmetic.values import Shape, format_real, parse_real
from convcli.errors import NotationError

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer


def elementwise(
    name: str, description: str, *, torch: str | TorchRule = refuse_torch, **rules: Any
) -> Operation:
    """Return the record of a function of each value.

    Parameters
    ----------
    name, description : str
    torch : str or callable, optional
        The class in `torch.nn`, whose keywords are the fields of the operation's settings; or the
        rule.
    **rules
        Other fields of `Operation`.
    """
    rule = partial(format_module, name=torch) if isinstance(torch, str) else torch
    return Operation(name, "elementwise", description, takes_flat=True, torch=rule, **rules)


def _curve(
    layer: Layer, inputs: Sequence[Bound], _: Shape, epsilon: float, *, slope: float | str
) -> Bound:
    """The bound of a function of at most this slope, or of 1 above zero and a setting below."""
    most = max(1.0, abs(layer.value(slope))) if isinstance(slope, str) else slope
    return inputs[0].curve(most, epsilon)


def _squash(_: Layer, inputs: Sequence[Bound], __: Shape, epsilon: float) -> Bound:
    """The bound of a function of a slope up to 1, with values up to 1."""
    return inputs[0].within(1, epsilon)


NEGATIVE_SLOPE = 0.01  # of leaky-relu, as in PyTorch
_SLOPE = Key(
    "slope", "negative_slope", partial(parse_real, what="the slope"), format_real, "SLOPE",
    repr(NEGATIVE_SLOPE), "the slope below zero", initial=NEGATIVE_SLOPE,
)  # fmt: skip
_ALPHA = Key(
    "alpha", "alpha", partial(parse_real, what="alpha"), format_real, "ALPHA", "1",
    "minus its value far below zero", initial=1.0,
)  # fmt: skip
_GAMMA = Key(
    "gamma", "gamma", partial(parse_real, what="gamma"), format_real, "GAMMA",
    "1.0507009873554805", "the slope above zero", initial=1.0507009873554805,
)  # fmt: skip
_BETA = Key(
    "beta", "beta", partial(parse_limited, what="beta", above=0), format_real, "BETA", "1",
    "how sharp the bend at zero is", initial=1.0,
)  # fmt: skip
_CHANNELWISE = Flag("channelwise", "channelwise", True, "a slope for each channel")
_TANH = Flag("tanh", "tanh", True, "by tanh, nearly the same")

# The defaults of selu are those of G. Klambauer et al., "Self-Normalizing Neural Networks" (2017).
_SELU = {
    "alpha": _ALPHA._replace(default="1.6732632423543772", initial=1.6732632423543772),
    "gamma": _GAMMA,
}
_HARD = {
    "alpha": _ALPHA._replace(default="1/6", description="the slope at zero", initial=1 / 6),
    "beta": _BETA._replace(
        read=partial(parse_real, what="beta"), default="0.5", description="the value at zero",
        initial=0.5,
    ),
}  # fmt: skip


def _read_bounds(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    bounds = _read_bound(low), _read_bound(high)
    if bounds[0] > bounds[1]:
        raise NotationError(f"the lower bound of clip is above the upper one: {text!r}")
    return bounds


def _read_bound(text: str) -> float:
    if text in ("inf", "-inf"):
        return float(text)
    return parse_real(text, "a bound, of which clip has two, like clip:0:6 or clip:0:inf,")


def _clip_torch(layer: Layer, *_: Any) -> str:
    bounds = [repr(bound) if math.isfinite(bound) else f"float('{bound}')" for bound in
              layer.value("bounds")]  # fmt: skip
    return f"nn.Hardtanh({', '.join(bounds)})"


def _bound_clip(layer: Layer, inputs: Sequence[Bound], *_: Any) -> Bound:
    low, high = layer.value("bounds")
    largest = max(low, 0.0), max(-high, 0.0), min(max(abs(low), abs(high)), inputs[0].largest)
    return inputs[0]._replace(largest=max(largest))


def _prelu_slopes(layer: Layer, shape: Shape) -> dict[str, Shape]:
    return {"slope": shape[:1] if layer.value("channelwise") else (1,)}


def _prelu_torch(layer: Layer, shape: Shape, _: Shape) -> str:
    return f"nn.PReLU({shape[0] if layer.value('channelwise') else ''})"


def _selu_torch(layer: Layer, *_: Any) -> str:
    return refuse_torch(layer) if layer.settings else "nn.SELU()"


def _hardsigmoid_torch(layer: Layer, *_: Any) -> str:
    return refuse_torch(layer) if layer.settings else "nn.Hardsigmoid()"


def _gelu_torch(layer: Layer, *_: Any) -> str:
    return f"nn.GELU({'approximate=' + repr('tanh') if layer.value('tanh') else ''})"


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))  # what is more overflows


# The slopes of gelu, silu, mish and hardswish are the largest that they have.
OPERATIONS = (
    elementwise("relu", "max(x, 0)", torch="ReLU", keeps_level=True),
    elementwise(
        "relu6", "min(max(x, 0), 6)", torch="ReLU6", is_homogeneous=False, is_bounded=True
    ),
    elementwise(
        "leaky-relu",
        "x above zero, SLOPE times x below",
        syntax="leaky-relu[:SLOPE]",
        argument=_SLOPE,
        torch="LeakyReLU",
        bound=partial(_curve, slope="negative_slope"),
        keeps_level=True,
    ),
    elementwise(
        "prelu",
        "x above zero, x times a learned slope below",
        flags=(_CHANNELWISE,),
        weights=_prelu_slopes,
        needs_weights=lambda _: True,
        cost_formulas=lambda layer, shape, _: {
            "params": str(math.prod(_prelu_slopes(layer, shape)["slope"]))
        },
        torch=_prelu_torch,
        keeps_level=True,
    ),
    elementwise(
        "elu",
        "x above zero, ALPHA * (exp(x) - 1) below",
        syntax="elu[:ALPHA]",
        argument=_ALPHA,
        torch="ELU",
        bound=partial(_curve, slope="alpha"),
        is_homogeneous=False,
        keeps_level=True,
    ),
    elementwise(
        "selu",
        "gamma * x above zero, gamma * alpha * (exp(x) - 1) below",
        keys=key_table() | _SELU,
        torch=_selu_torch,
        bound=lambda layer, inputs, _, epsilon: inputs[0].curve(
            abs(layer.value("gamma")) * max(1.0, abs(layer.value("alpha"))), epsilon
        ),
        is_homogeneous=False,
    ),
    elementwise(
        "gelu",
        "x times the share of a normal distribution below x",
        flags=(_TANH,),
        torch=_gelu_torch,
        bound=partial(_curve, slope=1.13),
        is_homogeneous=False,
    ),
    elementwise(
        "silu",
        "x * sigmoid(x)",
        torch="SiLU",
        bound=partial(_curve, slope=1.1),
        is_homogeneous=False,
    ),
    elementwise(
        "mish",
        "x * tanh(softplus(x))",
        torch="Mish",
        bound=partial(_curve, slope=1.1),
        is_homogeneous=False,
    ),
    elementwise(
        "hardswish",
        "x * min(max(x / 6 + 0.5, 0), 1)",
        torch="Hardswish",
        bound=partial(_curve, slope=1.5),
        is_homogeneous=False,
    ),
    elementwise(
        "hardsigmoid",
        "min(max(alpha * x + beta, 0), 1)",
        keys=key_table() | _HARD,
        torch=_hardsigmoid_torch,
        bound=lambda layer, inputs, _, epsilon: inputs[0].within(
            1.0, epsilon, slope=abs(layer.value("alpha"))
        ),
        is_bounded=True,
        is_homogeneous=False,
    ),
    elementwise(
        "sigmoid", "1 / (1 + exp(-x))", torch="Sigmoid", bound=_squash, is_bounded=True,
        is_homogeneous=False,
    ),
    elementwise(
        "tanh", "tanh(x)", torch="Tanh", bound=_squash, is_bounded=True, is_homogeneous=False
    ),
    elementwise(
        "softplus",
        "log(1 + exp(beta * x)) / beta",
        keys=key_table() | {"beta": _BETA},
        torch="Softplus",
        bound=lambda layer, inputs, _, epsilon: inputs[0].curve(
            1, epsilon, offset=math.log(2) / layer.value("beta")
        ),
        is_homogeneous=False,
    ),
    elementwise("abs", "|x|", keeps_level=True),
    elementwise("neg", "-x"),
    elementwise(
        "exp",
        "e to the power of x",
        bound=lambda _, inputs, __, epsilon: inputs[0].within(
            _exp(inputs[0].largest), epsilon, slope=_exp(inputs[0].largest)
        ),
        is_homogeneous=False,
        domain=("up to 88", "clip:-inf:88"),
    ),
    elementwise(
        "log",
        "the natural logarithm of x",
        # The slope near zero has no bound: this is that from half of the largest value on.
        bound=lambda _, inputs, __, epsilon: inputs[0].within(
            abs(math.log(inputs[0].largest or 1)) + 1, epsilon, slope=2 / (inputs[0].largest or 1)
        ),
        is_bounded=True,
        is_homogeneous=False,
        domain=("above 0", "clip:1:inf"),
    ),
    elementwise(
        "sqrt",
        "the square root of x",
        bound=lambda _, inputs, __, epsilon: inputs[0]._replace(
            error=math.sqrt(inputs[0].error)
        ).within(math.sqrt(inputs[0].largest), epsilon),
        is_bounded=True,
        is_homogeneous=False,
        domain=("of 0 or more", "clip:0:inf"),
    ),
    elementwise(
        "square",
        "x * x",
        bound=lambda _, inputs, __, epsilon: inputs[0].within(
            inputs[0].largest ** 2, epsilon, slope=2 * inputs[0].largest
        ),
        is_homogeneous=False,
    ),
    elementwise(
        "clip",
        "min(max(x, LO), HI)",
        syntax="clip:LO:HI",
        example="clip:0:6",
        argument=Key(
            "bounds", "bounds", _read_bounds, lambda bounds: ":".join(map(format_real, bounds)),
            "LO:HI", "", "the bounds, which may be -inf and inf",
        ),
        needs="its bounds, like clip:0:6",
        torch=_clip_torch,
        bound=_bound_clip,
        is_homogeneous=False,
    ),
    elementwise("identity", "x", torch="Identity", keeps_level=True),
    elementwise(
        "dropout",
        "values left out in training; nothing afterwards",
        torch="Dropout",
        keeps_level=True,
    ),
)  # fmt: skip
