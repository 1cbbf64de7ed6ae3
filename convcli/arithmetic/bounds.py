"""What the values of a map cannot exceed, and by how much rounding can make equal values differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convcli.records import NamedTuple


class Bound(NamedTuple):
    """What the values of a map cannot exceed, and their rounding errors.

    Of a sum of n products, each factor and each partial sum is rounded, by up to half of the type's
    epsilon; errors of both signs grow like the square root of n (N. J. Higham and T. Mary, "A New
    Approach to Probabilistic Rounding Error Analysis", 2019). Two values of a map may differ by
    twice the error of one, which makes epsilon of its half.

    Parameters
    ----------
    largest : float
        Of the absolute values.
    error : float
        By how much two values that should be equal may differ.
    """

    largest: float
    error: float

    def sum(self, magnitude: float, count: int, epsilon: float, bias: float = 0.0) -> Bound:
        """Return the bound of sums of `count` products whose weights sum to a magnitude."""
        largest = magnitude * self.largest + abs(bias)
        rounding = epsilon * (1 + math.sqrt(count)) * largest
        return Bound(largest, magnitude * self.error + rounding)

    def scale(self, factor: float) -> Bound:
        """Return the bound of products with a number."""
        return Bound(factor * self.largest, factor * self.error)

    def curve(self, slope: float, epsilon: float, *, offset: float = 0.0) -> Bound:
        """Return the bound of a function of each value: of this slope, with f(0) the offset."""
        return self.sum(slope, 1, epsilon, offset)

    def within(self, largest: float, epsilon: float, *, slope: float = 1.0) -> Bound:
        """Return the bound of a function of each value that never exceeds a number."""
        return Bound(largest, slope * self.error + epsilon * largest)

    def union(self, others: Sequence[Bound] = ()) -> Bound:
        """Return the bound of values that are each one of several maps'."""
        largest, error = map(max, zip(self, *others, strict=True))
        return Bound(largest, error)

    def plus(self, others: Sequence[Bound], epsilon: float) -> Bound:
        """Return the bound of sums of several maps; a length is at most that, and errs as much."""
        largest, error = map(math.fsum, zip(self, *others, strict=True))
        return Bound(largest, error).sum(1, len(others) + 1, epsilon)

    def times(self, other: Bound, epsilon: float) -> Bound:
        """Return the bound of the products of two maps."""
        largest = self.largest * other.largest
        error = self.error * other.largest + self.largest * other.error + self.error * other.error
        return Bound(largest, error + epsilon * largest)


NO_BOUND = Bound(0.0, 0.0)  # of a quotient, say: only values that are equal count as equal
