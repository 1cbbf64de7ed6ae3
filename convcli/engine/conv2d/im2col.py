"""A layer's columns and weights as the matrices of one product, and where the product goes."""

from __future__ import annotations

from collections.abc import Callable

from convcli.engine.arrays import Array
from convcli.engine.conv2d.plan import shares_rows
from convcli.engine.conv2d.problem import ConvProblem, Part
from convcli.engine.im2col import im2col_rows, im2col_windows
from convcli.engine.scratch import Scratch


class ColumnLayout:
    """How a layer is laid out: every window flat, or every row once, which its windows share.

    Its matrices have an axis for the groups, and one for the output's rows where windows share.

    Parameters
    ----------
    layer : Layer

    Attributes
    ----------
    shares : bool
        Whether windows share rows.
    weights : ndarray, (G, [1,] C_out/G, K)
    offsets : ndarray, (G, [1,] C_out/G, 1), or None
        The bias.
    """

    def __init__(self, layer: ConvProblem) -> None:
        self._layer = layer
        groups, filters = layer.groups, layer.filters
        sizes = len(layer.images), layer.images.shape[1], len(filters)
        self.shares = shares_rows(sizes, layer.output, layer.window, groups)
        weights = filters.reshape(groups, len(filters) // groups, *filters.shape[1:])
        if self.shares:  # a row's columns run over channels, then along it: (kh, C_in/G, kw)
            weights = weights.transpose(0, 1, 3, 2, 4)[:, None]
        self.weights: Array = weights.reshape(*weights.shape[:-3], -1)
        bias = layer.bias
        self.offsets = None if bias is None else bias.reshape(*self.weights.shape[:-1], 1)

    def hire(self) -> Callable[[Part], Array]:
        """A worker that lays out a part's columns, (G, [oh,] K, L), in memory of its own.

        Parts that differ in their filters alone follow one another, and see the same columns.
        """
        layer, scratch = self._layer, Scratch()
        lay = im2col_rows if self.shares else im2col_windows
        last: list[tuple[object, Array]] = []

        def columns(part: Part) -> Array:
            place = part.image, part.rows, part.columns
            if not last or last[0][0] != place:
                padded = layer.seen(*place, scratch)  # (C_in, ...)
                grouped = padded.reshape(layer.groups, -1, *padded.shape[1:])
                last[:] = [(place, lay(grouped, layer.window, scratch))]
            return last[0][1]

        return columns

    def target(self, maps: Array, part: Part) -> Array:
        """Where a part's products go, a view of the maps: (G, [oh,] C_out/G, L)."""
        groups = self._layer.groups
        grouped: Array = maps[part.image].reshape(groups, -1, *maps.shape[2:])
        if self.shares:
            within: Array = grouped[:, part.filters, part.rows, part.columns]
            return within.swapaxes(1, 2)
        # A part has whole rows or is within one, so its positions follow one another.
        first = part.rows.start * maps.shape[3] + part.columns.start
        count = (part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start)
        flat: Array = grouped.reshape(*grouped.shape[:2], -1)
        return flat[:, part.filters, first : first + count]
