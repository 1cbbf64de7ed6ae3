"""Train the small network that `denoiser.onnx` holds, and measure it on pictures held out.

Five convolutions of 3x3 estimate the noise of a color picture, and the picture plus their output is
the result (K. Zhang et al., "Beyond a Gaussian Denoiser", 2017, without batch normalization). The
gradients are those of `convcli.conv2d_backward`; everything else is NumPy. It takes a few minutes:

    python samples/train_denoiser.py

It needs scikit-image for the pictures, which its package contains, and onnx to write the file. It
also writes `noisy.png`, a part of the cat with such noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

import convcli

FOLDER = Path(__file__).parent
SIGMA = 25  # of the noise, in the units of 8 bits
WIDTHS = (3, 16, 16, 16, 16, 3)  # the channels between the layers
PATCH, BATCH, STEPS = 36, 8, 3000  # pixels of a side, patches of a step, steps
RATE = 3e-3  # of learning, at the start
TINY = np.float32(1e-8)
TRAINED_ON = ("astronaut", "rocket", "stereo_motorcycle", "immunohistochemistry", "retina")
HELD_OUT = ("chelsea", "coffee")
CAT = (slice(70, 142), slice(150, 246))  # rows and columns of the part that is held out as well

Floats = NDArray[np.float32]
Weights = list[tuple[Floats, Floats]]  # of each layer: (C_out, C_in, 3, 3) and (C_out,)


def load(name: str) -> NDArray[np.uint8]:
    """Return a picture of scikit-image, of a stereo pair the left one; or the cat: (H, W, 3)."""
    if name == "cat.jpg":
        return np.asarray(Image.open(FOLDER / name).convert("RGB"))[CAT]
    found = getattr(data, name)()
    return np.asarray(found[0] if isinstance(found, tuple) else found)


def add_noise(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Add normal noise, as a picture of 8 bits holds it: rounded and clipped."""
    noisy = picture + random.normal(0, SIGMA, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def as_maps(picture: NDArray[np.uint8]) -> Floats:
    """Scale (..., H, W, 3) to (..., 3, H, W) in 0..1."""
    return np.moveaxis(picture, -1, -3).astype(np.float32) / np.float32(255)


def psnr(result: NDArray[Any], original: NDArray[np.uint8]) -> float:
    """The peak signal-to-noise ratio of a picture of 8 bits, in dB."""
    error = np.mean((result.astype(float) - original) ** 2)
    return float(10 * np.log10(255**2 / error))


def initial_weights(random: np.random.Generator) -> Weights:
    """Normal numbers (He et al., 2015); the last layer starts small, with next to no change."""
    weights = []
    for index, (c_in, c_out) in enumerate(pairwise(WIDTHS)):
        scale = np.sqrt(2 / (9 * c_in)) * (0.1 if index == len(WIDTHS) - 2 else 1)
        kernels = random.normal(0, scale, (c_out, c_in, 3, 3)).astype(np.float32)
        weights.append((kernels, np.zeros(c_out, np.float32)))
    return weights


def run(weights: Weights, x: Floats) -> list[Floats]:
    """Return the input of every layer, and the picture plus what the last one gives."""
    maps = [x]
    for index, (kernels, bias) in enumerate(weights):
        y = convcli.conv2d(maps[-1], kernels, bias, padding=1)
        is_last = index == len(weights) - 1
        maps.append(x + y if is_last else np.maximum(y, 0))
    return maps


def gradients(weights: Weights, x: Floats, clean: Floats) -> tuple[float, Weights]:
    """Return half the mean squared error of a batch, and its gradients."""
    maps = run(weights, x)
    error = maps[-1] - clean
    grad = error / np.float32(error.size)
    found: Weights = []
    for index in reversed(range(len(weights))):
        dx, dkernels, dbias = convcli.conv2d_backward(
            grad, maps[index], weights[index][0], padding=1
        )
        found.insert(0, (dkernels, dbias))
        grad = dx * (maps[index] > 0)  # of the ReLU before it
    return float(np.mean(error**2)) / 2, found


class Adam:
    """D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (2015)."""

    def __init__(self, weights: Weights) -> None:
        self._arrays = [array for layer in weights for array in layer]
        self._means = [np.zeros_like(array) for array in self._arrays]
        self._squares = [np.zeros_like(array) for array in self._arrays]
        self._steps = 0

    def step(self, gradients: Weights, rate: float) -> None:
        """Move the weights, in place."""
        self._steps += 1
        corrected = rate * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        for index, grad in enumerate(array for layer in gradients for array in layer):
            mean, square = self._means[index], self._squares[index]
            mean[...] += 0.1 * (grad - mean)
            square[...] += 0.001 * (grad * grad - square)
            self._arrays[index][...] -= np.float32(corrected) * mean / (np.sqrt(square) + TINY)


def batches(random: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """Yield noisy and clean patches, turned and mirrored at random: (N, 3, h, w) each."""
    pictures = [load(name) for name in TRAINED_ON]
    while True:
        patches = []
        for _ in range(BATCH):
            picture = pictures[random.integers(len(pictures))]
            row, column = (random.integers(side - PATCH + 1) for side in picture.shape[:2])
            patch = np.rot90(
                picture[row : row + PATCH, column : column + PATCH], random.integers(4)
            )
            patches.append(patch[:, ::-1] if random.integers(2) else patch)
        clean = np.stack(patches)
        yield as_maps(add_noise(clean, random)), as_maps(clean)


def train(steps: int, seed: int = 0) -> Weights:
    """Return the weights after some steps; the same on every run of one machine."""
    random = np.random.default_rng(seed)
    weights = initial_weights(random)
    optimizer = Adam(weights)
    errors = []
    for step, (noisy, clean) in zip(range(steps), batches(random), strict=False):
        error, found = gradients(weights, noisy, clean)
        optimizer.step(found, RATE * (1 + np.cos(np.pi * step / steps)) / 2)
        errors.append(2 * error)
        if (step + 1) % 500 == 0:
            recent = -10 * np.log10(np.mean(errors[-500:]))
            print(f"step {step + 1}: {recent:.2f} dB on what it trains on", flush=True)
    return weights


def denoise(weights: Weights, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply the network to a picture, (H, W, 3)."""
    values = np.moveaxis(run(weights, as_maps(picture))[-1], 0, 2) * 255
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def write(weights: Weights, path: Path) -> None:
    """Write the network as ONNX, for pictures of any height and width, (N, 3, H, W) in 0..1."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, arrays, x = [], [], "image"
    for number, (kernels, bias) in enumerate(weights, start=1):
        name = f"conv{number}"
        arrays += [
            numpy_helper.from_array(kernels, f"{name}.weight"),
            numpy_helper.from_array(bias, f"{name}.bias"),
        ]
        inputs = [x, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [name], name=name, pads=[1, 1, 1, 1]))
        x = name
        if number < len(weights):
            x = f"relu{number}"
            nodes.append(helper.make_node("Relu", [name], [x], name=x))
    nodes.append(helper.make_node("Add", ["image", x], ["denoised"], name="add"))
    shape = ["batch", 3, "height", "width"]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name in ("image", "denoised")
    ]
    about = f"Removes normal noise of sigma {SIGMA} (of 255) from RGB pictures scaled to 0..1."
    graph = helper.make_graph(nodes, "denoiser", *ends, initializer=arrays, doc_string=about)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="convcli"
    )
    checker.check_model(model)
    save(model, path)


def main() -> None:
    """Train, write the file, and print what it gains."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=FOLDER / "denoiser.onnx")
    asked = parser.parse_args()
    convcli.set_threads(asked.threads)
    weights = train(asked.steps)
    write(weights, asked.output)
    print(f"PSNR in dB, noise of sigma {SIGMA}:  noisy  gaussian:1  denoiser")
    gaussian = convcli.load_kernel("gaussian:1")
    for name in (*HELD_OUT, "cat.jpg"):
        original = load(name)
        noisy = add_noise(original, np.random.default_rng(1))
        if name == "cat.jpg":
            Image.fromarray(noisy).save(FOLDER / "noisy.png", optimize=True)
        results = noisy, convcli.filter2d(noisy, gaussian), denoise(weights, noisy)
        found = "  ".join(f"{psnr(result, original):8.2f}" for result in results)
        print(f"{name:26} {found}")


if __name__ == "__main__":
    main()
