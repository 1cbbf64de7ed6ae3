"""Kernels computed from parameters: `gaussian:1.5`, `motion:9:45`.

Angles are in degrees, counter-clockwise from the x axis as seen on the screen: y grows upwards
here, though rows grow downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from convcli.arithmetic.values import MAX_KERNEL_SIDE, parse_number, parse_real, parse_size
from convcli.errors import ArgumentError, KernelError
from convcli.kernels import Kernel, check_size
from convcli.kernels.bank import IDENTITY, SHARPEN, SOBEL_X, Matrix
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.kernels.outer import OuterProduct

Maker: TypeAlias = Callable[..., "Matrix | OuterProduct"]

GABOR_BANDWIDTH = 0.56  # sigma over wavelength, which passes one octave
_QUANTUM = 2.0**-48  # weights that must sum to exactly zero are multiples of it


class Family(NamedTuple):
    """Kernels that differ in their parameters.

    Parameters
    ----------
    syntax : str
        How a SPEC of it is written: `NAME:PARAMETER`, optional parameters in brackets.
    example : str
        Such a SPEC.
    description, source : str
        As in `Kernel`.
    make : callable
        Returns the matrix for the texts of the parameters.
    """

    syntax: str
    example: str
    description: str
    source: str
    make: Maker


FAMILIES: dict[str, Family] = {}


def _family(syntax: str, example: str, description: str, source: str) -> Callable[[Maker], Maker]:
    """Register a function of parameters' texts as a family of kernels."""

    def register(make: Maker) -> Maker:
        FAMILIES[syntax.partition(":")[0]] = Family(syntax, example, description, source, make)
        return make

    return register


def make_kernel(spec: str) -> Kernel:
    """Return the kernel of a SPEC like `gaussian:1.5`, which starts with a name of `FAMILIES`.

    Raises
    ------
    KernelError
        For parameters that the family does not take.

    Examples
    --------
    >>> make_kernel("box:3").sum
    1.0
    """
    name, *parameters = spec.split(":")
    family = FAMILIES[name]
    required = family.syntax.partition("[")[0].count(":")
    if not required <= len(parameters) <= family.syntax.count(":"):
        raise KernelError(f"kernel {spec!r}: it is written {family.syntax}, like {family.example}")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = family.make(*parameters)
        return Kernel(
            spec, cast("Matrix", matrix), description=family.description, source=family.source
        )
    except ArgumentError as error:
        raise type(error)(f"kernel {spec!r}: {error}") from None


@_family("ones:N", "ones:3", "sum of the neighborhood", "ones")
def ones(size: str) -> Matrix | OuterProduct:
    """Return ones, which sum the neighborhood."""
    rows, columns = parse_size(size, "its size")
    check_size((rows, columns), is_separable=True)
    return _multiply(np.ones(rows), np.ones(columns))


@_family("box:N", "box:5", "mean of the neighborhood", "ones / count")
def box(size: str) -> Matrix | OuterProduct:
    """Return the weights of the neighborhood's mean."""
    weights = ones(size)
    return weights / weights.size


@_family(
    "gaussian:SIGMA[:SIGMA_X]",
    "gaussian:1.5",
    "soft blur; of two sigmas, the first is vertical",
    "sampled Gaussian, radius ceil(3*sigma)",
)
def gaussian(sigma: str, sigma_x: str | None = None) -> Matrix | OuterProduct:
    """Return a sampled Gaussian of radius `ceil(3·sigma)` along each axis that sums to 1."""
    column = _sample_gaussian(sigma, "sigma")
    row = column if sigma_x is None else _sample_gaussian(sigma_x, "the horizontal sigma")
    return _multiply(column, row)


def _multiply(column: Matrix, row: Matrix) -> Matrix | OuterProduct:
    """Return the product of a column and a row; as these, if it is large."""
    is_large = max(len(column), len(row)) > MAX_KERNEL_SIDE
    if not is_large:
        return np.outer(column, row)
    from convcli.kernels.outer import OuterProduct

    return OuterProduct(column, row)


def _sample_square(sigma: str, what: str) -> Matrix:
    """Return a Gaussian that is to be added to others, which leaves it not separable."""
    weights = _sample_gaussian(sigma, what)
    check_size((len(weights), len(weights)))
    return np.outer(weights, weights)


def _sample_gaussian(sigma: str, what: str) -> Matrix:
    """Return the weights along one axis, which sum to 1."""
    spread = _parse_positive(sigma, what)
    radius = _radius(3 * spread, is_separable=True)
    weights = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * spread**2))
    return np.asarray(weights / weights.sum())


@_family(
    "log:SIGMA",
    "log:1.4",
    "blobs and edges, positive inside a bright blob",
    "minus the Laplacian of a Gaussian, radius ceil(4*sigma)",
)
def laplacian_of_gaussian(sigma: str) -> Matrix:
    """Return minus the Laplacian of a Gaussian, positive in the center, radius `ceil(4·sigma)`."""
    spread = _parse_positive(sigma, "sigma")
    x, y = _coordinates(_radius(4 * spread))
    exponent = (x**2 + y**2) / (2 * spread**2)
    return _balance((1 - exponent) * np.exp(-exponent) / (np.pi * spread**4))


@_family("dog:S1:S2", "dog:1:1.6", "what lies between two blurs", "gaussian:S1 - gaussian:S2")
def difference_of_gaussians(first: str, second: str) -> Matrix:
    """Return gaussian(S1) - gaussian(S2), of the larger one's size."""
    minuend = _sample_square(first, "the first sigma")
    subtrahend = _sample_square(second, "the second sigma")
    size = max(len(minuend), len(subtrahend))
    return _balance(_pad_to(minuend, size) - _pad_to(subtrahend, size))


@_family("motion:LENGTH[:ANGLE]", "motion:9:45", "blur of a moving camera", "antialiased line")
def motion(length: str, angle: str = "0") -> Matrix:
    """Return the mean along a line: a weight falls with its distance from it, to 0 at one pixel."""
    half = (_parse_positive(length, "the length", minimum=1) - 1) / 2
    cosine, sine = _direction(parse_real(angle, "the angle"))
    is_level, is_upright = sine == 0, cosine == 0
    radius = _radius(half + 1, is_separable=is_level or is_upright)
    x, y = _coordinates(radius)
    x, y = (
        (x[:, radius : radius + 1] if is_upright else x),
        (y[radius : radius + 1] if is_level else y),
    )
    along = np.clip(x * cosine + y * sine, -half, half)
    distance = np.hypot(x - along * cosine, y - along * sine)
    return _scale_to_one(_trim(np.maximum(1 - distance, 0).round(12)))


@_family(
    "unsharp:SIGMA[:AMOUNT]",
    "unsharp:2:1.5",
    "sharpens by what a blur takes away",
    "identity + AMOUNT*(identity - gaussian:SIGMA)",
)
def unsharp(sigma: str, amount: str = "1") -> Matrix:
    """Return the identity plus AMOUNT times what gaussian:SIGMA removes."""
    blur = _sample_square(sigma, "sigma")
    identity = _pad_to(IDENTITY[1:2, 1:2], len(blur))
    return np.asarray(identity + parse_real(amount, "the amount") * (identity - blur))


@_family(
    "sharpen:AMOUNT",
    "sharpen:0.5",
    "makes edges stand out, by degrees",
    "sharpen, its neighbors scaled",
)
def sharpen(amount: str) -> Matrix:
    """Return the kernel `sharpen` with its four neighbors scaled."""
    return np.asarray(IDENTITY + parse_real(amount, "the amount") * (SHARPEN - IDENTITY))


@_family("disk:RADIUS", "disk:3", "blur of a lens", "antialiased disk")
def disk(radius: str) -> Matrix:
    """Return the mean of a disk; pixels on its edge count by about how much of them it covers."""
    reach = _parse_positive(radius, "the radius")
    x, y = _coordinates(_radius(reach))
    return _scale_to_one(_trim(np.clip(reach + 0.5 - np.hypot(x, y), 0, 1)))


@_family(
    "gabor:LAMBDA[:THETA]",
    "gabor:8:45",
    "stripes of one width and direction",
    "even Gabor function, sigma 0.56*LAMBDA, no mean",
)
def gabor(wavelength: str, angle: str = "0") -> Matrix:
    """Return a wave of that length and direction times a Gaussian, with zero mean."""
    length = _parse_positive(wavelength, "the wavelength", minimum=1)
    cosine, sine = _direction(parse_real(angle, "the angle"))
    spread = GABOR_BANDWIDTH * length
    x, y = _coordinates(_radius(3 * spread))
    envelope = np.exp(-(x**2 + y**2) / (2 * spread**2))
    wave = np.cos(2 * np.pi * (x * cosine + y * sine) / length)
    return _balance(envelope * (wave - (envelope * wave).sum() / envelope.sum()))


@_family("sobel:ANGLE", "sobel:45", "edges brighter in a direction", "cos*sobel-x - sin*sobel-y")
def sobel(angle: str) -> Matrix:
    """Return the slope in a direction: `sobel:0` is sobel-x, `sobel:90` is brighter at the top."""
    cosine, sine = _direction(parse_real(angle, "the angle"))
    return np.asarray(cosine * SOBEL_X - sine * SOBEL_X.T + 0.0)  # no -0.0


@_family(
    "random:N[:SEED]",
    "random:3:7",
    "what a layer does before it learns",
    "uniform in +-1/sqrt(weights), PCG64",
)
def random(size: str, seed: str = "0") -> Matrix:
    """Return weights as PyTorch draws them for a layer of one channel, alike on every machine.

    They are made of the raw bits of the generator, whose stream NumPy guarantees; what its
    distributions make of them may differ between releases.
    """
    from numpy.random import PCG64  # which takes long to load

    rows, columns = parse_size(size, "its size")
    check_size((rows, columns))
    bits = PCG64(parse_number(seed, "the seed")).random_raw(rows * columns)
    uniform = (bits >> np.uint64(11)) * 2.0**-53  # in [0, 1)
    return np.asarray((2 * uniform - 1).reshape(rows, columns) / math.sqrt(rows * columns))


def _coordinates(radius: int) -> tuple[Matrix, Matrix]:
    """Return x, to the right, and y, upwards, of every weight within a radius."""
    steps = np.arange(-radius, radius + 1.0)
    return steps[np.newaxis, :], -steps[:, np.newaxis]


def _radius(reach: float, *, is_separable: bool = False) -> int:
    radius = math.ceil(min(reach, 1e6))  # a number far over the limit may be infinite
    check_size((2 * radius + 1, 2 * radius + 1), is_separable=is_separable)
    return radius


def _pad_to(matrix: Matrix, size: int) -> Matrix:
    return np.pad(matrix, (size - len(matrix)) // 2)


def _scale_to_one(weights: Matrix) -> Matrix:
    return np.asarray(weights / weights.sum())


def _trim(matrix: Matrix) -> Matrix:
    """Remove border rows and columns of zeros, as many on opposite sides: the center stays."""
    rows, columns = (np.flatnonzero(matrix.any(axis=axis)) for axis in (1, 0))
    top = min(rows[0], len(matrix) - 1 - rows[-1])
    left = min(columns[0], matrix.shape[1] - 1 - columns[-1])
    return matrix[top : len(matrix) - top, left : matrix.shape[1] - left]


def _balance(matrix: Matrix) -> Matrix:
    """Make the weights sum to exactly zero: the remainder goes to the center."""
    if not matrix.any():
        raise KernelError("all its weights would be zero")
    scale = _QUANTUM * 2.0 ** math.ceil(math.log2(np.abs(matrix).max()))
    weights = np.rint((matrix - matrix.mean()) / scale) * scale
    weights[len(weights) // 2, weights.shape[1] // 2] -= weights.sum()
    return np.asarray(weights)


def _direction(degrees: float) -> tuple[float, float]:
    """Return cosine and sine, exact where they are -1, 0 or 1, and equal at 45°."""
    quarters, rest = divmod(degrees % 360, 90)
    angle = math.radians(rest)
    cosine, sine = math.cos(angle), math.sin(angle)
    if rest == 45:
        sine = cosine
    for _ in range(int(quarters)):
        cosine, sine = -sine, cosine
    return cosine + 0.0, sine + 0.0


def _parse_positive(text: str, what: str, *, minimum: float = 0.1) -> float:
    number = parse_real(text, what)
    if number < minimum:
        raise KernelError(f"{what} must be at least {minimum:g}, not {text}")
    return number
