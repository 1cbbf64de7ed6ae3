"""One convolution of a network, with everything known that its ways of computing need."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.padding import copy_padded, numpy_mode, pad2d
from convcli.engine.scratch import Scratch, input_span, split_range

MAX_PART_BYTES = 2 << 20  # what the columns of one part may take
_PRODUCTS = 25_000_000  # of one part: they take 0.4 ms, and what is around them 0.04 ms
_LEAST_PARTS = 4  # for as many threads, by filters too where there are few positions ...
_LEAST_PRODUCTS = 4_000_000  # ... as long as each part has so many
_POSITIONS = 256  # of one part: narrower matrices are slow to multiply


class Part(NamedTuple):
    """A part of a layer's output: of one image, some rows, columns and filters."""

    image: int
    rows: slice
    columns: slice
    filters: slice


@dataclass(frozen=True, slots=True)
class ConvProblem:
    """Images, filters and how the ones slide over the others.

    Parameters
    ----------
    images : ndarray, (N, C_in, H, W)
        With their padding, but for zeros: those are cheaper to write where they are met.
    start : (int, int)
        The row and column of the images where the first window starts; negative in such zeros.
    output : (int, int)
        The output's rows and columns.
    filters : ndarray, (C_out, C_in / groups, kh, kw)
        Of the type of the images.
    bias : ndarray, (C_out,), or None
        Likewise.
    window : Window
    groups : int
    """

    images: Array
    start: Pair
    output: Pair
    filters: Array
    bias: Array | None
    window: Window
    groups: int

    @classmethod
    def over(
        cls,
        images: Array,
        filters: Array,
        bias: Array | None,
        window: Window,
        *,
        groups: int = 1,
        mode: str = "zero",
    ) -> ConvProblem:
        """A layer over images that are not padded yet; `mode` says what goes beyond them."""
        numpy_mode(mode)  # raises for an unknown one
        size = images.shape[-2], images.shape[-1]
        sides = window.sides(size)
        start = -sides[0][0], -sides[1][0]
        if mode != "zero":
            images, start = pad2d(images, sides, mode), (0, 0)
        return cls(images, start, window.output(size), filters, bias, window, groups)

    def seen(self, image: int, rows: slice, columns: slice, scratch: Scratch) -> Array:
        """What these rows and columns of the output see: (C_in, ...), zeros beyond the border."""
        met = []
        for axis, outputs in enumerate((rows, columns)):
            extent = effective_kernel(self.window.kernel[axis], self.window.dilation[axis])
            span = input_span(outputs, self.window.stride[axis], extent)
            met.append(range(self.start[axis] + span.start, self.start[axis] + span.stop))
        if all(
            one.start >= 0 and one.stop <= size
            for one, size in zip(met, self.images.shape[-2:], strict=True)
        ):
            inside: Array = self.images[image]
            return inside[:, met[0].start : met[0].stop, met[1].start : met[1].stop]
        target = scratch("padded", (self.images.shape[1], *map(len, met)), self.images.dtype)
        copy_padded(self.images[image], met[0], met[1], target)
        return target

    def parts(self, *, shared: bool) -> list[Part]:
        """Cut the output so that the columns of each part stay small.

        However many threads there are, the parts are the same, and so are their sums. A part has
        whole rows or, unless windows share the columns of rows, lies within one.
        """
        (count, c_in, *_), (oh, ow) = self.images.shape, self.output
        kh, kw = self.window.kernel
        row_bytes = self.images.itemsize * c_in * kw  # that a position adds to each row of columns
        parts, most = self._fair_share(count * oh * ow)
        if shared:
            columns = min(ow, max(MAX_PART_BYTES // (2 * kh * row_bytes), 1))
            rows = (MAX_PART_BYTES // (columns * row_bytes) - kh) // self.window.stride[0] + 1
        else:
            columns = min(ow, max(MAX_PART_BYTES // (kh * row_bytes), 1))
            rows = MAX_PART_BYTES // (columns * kh * row_bytes)
        rows = max(min(rows, most // columns), 1)
        places = list(product(range(count), split_range(oh, rows), split_range(ow, columns)))
        per_group = len(self.filters) // self.groups
        filters = list(split_range(per_group, -(-per_group * len(places) // parts) or 1))
        return [Part(n, down, across, some) for n, down, across in places for some in filters]

    def _fair_share(self, positions: int) -> tuple[int, int]:
        """How many parts there must be, and how many positions each may have."""
        products = positions * self.filters.size
        least = min(_LEAST_PARTS, products // _LEAST_PRODUCTS) or 1
        parts = max(products // _PRODUCTS, least)
        return least, max(-(-positions // parts), _POSITIONS)
