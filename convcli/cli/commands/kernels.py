"""`convcli kernels`: list the kernels, or show one."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from convcli.arithmetic.values import format_shape
from convcli.cli.matrices import format_matrix
from convcli.cli.options import DIR, RESTRICT, RESTRICT_HELP, SPEC, json_option
from convcli.cli.output import (
    escape_control,
    find_terminal_width,
    fold_for_terminal,
    format_json,
    format_rows,
    log_kernel_notes,
    print_data,
)
from convcli.errors import ArgumentError
from convcli.kernels import Kernel, load_kernel, weights_path
from convcli.kernels.bank import bank
from convcli.kernels.parametric import FAMILIES
from convcli.kernels.trained import list_layers

if TYPE_CHECKING:
    from convcli.networks.weights import LayerWeights

SHOWN_ENDS = 3  # weights at either end of a long column or row
MAX_COLUMNS = 15  # of a kernel that is drawn as cells
MAX_PLANES = 16  # of a layer's weights that are shown


@click.command(no_args_is_help=False)
@click.argument("spec", required=False, type=SPEC)
@json_option("One JSON object; for the whole bank, a list of them.")
@click.option("--restrict", type=DIR, help=RESTRICT_HELP, **RESTRICT)
def kernels(spec: str | None, *, as_json: bool) -> None:
    """List the kernels, or show one: a name, one with parameters, rows of numbers, or a file.

    All are shown as they are applied: by correlation, not rotated. Of a file of a network's
    weights (.onnx, .safetensors), the layers are listed; model.onnx:NAME shows one.

    \b
    convcli kernels
    convcli kernels gaussian:1.5
    convcli kernels model.onnx
    """
    if spec is not None and (path := weights_path(spec)):
        layers = list_layers(path)
        print_data(format_json(layer_documents(layers)) if as_json else layers_text(layers))
    elif spec is not None:
        kernel = load_kernel(spec)
        log_kernel_notes([kernel])
        print_data(format_json(kernel_document(kernel)) if as_json else kernel_text(kernel))
    elif as_json:
        examples = (load_kernel(family.example) for family in FAMILIES.values())
        print_data(format_json(list(map(kernel_document, (*bank().values(), *examples)))))
    else:
        print_data(bank_text())


def bank_text() -> str:
    """Return the bank, and the families with parameters, as two tables."""
    rows = [
        [kernel.name, size_text(kernel), f"{kernel.sum:.6g}", str(kernel.rank), kernel.description]
        for kernel in bank().values()
    ]
    families = [[family.syntax, family.example, family.description] for family in FAMILIES.values()]
    headings = ["name", "size", "sum", "rank", "what it does"]
    kernel_table = format_rows("table", headings, rows, left=["name", "what it does"])
    headings = ["with parameters", "example", "what it does"]
    return f"{kernel_table}\n\n{format_rows('table', headings, families, left=headings)}"


def layers_text(layers: Mapping[str, LayerWeights]) -> str:
    """Return the layers of a file whose weights are a kernel, as a table."""
    rows = [
        [escape_control(layer.name), format_shape(layer.shape), str(layer.groups), layer.kind]
        for layer in layers.values()
    ]
    headings = ["name", "size", "groups", "kind"]
    return format_rows("table", headings, rows, left=["name", "kind"])


def layer_documents(layers: Mapping[str, LayerWeights]) -> list[dict[str, Any]]:
    """Return the same for JSON."""
    return [
        {"name": layer.name, "shape": layer.shape, "groups": layer.groups, "kind": layer.kind}
        for layer in layers.values()
    ]


def kernel_text(kernel: Kernel) -> str:
    """Return what there is to know of a kernel, and its matrix; on a terminal as colored cells."""
    facts = [f"{escape_control(kernel.name)}: {size_text(kernel)}, sum {kernel.sum:.10g}"]
    if kernel.rank is not None:
        facts.append("rank 1, separable" if kernel.rank == 1 else f"rank {kernel.rank}")
    if kernel.origin is not None:
        facts.append(f"origin at row {kernel.origin[0]}, column {kernel.origin[1]}")
    if isinstance(kernel.bias, float) and kernel.bias:
        facts.append(f"bias {kernel.bias:.10g}")
    elif kernel.has_bias:
        facts.append(f"biases from {np.min(kernel.bias):.6g} to {np.max(kernel.bias):.6g}")
    if kernel.groups > 1:
        facts.append(f"{kernel.groups} groups")
    lines = [", ".join(facts)]
    texts = {"about": kernel.description, "source": kernel.source}
    lines += [f"{title}: {escape_control(text)}" for title, text in texts.items() if text]
    lines.append(f"over a photograph: {_method_text(kernel)}")
    facts_text = fold_for_terminal("\n".join(lines))
    return f"{facts_text}\n\n{_colored_cells(kernel) or matrix_text(kernel)}"


def _method_text(kernel: Kernel) -> str:
    """Return how the kernel would be computed over a photograph, or why it cannot be."""
    from convcli.engine.filter2d.plan import choose_method

    try:
        return ", ".join(choose_method(kernel))
    except ArgumentError as error:
        return str(error)


def _colored_cells(kernel: Kernel) -> str | None:
    """Return the weights as colored cells, where a terminal shows them and is wide enough."""
    width = find_terminal_width()
    if width is None:
        return None
    from convcli.pictures.text import has_colors, has_true_color, render_kernel

    if (
        kernel.factors is not None
        or kernel.matrix.ndim != 2
        or kernel.size[1] > MAX_COLUMNS
        or not has_colors(sys.stdout)
    ):
        return None
    text = render_kernel(np.asarray(kernel), true_color=has_true_color())
    first_line = re.sub(r"\x1b\[[0-9;]*m", "", text.partition("\n")[0])
    return text if len(first_line) <= width else None


def matrix_text(kernel: Kernel) -> str:
    """Return the weights in columns; the planes of a kernel of more axes one below the other.

    On a terminal, lines that are too long for it are shortened.

    Of a large kernel these are those of a column and a row, whose product it is.
    """
    if kernel.factors is not None:
        return "\n".join(
            f"{name}, {len(weights)} weights: {_format_ends(weights.tolist())}"
            for name, weights in zip(("column", "row"), kernel.factors, strict=True)
        )
    planes = np.asarray(kernel).reshape(-1, *kernel.size)
    shown = planes[:MAX_PLANES]
    width = max(len(f"{weight:.6g}") for weight in shown.flat)
    terminal = find_terminal_width()
    texts = [
        format_matrix(plane, lambda weight: f"{weight:{width}.6g}", width=terminal, gap=2)
        for plane in shown
    ]
    if len(planes) > MAX_PLANES:
        texts.append(f"... and {len(planes) - MAX_PLANES} more, which --json holds")
    return "\n\n".join(texts)


def _format_ends(weights: list[float]) -> str:
    """Return the first weights, the one in the middle and the last ones."""
    first, middle, last = weights[:SHOWN_ENDS], weights[len(weights) // 2], weights[-SHOWN_ENDS:]
    parts = (first, [middle], last) if len(weights) > 2 * SHOWN_ENDS else (weights,)
    return " ... ".join(" ".join(f"{weight:.6g}" for weight in part) for part in parts)


def kernel_document(kernel: Kernel) -> dict[str, Any]:
    """Return a kernel for JSON; a large one has a column and a row instead of a matrix."""
    return {
        "name": kernel.name,
        "matrix": np.asarray(kernel).tolist() if kernel.factors is None else None,
        "origin": kernel.anchor,
        "sum": kernel.sum,
        "rank": kernel.rank,
        "about": kernel.description,
        "source": kernel.source,
        **({} if isinstance(kernel.bias, float) else {"bias": kernel.bias.tolist()}),
        **({} if kernel.groups == 1 else {"groups": kernel.groups}),
        **dict(zip(("column", "row"), map(np.ndarray.tolist, kernel.factors or ()), strict=False)),
    }


def size_text(kernel: Kernel) -> str:
    """Return the shape of a kernel, like 3x3."""
    return format_shape(kernel.matrix.shape)
