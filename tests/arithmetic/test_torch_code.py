"""Networks as code for PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.design import (
    Shape,
    blocks,
)
from support.peers import require_peer

from convcli.arithmetic.design import design
from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import walk
from convcli.arithmetic.shortest_stack import Budget
from convcli.errors import ArgumentError


@pytest.mark.peers
@settings(max_examples=15)
@given(
    blocks,
    st.tuples(st.integers(1, 3), st.integers(12, 32), st.integers(12, 32)),
    st.integers(1000, 50_000),
    st.integers(5, 20),
)
def test_the_code_builds_the_same_stack(block: str, shape: Shape, params: int, field: int) -> None:
    torch = require_peer("torch")
    found = design(shape, Budget(params=params, field=field), block=block)
    names: dict[str, Any] = {}
    exec(format_torch(found), names)
    model = names["model"]
    assert sum(weights.numel() for weights in model.parameters()) == found.params
    assert tuple(model(torch.zeros(1, *shape)).shape[1:]) == found.output
    assert len(model) == len(found.layers)


@pytest.mark.parametrize("layer", ["maxpool:2", "conv:3,p=same", "conv:3,p=0.1.0.1"])
def test_what_is_not_written_as_code_is_refused(layer: str) -> None:
    with pytest.raises(ArgumentError, match="PyTorch"):
        format_torch(walk([layer], (1, 8, 8)))


def test_rectangular_and_grouped_convolutions_are_written_as_they_are() -> None:
    code = format_torch(walk(["conv:3x5,s=1x2,p=1x2,d=2,g=2,c=4,nobias"], (2, 20, 20)))
    assert "nn.Conv2d(2, 4, (3, 5), stride=(1, 2), padding=(1, 2), dilation=2" in code
    assert "groups=2, bias=False)" in code
