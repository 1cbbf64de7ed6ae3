"""The geometry of a window: of a convolution, a pool, or a transposed convolution.

Sources of the formulas: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep
learning" (2016); the rules of ceil pooling and of `same` are those of PyTorch, ONNX and TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from convcli.arithmetic.values import (
    NO_PADDING,
    PaddingLike,
    Pair,
    Sides,
    as_axis_padding,
    as_number,
    as_padding,
    as_pair,
)
from convcli.errors import ArgumentError, ShapeError
from convcli.records import NamedTuple


class Axis(NamedTuple):
    """A window over an input along one axis, with every number known.

    Parameters
    ----------
    size : int
        The positions of the input.
    kernel, stride, dilation : int
        The number of taps, the step of the window, and the distance between taps.
    before, after : int
        The padding at the start and at the end.
    ceil_mode, transposed : bool
        Whether the output size is rounded up, and is that of a transposed convolution.
    output_padding : int
        Positions added to the end of a transposed convolution's output.

    Examples
    --------
    >>> Axis(size=224, kernel=7, stride=2, before=3, after=3).output
    112
    """

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil_mode: bool = False
    transposed: bool = False
    output_padding: int = 0

    @property
    def effective_kernel(self) -> int:
        """The extent of the window: `d(k - 1) + 1`."""
        return effective_kernel(self.kernel, self.dilation)

    @property
    def slack(self) -> int:
        """The largest offset of the window in the padded input: `i + p - d(k - 1) - 1`."""
        return self.size + self.before + self.after - self.effective_kernel

    @property
    def output(self) -> int:
        """The output size; below 1 if no window fits."""
        if self.transposed:
            full = (self.size - 1) * self.stride + self.effective_kernel
            return full - self.before - self.after + self.output_padding
        if not self.ceil_mode:
            return self.slack // self.stride + 1
        steps = -(-self.slack // self.stride)
        # The last window must start inside the input or the padding before it.
        return steps + (steps * self.stride < self.size + self.before)

    @property
    def dropped(self) -> int:
        """The positions at the end of the padded input that no window covers."""
        return 0 if self.transposed else max(self.slack - (self.output - 1) * self.stride, 0)


class Window(NamedTuple):
    """A window over two axes, without the size of the input.

    Parameters
    ----------
    kernel, stride, dilation : (int, int)
        Height and width.
    padding : "valid", "same", "same-lower", "full" or ((top, bottom), (left, right))
        A name stands for numbers that depend on the input's size.
    ceil_mode, transposed, output_padding
        As in `Axis`.
    origin : (row, column), optional
        The tap that `same` centers on every stride-th position; the middle one if left out.

    Examples
    --------
    >>> Window(kernel=(3, 3), stride=(2, 2), padding="same").output((224, 224))
    (112, 112)
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: str | Sides = NO_PADDING
    dilation: Pair = (1, 1)
    ceil_mode: bool = False
    transposed: bool = False
    output_padding: Pair = (0, 0)
    origin: Pair | None = None

    def check_output_padding(self) -> None:
        """Raise if the output padding would add outputs that no input contributes to."""
        if self.output_padding == (0, 0):
            return
        for added, *limits in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if added and not (self.transposed and added < max(limits)):
                raise ArgumentError(
                    f"output padding {added} must be below the stride or the dilation "
                    f"of a transposed convolution (here {limits[0]} and {limits[1]})"
                )

    def axes(self, size: Pair) -> tuple[Axis, Axis]:
        """Return both axes over an input of (height, width)."""
        return self._axis(0, size[0]), self._axis(1, size[1])

    def pads(self, size: Pair) -> Sides:
        """Return the padding in numbers, for an input of (height, width)."""
        rows, columns = self.axes(size)
        return (rows.before, rows.after), (columns.before, columns.after)

    def output(self, size: Pair) -> Pair:
        """Return the output's (height, width).

        Raises
        ------
        ShapeError
            If no window fits, with the formula.
        """
        rows, columns = self.axes(size)
        for axis, side in ((rows, "height"), (columns, "width")):
            if axis.output < 1:
                calculation = f"{formula(axis)} = {axis.output}"
                raise ShapeError(f"the output would be empty: {side} {calculation}")
        return rows.output, columns.output

    def dropped(self, size: Pair) -> Pair:
        """Return the rows and columns at the ends of the padded input that no window covers."""
        rows, columns = self.axes(size)
        return rows.dropped, columns.dropped

    def _axis(self, index: int, size: int) -> Axis:
        axis = Axis(
            size=size,
            kernel=self.kernel[index],
            stride=self.stride[index],
            dilation=self.dilation[index],
            ceil_mode=self.ceil_mode,
            transposed=self.transposed,
            output_padding=self.output_padding[index],
        )
        if isinstance(self.padding, str):
            before, after = _named_padding(self.padding, axis, self.origin and self.origin[index])
        else:
            before, after = self.padding[index]
        return axis._replace(before=before, after=after) if before or after else axis


def window(
    kernel: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    transposed: bool = False,
    output_padding: int | Sequence[int] = 0,
) -> Window:
    """Make a `Window` from numbers, pairs and names.

    Raises
    ------
    ArgumentError
        If a kernel, stride or dilation is below 1, a padding below 0, or an output padding too
        large.

    Examples
    --------
    >>> window(3, stride=2, padding=1).output((5, 6))
    (3, 3)
    """
    result = Window(
        kernel=as_pair(kernel, "kernel size"),
        stride=as_pair(stride, "stride"),
        padding=as_padding(padding),
        dilation=as_pair(dilation, "dilation"),
        ceil_mode=ceil_mode,
        transposed=transposed,
        output_padding=as_pair(output_padding, "output padding", least=0),
    )
    result.check_output_padding()
    return result


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Return the extent of a dilated window: `d(k - 1) + 1`.

    >>> effective_kernel(3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def output_size(
    size: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: PaddingLike = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> int:
    """Return the output size of a window along one axis: `floor((i + p - d(k-1) - 1)/s) + 1`.

    Parameters
    ----------
    size, kernel, stride, dilation : int
        Of any size; the result is exact.
    padding : int, (before, after), "valid", "same", "same-lower" or "full"
        One number pads both sides.
    ceil_mode : bool
        Round up; the last window must start inside the input or the padding before it.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or, as `ShapeError`, the output would be empty.

    Examples
    --------
    >>> output_size(224, 7, stride=2, padding=3)
    112
    >>> output_size(224, 3, stride=2, padding=(0, 1))
    112
    >>> output_size(12, 1, stride=2, ceil_mode=True)
    6
    """
    sides = as_axis_padding(padding)
    both = sides if isinstance(sides, str) else (sides, sides)
    square = window(kernel, stride=stride, padding=both, dilation=dilation, ceil_mode=ceil_mode)
    size = as_number(size, "size", least=1)
    try:
        return square.output((size, size))[0]
    except ShapeError as error:
        if size >= kernel:
            raise
        raise ShapeError(f"{error}; the size comes first, then the kernel") from None


def size_formula(axis: Axis) -> str:
    """Return the formula of an output size, in letters.

    >>> size_formula(Axis(size=5, kernel=3))
    'floor((i + before + after - d*(k - 1) - 1) / s) + 1'
    """
    if axis.transposed:
        return "(i - 1)*s - before - after + d*(k - 1) + op + 1"
    rounding = "ceil" if axis.ceil_mode else "floor"
    return f"{rounding}((i + before + after - d*(k - 1) - 1) / s) + 1"


def formula(axis: Axis) -> str:
    """Return the formula of the output size with its numbers.

    >>> formula(Axis(size=224, kernel=3, stride=2, before=1, after=1))
    'floor((224 + 1 + 1 - 1*(3 - 1) - 1) / 2) + 1'
    """
    numbers = {
        "i": axis.size, "k": axis.kernel, "s": axis.stride, "d": axis.dilation,
        "before": axis.before, "after": axis.after, "op": axis.output_padding,
    }  # fmt: skip
    return re.sub("[a-z]+", lambda word: str(numbers.get(word[0], word[0])), size_formula(axis))


def _named_padding(name: str, axis: Axis, origin: int | None) -> Pair:
    if name == "valid":
        return 0, 0
    if name == "full":
        return axis.effective_kernel - 1, axis.effective_kernel - 1
    if origin is not None and not axis.transposed:
        before = origin * axis.dilation
        last = (axis.size - 1) // axis.stride * axis.stride  # that a window is centered on
        return before, max(last - axis.slack - before, 0)
    sides = same_padding(axis)
    if sides is None:
        raise ShapeError(
            f"same padding needs a kernel that spans the stride {axis.stride}, "
            f"not {axis.effective_kernel}"
        )
    return sides[::-1] if name == "same-lower" else sides


def same_padding(axis: Axis) -> Pair | None:
    """Return the padding of `same`, (before, after), of an axis without padding.

    It is that of ceil(i / s) outputs, and of i * s of a transposed convolution, for which there is
    none if the kernel does not span the stride. The odd position is at the end.

    >>> same_padding(Axis(size=224, kernel=3, stride=2))
    (0, 1)
    """
    if axis.transposed:
        total = axis.output - axis.size * axis.stride
    else:
        last = (axis.size - 1) // axis.stride * axis.stride  # that a window is centered on
        total = max(last - axis.slack, 0)
    return None if total < 0 else (total // 2, total - total // 2)
