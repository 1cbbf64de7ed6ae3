"""`convcli apply`: filter images or grids of numbers."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import Any

import click
from click.core import ParameterSource

from convcli.arithmetic.layers import ACTIVATIONS
from convcli.cli.commands.apply.options import ApplyOptions, validate
from convcli.cli.commands.apply.plan import build_plan, build_target
from convcli.cli.commands.apply.runner import (
    in_input_order,
    log_summary,
    make_jobs,
    run_jobs,
    status,
)
from convcli.cli.options import (
    LAYER,
    MEMORY,
    PADDING,
    PNG_LEVEL,
    POOL,
    REAL,
    RESIZE,
    SIZE,
    THREADS,
    dilation_option,
    json_option,
    padding_mode_option,
    padding_option,
    stride_option,
    whole_number,
)
from convcli.cli.progress import Progress
from convcli.cli.report import has_output, print_report
from convcli.engine.filter2d import METHODS
from convcli.files import make_folder
from convcli.images.quantize import POLICIES
from convcli.images.read import MAX_PIXELS
from convcli.parallel import available_cores, set_threads
from convcli.pipeline.outputs import validate_target
from convcli.pipeline.plan import COMBINATIONS


@click.command(no_args_is_help=True)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=str)
@click.option(
    "-k",
    "--k",
    "--kernel",
    "kernel",
    multiple=True,
    metavar="SPEC",
    help="A name, name:parameter, rows of numbers, or a file; several make several maps.",
)
@padding_option(
    PADDING,
    default="same",
    show_default=True,
    help="same, same-lower, valid, full, N, HxW or T.B.L.R.",
)
@padding_mode_option("replicate")
@stride_option(
    SIZE,
    default="1",
    show_default=True,
    help="Step of the window. With 2 and `same`, an even side is sampled at pixels "
    "1, 3, 5..., an odd one at 0, 2, 4...",
)
@dilation_option(SIZE, default="1", show_default=True, help="Distance between the weights.")
@click.option(
    "--flip",
    is_flag=True,
    help="True convolution: the kernel turned by 180 degrees. Otherwise correlation, as CNNs do.",
)
@click.option(
    "--bias",
    type=REAL,
    default="0",
    show_default=True,
    help="Added to every sum, in the input's units.",
)
@click.option("--normalize", is_flag=True, help="Divide each kernel by the sum of its weights.")
@click.option(
    "--combine", type=click.Choice(COMBINATIONS), help="Make one map of several kernels' maps."
)
@click.option("--activation", type=click.Choice(ACTIVATIONS), help="After the kernels.")
@click.option("--pool", type=POOL, help="After the activation: max:K[,s=,p=,ceil] or avg:...")
@click.option(
    "-l",
    "--layer",
    type=LAYER,
    multiple=True,
    help="One more layer, like conv:kernel=blur,s=2 or maxpool:2; repeat for a stack.",
)
@click.option(
    "--net",
    metavar="FILE",
    help="A network file, in place of kernels and layers; - is standard input.",
)
@click.option("--gray", is_flag=True, help="Make colour pictures grey first.")
@click.option("--resize", type=RESIZE, help="Resample first; width, then height.")
@click.option(
    "--range",
    "value_range",
    type=click.Choice(POLICIES),
    help="How values become pixels: cut off, sizes, stretched, or zero at mid-grey. "
    "Pictures are clamped, numbers and squashed values rescaled, if left out.",
)
@click.option(
    "--linear", is_flag=True, help="Filter in linear light: right for blurring photographs."
)
@click.option(
    "--frame",
    type=whole_number("N"),
    help="Which frame of an animation or page to take, from 0; all if left out.",
)
@click.option("--strip", is_flag=True, help="Leave out EXIF, colour profile, resolution and text.")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file (.png .jpg .webp .tif .npy .csv) or - for standard output; {stem} and "
    "{kernel} stand for names.",
)
@click.option("--output-dir", metavar="DIR", help="Where to write; made if missing.")
@click.option(
    "--name",
    metavar="TEMPLATE",
    help="What to call the files there, or in this folder, like {stem}.{kernel}.png, the default.",
)
@click.option(
    "-f", "--force", is_flag=True, help="Replace existing files; an input is never replaced."
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave out inputs whose results are there: go on where a run was broken off.",
)
@click.option(
    "--figure",
    metavar="PATH",
    help="Draw input, kernels and maps side by side: .png or .svg. Without -o, nothing else.",
)
@click.option(
    "--preview", is_flag=True, help="Show before and after in the terminal; nothing in a pipe."
)
@click.option(
    "--print",
    "print_numbers",
    is_flag=True,
    help="Print the map as numbers; without -o nothing else is written.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="How to compute convolutions.",
)
@click.option(
    "--max-pixels",
    type=whole_number("N", least=1),
    default=str(MAX_PIXELS),
    show_default=True,
    help="The most pixels that a picture may have.",
)
@click.option(
    "-j",
    "--jobs",
    type=whole_number("N", least=1),
    default="1",
    show_default=True,
    help="Processes that work side by side.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Work on a Dask cluster instead; files are read and written where its workers are.",
)
@click.option(
    "--threads",
    type=THREADS,
    envvar="CONVCLI_THREADS",
    show_envvar=True,
    help="Threads that compute side by side; as many as there are cores if left out. Each of "
    "several --jobs has one.",
)
@click.option(
    "--max-memory",
    type=MEMORY,
    help="The most bytes to take, like 500M or 2G, shared by the --jobs; three quarters of the "
    "machine's memory if left out.",
)
@click.option(
    "--png-level",
    type=PNG_LEVEL,
    help="How hard PNG is compressed, as zlib has it; runs alone, which suit photographs, if left "
    "out.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show shapes, methods, memory and outputs by the headers alone; write nothing.",
)
@json_option("One JSON object a line: what was written, or what went wrong.")
@click.option("-q", "--quiet", is_flag=True, help="No warnings, no progress.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Say how each input was filtered, and in which time."
)
@click.pass_context
def apply(context: click.Context, /, inputs: tuple[str, ...], **options: Any) -> None:
    """Filter images or grids of numbers with kernels.

    INPUT is a picture, a grid of numbers (.csv, .txt, .npy), or - for standard input. Each result
    goes to STEM.KERNEL.png in this folder unless told otherwise. With zero padding the border
    itself is an edge: an edge kernel answers there. Of several inputs, a bad one stops no other.

    \b
    convcli apply cat.jpg --kernel sharpen
    convcli apply cat.jpg -k sobel-x -k sobel-y --combine magnitude -o edges.png
    cat cat.jpg | convcli apply - -k gaussian:2 -o - > soft.png
    """
    recipe = ApplyOptions(**options)
    validate(recipe, [name for name in options if _is_typed(context, name)], inputs)
    plan, labels = build_plan(recipe, inputs)
    target = build_target(recipe, plan, labels, inputs)
    validate_target(target, inputs)
    if recipe.output_dir is not None and recipe.scheduler is None and not recipe.dry_run:
        make_folder(recipe.output_dir)
    if recipe.workers(inputs) == 1:
        set_threads(recipe.threads or available_cores())
    counts: Counter[str] = Counter()
    jobs = make_jobs(recipe, plan, target, inputs)
    with (
        Progress(len(inputs), quiet=recipe.quiet) as progress,
        closing(run_jobs(jobs, recipe, inputs)) as reports,
    ):
        for report in in_input_order(progress.counted(reports), recipe, inputs):
            counts[status(report)] += 1
            if has_output(report, recipe):
                with progress.aside():
                    print_report(report, recipe)
    log_summary(counts, recipe)
    context.exit(1 if counts["failed"] else 0)


def _is_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE
