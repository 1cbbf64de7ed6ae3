"""Kernels: weights with an origin and a bias, found by a SPEC.

A SPEC is a name (`sobel-x`), one with parameters (`gaussian:1.5`), an inline matrix, a file, or a
layer of a file of weights (`model.onnx:conv1`, `weights.safetensors:conv1.weight`).
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from convcli.arithmetic.values import MAX_KERNEL_SIDE, Pair
from convcli.errors import GridError, KernelError, LimitError, did_you_mean
from convcli.files.paths import split_name, suffix_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from convcli.kernels.outer import OuterProduct, Vector

MAX_SEPARABLE_SIDE = 10_001  # likewise, of a kernel that is a column times a row
ZERO_SUM = 1e-12  # relative to the sum of absolute weights
RANK_TOLERANCE = 1e-12  # relative to the largest singular value
INLINE_NAME = "custom"
INLINE_SOURCE = "inline"
SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".npy", ".mat")
WEIGHTS_SUFFIXES = (".onnx", ".safetensors")  # of files of the weights of layers, by their names
FIELDS = ("name", "matrix", "origin", "bias", "description", "source", "notes", "groups")
REFUSED = (".npz",)  # recognized as kernel files, and refused with a reason

# Compiled where they are used. A file of the weights of layers, and maybe the name of one behind a
# colon.
_WEIGHTS_FILE = rf"(?is)@?(.*?(?:{'|'.join(map(re.escape, WEIGHTS_SUFFIXES))}))(?::(.*))?\Z"
_INLINE = r"\[|[0-9eE+\-.,;/\s]+\Z"
_NUMBER_END = r"(\.[0-9]*)?\Z"  # in place of a suffix, as in gausian:1.5
_SIZE = r"[0-9]+(x[0-9]+)?\Z"


class Kernel:
    """A kernel, in the orientation in which correlation applies it.

    Parameters
    ----------
    name : str
        Its name in lists, titles and output names.
    matrix : ndarray of float64, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        Two axes filter each channel separately, three sum over the channels into one map, four are
        a layer's weights. A file's scale is included. With more than `MAX_KERNEL_SIDE` rows or
        columns it is an `OuterProduct`, as `outer` says, which is filtered without being written
        out.
    origin : (row, column), optional
        The weight that lies on the pixel being computed; see `anchor` for the default.
    bias : float or ndarray of float64, (C_out,)
        Added to every sum, in levels of the image; one for each map of a layer's weights.
    description, source : str
        The effect of the kernel, and where its weights come from.
    notes : tuple of str
        Messages to the user about how it was read.
    groups : int
        Groups of channels of a layer's weights, whose second axis has those of one.

    Examples
    --------
    >>> kernel = Kernel("mine", np.array([[1.0, 2.0, 1.0]]))
    >>> kernel.size, kernel.anchor, kernel.sum, kernel.rank
    ((1, 3), (0, 1), 4.0, 1)
    >>> np.asarray(kernel)
    array([[1., 2., 1.]])
    """

    name: str
    matrix: NDArray[np.float64]
    origin: Pair | None
    bias: float | NDArray[np.float64]
    description: str
    source: str
    notes: tuple[str, ...]
    groups: int

    __slots__ = FIELDS

    def __init__(  # noqa: PLR0917  # a record
        self,
        name: str,
        matrix: ArrayLike,
        origin: Pair | None = None,
        bias: float | NDArray[np.float64] = 0.0,
        description: str = "",
        source: str = "",
        notes: tuple[str, ...] = (),
        groups: int = 1,
    ) -> None:
        values = (name, matrix, origin, bias, description, source, notes, groups)
        for field, value in zip(FIELDS, values, strict=True):
            object.__setattr__(self, field, value)
        if self.outer is None:
            object.__setattr__(self, "matrix", _as_matrix(matrix))
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(self.magnitude):
                raise KernelError("its weights are no finite numbers, or too large to be summed")
        if max(self.size) > MAX_KERNEL_SIDE and self.outer is None:
            from convcli.kernels.outer import factorize

            check_size(self.size, is_separable=self.matrix.ndim == 2)
            object.__setattr__(self, "matrix", factorize(self.matrix) or self.matrix)
        check_size(self.size, is_separable=self.outer is not None)
        if not all(0 <= index < side for index, side in zip(self.anchor, self.size, strict=True)):
            raise KernelError(
                f"its origin {self.anchor} lies outside {self.size[0]}x{self.size[1]}"
            )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to {name}: a kernel is not changed, but replaced")

    def __reduce__(self) -> tuple[type[Kernel], tuple[Any, ...]]:
        return Kernel, tuple(getattr(self, name) for name in FIELDS)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in FIELDS)
        return f"Kernel({values})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.matrix, dtype, copy=copy)

    @property
    def size(self) -> Pair:
        """The height and width in weights: (kh, kw)."""
        return self.matrix.shape[-2], self.matrix.shape[-1]

    @property
    def anchor(self) -> Pair:
        """The row and column of the origin; by default `((kh - 1) // 2, (kw - 1) // 2)`."""
        return self.origin or ((self.size[0] - 1) // 2, (self.size[1] - 1) // 2)

    @property
    def sum(self) -> float:
        """The sum of the weights: the factor by which an area of one value is multiplied."""
        if self.outer is not None:
            return self.outer.total
        return math.fsum(self.matrix.flat)

    @property
    def has_bias(self) -> bool:
        """Whether the bias, or that of a map, is other than 0."""
        return bool(np.any(self.bias))

    @property
    def outer(self) -> OuterProduct | None:
        """The matrix of a large kernel as the product that it is; None for any other."""
        matrix: Any = self.matrix
        return matrix if hasattr(matrix, "factors") else None  # a property of its class alone

    @property
    def magnitude(self) -> float:
        """The sum of the absolute weights."""
        if self.outer is not None:
            return self.outer.magnitude
        return float(np.abs(self.matrix).sum())

    @property
    def factors(self) -> tuple[Vector, Vector] | None:
        """The column and the row of a matrix that is kept as these; None for any other."""
        return None if self.outer is None else self.outer.factors

    @property
    def is_typed(self) -> bool:
        """Whether its weights were typed on the command line."""
        return self.source == INLINE_SOURCE

    @property
    def rank(self) -> int | None:
        """The rank of the matrix, 1 for a separable kernel; None for more than two axes."""
        if self.matrix.ndim != 2:
            return None
        if self.outer is not None:
            return int(self.magnitude > 0)
        return int(np.linalg.matrix_rank(self.matrix, rtol=RANK_TOLERANCE))

    @property
    def has_zero_sum(self) -> bool:
        """Whether the weights of a map sum to 0, but for rounding errors."""
        if self.matrix.ndim < 4:
            return abs(self.sum) <= ZERO_SUM * self.magnitude
        maps = self.matrix.reshape(len(self.matrix), -1)
        limits = ZERO_SUM * np.abs(maps).sum(axis=1)
        return bool((np.abs(maps.sum(axis=1)) <= limits).any())

    def normalized(self) -> Kernel:
        """Return the kernel divided by the sum of its weights: areas of one value keep it.

        Raises
        ------
        KernelError
            If that sum is zero.
        """
        total = self.sum
        if abs(total) <= ZERO_SUM * self.magnitude:
            raise KernelError("its weights sum to zero, so it cannot be normalized")
        return self.replace(matrix=self.matrix / total)

    def replace(self, **changes: Any) -> Kernel:
        """Return the kernel with other values of some parameters."""
        return Kernel(**{name: getattr(self, name) for name in FIELDS} | changes)


def check_size(size: Pair, *, is_separable: bool = False) -> None:
    """Raise if a kernel, not yet allocated, has more rows or columns than allowed."""
    if max(size) > (MAX_SEPARABLE_SIDE if is_separable else MAX_KERNEL_SIDE):
        raise LimitError(
            f"a kernel of {size[0]}x{size[1]} is too large: the most is {MAX_KERNEL_SIDE} a side, "
            f"{MAX_SEPARABLE_SIDE} where it is separable"
        )


def _as_matrix(weights: Any) -> NDArray[np.float64]:
    """Return the weights of a kernel as a read-only copy."""
    try:
        matrix = np.array(weights, np.float64)
    except (TypeError, ValueError) as error:
        raise KernelError(f"its weights are no array of numbers: {error}") from None
    matrix.flags.writeable = False
    if matrix.ndim not in (2, 3, 4) or 0 in matrix.shape:
        raise KernelError(f"a kernel has two, three or four axes, not the shape {matrix.shape}")
    return matrix


def load_kernel(spec: str | os.PathLike[str]) -> Kernel:
    """Return the kernel that a SPEC names, made, parsed or read from a file.

    Parameters
    ----------
    spec : str
        A name (`sobel-x`; `sobel_x` too), one with parameters (`gaussian:1.5`), rows of numbers
        (`"0,-1,0; -1,5,-1; 0,-1,0"`, `"[1/4 1/2 1/4]"`, ImageMagick's `"3x1: 1,2,1"`), or a file,
        known by its suffix or by a leading `@`; of a file with the weights of layers, followed by
        the name of one: `model.onnx:conv1`, `weights.safetensors:conv1.weight`.

    Raises
    ------
    KernelError
        For any other text, with the most similar name; as `KernelFileError`, for a file without a
        kernel.

    Examples
    --------
    >>> load_kernel("sobel_x").matrix[0]
    array([-1.,  0.,  1.])
    >>> load_kernel("1 2; 3 4").matrix
    array([[1., 2.],
           [3., 4.]])
    """
    spec_text = os.fspath(spec)
    text = spec_text.strip()
    path = kernel_path(spec_text)
    if found := re.match(_WEIGHTS_FILE, spec_text):
        from convcli.kernels.trained import read_layer

        return read_layer(found[1], found[2])
    if path is not None:
        from convcli.kernels.files import read_kernel

        return read_kernel(path)
    from convcli.kernels.bank import find_kernel

    name = text.lower().replace("_", "-")
    named = find_kernel(name)
    if named is not None:
        return named
    if re.match(_SIZE, text):
        raise KernelError(
            f"kernel {spec_text!r} is a size, not weights; "
            f"try box:{text}, a mean, or ones:{text}, a sum"
            + ("" if "x" in text else f"; [{text}] is a single weight")
        )
    if _is_inline(text):
        return _parse_inline(text)
    from convcli.kernels.parametric import FAMILIES, make_kernel

    if name.partition(":")[0] in FAMILIES:
        return make_kernel(name)
    raise KernelError(f"unknown kernel {spec_text!r}; {_find_hint(spec_text, name)}")


def kernel_path(spec: str) -> str | None:
    """Return the path if a SPEC names a file, otherwise None.

    >>> kernel_path("@mine"), kernel_path("mine.csv"), kernel_path("gaussian:1.5")
    ('mine', 'mine.csv', None)
    >>> kernel_path("net.safetensors:conv1.weight")
    'net.safetensors'
    """
    if found := re.match(_WEIGHTS_FILE, spec):
        return found[1]
    if spec.startswith("@") and len(spec) > 1:
        return spec[1:]
    return spec if suffix_of(spec) in (*SUFFIXES, *REFUSED) else None


def weights_path(spec: str) -> str | None:
    """Return the path if a SPEC is a file of the weights of layers, and names none of them.

    >>> weights_path("net.safetensors"), weights_path("net.safetensors:conv1.weight")
    ('net.safetensors', None)
    """
    found = re.match(_WEIGHTS_FILE, spec)
    return found[1] if found and not found[2] else None


def _find_hint(spec: str, name: str) -> str:
    """Return what may have been meant by a SPEC that is no kernel."""
    from convcli.kernels.answers import find_answer
    from convcli.kernels.bank import bank
    from convcli.kernels.parametric import FAMILIES

    family, colon, parameters = name.replace(" ", "-").partition(":")
    answer = find_answer(family, parameters)
    if answer is not None:
        return answer
    if colon and family in bank():
        return f"{family!r} has no parameters"
    if "/" in spec or not re.match(_NUMBER_END, split_name(spec)[1]):
        suffixes = ", ".join((*SUFFIXES, *WEIGHTS_SUFFIXES))
        return f"a kernel file ends in {suffixes}, and a name is one of 'convcli kernels'"
    hint = did_you_mean(family, [*bank(), *FAMILIES])
    return hint.removeprefix("; ") or "convcli kernels lists them"


def _is_inline(text: str) -> bool:
    """Whether a SPEC holds weights, in brackets, in rows, or as a kernel string of ImageMagick."""
    if text[:1].isdigit() and ":" in text:
        from convcli.kernels.text import has_geometry

        return has_geometry(text)
    return bool(re.match(_INLINE, text)) and any(character.isdigit() for character in text)


def _parse_inline(text: str) -> Kernel:
    from convcli.grids.text import INLINE
    from convcli.kernels.text import parse_kernel

    try:
        kernel = parse_kernel(text, INLINE)
    except GridError as error:
        raise KernelError(f"kernel {text!r}: {error.cause}") from None
    except KernelError as error:
        raise KernelError(f"kernel {text!r}: {error}") from None
    return kernel.replace(
        name=INLINE_NAME, description="typed on the command line", source=INLINE_SOURCE
    )
