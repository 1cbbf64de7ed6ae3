"""Normalizations: each channel gets a learned scale and shift."""

from __future__ import annotations

from convcli.arithmetic.operations import Operation

OPERATIONS = (
    Operation(
        "bn",
        "normalization",
        "a batch normalization: a learned scale and shift for each channel",
        parameters=lambda _, shape: 2 * shape[0],
        cost_formulas=lambda _, shape, __: {"params": f"2*{shape[0]}"},
        takes_flat=True,
        is_for_images=False,
    ),
)
