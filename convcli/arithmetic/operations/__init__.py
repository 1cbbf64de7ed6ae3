"""The operations of the notation, one record each."""

from __future__ import annotations

from convcli.arithmetic.operations import windowless, windows
from convcli.arithmetic.operations.operation import Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for operation in (*windows.OPERATIONS, *windowless.OPERATIONS)
}


def activations() -> list[str]:
    """Return the names of the elementwise operations on images."""
    return [
        name
        for name, operation in OPERATIONS.items()
        if operation.family == "elementwise" and operation.is_for_images
    ]
