"""`convcli kernels`: the bank, or one kernel."""

from __future__ import annotations

import sys
from typing import Any

import click

from convcli.cli.options import SPEC, json_option
from convcli.cli.output import escape_control, format_json, format_table, print_data
from convcli.engine.filter2d import choose_method
from convcli.kernels import Kernel, load_kernel
from convcli.kernels.bank import bank
from convcli.kernels.parametric import FAMILIES

MAX_COLUMNS = 15  # of a kernel whose cells still fit side by side


@click.command(no_args_is_help=False)
@click.argument("spec", required=False, type=SPEC)
@json_option("One JSON object; for the whole bank, a list of them.")
def kernels(spec: str | None, *, as_json: bool) -> None:
    """List the kernels, or show one: a name, one with parameters, rows of numbers, or a file.

    All are shown as they are applied: by correlation, not turned.

    \b
    convcli kernels
    convcli kernels gaussian:1.5
    """
    if spec is not None:
        kernel = load_kernel(spec)
        print_data(
            format_json(kernel_document(kernel)) if as_json else kernel_text(kernel, sys.stdout)
        )
        return
    print_data(
        format_json([kernel_document(kernel) for kernel in all_kernels()])
        if as_json
        else bank_text()
    )


def all_kernels() -> list[Kernel]:
    """The bank, and an example of each family with parameters."""
    return [*bank().values(), *(load_kernel(family.example) for family in FAMILIES.values())]


def bank_text() -> str:
    """The bank, and the families with parameters, as two tables."""
    rows = [
        [kernel.name, size_text(kernel), f"{kernel.sum:.6g}", str(kernel.rank), kernel.description]
        for kernel in bank().values()
    ]
    families = [[family.syntax, family.example, family.description] for family in FAMILIES.values()]
    return "\n\n".join(
        [
            format_table(
                ["name", "size", "sum", "rank", "what it does"], rows, left=["name", "what it does"]
            ),
            format_table(
                ["with parameters", "example", "what it does"],
                families,
                left=["with parameters", "example", "what it does"],
            ),
        ]
    )


def kernel_text(kernel: Kernel, stream: Any) -> str:
    """One kernel: its matrix, as coloured cells on a terminal, and what there is to know of it."""
    facts = [f"{escape_control(kernel.name)}: {size_text(kernel)}, sum {kernel.sum:.10g}"]
    if kernel.rank is not None:
        facts.append("rank 1, separable" if kernel.rank == 1 else f"rank {kernel.rank}")
    if kernel.origin is not None:
        facts.append(f"origin at row {kernel.origin[0]}, column {kernel.origin[1]}")
    if kernel.bias:
        facts.append(f"bias {kernel.bias:.10g}")
    lines = [", ".join(facts)]
    lines += [f"{what}: {escape_control(text)}" for what, text in _words(kernel) if text]
    choice = choose_method(kernel)
    lines.append(f"over a photograph: {choice.method}, {choice.reason}")
    return "\n".join(lines) + "\n\n" + (_cells(kernel, stream) or matrix_text(kernel))


def _cells(kernel: Kernel, stream: Any) -> str | None:
    """The weights as coloured cells, where there is a terminal that shows them."""
    from convcli.pictures.text import has_colors, has_true_color, render_kernel

    if kernel.matrix.ndim != 2 or kernel.size[1] > MAX_COLUMNS or not has_colors(stream):
        return None
    return render_kernel(kernel.matrix, true_color=has_true_color())


def matrix_text(kernel: Kernel) -> str:
    """The weights in columns; planes of a kernel of more axes one below the other."""
    height, width = kernel.size
    planes = kernel.matrix.reshape(-1, height, width)
    cells = [[[f"{weight:.6g}" for weight in row] for row in plane] for plane in planes]
    wide = max(len(cell) for plane in cells for row in plane for cell in row)
    blocks = ["\n".join("  ".join(c.rjust(wide) for c in row) for row in plane) for plane in cells]
    return "\n\n".join(blocks)


def kernel_document(kernel: Kernel) -> dict[str, Any]:
    """One kernel for JSON."""
    return {
        "name": kernel.name,
        "matrix": kernel.matrix.tolist(),
        "origin": kernel.anchor,
        "sum": kernel.sum,
        "rank": kernel.rank,
        "about": kernel.description,
        "source": kernel.source,
    }


def size_text(kernel: Kernel) -> str:
    """Its shape, like 3x3."""
    return "x".join(map(str, kernel.matrix.shape))


def _words(kernel: Kernel) -> tuple[tuple[str, str], ...]:
    return ("about", kernel.description), ("source", kernel.source)
