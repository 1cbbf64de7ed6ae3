"""Nodes that together are one operation of the notation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from convcli.networks.onnx.model import Graph, Node

CLOSE = 1e-3  # to which a constant is known, as exporters write it with few bits


def fuse(graph: Graph, known: Callable[[str], float | None]) -> list[Node]:
    """Return the nodes of a graph, of which those that are a GELU are one, or that standardize.

    Exporters write `x * (1 + erf(x / sqrt(2))) / 2` as a node for each arithmetic operation, and so
    do they with `(x - mean) / sqrt(variance + eps)`, for which ONNX had no node before set 17.

    Parameters
    ----------
    graph : Graph
    known : callable
        Returns the number of that name, if it is one.
    """
    nodes = graph.nodes
    if not any(node.op in _FINDERS for node in nodes):
        return nodes
    makers = {name: node for node in nodes for name in node.outputs}
    takers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.used:
            takers.setdefault(name, []).append(node)
    replaced: dict[int, Node] = {}
    dropped: set[int] = set()
    for node in nodes:
        find = _FINDERS.get(node.op)
        found = None
        if find is not None:
            # Nodes may be without the inputs that they should have.
            with suppress(IndexError, KeyError):
                found = find(node, makers, takers, known)
        if found is not None and _is_inner(found[0], takers, graph):
            parts, whole = found
            replaced[id(parts[-1])] = whole
            dropped.update(map(id, parts))
    return [replaced.get(id(node), node) for node in nodes
            if id(node) not in dropped or id(node) in replaced]  # fmt: skip


def _find_gelu(
    erf: Node,
    makers: Mapping[str, Node],
    takers: Mapping[str, Sequence[Node]],
    known: Callable[[str], float | None],
) -> tuple[list[Node], Node] | None:
    """Return the nodes of a GELU that this node is part of, and the node that they are."""
    scaled = makers.get(erf.inputs[0])
    if scaled is None:
        return None
    factor = {"Div": math.sqrt(2), "Mul": math.sqrt(0.5)}.get(scaled.op)
    source = None if factor is None else _other(scaled, factor, known)
    plus = _only(takers.get(erf.outputs[0], ()))
    if source is None or plus is None or plus.op != "Add" or _other(plus, 1, known) is None:
        return None
    times = _only(takers.get(plus.outputs[0], ()))
    if times is None or times.op != "Mul":
        return None
    other = next((name for name in times.inputs if name != plus.outputs[0]), "")
    half = makers.get(other)
    if half is not None and half.op == "Mul" and _other(half, 0.5, known) == source:
        return [scaled, erf, plus, half, times], _replace(times, "Gelu", source)
    last = _only(takers.get(times.outputs[0], ()))
    if other != source or last is None or last.op != "Mul" or _other(last, 0.5, known) is None:
        return None
    return [scaled, erf, plus, times, last], _replace(last, "Gelu", source)


def _find_standardization(
    root: Node,
    makers: Mapping[str, Node],
    takers: Mapping[str, Sequence[Node]],
    known: Callable[[str], float | None],
) -> tuple[list[Node], Node] | None:
    """Return the nodes of `(x - mean) / sqrt(variance + eps)`, and the node that they are."""
    plus = makers[root.inputs[0]]
    places = [place for place in (0, 1) if known(plus.inputs[place]) is not None]
    if plus.op != "Add" or len(places) != 1:
        return None
    variance = makers[plus.inputs[1 - places[0]]]
    square = makers[variance.inputs[0]]
    minus = makers[square.inputs[0]]
    mean = makers[minus.inputs[1]]
    divide = _only(takers[root.outputs[0]])
    source, centered = minus.inputs[0], minus.outputs[0]
    is_square = (square.op == "Pow" and known(square.inputs[1]) == 2) or (
        square.op == "Mul" and square.inputs == (centered, centered)
    )
    if divide is None or divide.op != "Div":
        return None
    is_whole = (
        is_square
        and minus.op == "Sub"
        and mean.inputs[0] == source
        and divide.inputs == (centered, root.outputs[0])
    )
    axes = _mean_axes(mean, known)
    parts = [mean, minus, square, variance, plus, root]
    if not is_whole or axes is None or axes != _mean_axes(variance, known):
        return None
    eps = known(plus.inputs[places[0]])
    whole = _replace(divide, "MeanVarianceNormalization", source, axes=axes, epsilon=eps)
    return [*parts, divide], whole


def _mean_axes(node: Node, known: Callable[[str], float | None]) -> list[int] | None:
    """Return the axes of a mean, which are an attribute, or an input; None if it is no such."""
    if node.op != "ReduceMean" or not node.attributes.get("keepdims", 1):
        return None
    if len(node.inputs) > 1:
        axis = known(node.inputs[1])
        return None if axis is None else [int(axis)]
    axes = node.attributes.get("axes")
    return list(axes) if axes else None


_FINDERS = {"Erf": _find_gelu, "Sqrt": _find_standardization}


def _is_inner(parts: Sequence[Node], takers: Mapping[str, Sequence[Node]], graph: Graph) -> bool:
    """Whether nothing but the nodes themselves takes what they make, but for the last."""
    own = set(map(id, parts))
    return not any(
        name in graph.outputs or any(id(taker) not in own for taker in takers.get(name, ()))
        for node in parts[:-1]
        for name in node.outputs
    )


def _only(nodes: Sequence[Node]) -> Node | None:
    return nodes[0] if len(nodes) == 1 else None


def _other(node: Node, number: float, known: Callable[[str], float | None]) -> str | None:
    """Return the name of the other input of a node of which one is a number."""
    for place, name in enumerate(node.inputs):
        value = known(name)
        if value is not None and abs(value - number) < CLOSE and (place or node.op != "Div"):
            return node.inputs[1 - place] if len(node.inputs) == 2 else None
    return None


def _replace(last: Node, op: str, source: str, **attributes: Any) -> Node:
    """Return a node that makes of a source what this, the last of its parts, makes."""
    import onnx

    proto: Any = onnx.helper.make_node(
        op, [source], list(last.outputs), name=last.proto.name, **attributes
    )
    return Node(proto, last.number)
