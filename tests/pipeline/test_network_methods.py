"""The methods by which a network's convolutions are said to be computed are those that run."""

from __future__ import annotations

import importlib
from collections import Counter

import numpy as np
import pytest
from support.networks import random_network
from support.oracles import reals

from convcli.engine.arrays import Array
from convcli.engine.conv2d import run_conv
from convcli.engine.conv2d.problem import ConvMethod, ConvProblem

conv2d = importlib.import_module("convcli.engine.conv2d")
LAYERS = (
    *("conv:3,p=1,c=128", "relu", "conv:3,p=1,c=128", "bn"),
    *("conv:3,p=1,c=128", "conv:3,p=1,c=128", "conv:3,s=2,p=1,g=4"),
)
SHAPE = (3, 56, 56)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods that have run."""
    names: list[str] = []

    def run(problem: ConvProblem, method: ConvMethod) -> Array:
        names.append(method.name if method.tile else f"{method.name} {method.layout}")
        return run_conv(problem, method)

    monkeypatch.setattr(conv2d, "run_conv", run)
    return names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_a_whole_map(used: list[str], dtype: type[np.floating]) -> None:
    network = random_network(LAYERS, SHAPE)
    network.run(reals(1, *SHAPE).astype(dtype))
    methods = network.schedule({"input": SHAPE}, ["conv5"]).conv_methods(np.dtype(dtype))
    assert methods == Counter(used)
    assert list(methods.values()) == sorted(methods.values(), reverse=True)
    assert ("winograd" in methods) == (dtype is np.float32)  # of the 128 channels


@pytest.mark.parametrize("channels", [3, 64])  # few for Winograd, and many
def test_of_tiles(used: list[str], channels: int) -> None:
    shape = channels, 56, 56
    network = random_network(["conv:3,p=1,c=64", "relu"], shape)
    network.run_tiles(reals(1, *shape).astype(np.float32), 28)
    tiles = network.plan_tiles({"input": shape}, 28, "relu1")
    methods = tiles.middle_schedule().conv_methods(np.dtype(np.float32))
    assert Counter(used) == {name: 4 * count for name, count in methods.items()}


def test_the_tile_in_the_middle_reads_beyond_all_of_its_sides() -> None:
    shape = 3, 84, 84
    network = random_network(["conv:3,p=1,c=2", "relu"], shape)
    tiles = network.plan_tiles({"input": shape}, 28, "relu1")
    assert (3, 30, 30) in tiles.middle_schedule().shapes.values()
