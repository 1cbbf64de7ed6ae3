"""`convcli apply`: filter images or grids of numbers."""

from __future__ import annotations

from typing import Any

import click

from convcli.cli.commands.apply.options import ApplyOptions
from convcli.cli.commands.apply.plan import validate
from convcli.cli.commands.apply.runner import run_apply
from convcli.cli.options import FILE, command


@command(ApplyOptions, no_args_is_help=True)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=FILE)
@click.pass_context
def apply(context: click.Context, /, **values: Any) -> None:
    """Filter images or grids of numbers with kernels.

    INPUT is a picture, a grid of numbers (.csv, .txt, .npy), or - for standard input. Each result
    goes to STEM.KERNEL.png in this folder by default. With zero padding the border itself is an
    edge, and edge kernels respond to it. Of several inputs, a bad one does not stop the others.

    \b
    convcli apply cat.jpg --kernel sharpen
    convcli apply cat.jpg -k sobel-x -k sobel-y --combine magnitude -o edges.png
    cat cat.jpg | convcli apply - -k gaussian:2 -o - > soft.png
    """
    options = ApplyOptions(**values)
    validate(options)
    context.exit(run_apply(options))
