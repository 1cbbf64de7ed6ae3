"""The trained network among the samples: what it is, what it gains, and how it is trained."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from PIL import Image
from support.command import SAMPLES, here
from support.readme_blocks import README

import convcli

MODEL, NOISY = SAMPLES / "denoiser.onnx", SAMPLES / "noisy.png"
MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = spec_from_file_location("train_denoiser", SAMPLES / "train_denoiser.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def original() -> NDArray[np.float64]:
    """The part of the cat that noise was added to."""
    return pixels(SAMPLES / "cat.jpg")[70:142, 150:246].astype(np.float64)


def decibels(result: NDArray[Any]) -> float:
    return float(-10 * np.log10(np.mean((result / 255 - original() / 255) ** 2)))


@pytest.fixture(scope="module")
def expected() -> NDArray[np.float32]:
    """What ONNX's own reference makes of the noisy picture: (1, 3, H, W)."""
    x = pixels(NOISY).transpose(2, 0, 1)[np.newaxis].astype(np.float32) / np.float32(255)
    return np.asarray(ReferenceEvaluator(str(MODEL)).run(None, {"image": x})[0])


def rounded(maps: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = np.clip(np.rint(maps.transpose(1, 2, 0) * 255), 0, 255)
    return result


def test_it_is_small_and_takes_pictures_of_any_size() -> None:
    assert MODEL.stat().st_size <= MAX_BYTES
    model = onnx.load(str(MODEL))
    onnx.checker.check_model(model, full_check=True)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 3, "height", "width"]
    names = [node.name for node in model.graph.node]
    assert names == [*(f"{op}{n}" for n in range(1, 5) for op in ("conv", "relu")), "conv5", "add"]


def test_it_gains_what_the_readme_says(expected: NDArray[np.float32]) -> None:
    noisy = pixels(NOISY)
    gaussian = convcli.filter2d(noisy, convcli.load_kernel("gaussian:1"))
    found = [decibels(result) for result in (noisy, rounded(expected[0]), gaussian)]
    words = r"([\d.]+) dB \(PSNR\) become ([\d.]+), and by `gaussian:1` ([\d.]+)\."
    said = re.search(words, " ".join(README.read_text(encoding="utf-8").split()))
    assert said is not None
    assert_allclose(
        found, [float(number) for number in said.groups()], atol=0.1
    )  # decoders of JPEG differ
    assert found[1] > found[2] + 2


def test_the_library_runs_it_as_onnx_does(expected: NDArray[np.float32]) -> None:
    x = pixels(NOISY).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    network = convcli.load_network(str(MODEL), {"image": (3, *x.shape[1:])})
    assert_allclose(network.run(x), expected[0], atol=1e-5)


def test_the_command_runs_it_as_onnx_does(expected: NDArray[np.float32], tmp_path: Path) -> None:
    clean = tmp_path / "clean.png"
    done = here("apply", NOISY, "--net", MODEL, "-o", clean, "-q", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert np.abs(pixels(clean) - rounded(expected[0])).max() <= 1


# ---- the script --------------------------------------------------------------------------------


def test_the_noise_is_that_of_the_script(script: ModuleType) -> None:
    made = script.add_noise(script.load("cat.jpg"), np.random.default_rng(1))
    assert np.abs(made.astype(float) - pixels(NOISY)).mean() < 2  # decoders of JPEG differ


def test_its_gradients_are_what_a_small_step_changes(script: ModuleType) -> None:
    random = np.random.default_rng(1)
    weights = [
        (kernels.astype(np.float64), random.normal(0, 0.1, bias.shape))
        for kernels, bias in script.initial_weights(random)
    ]
    clean, noise = random.random((2, 3, 6, 7)), random.normal(0, 0.1, (2, 3, 6, 7))
    _, found = script.gradients(weights, clean + noise, clean)
    for layer in range(len(weights)):
        for part in range(2):
            array = weights[layer][part]
            step = random.normal(size=array.shape)
            change = (found[layer][part] * step).sum()
            errors = []
            for sign in (1, -1):
                array += sign * 1e-6 * step
                errors.append(script.gradients(weights, clean + noise, clean)[0])
                array -= sign * 1e-6 * step
            assert_allclose((errors[0] - errors[1]) / 2e-6, change, rtol=1e-3)


def test_it_learns(script: ModuleType) -> None:
    random = np.random.default_rng(1)
    clean = np.tile(random.random((2, 3, 1, 16)), (1, 1, 16, 1)).astype(np.float32)
    noisy = clean + random.normal(0, 0.1, clean.shape).astype(np.float32)
    weights = script.initial_weights(random)
    optimizer = script.Adam(weights)
    errors = []
    for _ in range(40):
        error, found = script.gradients(weights, noisy, clean)
        optimizer.step(found, 3e-3)
        errors.append(error)
    assert errors[-1] < errors[0] / 2


def test_what_it_writes_is_what_it_runs(script: ModuleType, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    weights = script.initial_weights(random)
    script.write(weights, tmp_path / "made.onnx")
    x = random.random((1, 3, 9, 8)).astype(np.float32)
    (found,) = ReferenceEvaluator(str(tmp_path / "made.onnx")).run(None, {"image": x})
    assert_allclose(found, script.run(weights, x)[-1], atol=1e-5)
