"""Kernels that are the weights of a layer, named by a file and a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from support.onnx_models import model, node, save, weight

from convcli import load_kernel
from convcli.errors import KernelFileError
from convcli.kernels import kernel_path, weights_path
from convcli.kernels.trained import list_layers

RNG = np.random.default_rng(5)
TENSORS: dict[str, NDArray[Any]] = {
    "conv1.weight": RNG.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "conv1.bias": RNG.normal(size=4).astype(np.float32),
    "one map": RNG.normal(size=(3, 3, 5)).astype(np.float16),
    "plane": RNG.normal(size=(3, 3)),
    "ids": np.arange(9).reshape(3, 3),
    "video": np.ones((2, 2, 2, 2, 2), np.float32),
    "bad": np.full((3, 3), np.nan),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    save_file(TENSORS, tmp_path / "net.safetensors")
    return str(tmp_path / "net.safetensors")


@pytest.mark.parametrize("name", ["conv1.weight", "one map", "plane"])
def test_a_tensor_is_a_kernel_of_its_axes(path: str, name: str) -> None:
    kernel = load_kernel(f"{path}:{name}")
    np.testing.assert_array_equal(kernel.matrix, TENSORS[name].astype(np.float64))
    assert (kernel.name, kernel.source) == (f"net:{name}", f"{path}:{name}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conv1.wieght", "did you mean 'conv1.weight'"),
        ("encoder", r"it has .*net.safetensors:bad, .*:conv1.weight, "),
        ("conv1.bias", r"has the shape \(4,\)"),
        ("video", r"has the shape \(2, 2, 2, 2, 2\)"),
        ("ids", "holds I64, not real numbers"),
        ("bad", "no finite numbers"),
        ("", r"holds 4 kernels: .*net.safetensors:bad"),
    ],
)
def test_what_is_no_kernel_is_an_error_of_the_file(path: str, name: str, words: str) -> None:
    with pytest.raises(KernelFileError, match=words) as caught:
        load_kernel(f"{path}:{name}")
    assert caught.value.path == path


@pytest.mark.parametrize("name", ["", "conv"])
def test_a_file_without_weights_is_said_to_have_none(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "none.safetensors")
    save_file({}, path)
    with pytest.raises(KernelFileError, match=r"^[^;]* holds no weights that are a kernel$"):
        load_kernel(f"{path}:{name}")


def test_a_layer_goes_by_the_path_of_its_module_too(tmp_path: Path) -> None:
    names = {"a": "/conv1/Conv", "b": "/layer1/layer1.0/conv1/Conv", "c": "/layer1/layer1.1/Conv"}
    nodes = [
        node("Conv", f"{before} w{after}", after, name=names[after], pads=[1] * 4)
        for before, after in zip("xab", "abc", strict=True)
    ]
    weights = {f"w{name}": weight(3, 3, 3, 3, seed=ord(name)) for name in names}
    path = save(model(nodes, {"x": (1, 3, 8, 8)}, "c", weights), tmp_path)
    for module, letter in (("conv1", "a"), ("layer1.0.conv1.weight", "b"), ("layer1.1", "c")):
        kernel = load_kernel(f"{path}:{module}")
        np.testing.assert_array_equal(kernel.matrix, weights[f"w{letter}"])
        assert kernel.source == f"{path}:{names[letter]}"
    with pytest.raises(KernelFileError, match=r"'layer1'; it has [^;]*:/layer1/layer1.0/\S*, \S*$"):
        load_kernel(f"{path}:layer1")


def test_the_only_kernel_of_a_file_needs_no_name(tmp_path: Path) -> None:
    save_file({"a": np.eye(3), "a.bias": np.ones(1)}, tmp_path / "one.safetensors")
    assert load_kernel(tmp_path / "one.safetensors").name == "one:a"


def test_a_file_without_kernels_says_so(tmp_path: Path) -> None:
    save_file({"ids": np.arange(3)}, tmp_path / "none.safetensors")
    for read in (load_kernel, list_layers):
        with pytest.raises(KernelFileError, match="holds no weights that are a kernel"):
            read(str(tmp_path / "none.safetensors"))


def test_the_layers_that_are_kernels_are_listed(path: str) -> None:
    assert sorted(list_layers(path)) == ["bad", "conv1.weight", "one map", "plane"]


@pytest.mark.parametrize(
    ("spec", "path", "listed"),
    [
        ("a.safetensors", "a.safetensors", "a.safetensors"),
        ("a.safetensors:", "a.safetensors", "a.safetensors"),
        ("@a.safetensors:b", "a.safetensors", None),
        ("dir/A.SafeTensors:b.csv", "dir/A.SafeTensors", None),
        ("a.safetensors:b:c", "a.safetensors", None),
        ("a.safetensors.csv", "a.safetensors.csv", None),
        ("@a.safetensorsx", "a.safetensorsx", None),
    ],
)
def test_the_file_of_a_spec_is_what_stands_before_the_name(
    spec: str, path: str, listed: str | None
) -> None:
    assert (kernel_path(spec), weights_path(spec)) == (path, listed)
