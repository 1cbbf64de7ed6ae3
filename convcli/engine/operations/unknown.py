"""Operations without a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _refuse(layer: Layer, _: Sequence[Array], __: Weights) -> NoReturn:
    raise ArgumentError(f"the operation {layer.value('type')} is not known: it cannot be run")


FUNCTIONS: dict[str, LayerFunction] = {"opaque": _refuse}
