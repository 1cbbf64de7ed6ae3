"""Sums of large whole numbers: exact to the last digit, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import here

from convcli import filter2d
from convcli.engine.arrays import largest_exact_value
from convcli.engine.filter2d.plan import METHODS
from convcli.errors import ArgumentError

LIMIT = 1 << 53
WHOLE = st.integers(-(1 << 40), 1 << 40) | st.integers(-9, 9)
VALUES = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-(1 << 30), 1 << 30)


@settings(max_examples=60)
@given(st.lists(VALUES, min_size=2, max_size=5), st.lists(WHOLE, min_size=1, max_size=2), WHOLE)
def test_sums_are_those_of_python_s_integers_or_refused(
    numbers: list[int], weights: list[int], bias: int
) -> None:
    windows = [numbers[at : at + len(weights)] for at in range(len(numbers) - len(weights) + 1)]
    exact = [sum(map(int.__mul__, window, weights)) + bias for window in windows]
    reach = max(map(abs, numbers)) * sum(map(abs, weights)) + abs(bias)
    image, settings = np.array([numbers], np.int64), {"bias": float(bias), "padding": "valid"}
    if reach > LIMIT + 2:
        with pytest.raises(
            ArgumentError, match=r"whole numbers may reach .* convert it to float64"
        ):
            filter2d(image, [weights], **settings)  # type: ignore[arg-type]
    elif reach < LIMIT - 2:
        found = filter2d(image, [weights], **settings)  # type: ignore[arg-type]
        assert found.dtype == np.int64
        assert found[0].tolist() == exact


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_every_method_refuses_what_it_would_round(method: str, dtype: Any) -> None:
    image = np.full((4, 4), LIMIT // 9, dtype)
    kernel = np.ones((3, 3))
    np.testing.assert_array_equal(filter2d(image // 1024, kernel, method=method), image // 1024 * 9)
    with pytest.raises(ArgumentError, match="whole numbers"):
        filter2d(image + 1, kernel, method=method)
    filter2d(image * 100, kernel / 9, method=method)  # is rounded in any case
    filter2d((image * 100).astype(np.float64), kernel, method=method)


@pytest.mark.parametrize(
    ("dtype", "weights", "is_limited"),
    [
        (np.int64, [[1.0]], True),
        (np.uint64, [[0.0]], True),
        (np.int64, [[0.5]], False),
        (np.int32, [[1.0, -4.0]], False),
        (np.int32, [[float(1 << 22)]], False),
        (np.int32, [[float(1 << 22), 1.0]], True),
        (np.uint16, [[float(1 << 50)]], False),
        (np.float64, [[1.0]], False),
    ],
)  # fmt: skip
def test_only_what_can_lose_digits_is_looked_at(
    dtype: Any, weights: list[list[float]], *, is_limited: bool
) -> None:
    found = largest_exact_value(np.dtype(dtype), np.array(weights))
    assert (found is not None) == is_limited


@pytest.mark.parametrize(
    "command",
    [
        ["apply", "big.npy", "-k", "k.json", "-o", "y.npy"],
        ["apply", "big.npy", "-l", "maxpool:1", "-o", "y.npy"],
        ["explain", "big.npy", "-k", "k.json", "--at", "0,0"],
    ],
)
def test_a_file_of_large_numbers_is_exact_or_refused(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "k.json").write_text("[[314159265]]")
    np.save(tmp_path / "big.npy", np.array([[31_415_926_500_000_003]], np.int64))
    done = here(*command, cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: big.npy: sums of its whole numbers may reach ")
    assert not (tmp_path / "y.npy").exists()
    np.save(tmp_path / "big.npy", np.array([[28_670_000]], np.int64))
    assert here(*command, cwd=tmp_path).code == 0
    if command[-1] == "y.npy" and "-k" in command:
        assert int(np.load(tmp_path / "y.npy")[0, 0]) == 28_670_000 * 314_159_265
