"""Kernels that are worked out from parameters: `gaussian:1.5`, `motion:9:45`.

Angles are in degrees, counter-clockwise from the x axis as seen on the screen, so `y` grows upwards
here though rows grow downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import parse_real, parse_size
from convcli.errors import ArgumentError, KernelError
from convcli.kernels import Kernel, check_size
from convcli.kernels.bank import IDENTITY, SHARPEN, SOBEL_X

Matrix = NDArray[np.float64]

_QUANTUM = 2.0**-48  # weights that must sum to exactly zero are whole multiples of this
GABOR_BANDWIDTH = 0.56  # sigma over wavelength that lets one octave through


class Family(NamedTuple):
    """One kind of kernel with parameters.

    Parameters
    ----------
    syntax : str
        How a SPEC of it is written.
    example : str
        One such SPEC.
    description, source : str
        As in `Kernel`.
    make : callable
        The matrix for the parameters' texts.
    least, most : int
        How many parameters it takes.
    """

    syntax: str
    example: str
    description: str
    source: str
    make: Callable[..., Matrix]
    least: int = 1
    most: int = 1


def make_kernel(spec: str) -> Kernel | None:
    """The kernel of a SPEC like `gaussian:1.5`; None where no family has that name.

    Raises
    ------
    KernelError
        For parameters that the family cannot have.

    Examples
    --------
    >>> make_kernel("box:3").sum
    1.0
    """
    name, *parameters = spec.split(":")
    family = FAMILIES.get(name)
    if family is None:
        return None
    if not family.least <= len(parameters) <= family.most:
        raise KernelError(f"kernel {spec!r}: it is written {family.syntax}, like {family.example}")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = family.make(*parameters)
        return Kernel(spec, matrix, description=family.description, source=family.source)
    except ArgumentError as error:
        raise type(error)(f"kernel {spec!r}: {error}") from None


def ones(size: str) -> Matrix:
    """Ones: the sum of the neighborhood."""
    sides = parse_size(size, "its size")
    check_size(sides)
    return np.ones(sides)


def box(size: str) -> Matrix:
    """The mean of the neighborhood."""
    weights = ones(size)
    return weights / weights.size


def gaussian(sigma: str) -> Matrix:
    """A sampled Gaussian of radius `ceil(3·sigma)` that sums to 1."""
    return _gaussian(_positive(sigma, "sigma"))


def laplacian_of_gaussian(sigma: str) -> Matrix:
    """Minus the Laplacian of a Gaussian, positive in the center; radius `ceil(4·sigma)`."""
    spread = _positive(sigma, "sigma")
    x, y = _positions(_radius(4 * spread))
    distance = (x**2 + y**2) / (2 * spread**2)
    return _without_sum((1 - distance) * np.exp(-distance) / (np.pi * spread**4))


def difference_of_gaussians(first: str, second: str) -> Matrix:
    """gaussian(S1) - gaussian(S2), on the larger one's size."""
    one = _gaussian(_positive(first, "the first sigma"))
    other = _gaussian(_positive(second, "the second sigma"))
    size = max(len(one), len(other))
    return _without_sum(_centered(one, size) - _centered(other, size))


def motion(length: str, angle: str = "0") -> Matrix:
    """A line's mean: a weight falls with its distance to the line, to 0 at one pixel."""
    half = (_positive(length, "the length", least=1) - 1) / 2
    cosine, sine = _direction(_number(angle, "the angle"))
    x, y = _positions(_radius(half + 1))
    along = np.clip(x * cosine + y * sine, -half, half)
    distance = np.hypot(x - along * cosine, y - along * sine)
    weights = _trimmed(np.maximum(1 - distance, 0).round(12))
    return _averaging(weights)


def unsharp(sigma: str, amount: str = "1") -> Matrix:
    """The identity plus AMOUNT times what gaussian:SIGMA takes away."""
    blurred = gaussian(sigma)
    identity = _centered(IDENTITY[1:2, 1:2], len(blurred))
    return np.asarray(identity + _number(amount, "the amount") * (identity - blurred))


def sharpen(amount: str) -> Matrix:
    """The kernel `sharpen` with its four neighbors scaled."""
    return np.asarray(IDENTITY + _number(amount, "the amount") * (SHARPEN - IDENTITY))


def disk(radius: str) -> Matrix:
    """The mean of a disk, its rim weighted by about how much of a pixel it covers."""
    reach = _positive(radius, "the radius")
    x, y = _positions(_radius(reach))
    weights = _trimmed(np.clip(reach + 0.5 - np.hypot(x, y), 0, 1))
    return _averaging(weights)


def gabor(wavelength: str, angle: str = "0") -> Matrix:
    """A wave of that length and direction under a Gaussian, its mean taken out."""
    length = _positive(wavelength, "the wavelength", least=1)
    cosine, sine = _direction(_number(angle, "the angle"))
    spread = GABOR_BANDWIDTH * length
    x, y = _positions(_radius(3 * spread))
    envelope = np.exp(-(x**2 + y**2) / (2 * spread**2))
    wave = np.cos(2 * np.pi * (x * cosine + y * sine) / length)
    return _without_sum(envelope * (wave - (envelope * wave).sum() / envelope.sum()))


def sobel(angle: str) -> Matrix:
    """The slope in a direction: `sobel:0` is sobel-x, `sobel:90` is brighter at the top."""
    cosine, sine = _direction(_number(angle, "the angle"))
    return np.asarray(cosine * SOBEL_X - sine * SOBEL_X.T + 0.0)  # no -0.0


def _gaussian(sigma: float) -> Matrix:
    radius = _radius(3 * sigma)
    weights = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    return np.outer(weights, weights)


def _positions(radius: int) -> tuple[Matrix, Matrix]:
    """x, to the right, and y, upwards, of every weight within a radius."""
    steps = np.arange(-radius, radius + 1.0)
    return steps[np.newaxis, :], -steps[:, np.newaxis]


def _radius(reach: float) -> int:
    radius = math.ceil(min(reach, 1e6))  # what is far over the limit may be no integer at all
    check_size((2 * radius + 1, 2 * radius + 1))
    return radius


def _centered(matrix: Matrix, size: int) -> Matrix:
    margin = (size - len(matrix)) // 2
    return np.pad(matrix, margin)


def _averaging(weights: Matrix) -> Matrix:
    return np.asarray(weights / weights.sum())


def _trimmed(matrix: Matrix) -> Matrix:
    """Cut off borders of nothing but zeros, alike on opposite sides so that the center stays."""
    rows, columns = (np.flatnonzero(matrix.any(axis=axis)) for axis in (1, 0))
    top = min(rows[0], len(matrix) - 1 - rows[-1])
    left = min(columns[0], matrix.shape[1] - 1 - columns[-1])
    return matrix[top : len(matrix) - top, left : matrix.shape[1] - left]


def _without_sum(matrix: Matrix) -> Matrix:
    """Make the weights sum to zero, exactly: the center takes what is left."""
    if not matrix.any():
        raise KernelError("all its weights would be zero")
    scale = _QUANTUM * 2.0 ** math.ceil(math.log2(np.abs(matrix).max()))
    weights = np.rint((matrix - matrix.mean()) / scale) * scale
    weights[len(weights) // 2, weights.shape[1] // 2] -= weights.sum()
    return np.asarray(weights)


def _direction(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact where they are -1, 0 or 1."""
    quarter, rest = divmod(degrees % 360, 90)
    angle = math.radians(rest)
    cosine, sine = math.cos(angle), math.sin(angle)
    if rest == 45:  # where both are the same number, and not only nearly
        sine = cosine
    for _ in range(int(quarter)):
        cosine, sine = -sine, cosine
    return cosine + 0.0, sine + 0.0


def _number(text: str, what: str) -> float:
    return parse_real(text, what)


def _positive(text: str, what: str, *, least: float = 0.1) -> float:
    number = _number(text, what)
    if number < least:
        raise KernelError(f"{what} must be at least {least:g}, not {text}")
    return number


FAMILIES: dict[str, Family] = {
    "ones": Family("ones:N", "ones:3", "sum of the neighborhood", "ones", ones),
    "box": Family("box:N", "box:5", "mean of the neighborhood", "ones / count", box),
    "gaussian": Family(
        "gaussian:SIGMA",
        "gaussian:1.5",
        "soft blur",
        "sampled Gaussian, radius ceil(3*sigma)",
        gaussian,
    ),
    "log": Family(
        "log:SIGMA",
        "log:1.4",
        "blobs and edges, positive inside a bright blob",
        "minus the Laplacian of a Gaussian, radius ceil(4*sigma)",
        laplacian_of_gaussian,
    ),
    "dog": Family(
        "dog:S1:S2",
        "dog:1:1.6",
        "what lies between two blurs",
        "gaussian:S1 - gaussian:S2",
        difference_of_gaussians,
        2,
        2,
    ),
    "motion": Family(
        "motion:LENGTH[:ANGLE]",
        "motion:9:45",
        "blur of a moving camera",
        "antialiased line",
        motion,
        1,
        2,
    ),
    "unsharp": Family(
        "unsharp:SIGMA[:AMOUNT]",
        "unsharp:2:1.5",
        "sharpens by what a blur takes away",
        "identity + AMOUNT*(identity - gaussian:SIGMA)",
        unsharp,
        1,
        2,
    ),
    "sharpen": Family(
        "sharpen:AMOUNT",
        "sharpen:0.5",
        "makes edges stand out, by degrees",
        "sharpen, its neighbors scaled",
        sharpen,
    ),
    "disk": Family("disk:RADIUS", "disk:3", "blur of a lens", "antialiased disk", disk),
    "gabor": Family(
        "gabor:LAMBDA[:THETA]",
        "gabor:8:45",
        "stripes of one width and direction",
        "even Gabor function, sigma 0.56*LAMBDA, no mean",
        gabor,
        1,
        2,
    ),
    "sobel": Family(
        "sobel:ANGLE",
        "sobel:45",
        "edges brighter in a direction",
        "cos*sobel-x - sin*sobel-y",
        sobel,
    ),
}
