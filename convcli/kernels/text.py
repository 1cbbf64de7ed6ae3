"""Kernels as text, in a file or typed: rows of numbers, or a kernel string of ImageMagick.

`WxH+X+Y: VALUES` gives the width and the height, the origin as column and row (left out, the
center; of an even side the one before it, as in `Kernel`), and the weights row by row, separated by
commas or blanks. `nan` and `-` are absent weights, which a convolution counts as zero.

The weights stand as correlation applies them. ImageMagick's `-morphology Correlate` does the same;
its `Convolve` rotates them by 180°, as `--flip` does.
"""

from __future__ import annotations

import re
from math import prod

from convcli.errors import GridError
from convcli.grids.text import note_row, parse_rows, parse_values
from convcli.kernels import Kernel, check_size

_GEOMETRY = re.compile(r"\s*([0-9]{1,9})(?:x([0-9]{1,9}))?(?:\+([0-9]{1,9})\+([0-9]{1,9}))?[ \t]*:")
_ABSENT = re.compile(r"(?<![^\s,])(?:nan|-)(?![^\s,])", re.IGNORECASE)


def has_geometry(text: str) -> bool:
    """Whether a text is a kernel string of ImageMagick.

    >>> has_geometry("3x3: 0,-1,0 -1,5,-1 0,-1,0"), has_geometry("box:3")
    (True, False)
    """
    return _GEOMETRY.match(text) is not None


def parse_kernel(text: str, name: str) -> Kernel:
    """Parse a kernel; its name is left empty.

    Parameters
    ----------
    text : str
    name : str
        The file's, or `grids.text.INLINE`.

    Raises
    ------
    GridError, KernelError
        With what is wrong.

    Examples
    --------
    >>> kernel = parse_kernel("2x1+1+0: 3,-", "k.txt")
    >>> kernel.matrix, kernel.anchor
    (array([[3., 0.]]), (0, 1))
    """
    if not has_geometry(text):
        matrix = parse_rows(text, name)
        return Kernel("", matrix, notes=note_row(matrix.shape, name))
    geometry, _, values = text.partition(":")
    width, height, column, row = _GEOMETRY.match(text).groups()  # type: ignore[union-attr]
    size = int(height or width), int(width)
    check_size(size, is_separable=True)
    weights = parse_values(_ABSENT.sub("0", values), name)
    if len(weights) != prod(size):
        what = f"{geometry.strip()}: has {len(weights):,} values"
        raise GridError(name, f"{what}, and {size[1]}x{size[0]} takes {prod(size):,}")
    center = (size[0] - 1) // 2, (size[1] - 1) // 2
    origin = center if column is None else (int(row), int(column))
    # Even the center is given, so that it moves where the weights are rotated.
    return Kernel("", weights.reshape(size), origin)
