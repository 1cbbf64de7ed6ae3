"""Rows without a peer: how time grows with the picture and with the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.checks import right_at_spots
from benchmarks.filters import dense_kernel
from benchmarks.photo import Workplace
from benchmarks.row import Profile, Row
from benchmarks.timing import Gauge


def rows(profile: Profile) -> list[Row]:
    large = profile.kernel_megapixels
    kernels = (("sharpen", "sharpen"), ("dense 7x7", 7))
    return [
        *(
            Row(f"growth: {name}, {megapixels:g} MP", "", timed(kernel, megapixels))
            for name, kernel in kernels
            for megapixels in profile.growth_megapixels
        ),
        *(
            Row(f"growth: dense {k}x{k}, {large:g} MP", "", timed(k, large))
            for k in profile.growth_sizes
        ),
    ]


def timed(kernel: str | int, megapixels: float) -> Any:
    def prepare(place: Workplace) -> Gauge:
        import convcli

        image = place.photo(megapixels)
        weights = dense_kernel(kernel) if isinstance(kernel, int) else convcli.load_kernel(kernel)
        return Gauge(
            lambda: convcli.filter2d(image, weights),
            lambda made: right_at_spots(image, np.asarray(weights), made),
            "s/MP",
            per=image.shape[0] * image.shape[1] / 1e6,
        )

    return prepare
