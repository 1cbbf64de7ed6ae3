"""`find_nearest` names the kernel that weights are, and says how far it is."""

from __future__ import annotations

import numpy as np
import pytest

from convcli.kernels import Kernel, load_kernel
from convcli.kernels.bank import bank
from convcli.kernels.nearest import SEARCHED, find_nearest, measure_distance
from convcli.kernels.parametric import FAMILIES

ALIASES = {
    "gaussian-3x3": "blur",
    "laplacian-8": "outline",
    "right-sobel": "sobel-x",
    "bottom-sobel": "sobel-y",
}
MADE = [
    *("gaussian:1.5", "gaussian:0.8", "gaussian:1:2", "box:5", "box:3x5", "ones:4", "motion:9:45"),
    *("motion:7:20", "unsharp:2:1.5", "sharpen:0.5", "disk:3", "sobel:45", "log:1.4"),
]


@pytest.mark.parametrize("name", bank())
def test_a_kernel_of_the_bank_is_its_own_nearest(name: str) -> None:
    nearest = find_nearest(bank()[name].matrix)
    assert nearest is not None
    assert (nearest.name, nearest.distance) == (ALIASES.get(name, name), 0.0)


@pytest.mark.parametrize("spec", MADE)
def test_parameters_are_found_in_uncertain_weights(spec: str) -> None:
    weights, error = load_kernel(spec).matrix, 2e-5
    noise = np.random.default_rng(1).normal(size=weights.shape, scale=error)
    nearest = find_nearest(weights + noise, np.full(weights.shape, error))
    assert nearest is not None
    assert nearest.name == spec
    assert nearest.distance < 5 * error * np.sqrt(weights.size) / np.linalg.norm(weights)


def test_of_kernels_that_are_as_near_the_one_with_fewer_parameters_is_named() -> None:
    weights, errors = bank()["sharpen"].matrix * 1.001, np.full((3, 3), 0.01)
    certain, uncertain = find_nearest(weights), find_nearest(weights, errors)
    assert certain is not None
    assert uncertain is not None
    assert certain.name.startswith("sharpen:") or certain.name == "sharpen"
    assert uncertain.name == "sharpen"


def test_distance_is_measured_origin_upon_origin() -> None:
    one = Kernel("", np.array([[2.0]]))
    corner = Kernel("", np.array([[0.0, 0.0], [0.0, 2.0]]))  # its origin is at the top left
    assert measure_distance(one, bank()["identity"]) == 1.0
    assert measure_distance(one, corner) == pytest.approx(np.sqrt(8))
    assert measure_distance(corner, one) == pytest.approx(np.sqrt(8))


def test_a_part_of_a_kernel_is_as_far_as_what_is_missing() -> None:
    whole = load_kernel("gaussian:1.5").matrix
    part = whole[3:-3, 3:-3]
    nearest = find_nearest(part)
    assert nearest is not None
    missing = np.sqrt((whole**2).sum() - (part**2).sum()) / np.linalg.norm(part)
    assert nearest.distance <= missing + 1e-12


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_nothing_is_near_no_weights(value: float) -> None:
    assert find_nearest(np.full((3, 3), value)) is None


def test_the_families_that_are_searched_exist() -> None:
    assert {family for family, _ in SEARCHED} <= set(FAMILIES)
