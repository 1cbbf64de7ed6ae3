"""What was typed to `apply` -> a plan and a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convcli.arithmetic.layers import Layer
from convcli.cli.commands.apply.options import ApplyOptions
from convcli.errors import ArgumentError, FileError, KernelError, KernelFileError
from convcli.files import STDOUT
from convcli.kernels import Kernel, kernel_path
from convcli.pipeline.outputs import OutputTarget, number_duplicates, slugify
from convcli.pipeline.plan import (
    Plan,
    Step,
    check_limits,
    load_kernels,
    make_convolution,
    make_layer_steps,
)


def build_plan(recipe: ApplyOptions, inputs: Sequence[str]) -> tuple[Plan, tuple[str, ...]]:
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
        max_memory=recipe.memory_share(inputs),
    )
    if not kernels:
        return plan, ("filtered",)
    if recipe.combine is not None:
        return plan, ("combined",)
    return plan, number_duplicates([slugify(kernel.name) for kernel in kernels])


def _layers(recipe: ApplyOptions) -> tuple[Step, ...]:
    """The steps of the typed stack, or of the network file."""
    if recipe.net is None:
        return make_layer_steps(recipe.stack, method=recipe.method, max_pixels=recipe.max_pixels)
    from convcli.cli.networks import is_network_file, load_network

    found = load_network(recipe.net)
    try:
        return make_layer_steps(found.layers, method=recipe.method, max_pixels=recipe.max_pixels)
    except FileError:
        raise
    except ArgumentError as error:
        if not is_network_file(recipe.net):
            raise
        raise FileError(recipe.net.removeprefix("@"), str(error)) from error


def build_target(
    recipe: ApplyOptions, plan: Plan, labels: tuple[str, ...], inputs: Sequence[str]
) -> OutputTarget:
    """Where the results go, and what must not be replaced beside the inputs."""
    net_file = () if recipe.net is None else (recipe.net.removeprefix("@"),)
    template = STDOUT if recipe.goes_to_stdout(inputs) else recipe.template
    protected = (*net_file, *plan.kernel_files)
    return OutputTarget(template, labels, recipe.force, protected, recipe.png_level)


def _step(recipe: ApplyOptions, base: Layer, kernel: Kernel, spec: str) -> Step:
    """One kernel as a convolution, normalized and biased as typed."""
    if recipe.normalize:
        try:
            kernel = kernel.normalized()
        except KernelError as error:
            path = kernel_path(spec)
            if path is None:
                raise KernelError(f"kernel {spec!r}: {error}") from None
            raise KernelFileError(path, str(error)) from error
    biased = replace(kernel, bias=kernel.bias + recipe.bias)
    return make_convolution(replace(base, spec=spec), biased, recipe.method, flip=recipe.flip)
