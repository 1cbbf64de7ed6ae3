"""What was typed to `apply` -> a plan and a target, or a usage error."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from convcli.arithmetic.arguments import Pair, Sides
from convcli.arithmetic.layers import Layer
from convcli.cli.networks import is_network_file, load_network
from convcli.cli.options import FIGURE_SUFFIXES
from convcli.errors import ArgumentError, FileError, KernelError, KernelFileError
from convcli.files import STDIN, STDOUT
from convcli.images.formats import format_of
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import file_of
from convcli.pipeline.names import TEMPLATE, Target, distinct, slug
from convcli.pipeline.plan import Plan, Step, check_limits, convolution, layer_steps, load_kernels

SEPARATORS = ("/", "\\")
OTHER_THAN_NET = ("kernel", "activation", "pool", "layer")
# These say how a kernel filters, and would have no effect without one.
OF_KERNELS = (
    "stride", "padding", "dilation", "padding_mode", "flip", "bias", "normalize", "combine"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
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
    as_json: bool
    quiet: bool

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
            return str(Path(self.output_dir) / (self.name or TEMPLATE))
        if self.name is not None:
            return self.name
        instead = self.print_numbers or self.preview or self.figure is not None
        return None if instead else TEMPLATE

    def workers(self, inputs: Sequence[str]) -> int:
        """How many processes there are to be: no more than there is work for."""
        return min(self.jobs, len(inputs))


def check_recipe(recipe: Recipe, typed: Collection[str], inputs: Sequence[str]) -> None:
    """Refuse options that contradict each other, or would have no effect."""
    _check_work(recipe, typed)
    if recipe.resize is not None and recipe.resize[0] * recipe.resize[1] > recipe.max_pixels:
        pixels = recipe.resize[0] * recipe.resize[1]
        raise click.UsageError(
            f"--resize would make {pixels:,} pixels, and --max-pixels allows {recipe.max_pixels:,}"
        )
    if recipe.output is not None and recipe.output_dir is not None:
        raise click.UsageError("--output and --output-dir exclude each other")
    claims = {
        "-o -": _goes_to_stdout(recipe, inputs),
        "--print": recipe.print_numbers,
        "--json": recipe.as_json,
    }
    claimants = [name for name, claimed in claims.items() if claimed]
    if len(claimants) > 1:
        raise click.UsageError(f"only one of {' and '.join(claimants)} can have standard output")
    if recipe.value_range is not None and not (_makes_pictures(recipe) or recipe.preview):
        raise click.UsageError("--range goes with a picture: numbers are written as they are")
    _check_figure(recipe, inputs)
    _check_names(recipe, inputs)
    _check_workers(recipe, typed, inputs)
    if (*inputs, recipe.net).count(STDIN) > 1:
        raise click.UsageError("standard input can be read once: give - once")


def figure_path(template: str, source: str) -> str:
    """Where the figure of an input goes."""
    stem = "stdin" if source == STDIN else Path(source).stem
    return template.replace("{stem}", stem)


def _check_figure(recipe: Recipe, inputs: Sequence[str]) -> None:
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


def _check_names(recipe: Recipe, inputs: Sequence[str]) -> None:
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
        if not writes or _goes_to_stdout(recipe, inputs):
            raise click.UsageError("--skip-existing goes with files, and none are to be written")
        if recipe.print_numbers or recipe.preview:
            raise click.UsageError(
                "--skip-existing leaves inputs unread: it does not go with --print or --preview"
            )


def _check_workers(recipe: Recipe, typed: Collection[str], inputs: Sequence[str]) -> None:
    """Refuse what other processes cannot do: read our streams, or hand back maps to show."""
    if recipe.scheduler is not None and "jobs" in typed:
        raise click.UsageError("--jobs and --scheduler exclude each other")
    if recipe.scheduler is None and recipe.workers(inputs) == 1:
        return
    option = "--jobs" if recipe.scheduler is None else "--scheduler"
    if STDIN in inputs or _goes_to_stdout(recipe, inputs):
        raise click.UsageError(f"{option} works on files: - does not go with it")
    for name, shows in {"--print": recipe.print_numbers, "--preview": recipe.preview}.items():
        if shows:
            raise click.UsageError(f"{option} and {name} exclude each other: leave out {option}")


def _check_work(recipe: Recipe, typed: Collection[str]) -> None:
    """Refuse a recipe with nothing to do, or with options that nothing would take up."""
    if recipe.net is not None:
        for name in OTHER_THAN_NET:
            if name in typed:
                raise click.UsageError(f"--net and --{name} exclude each other")
    convolves = recipe.kernel or recipe.net or any(layer.spec for layer in recipe.layer)
    if "method" in typed and not convolves:
        raise click.UsageError("--method goes with a convolution, which there is none of")
    if recipe.kernel:
        return
    for name in OF_KERNELS:
        if name in typed:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --kernel")
    if not (recipe.net or recipe.stack or recipe.gray or recipe.resize):
        raise click.UsageError("nothing to do: give --kernel, like --kernel sharpen")


def make_plan(recipe: Recipe) -> tuple[Plan, tuple[str, ...]]:
    """The plan, and a label for each feature map that it makes.

    Raises
    ------
    ArgumentError
        For what cannot be done as typed.
    KernelFileError
        For a kernel's file.
    """
    base = Layer(
        op="conv",
        stride=recipe.stride,
        padding=recipe.padding,
        dilation=recipe.dilation,
        mode=recipe.padding_mode,
    )
    check_limits(base, recipe.max_pixels)
    layers = _layers(recipe)
    kernels = load_kernels(recipe.kernel)
    plan = Plan(
        gray=recipe.gray,
        resize=recipe.resize,
        kernels=tuple(
            _step(recipe, base, kernel, spec)
            for kernel, spec in zip(kernels, recipe.kernel, strict=True)
        ),
        combine=recipe.combine,
        layers=layers,
        value_range=recipe.value_range,
        frame=recipe.frame,
        linear=recipe.linear,
        strip=recipe.strip,
        method=recipe.method,
        max_pixels=recipe.max_pixels,
    )
    if not kernels:
        return plan, ("filtered",)
    if recipe.combine is not None:
        return plan, ("combined",)
    return plan, distinct([slug(kernel.name) for kernel in kernels])


def _layers(recipe: Recipe) -> tuple[Step, ...]:
    """The steps of the typed stack, or of the network file."""
    if recipe.net is None:
        return layer_steps(recipe.stack, method=recipe.method, max_pixels=recipe.max_pixels)
    found = load_network(recipe.net)
    try:
        return layer_steps(found.layers, method=recipe.method, max_pixels=recipe.max_pixels)
    except FileError:
        raise
    except ArgumentError as error:
        if not is_network_file(recipe.net):
            raise
        raise FileError(recipe.net.removeprefix("@"), str(error)) from error


def make_target(
    recipe: Recipe, plan: Plan, labels: tuple[str, ...], inputs: Sequence[str]
) -> Target:
    """Where the results go, and what must not be replaced beside the inputs."""
    net_file = () if recipe.net is None else (recipe.net.removeprefix("@"),)
    template = STDOUT if _goes_to_stdout(recipe, inputs) else recipe.template
    return Target(template, labels, recipe.force, (*net_file, *plan.kernel_files))


def _step(recipe: Recipe, base: Layer, kernel: Kernel, spec: str) -> Step:
    """One kernel as a convolution, normalized and biased as typed."""
    if recipe.normalize:
        try:
            kernel = kernel.normalized()
        except KernelError as error:
            path = file_of(spec)
            if path is None:
                raise KernelError(f"kernel {spec!r}: {error}") from None
            raise KernelFileError(path, str(error)) from error
    biased = replace(kernel, bias=kernel.bias + recipe.bias)
    return convolution(replace(base, spec=spec), biased, recipe.method, flip=recipe.flip)


def _goes_to_stdout(recipe: Recipe, inputs: Sequence[str]) -> bool:
    if recipe.output is not None:
        return recipe.output == STDOUT
    is_named = recipe.output_dir is not None or recipe.name is not None
    elsewhere = is_named or recipe.print_numbers or recipe.as_json
    return STDIN in inputs and not elsewhere


def _makes_pictures(recipe: Recipe) -> bool:
    template = recipe.template
    return template is not None and (template == STDOUT or format_of(template) is not None)
