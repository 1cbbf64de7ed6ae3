"""Arrays that an ONNX file holds, or that follow from those, made when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import Shape
from convcli.errors import FileError
from convcli.files import STDIN, open_input
from convcli.files.paths import find_beside
from convcli.records import NamedTuple

Array: TypeAlias = NDArray[Any]

MAX_WEIGHT_BYTES = 4 << 30  # of one array
MAX_EXTERNAL_BYTES = 1 << 42  # of a file beside the model, of which what is declared is read
MAX_RANK = 64
_NATIVE_KINDS = "biufc"


class Root(NamedTuple):
    """An array of the file that may be weights, as others follow from it."""

    name: str
    size: int


class Constant(NamedTuple):
    """An array that is made when it is asked for.

    Parameters
    ----------
    shape : Shape
    dtype : dtype
    make : callable
        Returns the array.
    roots : tuple of Root
        The arrays of more than one number, and of no integers of many bits, that it follows from.
    """

    shape: Shape
    dtype: np.dtype[Any]
    make: Callable[[], Array]
    roots: tuple[Root, ...] = ()

    @staticmethod
    def of(array: Any, roots: tuple[Root, ...] = ()) -> Constant:
        """Return an array that is there already."""
        array = np.asarray(array)
        return Constant(array.shape, array.dtype, lambda: array, roots)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    def as_root(self, name: str) -> Constant:
        """Return the array as one of the file."""
        may_be_weights = self.dtype.kind == "f" or (self.dtype.kind in "iu" and
                                                    self.dtype.itemsize == 1)  # fmt: skip
        is_root = may_be_weights and self.size > 1
        return self._replace(roots=(Root(name, self.size),) if is_root else ())

    def load(self) -> Array:
        """Return the array.

        Raises
        ------
        MemoryError
            If it is larger than any array that is made.
        """
        if self.size * self.dtype.itemsize > MAX_WEIGHT_BYTES:
            raise MemoryError
        return self.make()

    def derive(self, shape: Shape, function: Callable[[Array], Array]) -> Constant:
        """Return a function of the array, of which the shape is known."""
        return self._replace(shape=shape, make=lambda: function(self.load()))

    def reshape(self, shape: Shape) -> Constant:
        """Return the array in another shape."""
        return self.derive(shape, lambda array: array.reshape(shape))

    def transpose(self, order: tuple[int, ...]) -> Constant:
        """Return the array with its axes in another order."""
        return self.derive(tuple(self.shape[axis] for axis in order), lambda x: x.transpose(order))

    def map(self, function: Callable[[Array], Array]) -> Constant:
        """Return a function of each value."""
        return self.derive(self.shape, function)


def read_tensor(tensor: Any, path: str) -> Constant:
    """Return an array that a file holds; its data are read when it is asked for.

    Raises
    ------
    FileError
        If it is not of the size that it states, or lies outside the folder of the file.
    """
    import onnx

    name = tensor.name
    if tensor.DESCRIPTOR.name == "SparseTensorProto":
        return _read_sparse(tensor, path)
    shape = tuple(tensor.dims)
    if len(shape) > MAX_RANK or any(side < 0 for side in shape):
        raise FileError(path, f"the array {name!r} has the shape {shape[:MAX_RANK]}")
    types = onnx.TensorProto
    if tensor.data_type in (types.UNDEFINED, types.STRING) or (
        tensor.data_type not in types.DataType.values()
    ):
        raise FileError(path, f"the array {name!r} holds no numbers")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    count = math.prod(shape)
    if tensor.data_location == types.EXTERNAL:
        read_external = _external_data(tensor, -(-count * _bits(tensor.data_type) // 8), path)
    else:
        read_external = None
        _check_size(tensor, count, path)

    def make() -> Array:
        stored = tensor
        if read_external is not None:
            stored = types(name=name, data_type=tensor.data_type, dims=shape)
            stored.raw_data = read_external()
        try:
            array = onnx.numpy_helper.to_array(stored)
        except (ValueError, TypeError, OverflowError) as error:
            raise FileError(path, f"the array {name!r} is damaged: {error}") from error
        return as_native(array)

    kind = dtype if dtype.kind in _NATIVE_KINDS and dtype != np.float16 else np.dtype(np.float32)
    return Constant(shape, kind, make).as_root(name)


def as_native(array: Array) -> Array:
    """Return floats of 16 bits and fewer, and integers of few bits, as float32, which is exact."""
    is_native = array.dtype.kind in _NATIVE_KINDS and array.dtype != np.float16
    return array if is_native else array.astype(np.float32)


def _bits(data_type: int) -> int:
    """Return the bits of a value in a file."""
    import onnx

    name = onnx.TensorProto.DataType.Name(data_type)
    few = next(
        (bits for bits in (2, 4) if name.startswith((f"INT{bits}", f"UINT{bits}", f"FLOAT{bits}"))),
        0,
    )
    return few or 8 * np.dtype(onnx.helper.tensor_dtype_to_np_dtype(data_type)).itemsize


def _check_size(tensor: Any, count: int, path: str) -> None:
    """Raise if an array does not hold as many values as it states."""
    import onnx

    name, field = tensor.name, onnx.helper.tensor_dtype_to_field(tensor.data_type)
    if tensor.HasField("raw_data"):
        wanted, found = -(-count * _bits(tensor.data_type) // 8), len(tensor.raw_data)
        unit = "bytes"
    else:
        wanted, found, unit = count, len(getattr(tensor, field)), "values"
        if field == "int32_data" and _bits(tensor.data_type) < 8:
            wanted = -(-count * _bits(tensor.data_type) // 8)
        if np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).kind == "c":
            wanted *= 2
    if wanted != found:
        raise FileError(path, f"the array {name!r} states {wanted:,} {unit}, and has {found:,}")


def _external_data(tensor: Any, size: int, path: str) -> Callable[[], bytes]:
    """Return what reads the data of an array from a file beside the model.

    Raises
    ------
    FileError
        If the file is not in the model's folder, is missing, or too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location, what = entries.get("location", ""), f"the data of the array {tensor.name!r}"
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        raise FileError(path, f"{what} have no numbers as their place") from None
    if offset < 0 or length != size:
        raise FileError(path, f"{what} should have {size:,} bytes, not {length:,}")
    target = None if path == STDIN or not location else find_beside(path, location)
    if target is None:
        raise FileError(path, f"{what} are to lie in {location!r}, which is not in its folder")
    if not Path(target).is_file():
        raise FileError(path, f"{what} are to lie in {location!r}, which is not there")
    if Path(target).stat().st_size < offset + size:
        raise FileError(path, f"{what} end beyond the end of {location!r}")

    def read() -> bytes:
        with open_input(target, MAX_EXTERNAL_BYTES) as stream:
            stream.seek(offset)
            content = stream.read(size)
        if len(content) < size:
            raise FileError(path, f"{what} end beyond the end of {location!r}")
        return content

    return read


def _read_sparse(sparse: Any, path: str) -> Constant:
    """Return an array of which only the values that are not zero are stored."""
    values, indices = read_tensor(sparse.values, path), read_tensor(sparse.indices, path)
    shape = tuple(sparse.dims)
    if any(side < 1 for side in shape):
        raise FileError(path, f"the sparse array {sparse.values.name!r} has the shape {shape}")

    def make() -> Array:
        dense = np.zeros(shape, values.dtype)
        places = indices.load()
        try:
            if places.ndim == 1:
                dense.flat[places] = values.load()
            else:
                dense[tuple(places.T)] = values.load()
        except (IndexError, ValueError) as error:
            cause = f"the sparse array {sparse.values.name!r} is damaged: {error}"
            raise FileError(path, cause) from error
        return dense

    return Constant(shape, values.dtype, make).as_root(sparse.values.name)
