"""Every operation on arrays, held to PyTorch, to ONNX's reference and to ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.peers import require_peer

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array
from convcli.engine.operations import find_function

OPSET = 21
# Where PyTorch's modules keep what the records name.
TORCH_NAMES = {
    "weight": "weight",
    "bias": "bias",
    "scale": "weight",
    "shift": "bias",
    "slope": "weight",
    "mean": "running_mean",
    "variance": "running_var",
}
TOLERANCES = {np.dtype(np.float32): (2e-5, 2e-6), np.dtype(np.float64): (1e-9, 1e-10)}


@dataclass(frozen=True)
class Case:
    """A layer, and what it is called elsewhere.

    Parameters
    ----------
    layer : str
    torch : str, optional
        An expression of x; left out, the record's own code.
    onnx : str, optional
        The operator, whose inputs are x, the constants and the weights by their names.
    attributes : mapping
        Of the operator.
    """

    layer: str
    shape: Shape = (4, 9, 8)
    torch: str | None = None
    onnx: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    weights: Sequence[str] = ()
    constants: Sequence[float] = ()
    is_positive: bool = False
    has_code: bool = True

    @property
    def parsed(self) -> Layer:
        return parse_layer(self.layer)


def case(layer: str, onnx: str | None = None, **settings: Any) -> Case:
    own = {name: settings.pop(name) for name in Case.__annotations__ if name in settings}
    return Case(layer, onnx=onnx, attributes=settings, **own)


LAYER_NORM_OF_CHANNELS = """torch.nn.functional.layer_norm(
    x.permute(0, 2, 3, 1), (4,), w["scale"], w["shift"]
).permute(0, 3, 1, 2)"""
WINDOW = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 0]}
BIASED = ["weight", "bias"]
GROUPED = {"strides": [2, 1], "pads": [1, 2, 1, 2], "dilations": [1, 2], "group": 2}
SPREAD = {"strides": [2, 2], "weights": ["weight"], "has_code": False}
ENLARGED = {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}
CUT = {"strides": [2, 2], "pads": [0, 2, 1, 0]}
CASES = [
    case("relu", "Relu"),
    case("relu6", "Clip", constants=[0, 6]),
    case("leaky-relu", "LeakyRelu"),
    case("leaky-relu:0.3", "LeakyRelu", alpha=0.3),
    case("prelu", "PRelu", weights=["slope"]),
    case("prelu:channelwise", "PRelu", weights=["slope"]),
    case("elu", "Elu"),
    case("elu:0.7", "Elu", alpha=0.7),
    case("selu", "Selu"),
    case("selu:alpha=1.2,gamma=2.5", "Selu", alpha=1.2, gamma=2.5, has_code=False),
    case("gelu", "Gelu"),
    case("gelu:tanh", "Gelu", approximate="tanh"),
    case("silu"),
    case("mish", "Mish"),
    case("hardswish", "HardSwish"),
    case("hardsigmoid", "HardSigmoid", alpha=1 / 6),
    case("hardsigmoid:alpha=0.2", "HardSigmoid", has_code=False),
    case("hardsigmoid:alpha=0.3,beta=0.1", "HardSigmoid", alpha=0.3, beta=0.1, has_code=False),
    case("sigmoid", "Sigmoid"),
    case("tanh", "Tanh"),
    case("softplus", "Softplus"),
    case("softplus:beta=2"),
    case("abs", "Abs", torch="x.abs()"),
    case("neg", "Neg", torch="-x"),
    case("exp", "Exp", torch="x.exp()"),
    case("log", "Log", torch="x.log()", is_positive=True),
    case("sqrt", "Sqrt", torch="x.sqrt()", is_positive=True),
    case("square", "Pow", torch="x.square()", constants=[2]),
    case("clip:-0.5:1", "Clip", constants=[-0.5, 1]),
    case("clip:0:inf", "Clip", constants=[0]),
    case("clip:-inf:0.5"),
    case("identity", "Identity"),
    case("dropout", "Dropout"),
    case("maxpool:2", "MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    case("maxpool:3x2,s=2x1,p=1x0,d=1x2,ceil", "MaxPool", **WINDOW, dilations=[1, 2], ceil_mode=1),
    case("avgpool:3x2,s=2x1,p=1x0", "AveragePool", **WINDOW, count_include_pad=1),
    case("avgpool:3x2,s=2x1,p=1x0,nopad", "AveragePool", **WINDOW),
    case("globalmaxpool", "GlobalMaxPool"),
    case("globalavgpool", "GlobalAveragePool"),
    case("adaptivemaxpool:5x3"),
    case("adaptiveavgpool:5x3"),
    case("conv:3x2,s=2x1,p=1x2,d=1x2,g=2,c=6", "Conv", **GROUPED, weights=BIASED),
    case("conv:3,p=same-lower,s=2,c=2,nobias", "Conv", auto_pad="SAME_LOWER", **SPREAD),
    case("conv:4,p=0.1.2.3,c=2", "Conv", pads=[0, 2, 1, 3], weights=BIASED, has_code=False),
    case("tconv:3x2,s=2x1,p=1x2,d=1x2,g=2,c=6", "ConvTranspose", **GROUPED, weights=BIASED),
    case("tconv:3,s=2,p=1,op=1x0,c=3", "ConvTranspose", **ENLARGED, weights=BIASED),
    case("tconv:3,s=2,p=same,c=2,nobias", "ConvTranspose", auto_pad="SAME_UPPER", **SPREAD),
    case("tconv:3,s=2,p=0.1.2.0,c=2", "ConvTranspose", **CUT, weights=BIASED, has_code=False),
    case("bn", "BatchNormalization", weights=["scale", "shift", "mean", "variance"]),
    case(
        "bn:eps=0.01",
        "BatchNormalization",
        epsilon=0.01,
        weights=["scale", "shift", "mean", "variance"],
    ),
    case("bn:noscale,noshift"),
    case("layernorm", "LayerNormalization", axis=1, weights=["scale", "shift"]),
    case("layernorm:axes=hw,noshift", "LayerNormalization", axis=2, weights=["scale"]),
    case("layernorm:axes=w,eps=0.1", "LayerNormalization", epsilon=0.1, weights=["scale", "shift"]),
    case("layernorm:noscale,noshift"),
    case("layernorm:axes=c", torch=LAYER_NORM_OF_CHANNELS, has_code=False),
    case("groupnorm:2", "GroupNormalization", num_groups=2, weights=["scale", "shift"]),
    case("groupnorm:4,eps=0.1,noscale,noshift"),
    case("instancenorm"),
    case(
        "instancenorm:eps=0.01,affine",
        "InstanceNormalization",
        epsilon=0.01,
        weights=["scale", "shift"],
    ),
    case("lrn:3", "LRN", size=3),
    case("lrn:5,alpha=0.1,beta=0.5,bias=2", "LRN", size=5, alpha=0.1, beta=0.5, bias=2.0),
    case("lrn:4,alpha=0.5,beta=0.6"),
    case("lrn:15,alpha=0.5,bias=0.5", "LRN", size=15, alpha=0.5, bias=0.5, shape=(20, 3, 4)),
    case("softmax", "Softmax", axis=1),
    case("softmax:axes=h", "Softmax", axis=2),
    case("softmax:axes=w", "Softmax", axis=3),
    case("softmax:axes=hw", torch="x.flatten(2).softmax(2).view(x.shape)", has_code=False),
    case("softmax:axes=chw", torch="x.flatten(1).softmax(1).view(x.shape)", has_code=False),
    case("softmax:log", "LogSoftmax", axis=1),
    case("softmax:axes=w,log", "LogSoftmax", axis=3),
    case("affine", torch="x * w['scale'][:, None, None] + w['shift'][:, None, None]"),
    case("affine:noscale", torch="x + w['shift'][:, None, None]"),
    case("affine:noshift,fixed", torch="x * w['scale'][:, None, None]"),
    case("linear:7", "Gemm", transB=1, weights=["weight", "bias"], shape=(11,)),
    case("linear:7,nobias", "Gemm", transB=1, weights=["weight"], shape=(11,)),
]
FLAT = [
    case(name, shape=(6,))
    for name in (
        *("prelu:channelwise", "gelu", "softplus", "identity", "hardswish"),
        *("bn", "layernorm", "softmax", "softmax:log", "groupnorm:2"),
    )
]
ELEMENTWISE = [
    one
    for one in CASES
    if one.parsed.operation.family == "elementwise"
    and one.has_code
    and not one.parsed.operation.needs_weights(one.parsed)
]
MADE_BY_TORCH = [one for one in [*CASES, *FLAT] if one.torch is None and one.has_code]


def name_of(one: Case) -> str:
    return f"{one.layer}-{'x'.join(map(str, one.shape))}"


def make_input(one: Case, dtype: Any, seed: int = 3) -> Array:
    values = 3 * np.random.default_rng(seed).normal(size=one.shape)
    return np.asarray(np.abs(values) + 0.1 if one.is_positive else values, dtype)


def make_weights(one: Case, dtype: Any) -> dict[str, Array]:
    random, operation = np.random.default_rng(5), one.parsed.operation
    shapes = operation.weights(one.parsed, one.shape) | operation.statistics(one.parsed, one.shape)
    return {name: random.uniform(0.5, 1.5, shape).astype(dtype) for name, shape in shapes.items()}


def run(one: Case, x: Array, weights: Mapping[str, Array]) -> Array:
    result = find_function(one.parsed.operation)(one.parsed, [x], weights)
    assert result.shape == output_shape(one.parsed, [one.shape])
    assert result.dtype == x.dtype
    return result


def assert_near(found: Array, expected: Any, *, least: float = 0.0) -> None:
    rtol, atol = TOLERANCES[found.dtype]
    assert_allclose(found, np.asarray(expected), rtol=max(rtol, least), atol=max(atol, least / 10))


@pytest.fixture(autouse=True)
def is_quiet() -> Iterator[None]:
    """No function warns, whatever its values."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.mark.peers
@pytest.mark.parametrize("one", [*CASES, *FLAT], ids=name_of)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_operation_is_pytorchs(one: Case, dtype: Any) -> None:
    torch = require_peer("torch")
    x, weights = make_input(one, dtype), make_weights(one, dtype)
    tensor = torch.from_numpy(x)[None]
    if one.torch is not None:
        names = {
            "x": tensor,
            "torch": torch,
            "w": {n: torch.from_numpy(weights[n]) for n in weights},
        }
        assert_near(run(one, x, weights), eval(one.torch, names)[0])
    elif one.has_code:
        module = make_module(one).to(tensor.dtype)
        for name, array in weights.items():
            getattr(module, TORCH_NAMES[name]).data.copy_(torch.from_numpy(array))
        assert_near(run(one, x, weights), module(tensor)[0].detach())


@pytest.mark.peers
@pytest.mark.parametrize("one", ELEMENTWISE, ids=name_of)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_far_from_zero_are_pytorchs_too(one: Case, dtype: Any) -> None:
    torch = require_peer("torch")
    x = np.concatenate([np.linspace(-30, 30, 601), [-1e4, 1e4, 0.0]]).astype(dtype)
    x = np.abs(x) if one.is_positive else x
    tensor = torch.from_numpy(x)[None]
    expected = make_module(one)(tensor) if one.torch is None else eval(one.torch, {"x": tensor})
    assert_near(find_function(one.parsed.operation)(one.parsed, [x], {}), expected[0])


@pytest.mark.peers
@pytest.mark.parametrize("one", MADE_BY_TORCH, ids=name_of)
def test_its_arrays_are_those_of_the_module(one: Case) -> None:
    module, operation = make_module(one), one.parsed.operation
    count = sum(weights.numel() for weights in module.parameters())
    assert operation.parameters(one.parsed, one.shape) == count
    weights = operation.weights(one.parsed, one.shape)
    for name, shape in (weights | operation.statistics(one.parsed, one.shape)).items():
        assert tuple(getattr(module, TORCH_NAMES[name]).shape) == shape
    assert sum(1 for _ in module.parameters()) == len(weights)
    needs_weights = bool(weights or operation.statistics(one.parsed, one.shape))
    assert operation.needs_weights(one.parsed) == needs_weights


def make_module(one: Case) -> Any:
    layer, nn = one.parsed, require_peer("torch.nn")
    code = layer.operation.torch(layer, one.shape, output_shape(layer, [one.shape]))
    return eval(code, {"nn": nn}).eval()


# ---- ONNX --------------------------------------------------------------------------------------


def make_model(one: Case, dtype: Any) -> tuple[Any, dict[str, Array]]:
    """A model of one node, and all its inputs but the picture."""
    onnx = require_peer("onnx")
    weights = make_weights(one, dtype)
    inputs = {f"c{place}": np.array(value, dtype) for place, value in enumerate(one.constants)}
    for name in one.weights:
        is_slope = name == "slope" and len(one.shape) == 3
        inputs[name] = weights[name].reshape(-1, 1, 1) if is_slope else weights[name]
    number_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    node = onnx.helper.make_node(one.onnx, ["x", *inputs], ["y"], **one.attributes)
    shapes = {"x": (1, *one.shape)} | {name: array.shape for name, array in inputs.items()}
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info(name, number_type, s) for name, s in shapes.items()],
        [onnx.helper.make_tensor_value_info("y", number_type, None)],
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), inputs


IN_ONNX = [one for one in CASES if one.onnx is not None]


# The reference of a transposed convolution takes no groups; that of LRN takes the number of
# pictures for that of channels.
IN_REFERENCE = [
    one
    for one in IN_ONNX
    if (one.onnx, "group" in one.attributes) != ("ConvTranspose", True) and one.onnx != "LRN"
]


@pytest.mark.parametrize("one", IN_REFERENCE, ids=name_of)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_operation_is_that_of_onnx(one: Case, dtype: Any) -> None:
    reference = require_peer("onnx.reference")
    (model, inputs), x = make_model(one, dtype), make_input(one, dtype)
    (expected,) = reference.ReferenceEvaluator(model).run(None, {"x": x[None], **inputs})
    # Attributes are float32 whatever the type of x.
    assert_near(run(one, x, make_weights(one, dtype)), expected[0], least=1e-6)


@pytest.mark.peers
@pytest.mark.parametrize("one", IN_ONNX, ids=name_of)
def test_an_operation_is_that_of_onnx_runtime(one: Case) -> None:
    runtime = require_peer("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    (model, inputs), x = make_model(one, np.float32), make_input(one, np.float32)
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (expected,) = session.run(None, {"x": x[None], **inputs})
    assert_near(run(one, x, make_weights(one, np.float32)), expected[0])


@pytest.mark.peers
@pytest.mark.parametrize("text", ["tconv:3,s=2,p=0.1.2.0,op=1,c=4", "tconv:2,s=1,p=same,c=4"])
def test_what_is_cut_off_one_side_alone_is_cut_off_by_pytorchs_code(text: str) -> None:
    one = case(text)
    torch = require_peer("torch")
    x, weights = make_input(one, np.float64), make_weights(one, np.float64)
    layer, nn = one.parsed, torch.nn
    code = layer.operation.torch(layer, one.shape, output_shape(layer, [one.shape]))
    modules = eval(f"nn.Sequential({code})", {"nn": nn}).double()
    modules[0].load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    assert_near(run(one, x, weights), modules(torch.from_numpy(x)[None])[0].detach())
