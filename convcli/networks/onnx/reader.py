"""The nodes of a graph as layers: what each value is, and which layers and weights there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from convcli.arithmetic.layers import OPERATIONS, Layer, output_shape
from convcli.arithmetic.notation import INPUT_KEYWORD, format_layer, parse_layer
from convcli.arithmetic.operations import as_name
from convcli.arithmetic.values import Shape, format_shape
from convcli.errors import ArgumentError, FileError
from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.folding import NotFoldedError, fold
from convcli.networks.onnx.model import Graph, Node
from convcli.networks.onnx.views import View, normalize
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.networks.onnx.inference import ShapeInference

MAX_SETTING_VALUES = 1 << 12  # of an input that says how a node works


class UnknownError(Exception):
    """A node that no operation of the notation does."""


class MisfitError(UnknownError):
    """A node that an operation does, but not of its inputs."""


def as_axis(axis: int, rank: int) -> int:
    """Return the number of an axis, which may be counted from the last, from -1 on.

    Raises
    ------
    MisfitError
        If there is no such axis.
    """
    if not -rank <= axis < rank:
        raise MisfitError(f"its input has {rank} axes, and none is {axis}")
    return int(axis) % rank


class Value(NamedTuple):
    """A tensor that a layer makes.

    Parameters
    ----------
    layer : str
        Its name; `input` is the network's own input.
    shape : (C, H, W) or (N,)
        Of the layer's output.
    view : View
        How the tensor follows from that output.
    """

    layer: str
    shape: Shape
    view: View

    @property
    def dims(self) -> Shape:
        """The shape of the tensor."""
        return self.view.dims


Made: TypeAlias = "Value | Constant"


class Call:
    """A node, with its inputs and what its conversion needs.

    Parameters
    ----------
    reader : Reader
    node : Node
    """

    def __init__(self, reader: Reader, node: Node) -> None:
        self.reader, self.node = reader, node
        self.opset = reader.graph.opset
        self.inputs = [reader.find(name) if name else None for name in node.inputs]
        self.batch = reader.batch

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the node."""
        value = self.node.attributes.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def has(self, place: int) -> bool:
        """Whether the node has an input at a place."""
        return place < len(self.inputs) and self.inputs[place] is not None

    def constant(self, place: int) -> Constant | None:
        """Return an input that is known, or None where there is none.

        Raises
        ------
        UnknownError
            If a layer makes it.
        """
        value = self.inputs[place] if self.has(place) else None
        if isinstance(value, Value):
            raise UnknownError
        return value

    def numbers(self, place: int) -> list[Any] | None:
        """Return the numbers of a known input that says how the node works."""
        constant = self.constant(place)
        if constant is None:
            return None
        if constant.size > MAX_SETTING_VALUES:
            raise UnknownError
        return list(constant.load().reshape(-1).tolist())

    def value(self, place: int = 0) -> Value:
        """Return an input that a layer makes.

        Raises
        ------
        UnknownError
            If it is known already, or left out.
        """
        value = self.inputs[place] if self.has(place) else None
        if not isinstance(value, Value):
            raise UnknownError
        return value

    def map(self, place: int = 0) -> Value:
        """Return an input as the values of a layer, in their order."""
        return self.reader.as_plain(self.value(place), self.node.inputs[place])

    def emit(
        self,
        layer: Layer,
        *inputs: Value,
        weights: Mapping[str, Constant] | None = None,
        dims: Shape | None = None,
        view: View | None = None,
        name: str | None = None,
    ) -> Value:
        """Add a layer.

        Parameters
        ----------
        layer : Layer
            Without its name and its inputs.
        *inputs : Value
        weights : mapping, optional
        dims : tuple of int, optional
            Of the tensor that it makes; as many as those of its first input if left out.
        view : View, optional
            In place of `dims`.
        name : str, optional
            The node's, if left out.
        """
        name = self.node.name if name is None else name
        return self.reader.emit(layer, inputs, weights or {}, dims=dims, view=view, name=name)


Converter: TypeAlias = Callable[[Call], "Made | list[Made]"]


def make_layer(op: str, **values: Any) -> Layer:
    """Return a layer with values of its fields and settings; what has its default is left out.

    Raises
    ------
    UnknownError
        If there is no such operation, or no such setting, or the notation does not hold its value.
    """
    if op not in OPERATIONS:
        raise UnknownError
    bare = Layer(op, kernel=values.pop("kernel", None))
    try:
        layer = bare.with_values(**(bare.operation.implied(bare) | values))
        typed = layer._replace(sources=("a", "b")) if layer.operation.is_join else layer
        is_held = parse_layer(format_layer(typed)) == typed  # a stride of 0 is not
    except (KeyError, ArgumentError) as error:
        raise UnknownError from error
    if not is_held:
        raise UnknownError
    return layer


class Reader:
    """The layers of a graph, as far as it was read.

    Parameters
    ----------
    graph : Graph
    path : str
    batch : int
        The first axis of the tensors, which the notation does not have.
    inference : ShapeInference
        For nodes that no operation does.
    """

    def __init__(self, graph: Graph, path: str, batch: int, inference: ShapeInference) -> None:
        self.graph, self.path, self.batch, self.inference = graph, path, batch, inference
        self.values: dict[str, Made] = {}
        self.layers: list[Layer] = []
        self.weights: dict[str, dict[str, Constant]] = {}
        self.learned: dict[str, dict[str, int]] = {}  # of each layer: array -> its parameters
        self.unknown: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.open_biases: dict[str, str] = {}  # tensors -> layers that a shift may be the bias of
        self.guessed: set[str] = set()  # tensors whose shape nothing says
        self.types: dict[str, int] = {}
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        self.takers = graph.find_takers()
        self._has_input = False
        self._plain: dict[str, Value] = {}
        self._constants = {node.outputs[0]: node for node in graph.nodes if node.op == "Constant"}
        self._names: Counter[str] = Counter({INPUT_KEYWORD: 1})

    def fail(self, node: Node, cause: str) -> NoReturn:
        """Raise for a node that contradicts itself."""
        raise FileError(self.path, f"{node}: {cause}")

    def number(self, name: str) -> float | None:
        """Return the number that a name is of before the first node is read, if it is one."""
        value: Any = self.values.get(name)
        if name in self._constants:
            try:
                (value,) = fold(self._constants[name], [])
            except NotFoldedError:
                return None
        if not isinstance(value, Constant) or value.size != 1 or value.dtype.kind not in "fi":
            return None
        return float(value.load().reshape(-1)[0])

    def find(self, name: str) -> Made:
        """Return a value by its name."""
        return self.values[name]

    def unique_name(self, name: str) -> str:
        """Return a name of the notation that no layer has."""
        wanted = result = as_name(name)
        while result in self._names:
            self._names[wanted] += 1
            result = f"{wanted}_{self._names[wanted]}"
        self._names[result] += 1
        return result

    def shape_of(self, dims: Shape) -> Shape:
        """Return the shape of a tensor in the notation, which has no batch, and one axis or three.

        1-D maps have one row; the axes between the first and the last of more than three are one.
        """
        if len(dims) > 1 and dims[0] == self.batch:
            dims = dims[1:]
        if len(dims) < 2:
            return dims or (1,)
        return dims[0], math.prod(dims[1:-1]), dims[-1]

    def dims_of(self, shape: Shape, rank: int) -> Shape:
        """Return the dims of a tensor with a shape in the notation."""
        if len(shape) == 1:
            return (self.batch, *shape) if rank > 1 else shape
        return (self.batch, shape[0], shape[2]) if rank == 3 else (self.batch, *shape)

    def add_input(self, name: str, dims: Shape, order: Sequence[int] | None = None) -> None:
        """Add an input of the network; `order` has its axes as (batch, C, H, W)."""
        inner = dims if order is None else tuple(dims[axis] for axis in order)
        view = View.of(inner)
        if order is not None:
            view = view.transpose([order.index(axis) for axis in range(len(order))])
        shape = self.shape_of(inner)
        layer = INPUT_KEYWORD
        if self._has_input:
            layer = self.unique_name(name)
            self.layers.append(make_layer("input", shape=shape, name=layer))
        self._has_input = True
        self.values[name] = Value(layer, shape, view)

    def emit(
        self,
        layer: Layer,
        inputs: Sequence[Value],
        weights: Mapping[str, Constant],
        *,
        name: str,
        dims: Shape | None = None,
        view: View | None = None,
    ) -> Value:
        """Add a layer; `Call.emit` says how.

        Raises
        ------
        MisfitError
            If it does not take its inputs or its weights.
        """
        shapes = [value.shape for value in inputs]
        try:
            shape = output_shape(layer, shapes) if inputs else layer.value("out")
        except ArgumentError as error:
            raise MisfitError(str(error)) from None
        if layer.op != "opaque":
            self._check_weights(layer, shapes[0], weights)
        if view is None:
            view = View.of(self.dims_of(shape, len(inputs[0].dims)) if dims is None else dims)
        own = self.unique_name(name)
        sources = tuple(value.layer for value in inputs)
        self.layers.append(layer._replace(name=own, sources=sources))
        if weights:
            self.weights[own] = dict(weights)
            self.learned[own] = {
                root.name: constant.size
                for name, constant in weights.items()
                if name in layer.operation.weights(layer, shapes[0]) and len(constant.roots) == 1
                for root in constant.roots
            }
        return Value(own, shape, view)

    def add_bias(self, names: Iterable[str], value: Value, bias: Constant) -> bool:
        """Give the last layer a bias, if it makes one of some tensors and can have one."""
        layers = [self.open_biases.get(name) for name in names]
        if value.layer not in layers or self.layers[-1].name != value.layer:
            return False
        self.layers[-1] = self.layers[-1]._replace(bias=True)
        self.weights[value.layer]["bias"] = bias
        self.learned[value.layer] |= {root.name: bias.size for root in bias.roots}
        return True

    @staticmethod
    def _check_weights(layer: Layer, shape: Shape, weights: Mapping[str, Constant]) -> None:
        operation = layer.operation
        wanted = operation.weights(layer, shape) | operation.statistics(layer, shape)
        found = {name: constant.shape for name, constant in weights.items()}
        for name in {**wanted, **found}:
            if wanted.get(name) != found.get(name):
                had, takes = (format_shape(sides) if sides else "none" for sides in
                              (found.get(name), wanted.get(name)))  # fmt: skip
                raise MisfitError(f"its {name} is {had}, and its input takes {takes}")

    def as_plain(self, value: Value, name: str) -> Value:
        """Return a tensor as the values of a layer in their order, which a layer may have to make.

        Parameters
        ----------
        value : Value
        name : str
            Of the tensor; the layer is named like the node that makes it.
        """
        shape = self.shape_of(value.dims)
        if value.view.is_plain and shape == value.shape:
            return value
        if name not in self._plain:
            layer = self._rearrangement(value, shape)
            own = self.unique_name((name in self.makers and self.makers[name].proto.name) or name)
            self.layers.append(layer._replace(name=own, sources=(value.layer,)))
            self._plain[name] = Value(own, shape, View.of(value.dims))
        return self._plain[name]

    def _rearrangement(self, value: Value, shape: Shape) -> Layer:
        """Return the layer that makes a tensor of the values of another layer."""
        if value.view.is_plain and math.prod(shape) == math.prod(value.shape):
            is_flat = len(shape) == 1
            return make_layer("flatten") if is_flat else _reshape(shape)
        form = normalize(value.view.factors, value.view.order)
        for layer, factors, order in _shuffles(value.shape, shape, form[0]):
            if normalize((self.batch, *factors), (0, *(index + 1 for index in order))) == form:
                return layer
        kind = "Reshape" if value.view.is_plain else "Transpose"  # which moves between batches
        self.unknown[kind] += 1
        return make_layer("opaque", type=kind, out=shape)


def _reshape(shape: Shape) -> Layer:
    try:
        return make_layer("reshape", shape=shape)
    except UnknownError:
        return make_layer("opaque", type="Reshape", out=shape)


def _shuffles(
    before: Shape, after: Shape, sizes: Shape
) -> Iterable[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
    """Yield the shuffles between two shapes: the layer, the factors, and their order afterwards.

    The sizes are those of the factors of which one may be the number of groups.
    """
    if len(before) != 3 or len(after) != 3:
        return
    channels, rows, columns = before
    found: list[tuple[str, dict[str, Any], Shape, Shape]] = []
    factors: Shape
    if before == after:
        for groups in dict.fromkeys(sizes):
            if channels % groups == 0:
                factors = (groups, channels // groups, rows * columns)
                found.append(("channelshuffle", {"groups": groups}, factors, (1, 0, 2)))
    if after[1] % rows == 0 and after[1] > rows:
        side = after[1] // rows
        factors = (after[0], side, side, rows, columns)
        found.append(("pixelshuffle", {"block": side}, factors, (0, 3, 1, 4, 2)))
        factors = (side, side, after[0], rows, columns)
        found.append(("pixelshuffle", {"block": side, "dcr": True}, factors, (2, 3, 0, 4, 1)))
    elif rows % after[1] == 0 and rows > after[1]:
        side = rows // after[1]
        factors = (channels, after[1], side, after[2], side)
        found.append(("pixelunshuffle", {"block": side}, factors, (0, 2, 4, 1, 3)))
        found.append(("pixelunshuffle", {"block": side, "dcr": True}, factors, (2, 4, 0, 1, 3)))
    for op, values, factors, order in found:
        if math.prod(factors) == math.prod(before):
            try:
                yield make_layer(op, **values), factors, order
            except UnknownError:
                continue
