"""The options of `apply`, as they were typed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, Sides
from convcli.cli.options import FIGURE_SUFFIXES
from convcli.files import STDIN, STDOUT
from convcli.images.formats import format_of
from convcli.pipeline.memory import default_max_memory
from convcli.pipeline.outputs import DEFAULT_TEMPLATE, format_name


class ApplyOptions(NamedTuple):
    """The options of `apply`, as they were typed."""

    kernel: tuple[str, ...]
    stride: Pair
    padding: str | Sides
    dilation: Pair
    padding_mode: str
    flip: bool
    bias: float
    normalize: bool
    combine: str | None
    activation: str | None
    pool: Layer | None
    layer: tuple[Layer, ...]
    net: str | None
    gray: bool
    resize: Pair | None
    value_range: str | None
    frame: int | None
    linear: bool
    strip: bool
    method: str
    max_pixels: int
    max_memory: int | None
    threads: int | None
    png_level: int | None
    output: str | None
    output_dir: str | None
    name: str | None
    force: bool
    skip_existing: bool
    figure: str | None
    preview: bool
    print_numbers: bool
    jobs: int
    scheduler: str | None
    dry_run: bool
    as_json: bool
    quiet: bool
    verbose: bool

    @property
    def stack(self) -> tuple[Layer, ...]:
        """What every map goes through: activation, pool, layers."""
        activation = () if self.activation is None else (Layer(op=self.activation),)
        pool = () if self.pool is None else (self.pool,)
        return (*activation, *pool, *self.layer)

    @property
    def template(self) -> str | None:
        """Where results go, as a target's template."""
        if self.output is not None:
            return self.output
        if self.output_dir is not None:
            return str(Path(self.output_dir) / (self.name or DEFAULT_TEMPLATE))
        if self.name is not None:
            return self.name
        instead = self.print_numbers or self.preview or self.figure is not None
        return None if instead else DEFAULT_TEMPLATE

    def workers(self, inputs: Sequence[str]) -> int:
        """How many processes there are to be: no more than there is work for."""
        return min(self.jobs, len(inputs))

    def memory_share(self, inputs: Sequence[str]) -> int | None:
        """What each process may take; None for what suits the machine that it runs on."""
        processes = self.workers(inputs)
        most = self.max_memory
        if most is None and processes > 1:
            most = default_max_memory()
        return None if most is None else most // processes

    @property
    def makes_pictures(self) -> bool:
        """Whether pictures are written, or a picture to standard output."""
        template = self.template
        return template is not None and (template == STDOUT or format_of(template) is not None)

    def goes_to_stdout(self, inputs: Sequence[str]) -> bool:
        """Whether the result itself goes to standard output."""
        if self.output is not None:
            return self.output == STDOUT
        is_named = self.output_dir is not None or self.name is not None
        elsewhere = is_named or self.print_numbers or self.as_json
        return STDIN in inputs and not elsewhere


def figure_path(template: str, source: str) -> str:
    """Where the figure of an input goes."""
    stem = "stdin" if source == STDIN else Path(source).stem
    return template.replace("{stem}", stem)


SEPARATORS = ("/", "\\")
EXCLUDED_BY_NET = ("kernel", "activation", "pool", "layer")
# These say how a kernel filters, and would have no effect without one.
KERNEL_OPTIONS = (
    "stride", "padding", "dilation", "padding_mode", "flip", "bias", "normalize", "combine"
)  # fmt: skip


def validate(recipe: ApplyOptions, typed: Collection[str], inputs: Sequence[str]) -> None:
    """Refuse options that contradict each other, or would have no effect."""
    _validate_work(recipe, typed)
    if recipe.resize is not None and recipe.resize[0] * recipe.resize[1] > recipe.max_pixels:
        pixels = recipe.resize[0] * recipe.resize[1]
        raise click.UsageError(
            f"--resize would make {pixels:,} pixels, and --max-pixels allows {recipe.max_pixels:,}"
        )
    if recipe.output is not None and recipe.output_dir is not None:
        raise click.UsageError("--output and --output-dir exclude each other")
    claims = {
        "-o -": recipe.goes_to_stdout(inputs),
        "--print": recipe.print_numbers,
        "--json": recipe.as_json,
    }
    claimants = [name for name, claimed in claims.items() if claimed]
    if len(claimants) > 1:
        raise click.UsageError(f"only one of {' and '.join(claimants)} can have standard output")
    if recipe.value_range is not None and not (recipe.makes_pictures or recipe.preview):
        raise click.UsageError("--range goes with a picture: numbers are written as they are")
    _validate_figure(recipe, inputs)
    _validate_names(recipe, inputs)
    _validate_messages(recipe)
    _validate_workers(recipe, typed, inputs)
    if (*inputs, recipe.net).count(STDIN) > 1:
        raise click.UsageError("standard input can be read once: give - once")


def _validate_figure(recipe: ApplyOptions, inputs: Sequence[str]) -> None:
    if recipe.figure is None:
        return
    if Path(recipe.figure).suffix.lower() not in FIGURE_SUFFIXES:
        known = " or ".join(FIGURE_SUFFIXES)
        raise click.UsageError(f"--figure {recipe.figure!r} must end in {known}")
    paths = [figure_path(recipe.figure, source) for source in inputs]
    if len(set(paths)) < len(paths):
        advice = "put {stem} in its name" if "{stem}" not in recipe.figure else "draw them apart"
        raise click.UsageError(
            f"--figure {recipe.figure!r} is one file for several inputs; {advice}"
        )
    if recipe.figure == recipe.output:
        raise click.UsageError("--figure and --output are the same file")


def _validate_names(recipe: ApplyOptions, inputs: Sequence[str]) -> None:
    if recipe.name is not None:
        if recipe.output is not None:
            raise click.UsageError("--output and --name exclude each other")
        if recipe.name in ("", STDOUT) or any(sign in recipe.name for sign in SEPARATORS):
            raise click.UsageError(
                f"--name {recipe.name!r} must be a file's name; --output-dir says where it goes"
            )
    if recipe.skip_existing:
        if recipe.force:
            raise click.UsageError("--force and --skip-existing exclude each other")
        writes = recipe.template is not None or recipe.figure is not None
        if not writes or recipe.goes_to_stdout(inputs):
            raise click.UsageError("--skip-existing goes with files, and none are to be written")
        if recipe.print_numbers or recipe.preview:
            raise click.UsageError(
                "--skip-existing leaves inputs unread: it does not go with --print or --preview"
            )


def _validate_messages(recipe: ApplyOptions) -> None:
    """Refuse options about what is said that contradict each other."""
    if recipe.quiet and recipe.verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    is_png = recipe.makes_pictures and format_name(recipe.template or STDOUT) == "PNG"
    if recipe.png_level is not None and not is_png:
        raise click.UsageError("--png-level goes with PNG, and none is to be written")
    if recipe.dry_run:
        others = {
            "--print": recipe.print_numbers,
            "--preview": recipe.preview,
            "--verbose": recipe.verbose,
            "--scheduler": recipe.scheduler is not None,
        }
        for name, given in others.items():
            if given:
                raise click.UsageError(f"--dry-run and {name} exclude each other")


def _validate_workers(recipe: ApplyOptions, typed: Collection[str], inputs: Sequence[str]) -> None:
    """Refuse what other processes cannot do: read our streams, or hand back maps to show."""
    if recipe.scheduler is not None and "jobs" in typed:
        raise click.UsageError("--jobs and --scheduler exclude each other")
    if recipe.scheduler is None and recipe.workers(inputs) == 1:
        return
    if "threads" in typed:
        raise click.UsageError("--threads is for one process: each of several works in one thread")
    option = "--jobs" if recipe.scheduler is None else "--scheduler"
    if STDIN in inputs or recipe.goes_to_stdout(inputs):
        raise click.UsageError(f"{option} works on files: - does not go with it")
    for name, shows in {"--print": recipe.print_numbers, "--preview": recipe.preview}.items():
        if shows:
            raise click.UsageError(f"{option} and {name} exclude each other: leave out {option}")


def _validate_work(recipe: ApplyOptions, typed: Collection[str]) -> None:
    """Refuse a recipe with nothing to do, or with options that nothing would take up."""
    if recipe.net is not None:
        for name in EXCLUDED_BY_NET:
            if name in typed:
                raise click.UsageError(f"--net and --{name} exclude each other")
    convolves = recipe.kernel or recipe.net or any(layer.spec for layer in recipe.layer)
    if "method" in typed and not convolves:
        raise click.UsageError("--method goes with a convolution, which there is none of")
    if recipe.kernel:
        return
    for name in KERNEL_OPTIONS:
        if name in typed:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --kernel")
    if not (recipe.net or recipe.stack or recipe.gray or recipe.resize):
        raise click.UsageError("nothing to do: give --kernel, like --kernel sharpen")
