"""Rows of `filter2d`: one kernel over a photograph, uint8 to uint8 unless said otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.checks import within_largest, within_levels
from benchmarks.photo import Workplace
from benchmarks.row import Profile, Row, Target, by_units, everywhere
from benchmarks.timing import Contest

DENSE = {  # AMD's processors have targets of their own
    3: by_units(1.65, 1.85, 1.5, amd=Target(1.3, 1.2)),
    5: by_units(1.05, 1.45, 0.9, amd=Target(1.0, 0.9)),
    9: by_units(0.55, 0.88, 0.45, amd=Target(0.85, 0.75)),
    15: by_units(0.29, 0.26, 0.2),
    31: by_units(0.28, 0.28, 0.2),
}
GAUSSIANS = {2: by_units(1.25, 2.1, 1.15), 5: by_units(0.85, 1.3, 0.75)}
GAUSSIAN_TAPS = {2: 13, 5: 31}


def rows(profile: Profile) -> list[Row]:
    work = f"filter2d {profile.megapixels:g} MP RGB uint8, "
    made = [
        Row(
            f"{work}dense {k}x{k}", "cv2.filter2D", dense(profile, k), "cv2", DENSE[k],
            on_each_core=True,
        )
        for k in profile.sizes
    ]  # fmt: skip
    for spec, name, call, levels, targets in (
        ("box:15", "blur", box, 1, everywhere(1.15, 0.9)),
        ("sobel-x", "Sobel", sobel, 1, everywhere(1.1, 0.9)),
        # Its Gaussian has weights of 8 bits; ours are floats, and nearer the true sum.
        ("gaussian:2", "GaussianBlur", gaussian(2), 2, GAUSSIANS[2]),
        ("gaussian:5", "GaussianBlur", gaussian(5), 2, GAUSSIANS[5]),
    ):
        out = np.int16 if spec == "sobel-x" else np.uint8
        words = f"{work}{spec}" + (" to int16" if out is np.int16 else "")
        prepare = named(profile, spec, call, levels, out)
        made.append(Row(words, f"cv2.{name}", prepare, "cv2", targets, on_each_core=True))
    made += [
        Row(
            f"filter2d {profile.deep_megapixels:g} MP gray {dtype.__name__}, gaussian:2",
            "cv2.GaussianBlur", deep_gaussian(profile, dtype), "cv2", everywhere(1.5, 1.0),
            on_each_core=True,
        )
        for dtype in (np.uint16, np.float32)
    ]  # fmt: skip
    for peer, name, call in (
        ("scipy", "scipy.ndimage.correlate", scipy_sharpen),
        ("torch", "torch conv2d, depthwise", torch_sharpen),
    ):
        prepare = named(profile, "sharpen", call, 1, np.uint8)
        row = Row(f"{work}sharpen", name, prepare, peer, everywhere(0.25, 0.1), is_extra=True)
        made.append(row)
    return made


def dense_kernel(size: int) -> NDArray[np.float64]:
    """Weights of both signs that sum to 1: no factors, no zeros, and little is clipped."""
    weights = np.random.default_rng(size).uniform(-1, 2, (size, size))
    return np.asarray(weights / weights.sum())


def dense(profile: Profile, size: int) -> Any:
    def prepare(place: Workplace) -> Contest:
        import cv2

        import convcli

        image, kernel = place.photo(profile.megapixels), dense_kernel(size)
        single = kernel.astype(np.float32)
        return Contest(
            lambda: convcli.filter2d(image, kernel),
            lambda: cv2.filter2D(image, -1, single, borderType=cv2.BORDER_REPLICATE),
            within_levels(1),
        )

    return prepare


def named(profile: Profile, spec: str, call: Any, levels: int, out: Any) -> Any:
    def prepare(place: Workplace) -> Contest:
        import convcli

        image, kernel = place.photo(profile.megapixels), convcli.load_kernel(spec)
        return Contest(
            lambda: convcli.filter2d(image, kernel, out_dtype=out),
            lambda: call(image, kernel),
            within_levels(levels),
        )

    return prepare


def box(image: Any, _: Any) -> Any:
    import cv2

    return cv2.blur(image, (15, 15), borderType=cv2.BORDER_REPLICATE)


def sobel(image: Any, _: Any) -> Any:
    import cv2

    return cv2.Sobel(image, cv2.CV_16S, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)


def gaussian(sigma: int) -> Any:
    def call(image: Any, _: Any) -> Any:
        import cv2

        size = (GAUSSIAN_TAPS[sigma],) * 2
        return cv2.GaussianBlur(image, size, sigma, borderType=cv2.BORDER_REPLICATE)

    return call


def deep_gaussian(profile: Profile, dtype: Any) -> Any:
    def prepare(place: Workplace) -> Contest:
        import convcli

        image = place.gray16(profile.deep_megapixels).astype(dtype)
        kernel, theirs = convcli.load_kernel("gaussian:2"), gaussian(2)
        return Contest(
            lambda: convcli.filter2d(image, kernel),
            lambda: theirs(image, kernel),
            # Its Gaussian of 16 bits has weights of 16 bits.
            within_levels(1) if dtype is np.uint16 else within_largest,
        )

    return prepare


def scipy_sharpen(image: Any, kernel: Any) -> Any:
    """Sums of integers fit 16 bits, which is the quickest that scipy has without wrapping."""
    from scipy import ndimage

    weights, made = np.asarray(kernel), np.empty_like(image)
    sums = np.empty(image.shape[:2], np.int16)
    for channel in range(image.shape[2]):
        ndimage.correlate(image[:, :, channel], weights, output=sums, mode="nearest")
        np.clip(sums, 0, 255, out=made[:, :, channel], casting="unsafe")
    return made


def torch_sharpen(image: Any, kernel: Any) -> Any:
    import torch
    from torch.nn import functional

    with torch.inference_mode():
        weight = torch.from_numpy(np.asarray(kernel, np.float32)).expand(3, 1, 3, 3)
        planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()  # (1, 3, H, W)
        padded = functional.pad(planes, (1, 1, 1, 1), mode="replicate")
        sums = functional.conv2d(padded, weight, groups=3)
        pixels = sums.round_().clamp_(0, 255).to(torch.uint8)
        return pixels[0].permute(1, 2, 0).contiguous().numpy()
