"""Nodes that together are one operation of the notation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from convcli.networks.onnx.model import Graph, Node

CLOSE = 1e-3  # to which a constant is known, as exporters write it with few bits


def fuse(graph: Graph, known: Callable[[str], float | None]) -> list[Node]:
    """Return the nodes of a graph, of which those that are a GELU are one.

    Exporters write `x * (1 + erf(x / sqrt(2))) / 2` as a node for each arithmetic operation.

    Parameters
    ----------
    graph : Graph
    known : callable
        Returns the number of that name, if it is one.
    """
    nodes = graph.nodes
    makers = {name: node for node in nodes for name in node.outputs}
    takers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            takers.setdefault(name, []).append(node)
    replaced: dict[int, Node] = {}
    dropped: set[int] = set()
    for node in nodes:
        found = None
        if node.op == "Erf":
            with suppress(
                IndexError, KeyError
            ):  # of nodes without the inputs that they should have
                found = _find_gelu(node, makers, takers, known)
        if found is not None and _is_inner(found[1][:-1], graph):
            source, parts = found
            replaced[id(parts[-1])] = _gelu(source, parts[-1])
            dropped.update(map(id, parts))
    return [replaced.get(id(node), node) for node in nodes
            if id(node) not in dropped or id(node) in replaced]  # fmt: skip


def _find_gelu(
    erf: Node,
    makers: Mapping[str, Node],
    takers: Mapping[str, Sequence[Node]],
    known: Callable[[str], float | None],
) -> tuple[str, list[Node]] | None:
    """Return the name of x, and the nodes of a GELU that this node is part of."""
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
        return source, [scaled, erf, plus, half, times]
    last = _only(takers.get(times.outputs[0], ()))
    if other != source or last is None or last.op != "Mul" or _other(last, 0.5, known) is None:
        return None
    return source, [scaled, erf, plus, times, last]


def _is_inner(parts: Sequence[Node], graph: Graph) -> bool:
    """Whether nothing but the next one takes what the nodes make."""
    return graph.inner.issuperset(name for node in parts for name in node.outputs)


def _only(nodes: Sequence[Node]) -> Node | None:
    return nodes[0] if len(nodes) == 1 else None


def _other(node: Node, number: float, known: Callable[[str], float | None]) -> str | None:
    """Return the name of the other input of a node of which one is a number."""
    for place, name in enumerate(node.inputs):
        value = known(name)
        if value is not None and abs(value - number) < CLOSE and (place or node.op != "Div"):
            return node.inputs[1 - place] if len(node.inputs) == 2 else None
    return None


def _gelu(source: str, last: Node) -> Node:
    import onnx

    proto: Any = onnx.helper.make_node("Gelu", [source], list(last.outputs), name=last.proto.name)
    return Node(proto, last.number)
