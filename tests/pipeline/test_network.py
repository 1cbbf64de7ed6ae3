"""Networks that run: what they take and give, what they refuse, and what memory they need."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.networks import random_network
from support.oracles import reals

import convcli
from convcli import Network, conv2d_naive, load_network
from convcli.arithmetic.layers import activations
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import find_function
from convcli.errors import ArgumentError, FileError, ShapeError
from convcli.kernels.layers import with_kernel_sizes

BLOCK = (
    "conv:3,p=1,c=6,name=a", "bn:name=b", "relu:name=c",
    "conv:3,p=1,name=d", "bn:name=e", "add:from=e+c,name=f", "relu:name=g",
)  # fmt: skip


def normalize(x: Array, weights: Any) -> Array:
    scale, shift, mean, variance = (
        weights[name].astype(float)[:, None, None]
        for name in ("scale", "shift", "mean", "variance")
    )
    normalized: Array = (x - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return normalized


def run_block(network: Network, x: Array) -> dict[str, Array]:
    """Return every output of BLOCK in float64, a layer after the other."""
    w, found = network.weights, {}
    found["a"] = conv2d_naive(x.astype(float), w["a"]["weight"], w["a"]["bias"], padding=1)
    found["b"] = normalize(found["a"], w["b"])
    found["c"] = found["b"].clip(0)
    found["d"] = conv2d_naive(found["c"], w["d"]["weight"], w["d"]["bias"], padding=1)
    found["e"] = normalize(found["d"], w["e"])
    found["f"] = found["e"] + found["c"]
    found["g"] = found["f"].clip(0)
    return found


def test_every_layer_can_be_asked_for_alone_or_with_others() -> None:
    network, x = random_network(BLOCK, (3, 7, 8)), reals(1, 3, 7, 8)
    expected = run_block(network, x)
    assert_allclose(network.run(x), expected["g"], atol=1e-5)
    for name, values in expected.items():
        assert_allclose(network.run(x, at=name), values, atol=1e-5, err_msg=name)
    found = network.run(x, at=["g", "a", "c"])
    assert list(found) == ["g", "a", "c"]
    for name, values in found.items():
        assert_allclose(values, expected[name], atol=1e-5, err_msg=name)


def test_the_input_is_left_alone() -> None:
    network = random_network(["dropout", "relu"], (2, 4, 4))
    x = reals(2, 2, 4, 4)
    copy = x.copy()
    result = network.run(x)
    assert_array_equal(x, copy)
    result[:] = 7
    assert_array_equal(x, copy)


def test_a_view_of_a_map_that_is_used_again_is_not_overwritten() -> None:
    layers = ["conv:1,name=a", "crop:1,name=b", "relu:name=c", "crop:1,from=a,name=d",
              "concat:from=d+c"]  # fmt: skip
    network, x = random_network(layers, (2, 5, 5)), reals(3, 2, 5, 5)
    own = network.weights["a"]
    a = conv2d_naive(x, own["weight"], own["bias"])[:, 1:4, 1:4]
    assert_allclose(network.run(x), np.concatenate([a, a.clip(0)]), atol=1e-5)


def test_a_map_that_is_joined_with_itself_is_not_overwritten_between() -> None:
    network, x = random_network(["dropout:name=a", "add:from=a+a+a"], (2, 3, 3)), reals(9, 2, 3, 3)
    assert_allclose(network.run(x), 3 * x, atol=1e-6)
    layers = ["conv:1,name=a", "abs:name=b", "add:from=b+b+b"]
    network = random_network(layers, (2, 3, 3))
    assert_allclose(network.run(x), 3 * network.run(x, at="b"), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    ["conv:3,c=6,g=2", "conv:3,c=6,nobias", "tconv:3,s=2,c=6,g=2", "tconv:2,c=6", "linear:6"],
)
@pytest.mark.parametrize("norms", [["bn:name=z"], ["affine", "bn:name=z"], ["affine:noshift"],
                                   ["affine:noscale", "bn:noscale,name=z"]])  # fmt: skip
def test_scales_and_shifts_go_into_the_weights_before_them(layer: str, norms: list[str]) -> None:
    start = ["flatten:name=x"] if layer.startswith("linear") else ["dropout:name=x"]
    network = random_network([*start, f"{layer},name=a", *norms], (4, 5, 6))
    shapes = {"input": (4, 5, 6)}
    assert len(network.schedule(shapes, list(network.outputs)).tasks) == 2
    x = reals(10, 4, 5, 6)
    expected = network.run(x, at="a")
    for norm, weights in zip(network.layers[2:], [*network.weights.values()][1:], strict=True):
        expected = find_function(norm.operation)(norm, [expected], weights)
    assert_allclose(network.run(x), expected, atol=1e-6)


@pytest.mark.parametrize("operation", [name for name in activations() if name != "prelu"])
def test_elementwise_layers_run_on_each_part_of_a_convolution(operation: str) -> None:
    norm = "abs" if operation in ("log", "sqrt") else "bn"
    layers = ["conv:3,p=1,c=5,name=a", f"{norm}:name=b", f"{operation}:name=c", "abs:name=d"]
    network, x = random_network(layers, (3, 40, 30)), reals(8, 3, 40, 30)
    apart = Network("n", network.layers[2:])
    assert len(network.schedule({"input": x.shape}, ["d"]).tasks) == 1
    assert_allclose(network.run(x), apart.run(network.run(x, at="b")), atol=1e-6)
    assert_allclose(network.run(x, at="c"), apart.run(network.run(x, at="b"), at="c"), atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float32)],
)
def test_float64_is_computed_in_float64_and_all_else_in_float32(dtype: Any, expected: Any) -> None:
    network = random_network(BLOCK, (3, 6, 6))
    x = (reals(4, 3, 6, 6) * 20).clip(0, 255).astype(dtype)
    result = network.run(x)
    assert result.dtype == expected
    exact = run_block(network, x)["g"]
    assert_allclose(result, exact, rtol=1e-4 if expected is np.float32 else 1e-12, atol=1e-4)


def test_a_batch_is_its_images_one_by_one() -> None:
    network, x = random_network([*BLOCK, "flatten", "linear:4"], (3, 5, 6)), reals(5, 3, 3, 5, 6)
    result = network.run(x)
    assert result.shape == (3, 4)
    assert_array_equal(result, [network.run(image) for image in x])
    assert network.run(x[:1]).shape == (1, 4)


def test_layers_that_are_not_needed_do_not_run() -> None:
    network = Network("n", [parse_layer(text) for text in ("relu:name=a", "conv:99", "conv:3")])
    assert_array_equal(network.run(np.ones((1, 2, 2)), at="a"), np.ones((1, 2, 2)))


def test_a_name_comes_before_a_number() -> None:
    network = Network("n", [parse_layer(text) for text in ("abs:name=relu1", "relu")])
    x = np.array([[[-2.0, 3.0]]])
    assert_array_equal(network.run(x, at="relu1"), [[[2, 3]]])


def test_long_chains_are_planned_and_run_in_time_that_grows_with_them() -> None:
    layers = [parse_layer("conv:kernel=box:3"), *([parse_layer("relu")] * 20_000)]
    started = process_time()
    network = Network("n", with_kernel_sizes(layers))
    assert network.run(np.ones((1, 3, 3))).max() == pytest.approx(1)
    assert process_time() - started < 6


def test_text_and_zoo_networks_load(tmp_path: Path) -> None:
    path = tmp_path / "edges.net"
    path.write_text("input 1x8x8\nconv:kernel=sobel-x,name=x\nabs\n")
    network = load_network(str(path))
    assert network.name == "edges"
    assert network.inputs == {"input": (1, 8, 8)}
    x = reals(6, 1, 9, 9)
    kernel = convcli.load_kernel("sobel-x").matrix
    assert_allclose(
        network.run(x)[0], abs(convcli.filter2d(x[0], kernel, padding_mode="zero")), atol=1e-5
    )
    zoo = load_network("resnet18")
    assert zoo.walk().params == 11_689_512
    assert zoo.inputs == {"input": (3, 224, 224)}
    assert "resnet18" in repr(zoo)


def test_inputs_of_texts_and_of_the_zoo_take_other_shapes(tmp_path: Path) -> None:
    path = tmp_path / "two.net"
    path.write_text("input 3x8x8\nconv:3,p=1,name=a\ninput:4x8x8,name=guide\nconcat:from=a+guide\n")
    network = load_network(str(path), {"input": (3, 6, 6), "guide": (2, 6, 6)})
    assert network.inputs == {"input": (3, 6, 6), "guide": (2, 6, 6)}
    assert network.walk().output == (5, 6, 6)
    assert load_network("resnet18", {"input": (3, 64, 64)}).walk().input == (3, 64, 64)
    with pytest.raises(ArgumentError, match="resnet18 has no input 'x'; it has input"):
        load_network("resnet18", {"x": (3, 64, 64)})


def test_a_module_of_the_exporter_is_asked_for_by_its_path() -> None:
    """A layer by the path of its module; a module of several gives what its last layer makes."""
    network = random_network(
        ["conv:1,c=2,name=/stem/Conv", "relu:name=/layer1/layer1.0/act/Relu",
         "conv:1,c=3,name=/layer1/layer1.1/conv/Conv", "relu:name=/layer10/Relu"], (3, 4, 4),
    )  # fmt: skip
    x = reals(1, 3, 4, 4)
    for module, layer in (
        ("stem", "/stem/Conv"),
        ("layer1.0", "/layer1/layer1.0/act/Relu"),
        ("layer1", "/layer1/layer1.1/conv/Conv"),
        ("layer10", "/layer10/Relu"),
    ):
        np.testing.assert_array_equal(network.run(x, at=module), network.run(x, at=layer))
    with pytest.raises(ArgumentError, match="no layer or output 'layer'"):
        network.run(x, at="layer")


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "two axes": (np.ones((4, 4)), {}, r"input 'input' must be \(C, H, W\) or .*not \(4, 4\)"),
    "empty": (np.ones((3, 0, 4)), {}, r"input 'input' must be"),
    "channels": (np.ones((2, 7, 8)), {}, r"layer a \(conv:3,p=1,c=6\): its weight is 6x3x3x3, and"),
    "text": (np.array(["x"]), {}, "input must hold real numbers"),
    "NaN": (np.full((3, 7, 8), np.nan), {}, "input 'input' holds values that are not finite"),
    "an unknown layer": (np.ones((3, 7, 8)), {"at": "relu_1"}, "no layer or output 'relu_1'"),
    "a near name": (np.ones((3, 7, 8)), {"at": "last"}, "did you mean 'last1'"),
    "a number": (np.ones((3, 7, 8)), {"at": 5}, "at must be a name, or a list of names, not 5"),
    "an unknown input": ({"x": np.ones((3, 7, 8))}, {}, "has no input 'x'; it has input"),
    "no input": ({}, {}, "needs its input 'input'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_run_is_said_in_one_line(case: str) -> None:
    network = random_network([*BLOCK, "relu:name=last1"], (3, 7, 8))
    x, settings, message = REFUSED[case]
    with pytest.raises(ArgumentError, match=message) as error:
        network.run(x, **settings)
    assert "\n" not in str(error.value)


def test_what_no_float_holds_is_refused() -> None:
    network = random_network(["conv:1,name=a"], (1, 2, 2))
    network.weights["a"]["weight"][:] = 10
    with pytest.raises(ArgumentError, match="output 'a' holds values that are not finite"):
        network.run(np.full((1, 2, 2), 3e38, np.float32))


def test_the_cause_of_values_that_are_not_finite_is_named() -> None:
    network = random_network(["conv:1,name=a"], (1, 2, 2))
    network.weights["a"]["weight"][:] = np.nan
    with pytest.raises(ArgumentError, match="neither are all of the weight of layer 'a'"):
        network.run(np.ones((1, 2, 2)))
    with pytest.raises(ArgumentError, match="log is finite for values"):
        Network("n", [parse_layer("log")]).run(np.full((1, 2, 2), -1.0))


@pytest.mark.parametrize("path", [None, 5, b"lenet5"])
def test_a_network_is_a_path_or_a_name(path: Any) -> None:
    with pytest.raises(ArgumentError, match="a network is a path or a name"):
        load_network(path)


def test_shapes_of_inputs_have_names() -> None:
    shape: Any = (1, 28, 28)
    with pytest.raises(ArgumentError, match=r"like {'input': \(1, 28, 28\)}"):
        load_network("lenet5", shape)


def test_a_network_without_layers_is_refused() -> None:
    with pytest.raises(ArgumentError, match="one layer at least"):
        Network("n", [])


def test_a_layer_without_weights_is_named_before_any_work() -> None:
    with pytest.raises(ArgumentError, match=r"layer conv1 \(conv:7,s=2,p=3,c=64,nobias\)"):
        load_network("resnet18").run(np.zeros((3, 64, 64)))


def test_a_size_that_a_layer_cannot_take_is_named_with_the_layer() -> None:
    network = random_network(["conv:3", "flatten", "linear:5,name=fc"], (1, 6, 6))
    with pytest.raises(ShapeError, match=r"layer fc .*its weight is 5x16, and this input needs"):
        network.run(np.ones((1, 7, 7)))
    with pytest.raises(ShapeError, match=r"layer conv1 \(conv:3\) on 1x2x2"):
        network.run(np.ones((1, 2, 2)))


def test_a_file_that_is_none_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        load_network(str(tmp_path / "missing.net"))
    path = tmp_path / "bad.net"
    path.write_text("cnov:3\n")
    with pytest.raises(FileError, match="line 1"):
        load_network(str(path))
    with pytest.raises(ArgumentError, match="did you mean 'resnet18'"):
        load_network("resnet_18")


def test_maps_are_freed_and_the_estimate_covers_what_is_alive() -> None:
    layers = ["conv:3,p=1,c=8", "relu", *(["conv:3,p=1,c=8", "bn", "relu"] * 8)]
    network, x = random_network(layers, (3, 128, 128)), reals(7, 3, 128, 128)
    network.run(x)  # modules are loaded, and weights prepared
    tracemalloc.start()
    network.run(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = 8 * 128 * 128 * 4
    estimate = network.peak_bytes((3, 128, 128))
    assert peak < 4 * whole + 12 * 2**20
    assert estimate <= 4 * whole + 12 * 2**20
    assert peak <= estimate
    assert network.peak_bytes((3, 1024, 1024)) > 16 * 4 * whole


def test_a_walk_refuses_channels_that_the_weights_are_not_for() -> None:
    layers = [parse_layer("conv:3,c=2,name=c")]
    weights = {"c": {"weight": np.ones((2, 3, 3, 3)), "bias": np.ones(2)}}
    network = Network("net", layers, inputs={"x": (3, 5, 5)}, weights=weights)
    assert network.walk((3, 7, 7)).params == 56
    with pytest.raises(ShapeError, match=r"weights are for 3 channels of its input 'x', not for"):
        network.walk((4, 5, 5))
