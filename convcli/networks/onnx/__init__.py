"""ONNX files, read as layers and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import INPUT_KEYWORD
from convcli.arithmetic.values import Shape, format_shape
from convcli.errors import ArgumentError, FileError
from convcli.files import STDIN, read_bytes
from convcli.networks import InputSides, NetworkFile, OpenInputError
from convcli.networks.onnx.constants import Array, Constant, read_tensor
from convcli.networks.onnx.convert import convert_node
from convcli.networks.onnx.fusion import fuse
from convcli.networks.onnx.inference import ShapeInference
from convcli.networks.onnx.model import Dims, Graph, Node, parse_graph
from convcli.networks.onnx.reader import Reader, Value, make_layer

ONNX_EXTRA = "pip install 'convcli[onnx]', or '.[onnx]' where it was checked out"
# Operations whose input has a batch and channels, and any number of further axes.
NEEDS_BATCH = ("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GlobalAveragePool",
               "InstanceNormalization", "LRN", "MaxPool", "PRelu")  # fmt: skip
MAX_MODEL_BYTES = 2 << 30  # of a file: the most that its format holds


class Weights(Mapping[str, Mapping[str, Array]]):
    """The weights of layers by their names, which are made whenever they are asked for."""

    def __init__(self, constants: Mapping[str, Mapping[str, Constant]]) -> None:
        self._constants = constants

    def __getitem__(self, name: str) -> Mapping[str, Array]:
        """Return the arrays of a layer by their names."""
        return {key: constant.load() for key, constant in self._constants[name].items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._constants)

    def __len__(self) -> int:
        return len(self._constants)


def read_onnx(path: str, input_shapes: Mapping[str, Shape] | None = None) -> NetworkFile:
    """Read an ONNX file; `convcli.networks.read_onnx` says how."""
    graph = open_graph(path)
    sizes = _input_dims(graph, dict(input_shapes or {}), path)
    with ShapeInference() as inference:
        reader = Reader(graph, path, _batch(graph, sizes), inference)
        outputs = _read_graph(reader, sizes)
    return _network_file(reader, outputs, "stdin" if path == STDIN else Path(path).stem)


def open_graph(path: str) -> Graph:
    """Return the graph of a file."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise FileError(path, f"to read it needs the extra `onnx`: {ONNX_EXTRA}") from None
    return parse_graph(read_bytes(path, MAX_MODEL_BYTES), path)


def _read_graph(reader: Reader, sizes: Mapping[str, Shape]) -> dict[str, str]:
    """Read all nodes; return the layers that make the outputs, by the names of these."""
    graph = reader.graph
    reader.values |= {name: read_tensor(tensor, reader.path)
                      for name, tensor in graph.tensors.items() if name in graph.used}  # fmt: skip
    for name, dims in sizes.items():
        reader.add_input(name, dims, _channels_first(reader.takers[name], dims))
    for node in fuse(graph, reader.number):
        convert_node(reader, node)
    return {name: _output(reader, name) for name in graph.outputs}


# ---- inputs -------------------------------------------------------------------------------------


def _input_dims(graph: Graph, given: dict[str, Shape], path: str) -> dict[str, Shape]:
    """Return the shape of each input with the batch, from the file and from what the user gave."""
    names = list(graph.inputs)
    if not names:
        raise FileError(path, "has no input that its outputs depend on")
    if INPUT_KEYWORD in given and INPUT_KEYWORD not in names:
        given[names[0]] = given.pop(INPUT_KEYWORD)
    for name in given:
        if name not in names:
            raise ArgumentError(f"{path} has no input {name!r}; it has {', '.join(names)}")
    sizes = {}
    for name, declared in graph.inputs.items():
        dims = _with_given(name, declared, given.get(name))
        if dims is None or not all(map(_is_number, dims)):
            raise _open_error(name, dims, is_only=len(names) == 1)
        sizes[name] = tuple(map(int, dims))
    return sizes


def _with_given(name: str, declared: Dims | None, given: Shape | None) -> Dims | None:
    """Return the shape of an input with the batch, 1 if it is open, and what the user gave."""
    if declared is None:
        return None if given is None else (1, *given)
    has_batch = len(declared) > 1
    dims = (1, *declared[1:]) if has_batch and not _is_number(declared[0]) else declared
    if given is None:
        return dims
    wanted = (*dims[:1], *given) if has_batch and len(given) == len(dims) - 1 else given
    is_same = len(wanted) == len(dims) and all(
        side == size or not _is_number(side) for side, size in zip(dims, wanted, strict=True)
    )
    if not is_same:
        raise ArgumentError(
            f"the input {name!r} is {_format(dims[has_batch:])}, not {format_shape(given)}"
        )
    return wanted


def _open_error(name: str, dims: Dims | None, *, is_only: bool) -> OpenInputError:
    if dims is None:
        cause = f"the shape of the input {name!r} is open"
        return OpenInputError(name, "CHW", cause, is_only=is_only)
    names = ("batch", "channels", "height", "width") if len(dims) == 4 else ()
    texts = [
        names[axis] if names else f"axis {axis}"
        for axis, side in enumerate(dims)
        if not _is_number(side)
    ]
    sides = _format(dims[1:] if len(dims) > 1 else dims).split("x")
    cause = f"the input {name!r} leaves its {' and '.join(texts)} open"
    return OpenInputError(name, sides, cause, is_only=is_only)


def read_input_sides(path: str) -> dict[str, InputSides]:
    """Return the shape of each input; `convcli.networks.read_input_sides` says how."""
    graph = open_graph(path)
    found, takers = {}, graph.find_takers()
    for name, dims in graph.inputs.items():
        if dims is None:
            found[name] = InputSides(None)
            continue
        sides = tuple(int(side) if _is_number(side) else None for side in dims)
        order = _channels_first(takers[name], tuple(side or 0 for side in sides))
        if order is not None:
            sides = tuple(sides[axis] for axis in order)
        found[name] = InputSides(sides[1:] if len(sides) > 1 else sides, order is not None)
    return found


def _is_number(side: int | str) -> bool:
    return isinstance(side, int) and side > 0


def _format(dims: Sequence[int | str]) -> str:
    """Return open sides as letters."""
    letters = "CHW" if len(dims) == 3 else "NMLKJI"
    return "x".join(
        str(side) if _is_number(side) else letters[axis % len(letters)]
        for axis, side in enumerate(dims)
    )


def _batch(graph: Graph, sizes: Mapping[str, Shape]) -> int:
    """Return the first axis of an input, if that is a batch; 1 if there is none.

    Three axes may be (C, H, W) as well: a node that takes them says which they are.
    """
    batched = {node.inputs[0] for node in graph.nodes if node.op in NEEDS_BATCH and node.inputs}
    for name, dims in sizes.items():
        has_batch = len(dims) in (2, 4, 5) or name in batched
        if has_batch and len(dims) > 1:
            return dims[0]
    return 1


def _channels_first(takers: Sequence[Node], dims: Shape) -> Sequence[int] | None:
    """Return the order that the nodes which take an input in (H, W, C) give it."""
    order = [0, 3, 1, 2]
    is_taken_so = len(dims) == 4 and all(
        node.op == "Transpose" and node.attributes.get("perm") == order for node in takers
    )
    return order if is_taken_so and takers else None


# ---- outputs ------------------------------------------------------------------------------------


def _output(reader: Reader, name: str) -> str:
    """Return the layer that makes an output."""
    value = reader.values[name]
    if isinstance(value, Constant):
        reader.notes[f"the output {name!r} does not depend on the input, and is left out"] = None
        return ""
    order = value.view.permutation
    if order is not None and order != tuple(sorted(order)) and order[0] == 0:
        reader.notes[f"the output {name!r} has other axes in the file: {order}"] = None
        value = value._replace(
            view=value.view.transpose([order.index(i) for i in range(len(order))])
        )
    value = reader.as_plain(value, name)
    if value.layer == INPUT_KEYWORD:
        value = reader.emit(make_layer("identity"), [value], {}, name=name)
    return value.layer


def _network_file(reader: Reader, outputs: Mapping[str, str], name: str) -> NetworkFile:
    """Return what was read, without the layers that no output depends on."""
    outputs = {output: layer for output, layer in outputs.items() if layer}
    if not outputs:
        raise FileError(reader.path, "none of its outputs depends on an input")
    used = set(outputs.values())
    for layer in reversed(reader.layers):
        if layer.name in used:
            used.update(layer.sources)
    layers = [layer for layer in reader.layers if layer.name in used]
    weights = {
        layer.name: reader.weights[layer.name] for layer in layers
        if layer.name is not None and layer.name in reader.weights
    }  # fmt: skip
    values = {key: reader.values[key] for key in reader.graph.inputs}
    inputs = {
        key: value.shape for key, value in values.items()
        if isinstance(value, Value) and value.layer in used | {INPUT_KEYWORD}
    }  # fmt: skip
    return NetworkFile(
        name,
        inputs,
        tuple(_short(layers)),
        outputs,
        Weights(weights),
        _counted(layers, reader.learned),
        (*reader.notes, *_unknown_note(reader)),
    )


def _short(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield layers, of which one that takes the output of the one before does not say so."""
    before = INPUT_KEYWORD
    for layer in layers:
        yield layer._replace(sources=()) if layer.sources == (before,) else layer
        before = layer.name or ""


def _counted(layers: Sequence[Layer], learned: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return how many parameters of each layer are those of an earlier one."""
    seen: set[str] = set()
    result = {}
    for layer in layers:
        name = layer.name or ""
        arrays = learned.get(name, {})
        again = sum(size for array, size in arrays.items() if array in seen)
        if again:
            result[name] = again
        seen.update(arrays)
    return result


def _unknown_note(reader: Reader) -> list[str]:
    if not reader.unknown:
        return []
    counts = ", ".join(f"{count} {op}" for op, count in sorted(reader.unknown.items()))
    return [f"operations of which only shape and costs are known, and not what they see: {counts}"]
