"""What follows from a network, as documents for JSON; `shape --json` prints them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from convcli.arithmetic.footprint import FLOAT32, Storage, peak_elements
from convcli.arithmetic.layers import FLOPS_PER_MAC
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.reports import LayerReport, Walk

MAX_FLOAT = 10**300
FIELD = ("receptive_field", "jump", "start", "effective_padding")


def walk_document(walk: Walk, storage: Storage = FLOAT32) -> dict[str, Any]:
    """Return the document of a network: its input, its layers and its totals."""
    document = summary_document(walk, storage)
    total = document.pop("total")
    layers = [layer_document(report, storage) for report in walk.layers]
    return {**document, "layers": layers, "total": total}


def summary_document(walk: Walk, storage: Storage = FLOAT32) -> dict[str, Any]:
    """Return the document of a network without its layers."""
    # The input itself is the last map where no layer makes one.
    field: dict[str, Any] = {"receptive_field": [1, 1], "jump": [1, 1], "effective_padding": [0, 0]}
    if walk.last_map is not None:
        field = {name: as_json(getattr(walk.last_map, name)) for name in field}
        field |= _seen(walk.last_map)
    total = {
        "params": walk.params,
        "macs": walk.macs,
        "flops": FLOPS_PER_MAC * walk.macs,
        "bytes": sum(map_bytes(report, storage) for report in walk.layers),
        "weight_bytes": storage.weight_bytes(walk.params),
        "peak_bytes": storage.map_bytes(peak_elements(walk)),
        "output": list(walk.output),
    }
    document = {"name": walk.name, "input": list(walk.input), "total": total | field}
    if len(walk.inputs) > 1:
        document["inputs"] = {name: list(shape) for name, shape in walk.inputs.items()}
    if len(walk.outputs) > 1:
        document["outputs"] = {name: list(shape) for name, shape in walk.outputs.items()}
    return document


def layer_document(report: LayerReport, storage: Storage = FLOAT32) -> dict[str, Any]:
    """Return the document of one layer."""
    return {
        "name": report.name,
        "op": report.layer.op,
        "layer": format_layer(report.layer),
        "output": list(report.output),
        **{name: as_json(getattr(report, name)) for name in (*FIELD, "dropped")},
        "params": report.params,
        "macs": report.macs,
        "flops": FLOPS_PER_MAC * report.macs,
        "bytes": map_bytes(report, storage),
        **_seen(report),
    }


def map_bytes(report: LayerReport, storage: Storage) -> int:
    """Return the bytes of a layer's output."""
    return storage.map_bytes(math.prod(report.output))


def _seen(report: LayerReport) -> dict[str, Any]:
    """Return what is seen locally beside a gate, and in all where the field exceeds that."""
    names = ["local_receptive_field"] if report.has_gate else []
    names += [] if report.coverage == report.receptive_field else ["coverage"]
    names += ["has_holes"] if report.has_holes else []
    return {name: as_json(getattr(report, name)) for name in names}


def as_json(value: Any) -> Any:
    """Return integers, fractions and tuples of them as JSON numbers and lists.

    >>> as_json((Fraction(1, 2), Fraction(4))), as_json(None)
    ([0.5, 4], None)
    """
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    if not isinstance(value, Fraction):
        return value
    # Beyond what a float holds, where halves are lost, a fraction becomes an integer.
    is_integer = value.denominator == 1 or not -MAX_FLOAT <= value <= MAX_FLOAT
    return int(value) if is_integer else float(value)
