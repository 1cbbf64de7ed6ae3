"""What the tests of conv2d share."""

from typing import Any

import pytest
from hypothesis import strategies as st
from support.oracles import (
    MODES,
    Geometry,
    whole_numbers,
)

from convcli.engine.conv2d import METHODS, problem
from convcli.engine.conv2d.problem import ConvMethod

modes = st.sampled_from(MODES)
channels = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
ALWAYS = tuple(method for method in METHODS if method != "winograd")  # whatever the layer


def layer(
    geometry: Geometry, seed: int, groups: int, depth: int, filters: int, *batch: int
) -> tuple[Any, Any, Any]:
    """Whole numbers for an input, weights of so many filters a group, and a bias."""
    x = whole_numbers(seed, *batch, groups * depth, *geometry.size)
    weight = whole_numbers(seed + 1, groups * filters, depth, *geometry.kernel)
    return x, weight, whole_numbers(seed + 2, groups * filters)


def force_layout(patch: pytest.MonkeyPatch, *, by_rows: bool) -> None:
    """Make im2col copy rows once for all their windows, or each window."""
    method = ConvMethod("im2col", 1.0, has_shared_rows=by_rows)
    patch.setattr(problem, "im2col_methods", lambda _: [method])
