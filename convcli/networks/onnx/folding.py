"""Nodes whose inputs are all known: the arithmetic of shapes, and what is made of weights.

Exporters compute sizes with nodes (`Shape`, `Gather`, `Concat`), which NumPy does here once. A
function takes the node and its inputs, of which those that were left out are None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.networks.onnx.constants import MAX_RANK, Array, Constant, Root, as_native
from convcli.networks.onnx.model import Node

MAX_FOLDED_VALUES = 1 << 20  # of an array that is made while the file is read

Fold: TypeAlias = "Callable[[Node, Sequence[Array]], Any]"


class NotFoldedError(Exception):
    """A node that is not computed here."""


def fold(node: Node, inputs: Sequence[Constant | None]) -> list[Constant]:
    """Return the outputs of a node whose inputs are known.

    Raises
    ------
    NotFoldedError
        If it is not computed here, or is too large.
    """
    given = [constant for constant in inputs if constant is not None]
    roots = tuple(dict.fromkeys(root for constant in given for root in constant.roots))
    if node.op in _LATER and given:
        return [_fold_later(node, inputs, roots)]
    function = _FOLDS.get(node.op)
    if function is None or node.attributes.get("training_mode"):
        raise NotFoldedError
    if sum(constant.size for constant in given) > MAX_FOLDED_VALUES:
        raise NotFoldedError
    arrays: list[Any] = [constant and constant.load() for constant in inputs]
    try:
        with np.errstate(all="ignore"):
            result = function(node, arrays)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise NotFoldedError from error
    if node.op == "ConstantOfShape":
        return [result.as_root(node.outputs[0])]
    if isinstance(result, Constant):
        return [result._replace(roots=roots)]
    if not given:
        return [Constant.of(result).as_root(node.outputs[0])]
    results = result if isinstance(result, list) else [result]
    return [Constant.of(array, roots) for array in results]


# ---- functions of each value, of weights of any size, which are computed when they are used -----


def _fold_later(node: Node, inputs: Sequence[Constant | None], roots: tuple[Root, ...]) -> Constant:
    function = _LATER[node.op]
    given = [constant for constant in inputs if constant is not None]
    try:
        shapes = [constant.shape for constant in given]
        shape = shapes[0] if node.op in _OF_FIRST_SHAPE else np.broadcast_shapes(*shapes)
        empty = [np.ones((1,) * len(constant.shape), constant.dtype) for constant in given]
        with np.errstate(all="ignore"):
            dtype = np.asarray(function(node, empty)).dtype
    except (ValueError, TypeError) as error:
        raise NotFoldedError from error

    def make() -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(node, [constant.load() for constant in given]))

    if math.prod(shape) <= MAX_FOLDED_VALUES and sum(c.size for c in given) <= MAX_FOLDED_VALUES:
        return Constant.of(make(), roots)
    return Constant(shape, dtype, make, roots)


def _divide(_: Node, arrays: Sequence[Array]) -> Array:
    """Divide; of whole numbers, toward zero."""
    left, right = arrays
    if left.dtype.kind in "iu":
        quotient = np.abs(left) // np.abs(right)
        return np.asarray(np.sign(left) * np.sign(right) * quotient).astype(left.dtype)
    return np.asarray(left / right)


def _reduce_pairs(function: Callable[..., Any]) -> Fold:
    def apply(_: Node, arrays: Sequence[Array]) -> Any:
        result = arrays[0]
        for array in arrays[1:]:
            result = function(result, array)
        return result

    return apply


def _each(function: Callable[..., Any]) -> Fold:
    return lambda _, arrays: function(*arrays)


def _in_its_type(function: Callable[..., Any]) -> Fold:
    return lambda _, arrays: np.asarray(function(arrays[0])).astype(arrays[0].dtype)


def _clip(node: Node, arrays: Sequence[Array]) -> Array:
    if len(node.inputs) > 1:
        places = [place for place, name in enumerate(node.inputs) if name]
        bounds = dict(zip(places, arrays, strict=True))
        low, high = bounds.get(1), bounds.get(2)
    else:
        low, high = node.attributes.get("min"), node.attributes.get("max")
    return np.asarray(np.clip(arrays[0], low, high)).astype(arrays[0].dtype)


def _cast(node: Node, arrays: Sequence[Array]) -> Array:
    import onnx

    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))
    return as_native(arrays[0].astype(dtype))


def _scaled(node: Node, values: Array, scale: Array) -> Array:
    """Return the scale (or zero point) of each value: one for all, or one along an axis."""
    if scale.ndim == 1 and scale.size > 1:
        shape = [1] * values.ndim
        shape[node.attributes.get("axis", 1)] = scale.size
        return scale.reshape(shape)
    if scale.ndim > 1:  # in blocks
        axis, block = node.attributes.get("axis", 1), node.attributes.get("block_size", 0)
        return np.repeat(scale, block, axis=axis) if block else scale
    return scale.reshape(())


def _dequantize(node: Node, arrays: Sequence[Any]) -> Array:
    values, scale = arrays[0].astype(np.float32), arrays[1]
    if len(arrays) > 2 and arrays[2] is not None:
        values = values - _scaled(node, values, arrays[2].astype(np.float32))
    return np.asarray(values * _scaled(node, values, scale)).astype(np.float32)


_OF_FIRST_SHAPE = ("Cast", "CastLike", "DequantizeLinear")
_LATER: dict[str, Fold] = {
    "Abs": _each(np.abs),
    "Add": _each(np.add),
    "And": _each(np.logical_and),
    "Cast": _cast,
    "CastLike": lambda _, arrays: arrays[0].astype(arrays[1].dtype),
    "Ceil": _in_its_type(np.ceil),
    "Clip": _clip,
    "DequantizeLinear": _dequantize,
    "Div": _divide,
    "Equal": _each(np.equal),
    "Exp": _in_its_type(np.exp),
    "Floor": _in_its_type(np.floor),
    "Greater": _each(np.greater),
    "GreaterOrEqual": _each(np.greater_equal),
    "Identity": _each(np.asarray),
    "Less": _each(np.less),
    "LessOrEqual": _each(np.less_equal),
    "Log": _in_its_type(np.log),
    "Max": _reduce_pairs(np.maximum),
    "Min": _reduce_pairs(np.minimum),
    "Mod": lambda node, arrays: (np.fmod if node.attributes.get("fmod") else np.mod)(*arrays),
    "Mul": _each(np.multiply),
    "Neg": _each(np.negative),
    "Not": _each(np.logical_not),
    "Or": _each(np.logical_or),
    "Pow": lambda _, arrays: np.power(*arrays).astype(arrays[0].dtype),
    "Reciprocal": _in_its_type(lambda x: 1 / x),
    "Relu": _each(lambda x: np.maximum(x, 0)),
    "Round": _in_its_type(np.rint),
    "Sign": _each(np.sign),
    "Sqrt": _in_its_type(np.sqrt),
    "Sub": _each(np.subtract),
    "Sum": _reduce_pairs(np.add),
    "Where": _each(np.where),
}


# ---- functions of small arrays ------------------------------------------------------------------


def _checked(shape: Sequence[Any]) -> Shape:
    sides = tuple(int(side) for side in shape)
    if any(side < 0 for side in sides) or len(sides) > MAX_RANK:
        raise ValueError(sides)
    return sides


def _small(shape: Sequence[Any]) -> Shape:
    sides = _checked(shape)
    if math.prod(sides) > MAX_FOLDED_VALUES:
        raise NotFoldedError
    return sides


def _constant_of_shape(node: Node, arrays: Sequence[Array]) -> Constant:
    shape = _checked(arrays[0].reshape(-1).tolist())
    value = node.attributes.get("value")
    import onnx

    filler = (
        np.zeros(1, np.float32) if value is None else as_native(onnx.numpy_helper.to_array(value))
    )
    return Constant(
        shape,
        filler.dtype,
        lambda: np.broadcast_to(filler.reshape(-1)[:1].reshape((1,) * len(shape)), shape),
    )


def _constant(node: Node, _: Sequence[Array]) -> Array:
    import onnx

    (name, value), *_rest = node.attributes.items()
    if name == "value":
        return as_native(onnx.numpy_helper.to_array(value))
    if name in ("value_float", "value_floats"):
        return np.array(value, np.float32)
    if name in ("value_int", "value_ints"):
        return np.array(value, np.int64)
    raise NotFoldedError


def _expand(_: Node, arrays: Sequence[Array]) -> Constant:
    shape = np.broadcast_shapes(arrays[0].shape, _checked(arrays[1].tolist()))
    return Constant(shape, arrays[0].dtype, lambda: np.broadcast_to(arrays[0], shape))


def _range(_: Node, arrays: Sequence[Array]) -> Array:
    start, limit, delta = (array.reshape(()) for array in arrays)
    _small([max(0, math.ceil((limit.item() - start.item()) / delta.item()))])
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _axes(node: Node, arrays: Sequence[Any], place: int = 1) -> tuple[int, ...] | None:
    """Return the axes of an input, or of an attribute in older sets."""
    if len(arrays) > place and arrays[place] is not None:
        return tuple(int(axis) for axis in arrays[place].reshape(-1))
    axes = node.attributes.get("axes")
    return None if axes is None else tuple(axes)


def _reduction(function: Callable[..., Any]) -> Fold:
    def apply(node: Node, arrays: Sequence[Array]) -> Any:
        axes = _axes(node, arrays)
        if not axes and node.attributes.get("noop_with_empty_axes"):
            return arrays[0]
        keeps = bool(node.attributes.get("keepdims", 1))
        result = function(arrays[0], axis=axes or None, keepdims=keeps)
        return np.asarray(result).astype(arrays[0].dtype)

    return apply


def _slice(node: Node, arrays: Sequence[Any]) -> Array:
    values, attributes = arrays[0], node.attributes
    if len(arrays) == 1:
        starts, ends, axes, steps = (
            attributes["starts"],
            attributes["ends"],
            attributes.get("axes"),
            None,
        )
    else:
        starts, ends, axes, steps = (*arrays[1:], None, None)[:4]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * values.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        side = values.shape[axis]
        taken = slice_range(int(start), int(end), int(step), side)
        stop = taken.stop if taken.stop >= 0 else None
        index[int(axis)] = slice(taken.start, stop, taken.step) if taken else slice(0, 0)
    return np.asarray(values[tuple(index)])


def slice_range(start: int, end: int, step: int, side: int) -> range:
    """Return the positions that a slice takes of a side.

    >>> slice_range(-3, 2**63 - 1, 1, 10), slice_range(-1, -(2**63), -2, 5)
    (range(7, 10), range(4, -1, -2))
    """
    return range(*slice(start, end, step).indices(side))


def _split(node: Node, arrays: Sequence[Any]) -> list[Array]:
    axis = node.attributes.get("axis", 0)
    sizes = split_sizes(node, arrays[0].shape[axis], arrays[1] if len(arrays) > 1 else None)
    return list(np.split(arrays[0], np.cumsum(sizes)[:-1], axis=axis))


def split_sizes(node: Node, side: int, given: Any = None) -> list[int]:
    """Return the sizes of the parts that a node splits a side into."""
    given = node.attributes.get("split") if given is None else given
    if given is not None:
        sizes = [int(size) for size in given]
    else:
        count = len(node.outputs)
        part = -(-side // count)
        sizes = [min(part, max(0, side - index * part)) for index in range(count)]
    if sum(sizes) != side or len(sizes) != len(node.outputs) or min(sizes) < 0:
        raise ValueError(sizes)
    return sizes


def _gather(node: Node, arrays: Sequence[Array]) -> Array:
    values, indices = arrays
    axis = node.attributes.get("axis", 0)
    _small([*values.shape[:axis], *indices.shape, *values.shape[axis:][1:]])
    return np.asarray(np.take(values, indices, axis=axis))


def _tile(_: Node, arrays: Sequence[Array]) -> Array:
    values, repeats = arrays
    _small([side * int(times) for side, times in zip(values.shape, repeats, strict=True)])
    return np.tile(values, repeats)


_FOLDS: dict[str, Fold] = {
    "Concat": lambda node, arrays: np.concatenate(arrays, node.attributes["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "CumSum": lambda _, arrays: np.cumsum(arrays[0], int(arrays[1])),
    "Expand": _expand,
    "Gather": _gather,
    "NonZero": lambda _, arrays: np.array(np.nonzero(arrays[0]), np.int64),
    "Range": _range,
    "ReduceMax": _reduction(np.max),
    "ReduceMean": _reduction(np.mean),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "ScatterND": lambda _, arrays: _scatter(*arrays),
    "Shape": lambda node, arrays: shape_slice(node, arrays[0].shape),
    "Size": lambda _, arrays: np.array(arrays[0].size, np.int64),
    "Slice": _slice,
    "Split": _split,
    "Tile": _tile,
    "Trilu": lambda node, arrays: (np.triu if node.attributes.get("upper", 1) else np.tril)(
        arrays[0], int(arrays[1]) if len(arrays) > 1 else 0
    ),
}


def _scatter(values: Array, indices: Array, updates: Array) -> Array:
    result = values.copy()
    result[tuple(np.moveaxis(indices, -1, 0))] = updates
    return result


def shape_slice(node: Node, shape: Shape) -> Array:
    """Return what `Shape` gives: the sides, or some of them."""
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(shape[start:end], np.int64)
