"""The options of `apply`, as they were typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from convcli.arithmetic.arguments import Pair, Sides
from convcli.arithmetic.layers import Layer
from convcli.files import STDIN, STDOUT
from convcli.images.formats import format_of
from convcli.pipeline.memory import default_limit
from convcli.pipeline.names import TEMPLATE


class Recipe(NamedTuple):
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
            return str(Path(self.output_dir) / (self.name or TEMPLATE))
        if self.name is not None:
            return self.name
        instead = self.print_numbers or self.preview or self.figure is not None
        return None if instead else TEMPLATE

    def workers(self, inputs: Sequence[str]) -> int:
        """How many processes there are to be: no more than there is work for."""
        return min(self.jobs, len(inputs))

    def memory_share(self, inputs: Sequence[str]) -> int | None:
        """What each process may take; None for what suits the machine that it runs on."""
        processes = self.workers(inputs)
        most = self.max_memory
        if most is None and processes > 1:
            most = default_limit()
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
