"""Operations without a record of their own, known from a file alone: what it says of them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from convcli.arithmetic.operations import Key, Operation, key_table
from convcli.arithmetic.values import Shape, format_shape, parse_axes, parse_number
from convcli.errors import NotationError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

_TYPE = re.compile(r"[A-Za-z0-9_.:\-]+\Z")


def _parse_type(text: str) -> str:
    if not _TYPE.match(text):
        raise NotationError(
            f"an operation's type is of letters, digits, '_', '-', '.' and ':', not {text!r}"
        )
    return text


def _check(layer: Layer) -> None:
    if layer.value("out") is None:
        raise NotationError("opaque needs its output's shape, like opaque:Einsum,out=8x32x32")


def _weights(layer: Layer, _: Shape) -> dict[str, Shape]:
    count = layer.value("params")
    return {"weight": (count,)} if count else {}


def _cost_formulas(layer: Layer, *_: Shape) -> dict[str, str]:
    costs = {"params": layer.value("params"), "MACs": layer.value("macs")}
    return {name: str(cost) for name, cost in costs.items() if cost}


_PARAMS = Key(
    "params", "params", partial(parse_number, what="params"), str, "N", "0",
    "the number of learned values", initial=0,
)  # fmt: skip
_MACS = Key(
    "macs", "macs", partial(parse_number, what="macs"), str, "N", "0", "the number of products",
    initial=0,
)  # fmt: skip
_NAME_OF_TYPE = Key(
    "type", "type", _parse_type, str, "NAME", "", "the operation's type in its file"
)  # fmt: skip

OPERATIONS = (
    Operation(
        "opaque",
        "unknown",
        "an operation known from a file alone, which cannot be run",
        syntax="opaque:NAME,out=CxHxW",
        example="opaque:Einsum,out=8x32x32",
        shape_effect="what out says, with any number of axes",
        field_effect="unknown from there on",
        argument=_NAME_OF_TYPE,
        needs="the operation's type, like opaque:Einsum,out=8x32x32",
        keys={
            "out": Key(
                "out", "out", lambda text: parse_axes(text, "out"), format_shape, "CxHxW", "",
                "the output's shape",
            ),
            "params": _PARAMS,
            "macs": _MACS,
        }
        | key_table(),
        check=_check,
        shape=lambda layer, _: layer.value("out"),
        weights=_weights,
        macs=lambda layer, *_: layer.value("macs"),
        cost_formulas=_cost_formulas,
        takes_flat=True,
        is_opaque=True,
        is_for_images=False,
    ),
)  # fmt: skip
