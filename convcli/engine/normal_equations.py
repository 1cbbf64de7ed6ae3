"""Normal equations of a linear model, gathered tile by tile, and their solution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.scratch import MAX_COLUMNS_BYTES, Scratch, split_plane
from convcli.records import NamedTuple

MIN_EIGENVALUE = 1e-12  # relative to the largest; below are rounding errors of the sums
MIN_TILES = 64  # of a picture, so that some of them are a fair sample
MIN_POSITIONS = 1024  # of a tile, for long products
SCALE_STEPS = 256  # the mean is rounded to this share of the scale: whole numbers stay exact


class Scale(NamedTuple):
    """How values are shifted and scaled, such that their products neither overflow nor cancel.

    Parameters
    ----------
    center : float
    size : float
        A power of two.
    """

    center: float
    size: float

    @classmethod
    def of(cls, values: Array, *, is_centered: bool) -> Scale:
        """Return the scale that takes values to about -1..1, around their mean if asked."""
        largest = max(-float(values.min()), float(values.max()))
        size = 2.0 ** min(math.frexp(largest)[1], 1023) if largest else 1.0
        if not is_centered:
            return cls(0.0, size)
        step = max(values.size // 1_000_000, 1)
        mean = float((values.reshape(-1)[::step] / size).mean(dtype=np.float64))
        return cls(round(mean * SCALE_STEPS) / SCALE_STEPS * size, size)

    def apply(self, values: Array) -> Array:
        """Return values, shifted and scaled, as float64."""
        return np.asarray((values.astype(np.float64) - self.center) / self.size)


@dataclass(frozen=True, slots=True)
class Rails:
    """The values between which a target was not clipped, as a model predicts it.

    Parameters
    ----------
    low, high : float
        The smallest and the largest value of the target, where clipped values are.
    margin : float
        How far inside a prediction must be.
    """

    low: float = -math.inf
    high: float = math.inf
    margin: float = 0.0

    def contain(self, values: Array) -> Array:
        """Return which values lie well inside."""
        return (values > self.low + self.margin) & (values < self.high - self.margin)


@dataclass(slots=True)
class Sums:
    """Sums over the equations: one for each pixel and channel of the target.

    Parameters
    ----------
    gram : ndarray, (unknowns, unknowns)
        Of the products of the columns.
    moment : ndarray, (unknowns,)
        Of their products with the residuals.
    squares : float
        Of the squared residuals.
    total, total_squares : float
        Of the scaled target and its squares.
    count : int
        Equations.
    left_out : int
        Pixels that were left out, as they may be clipped.
    """

    gram: Array
    moment: Array
    squares: float = 0.0
    total: float = 0.0
    total_squares: float = 0.0
    count: int = 0
    left_out: int = 0

    @classmethod
    def zeros(cls, unknowns: int) -> Sums:
        """Return sums of nothing."""
        return cls(np.zeros((unknowns, unknowns)), np.zeros(unknowns))

    @property
    def variation(self) -> float:
        """The sum of the squared differences of the scaled target from its mean."""
        return max(self.total_squares - self.total**2 / max(self.count, 1), 0.0)


class Equations(NamedTuple):
    """The equations of a pair of pictures.

    Parameters
    ----------
    source : ndarray, (H, W, C)
    target : ndarray, (H - kh + 1, W - kw + 1, C)
        Of each window of the source.
    size : (kh, kw)
    has_bias : bool
        Whether 1 is a column, too.
    scales : (Scale, Scale)
        Of the source and of the target.
    """

    source: Array
    target: Array
    size: Pair
    has_bias: bool
    scales: tuple[Scale, Scale]

    def add_to(
        self, sums: Sums, model: Array, rails: Rails, max_positions: int, *, has_gram: bool
    ) -> None:
        """Add up the equations of the residuals that a model leaves.

        Parameters
        ----------
        sums : Sums
        model : ndarray, (unknowns,)
            All zeros: the target itself says what is clipped, not the model.
        rails : Rails
            In the target's own units.
        max_positions : int
            Of those that are taken, on tiles drawn from the whole picture.
        has_gram : bool
            Whether the products of the columns are added up, too.
        """
        (source_scale, target_scale), scratch = self.scales, Scratch()
        for rows, columns, channel in self._choose_tiles(max_positions):
            target = self.target[rows, columns, channel].ravel()
            values = target_scale.apply(target)
            block = self.source[
                rows.start : rows.stop + self.size[0] - 1,
                columns.start : columns.stop + self.size[1] - 1,
                channel,
            ]
            matrix = self._fill(source_scale.apply(block), values.size, scratch)
            predictions = model @ matrix
            residuals = values - predictions
            judged = predictions * target_scale.size if model.any() else target
            is_kept = rails.contain(judged)
            count = int(np.count_nonzero(is_kept))
            if count < values.size:
                matrix *= is_kept
                residuals *= is_kept
                values *= is_kept
            if has_gram:
                sums.gram += matrix @ matrix.T
            sums.moment += matrix @ residuals
            sums.squares += float(residuals @ residuals)
            sums.total += float(values.sum())
            sums.total_squares += float(values @ values)
            sums.count += count
            sums.left_out += is_kept.size - count

    @property
    def unknowns(self) -> int:
        """Weights, and the bias."""
        return math.prod(self.size) + self.has_bias

    def _fill(self, block: Array, positions: int, scratch: Scratch) -> Array:
        """Return the columns matrix of a block, (unknowns, positions)."""
        matrix = scratch("columns", (self.unknowns, positions), np.float64)
        windows = sliding_window_view(block, self.size).transpose(2, 3, 0, 1)
        matrix[: math.prod(self.size)].reshape(windows.shape)[...] = windows
        if self.has_bias:
            matrix[-1] = 1.0
        return matrix

    def _choose_tiles(self, max_positions: int) -> Iterator[tuple[slice, slice, int]]:
        """Yield tiles of the target with a channel: all, or some that are drawn at random."""
        height, width, channels = self.target.shape
        largest = MAX_COLUMNS_BYTES // (8 * self.unknowns)
        fair = max(height * width // MIN_TILES, MIN_POSITIONS)
        tiles = [
            (*tile, channel)
            for tile in split_plane(height, width, max(min(largest, fair), 1))
            for channel in range(channels)
        ]
        wanted = math.ceil(len(tiles) * min(max_positions / self.target.size, 1.0))
        if wanted < len(tiles):
            chosen = np.random.default_rng(0).choice(len(tiles), wanted, replace=False)
            tiles = [tiles[index] for index in sorted(chosen.tolist())]
        yield from tiles


@dataclass(frozen=True, slots=True)
class Solution:
    """The solution of normal equations.

    Parameters
    ----------
    values : ndarray, (unknowns,)
    rank : int
        Unknowns that the equations tell apart; with fewer than there are, the values are zeros.
    """

    values: Array
    rank: int
    _eigenvalues: Array
    _vectors: Array  # scaled

    @property
    def variances(self) -> Array:
        """The variance of each unknown, over that of the residuals."""
        return np.asarray((self._vectors**2 / self._eigenvalues).sum(axis=1))

    def spread(self, combination: Array) -> float:
        """Return the variance of a sum of the unknowns, over that of the residuals.

        Parameters
        ----------
        combination : ndarray, (unknowns,)
            The factor of each unknown.
        """
        return float(((combination @ self._vectors) ** 2 / self._eigenvalues).sum())


def solve(sums: Sums) -> Solution:
    """Solve normal equations by the eigenvalues of their matrix, scaled to a diagonal of ones."""
    lengths = np.sqrt(np.diag(sums.gram))
    lengths[lengths == 0] = 1.0
    eigenvalues, vectors = np.linalg.eigh(sums.gram / np.outer(lengths, lengths))
    vectors /= lengths[:, np.newaxis]
    rank = int(np.count_nonzero(eigenvalues > MIN_EIGENVALUE * max(eigenvalues[-1], 0.0)))
    values = np.zeros(len(lengths))
    if rank == len(lengths):
        values = vectors @ ((sums.moment @ vectors) / eigenvalues)
    return Solution(values, rank, eigenvalues, vectors)
