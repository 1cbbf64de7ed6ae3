"""Further inputs of a network, beside the one that the first layer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.arithmetic.operations import Key, Operation, key_table
from convcli.arithmetic.values import format_shape, parse_axes
from convcli.errors import NotationError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _check(layer: Layer) -> None:
    if layer.name is None:
        raise NotationError("a further input needs a name, like input:3x64x64,name=guide")


_SHAPE = Key(
    "shape", "shape", lambda text: parse_axes(text, "an input's shape"), format_shape, "CxHxW", "",
    "the input's shape",
)  # fmt: skip

OPERATIONS = (
    Operation(
        "input",
        "inputs",
        "a further input of the network, which other layers take by its name",
        syntax="input:CxHxW,name=NAME",
        example="input:3x64x64,name=guide",
        shape_effect="CxHxW, or N",
        field_effect="that of an input: each position sees itself",
        argument=_SHAPE,
        needs="its shape, like input:3x64x64,name=guide",
        keys=key_table(),
        check=_check,
        shape=lambda layer, _: layer.value("shape"),
        takes_flat=True,
        is_source=True,
        is_for_images=False,
    ),
)
