"""Explanations as text: matrices side by side, and the sum of their products."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.values import format_shape
from convcli.engine.arrays import Array
from convcli.engine.explain import format_slice
from convcli.pictures.text import format_number, format_terms
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.engine.explain import Explanation
    from convcli.engine.explain_gradients import Gradients

Block: TypeAlias = tuple[str, Sequence[str]]  # a title and lines
LEFT_OUT = "."  # in the place of a number that does not count


class Names(NamedTuple):
    """What the parts of an explanation are called.

    Parameters
    ----------
    output : str
        The value that is computed, with its index: `Y[0,1]`.
    window, kernel : str
        The values and the weights that are multiplied: `X[0:3, 1:4]` and `W`.
    planes : sequence of (str, str)
        Both of each of several planes that are summed; empty for one.
    """

    output: str
    window: str
    kernel: str
    planes: Sequence[tuple[str, str]] = ()


def format_rows(
    matrix: Array, in_brackets: Array | None = None, is_counted: Array | None = None
) -> list[str]:
    """Format the rows of a matrix, its columns flush right.

    Parameters
    ----------
    matrix : ndarray, (rows, columns)
    in_brackets : ndarray of bool, (rows, columns), optional
        The numbers to put into brackets.
    is_counted : ndarray of bool, (rows, columns), optional
        False where a dot stands in place of the number.
    """
    texts = [[format_number(value) for value in row] for row in matrix.tolist()]
    if in_brackets is not None:
        for row, column in np.argwhere(in_brackets):
            texts[row][column] = f"({texts[row][column]})"
    if is_counted is not None:
        for row, column in np.argwhere(~is_counted):
            texts[row][column] = LEFT_OUT
    width = max((len(text) for row in texts for text in row), default=0)
    return ["  ".join(text.rjust(width) for text in row) for row in texts]


def join_side_by_side(
    blocks: Sequence[Block], operators: Sequence[str], width: int | None = None
) -> str:
    """Put titled blocks of lines beside each other, an operator between them at half height.

    Where they are wider than `width` they stand one below the other, and those that are still wider
    are folded between their columns.

    >>> print(join_side_by_side([("a", ["1", "2", "3"]), ("b", ["4"])], ["+"]))
    a   b
    1   4
    2 +
    3
    """
    middle = (max(len(lines) for _, lines in blocks) + 1) // 2
    strips: list[list[str]] = []
    for (title, lines), operator in zip_longest(blocks, operators):
        strips.append([title, *lines])
        if operator is not None:
            strips.append([""] * middle + [f" {operator} "])
    widths = [max(map(len, strip)) for strip in strips]
    if width is not None and sum(widths) > width:
        prefixes = ["", *(f"{operator} " for operator in operators)]
        titled = (
            (f"{prefix}{title}", lines)
            for prefix, (title, lines) in zip(prefixes, blocks, strict=True)
        )
        return stack_blocks(titled, width)
    rows = zip_longest(*strips, fillvalue="")
    return "\n".join("".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def stack_blocks(blocks: Iterable[Block], width: int | None = None) -> str:
    """Put titled blocks of lines one below the other, folded where they are wider than `width`."""
    folded = (part for block in blocks for part in fold_block(block, width))
    return "\n\n".join("\n".join([title, *lines]) for title, lines in folded)


def fold_block(block: Block, width: int | None) -> list[Block]:
    """Fold a matrix between its columns into blocks that are no wider than `width`.

    A column that is wider alone is a block of its own: no number is broken.

    >>> fold_block(("W", ["1  2  3", "4  5  6"]), 4)
    [('W, columns 0:2', ['1  2', '4  5']), ('W, columns 2:3', ['3', '6'])]
    """
    title, lines = block
    longest = max(map(len, lines), default=0)
    if width is None or longest <= width:
        return [block]
    cells = [line.split() for line in lines]
    count = len(cells[0])
    side = (longest + 2) // count  # of a column and the two spaces after it
    fitting = max((width + 2) // side, 1)
    return [
        (
            f"{title}, columns {start}:{min(start + fitting, count)}",
            ["  ".join(cell.rjust(side - 2) for cell in row[start : start + fitting])
             for row in cells],
        )
        for start in range(0, count, fitting)
    ]  # fmt: skip


def format_explanation(
    explanation: Explanation, *, show_channel: bool = False, width: int | None = None
) -> str:
    """Format an explanation as in a textbook: window, kernel, products, and the sum.

    Parameters
    ----------
    explanation : Explanation
    show_channel : bool
        Write the output's channel beside its row and column.
    width : int, optional
        The most characters a line, as far as single numbers allow.
    """
    row, column = explanation.at
    kernel = "W"
    if explanation.op == "tconv":  # of which a part alone meets the inputs
        kernel = f"W[{_format_slices(*(taps.weights for taps in explanation.taps))}]"
    names = Names(
        f"Y[{row},{column}{f',{explanation.channel}' if show_channel else ''}]",
        explanation.slice_text,
        kernel,
        [(f"channel {c}", f"W[{c}]") for c in range(len(explanation.window))],
    )
    reduction = OPERATIONS[explanation.op].reduction
    if reduction is None:
        return _format_products(explanation, names, width)
    value = format_number(explanation.value)
    window = format_rows(explanation.window[0], explanation.is_padding, explanation.is_counted)
    head = f"{names.output} = {reduction}({names.window}) = "
    blocks = stack_blocks([(names.window, window)], width)
    if explanation.is_counted is None:
        return f"{head}{value}\n\n{blocks}"
    head += f"{format_number(explanation.total)} / {explanation.divisor} = {value}"
    terms = _format_terms(explanation.window[0][explanation.is_counted])
    total = f"({' + '.join(terms) or '0'}) / {explanation.divisor} = {value}"
    return "\n\n".join([head, blocks, _wrap(total, width)])


def format_gradients(
    gradients: Gradients, shape: tuple[int, ...], grad: str | None, width: int | None = None
) -> str:
    """Format the gradients of a convolution: of inputs, of all weights, and of the bias.

    Parameters
    ----------
    gradients : Gradients
    shape : tuple of int
        Of the output: (oh, ow), or (oh, ow, C_out) of several maps.
    grad : str, optional
        The file that dL/dY is from; left out where it is ones.
    width : int, optional
        As in `format_explanation`.
    """
    size = format_shape(shape)
    parts = [
        f"L = sum(Y): dL/dY is ones({size})" if grad is None
        else f"L = sum(G * Y): dL/dY is G, {size}, from {grad}"
    ]  # fmt: skip
    axes = gradients.kernel.ndim
    parts += [
        _format_products(found, _name_input_gradient(found, axes), width)
        for found in gradients.inputs
    ]
    parts.append(_format_kernel_gradient(gradients.kernel, width))
    if gradients.weights is None:
        parts.append("Too many products to show: those of dL/dW are left out.")
    else:
        parts += [
            _format_products(found, _name_weight_gradient(index, found, axes), width)
            for index, found in gradients.weights.items()
        ]
    biases = gradients.bias.tolist()
    names = [f"dL/db[{output}]" if len(biases) > 1 else "dL/db" for output in range(len(biases))]
    parts.append(
        "\n".join(
            f"{name} = sum(dL/dY) = {format_number(bias)}"
            for name, bias in zip(names, biases, strict=True)
        )
    )
    return "\n\n".join(parts)


def _name_input_gradient(found: Explanation, axes: int) -> Names:
    """Name the parts of dL/dX: the outputs that use an input, and the weights that it meets."""
    (row, column), channel = found.at, found.channel
    outputs = _format_slices(found.rows, found.columns)
    weights = _format_slices(*(taps.weights for taps in found.taps))
    index = f"{row},{column}" if axes == 2 else f"{row},{column},{channel}"
    if axes == 4:
        planes = [
            (f"dL/dY[{outputs}, {output}]", f"W[{output}, {channel}, {weights}]")
            for output in range(len(found.window))
        ]
        return Names(
            f"dL/dX[{index}]", f"dL/dY[{outputs}, :]", f"W[:, {channel}, {weights}]", planes
        )
    kernel = f"W[{weights}]" if axes == 2 else f"W[{channel}, {weights}]"
    return Names(f"dL/dX[{index}]", f"dL/dY[{outputs}]", kernel)


def _name_weight_gradient(index: Sequence[int], found: Explanation, axes: int) -> Names:
    """Name the parts of dL/dW of one weight: the inputs that it meets, and dL/dY of each output."""
    inputs = _format_slices(found.rows, found.columns)
    window = f"X[{inputs}]" if axes == 2 else f"X[{inputs}, {found.channel}]"
    kernel = "dL/dY" if axes < 4 else f"dL/dY[:, :, {index[0]}]"
    return Names(f"dL/dW[{','.join(map(str, index))}]", window, kernel)


def _format_slices(rows: Sequence[int], columns: Sequence[int]) -> str:
    return f"{format_slice(rows)}, {format_slice(columns)}"


def _format_products(explanation: Explanation, names: Names, width: int | None) -> str:
    """Format a sum of products: each plane's window * kernel = products, and the sum of all."""
    (added,) = format_terms([explanation.bias], format_value=format_number)
    bias = f" + {added}" if explanation.bias else ""
    value = format_number(explanation.value)
    if explanation.window.size == 0:
        total = f"0{bias} = {value}" if bias else value
        return f"{names.output} = {total}\n\nNo value meets a weight there."
    head = f"{names.output} = sum({names.kernel} * {names.window}){bias} = {value}"
    count = len(explanation.window)
    titles = names.planes if count > 1 else [(names.window, names.kernel)]
    planes = [
        join_side_by_side(
            [
                (window, format_rows(explanation.window[plane], explanation.is_padding)),
                (kernel, format_rows(explanation.kernel[plane])),
                ("products", format_rows(explanation.products[plane])),
            ],
            ["*", "="],
            width,
        )
        for plane, (window, kernel) in enumerate(titles)
    ]
    terms = _format_terms(explanation.products)
    total = f"{' + '.join(terms)}{bias} = {value}"
    return "\n\n".join([_wrap(head, width), *planes, _wrap(total, width)])


def _format_kernel_gradient(kernel: Array, width: int | None) -> str:
    """Format dL/dW, a matrix for each pair of an output and an input channel."""
    planes = kernel.reshape(-1, *kernel.shape[-2:])
    indices = np.ndindex(kernel.shape[:-2])
    return stack_blocks(
        (
            (f"dL/dW[{', '.join(map(str, index))}]" if index else "dL/dW", format_rows(plane))
            for index, plane in zip(indices, planes, strict=True)
        ),
        width,
    )


def format_matrices(
    columns: Array, weights: Array, product: Array, width: int | None = None
) -> str:
    """Format the product of im2col: flattened kernels, the columns matrix, and their product."""
    matrices = (("W", weights), ("columns", columns), ("Y", product))
    blocks = [
        (f"{name}  {'x'.join(map(str, matrix.shape))}", format_rows(matrix))
        for name, matrix in matrices
    ]
    return join_side_by_side(blocks, ["@", "="], width)


def _format_terms(values: Array) -> list[str]:
    return format_terms(values.ravel().tolist(), format_value=format_number)


def _wrap(text: str, width: int | None) -> str:
    """Fold text between its words."""
    if width is None:
        return text
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
