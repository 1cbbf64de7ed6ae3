"""An ONNX file as a graph: read within limits, checked, sorted, without what nothing depends on."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeAlias

from convcli.errors import FileError
from convcli.records import NamedTuple

Dims: TypeAlias = tuple[int | str, ...]  # of a declared shape: a number, or the name of an open one

MIN_OPSET = 6  # before, operations had other inputs
MAX_NODES = 200_000
MAX_SUBGRAPHS = 10_000  # in the attributes of nodes
DEFAULT_DOMAINS = ("", "ai.onnx")


class Node:
    """A node of the graph.

    Parameters
    ----------
    proto : NodeProto
    number : int
        Its place in the file, from 1.
    """

    def __init__(self, proto: Any, number: int) -> None:
        self.proto, self.number = proto, number
        self.op: str = proto.op_type
        self.domain: str = proto.domain
        self.inputs: tuple[str, ...] = tuple(proto.input)
        self.outputs: tuple[str, ...] = tuple(proto.output)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that should be text, which the library that reads files leaves unchecked."""
        return (self.op, self.domain, self.proto.name, *self.inputs, *self.outputs)

    @property
    def name(self) -> str:
        """Its name, else that of its first output."""
        return self.proto.name or next(filter(None, self.outputs), "")

    def __str__(self) -> str:
        return f"node {self.number} ({self.op}, {self.name!r})"

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The values of its attributes by their names, without those of unknown types."""
        import onnx

        values = {}
        for attribute in self.proto.attribute:
            with suppress(ValueError, TypeError):
                values[attribute.name] = onnx.helper.get_attribute_value(attribute)
        return values

    @property
    def used(self) -> Iterable[str]:
        """The names that it depends on, those in its subgraphs among them."""
        if any(attribute.HasField("g") or attribute.graphs for attribute in self.proto.attribute):
            return dict.fromkeys((*filter(None, self.inputs), *_captured(self.proto)))
        return filter(None, self.inputs)


class Graph(NamedTuple):
    """The graph of a model.

    Parameters
    ----------
    nodes : list of Node
        Those that an output depends on, each after those that it depends on.
    tensors : mapping
        The initializers by their names.
    inputs : mapping of str to Dims or None
        Those that are no initializers; None if even the number of axes is open.
    outputs : tuple of str
    declared : mapping of str to Dims
        The shapes of other values that the file states.
    opset : int
    used : set of str
        The names of all values that an output depends on.
    functions : set of str
        The operations that the model itself defines.
    inner : set of str
        The values that one node takes and nothing else: no output, and no subgraph.
    """

    nodes: list[Node]
    tensors: Mapping[str, Any]
    inputs: Mapping[str, Dims | None]
    outputs: tuple[str, ...]
    declared: Mapping[str, Dims]
    opset: int
    used: frozenset[str]
    functions: frozenset[str]
    inner: frozenset[str]

    def find_takers(self) -> dict[str, list[Node]]:
        """Return the nodes that take each value, by its name."""
        takers: dict[str, list[Node]] = {name: [] for name in self.used}
        for node in self.nodes:
            for name in filter(None, node.inputs):
                takers[name].append(node)
        return takers


def parse_graph(content: bytes, path: str) -> Graph:
    """Return the graph of a model.

    Raises
    ------
    FileError
        If it is no ONNX file, or its graph contradicts itself.
    """
    import onnx

    if not content:
        raise FileError(path, "is empty")
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # of a library that onnx reads with, which may be another one
        if isinstance(error, MemoryError):
            raise
        raise FileError(path, "is no ONNX file, or it is damaged") from None
    proto = model.graph
    if not proto.node or not proto.output:
        raise FileError(path, "is no ONNX file, or one without a network")
    if len(proto.node) > MAX_NODES:
        raise FileError(path, f"has {len(proto.node):,} nodes, and the most is {MAX_NODES:,}")
    opset = _opset(model, path)
    tensors = {tensor.name: tensor for tensor in proto.initializer}
    tensors |= {sparse.values.name: sparse for sparse in proto.sparse_initializer}
    inputs = {info.name: _dims(info) for info in proto.input if info.name not in tensors}
    nodes = [Node(node, number) for number, node in enumerate(proto.node, start=1)]
    outputs = tuple(dict.fromkeys(info.name for info in proto.output))
    names = (*tensors, *inputs, *outputs, *(name for node in nodes for name in node.texts))
    if not all(isinstance(name, str) for name in names):
        raise FileError(path, "holds a name that is no text")
    declared = {info.name: _dims(info) for info in (*proto.value_info, *proto.output)}
    kept = _sort(nodes, {*tensors, *inputs, ""}, outputs, path)
    used = frozenset((*outputs, *(name for node in kept for name in node.used)))
    return Graph(
        kept,
        tensors,
        {name: dims for name, dims in inputs.items() if name in used},
        outputs,
        {name: dims for name, dims in declared.items() if dims is not None},
        opset,
        used,
        frozenset(function.name for function in model.functions),
        _find_inner(kept, outputs),
    )


def _find_inner(nodes: Sequence[Node], outputs: Sequence[str]) -> frozenset[str]:
    """Return the values that one node takes and nothing else."""
    uses = Counter(name for node in nodes for name in node.inputs)
    captured = {name for node in nodes for name in node.used if name not in node.inputs}
    once = {name for name, count in uses.items() if count == 1}
    return frozenset(once.difference(captured, outputs))


def _opset(model: Any, path: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS]
    opset = max(versions, default=1)
    if opset < MIN_OPSET:
        raise FileError(
            path,
            f"is of operator set {opset}, and those from {MIN_OPSET} on are read; "
            "onnx.version_converter converts it",
        )
    return int(opset)


def _dims(info: Any) -> Dims | None:
    """Return the declared shape of a value."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in kind.shape.dim
    )


def _captured(proto: Any) -> Iterator[str]:
    """Yield the names that the subgraphs of a node take from around it."""
    waiting = [
        graph
        for attribute in proto.attribute
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)
    ]
    own: set[str] = set()
    names: dict[str, None] = {}
    for _ in range(MAX_SUBGRAPHS):
        if not waiting:
            break
        graph = waiting.pop()
        own.update(info.name for info in graph.input)
        own.update(tensor.name for tensor in graph.initializer)
        names |= dict.fromkeys(info.name for info in graph.output)
        for node in graph.node:
            own.update(node.output)
            names |= dict.fromkeys(node.input)
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs
    yield from (name for name in names if name and name not in own)


def _sort(nodes: Sequence[Node], known: set[str], outputs: Sequence[str], path: str) -> list[Node]:
    """Return the nodes that the outputs depend on, each after those that it depends on."""
    makers = _makers(nodes, known, path)
    used: dict[int, tuple[str, ...]] = {}  # what each node that the outputs depend on takes
    waiting = []
    for name in outputs:
        if name in makers:
            waiting.append(makers[name])
        elif name not in known:
            raise FileError(path, f"nothing makes its output {name!r}")
    while waiting:
        index = waiting.pop()
        if index not in used:
            used[index] = tuple(nodes[index].used)
            waiting += _before(used[index], makers)
    for index, names in used.items():
        for name in names:
            if name not in makers and name not in known and name in nodes[index].inputs:
                raise FileError(path, f"{nodes[index]} takes {name!r}, which nothing makes")
    return _in_order(nodes, used, makers, path)


def _makers(nodes: Sequence[Node], known: set[str], path: str) -> dict[str, int]:
    """Return the index of the node that makes each value."""
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in makers or name in known:
                raise FileError(path, f"{node} makes {name!r}, which is made already")
            makers[name] = index
    return makers


def _in_order(
    nodes: Sequence[Node], used: Mapping[int, Sequence[str]], makers: Mapping[str, int], path: str
) -> list[Node]:
    """Return nodes in the order of the file, but each after those that it depends on."""
    missing = {
        index: {makers[name] for name in names if name in makers} for index, names in used.items()
    }
    followers: dict[int, list[int]] = {}
    for index in sorted(missing):
        for before in missing[index]:
            followers.setdefault(before, []).append(index)
    ready = deque(index for index in sorted(missing) if not missing[index])
    result = []
    while ready:
        index = ready.popleft()
        result.append(index)
        for follower in followers.get(index, ()):
            missing[follower].discard(index)
            if not missing[follower]:
                ready.append(follower)
    if len(result) < len(missing):
        node = nodes[min(set(missing) - set(result))]
        raise FileError(path, f"{node} depends on its own output")
    is_sorted = all(before < index for index in used for before in _before(used[index], makers))
    return [nodes[index] for index in (sorted(used) if is_sorted else result)]


def _before(names: Iterable[str], makers: Mapping[str, int]) -> Iterator[int]:
    return (makers[name] for name in names if name in makers)
