"""Normalizations: each channel gets a learned scale and shift."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from convcli.arithmetic.operations import Key, Operation, key_table
from convcli.arithmetic.values import Shape, parse_real

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

_EPS = Key(
    "eps", "eps", partial(parse_real, what="eps"), repr, "EPS", "1e-05",
    "what is added to the variance", initial=1e-5,
)  # fmt: skip


def _channel_scales(_: Layer, shape: Shape) -> dict[str, Shape]:
    return {"scale": shape[:1], "shift": shape[:1]}


OPERATIONS = (
    Operation(
        "bn",
        "normalization",
        "a batch normalization: a learned scale and shift for each channel",
        keys=key_table() | {"eps": _EPS},
        weights=_channel_scales,
        statistics=lambda _, shape: {"mean": shape[:1], "variance": shape[:1]},
        cost_formulas=lambda _, shape, __: {"params": f"2*{shape[0]}"},
        takes_flat=True,
        is_for_images=False,
    ),
)
