"""Collisions: inputs with one output file, and outputs that are inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from convcli.errors import ArgumentError
from convcli.files import STDIN, STDOUT
from convcli.files.paths import RealPaths, identify, real_path, suffix_of
from convcli.images.formats import FORMATS, FORMATS_EXTRA, is_installed
from convcli.pipeline.names import FIELDS, KERNEL_FIELD, check_fields, make_pattern, parent, stem
from convcli.pipeline.outputs import MAIN_SUFFIXES, OUTPUT_SUFFIXES, OutputTarget


def validate_target(
    target: OutputTarget, sources: Sequence[str], figures: Sequence[str] = ()
) -> None:
    """Check a target by itself and against all inputs, before any file is opened.

    Parameters
    ----------
    target : OutputTarget
    sources, figures : sequence of str
        The inputs, and the file of each one's figure, if there are to be any.

    Raises
    ------
    ArgumentError
        For an unknown field or suffix, and for several maps or inputs with one output.
    """
    if target.template is not None and not target.is_default:
        check_fields(target.template, "output", FIELDS)
    can_collide = len(sources) > 1 or bool(figures)
    resolve = RealPaths() if can_collide else real_path
    users: dict[str, tuple[int, str]] = {}
    drawn: dict[str, int] = {}
    for index, source in enumerate(sources):
        bound = target.bind(source)
        _check_format(bound, target.template)
        for path in bound.paths(source) if can_collide else ():
            file = path if path == STDOUT else resolve(path)
            first, other = users.setdefault(file, (index, source))
            if first != index:
                raise ArgumentError(_collision_text(target, other, source, path))
    for index, figure in enumerate(figures):
        file = resolve(figure)
        if drawn.setdefault(file, index) != index:
            fields = "{stem}" if len(set(figures)) == 1 else "{parent} or {ext}"
            advice = f"put {fields} in its name"
            raise ArgumentError(f"--figure {figure!r} is one file for several inputs; {advice}")
        if file in users:
            raise ArgumentError("--figure and --output are the same file")


def _check_format(bound: OutputTarget, template: str | None) -> None:
    """Refuse the output of an input whose format is unknown, or cannot hold all maps."""
    if template is None or bound.template is None:
        return
    if template != STDOUT and suffix_of(bound.template) not in OUTPUT_SUFFIXES:
        known = ", ".join(MAIN_SUFFIXES)
        named = "" if bound.template == template else f" ({bound.template!r})"
        raise ArgumentError(f"output {template!r}{named}: its suffix must be one of {known}")
    package = FORMATS[bound.format].package if bound.format in FORMATS else None
    if package and not is_installed(package):
        raise ArgumentError(f"output {template!r}: {bound.format} is written with {FORMATS_EXTRA}")
    if len(bound.labels) > 1 and not (bound.has_file_per_map or bound.is_stacked):
        raise ArgumentError(
            f"output {template!r} is one file for {len(bound.labels)} kernels; put {{kernel}} in "
            "its name, or give --combine"
        )


def _collision_text(target: OutputTarget, first: str, second: str, path: str) -> str:
    """Describe two inputs with one output, and what to do about it."""
    if first == second:
        return f"{first} is given twice, for one {path}; give it once"
    template = target.template or ""
    if "{stem}" not in template:
        advice = "put {stem} in the output's name"
    elif stem(first) != stem(second):
        advice = "give the output another name"
    else:
        advice = f"both have the {{stem}} {stem(first)!r}: {_distinct_names(target, first, second)}"
    return f"{first} and {second} would both be written to {path}; {advice}"


def _distinct_names(target: OutputTarget, first: str, second: str) -> str:
    """Return what tells the outputs of two inputs with the same stem apart."""
    template = target.template or ""
    from pathlib import Path

    if Path(first).parent == Path(second).parent:
        if "{ext}" not in template:
            return "put {ext} in the output's name, like {stem}.{ext}.{kernel}.png"
        return "give one of them another name"
    if target.subfolders and not target.folder:
        return "give --output-dir, which keeps their folders apart"
    if "{parent}" not in template and parent(first) != parent(second):
        return "put {parent} in the output's name, like {parent}-{stem}.{kernel}.png"
    return "filter them apart, with an --output-dir each"


class OverwriteGuard:
    """Finds the inputs that the outputs of each input could replace: few, of however many.

    Comparing each output with all inputs would take hours for a folder of a hundred thousand.

    Parameters
    ----------
    target : OutputTarget
    sources : sequence of str
        The inputs.
    """

    def __init__(self, target: OutputTarget, sources: Sequence[str]) -> None:
        self._target = target
        self._by_name: dict[str, str] = {}  # which also holds where only workers see the files
        self._by_identity: dict[tuple[int, int], str] = {}
        self._possible_channels: tuple[str, ...] = ()
        if len(sources) == 1:  # of which there is nothing to find
            return
        resolve = RealPaths()
        for source in sources:
            if source != STDIN:
                self._by_name[resolve(source)] = source
                if identity := identify(source):
                    self._by_identity[identity] = source
        if target.has_file_per_map:
            labels = "|".join(map(re.escape, target.labels))
            pattern = make_pattern(target.template or "", {KERNEL_FIELD: rf"(?:{labels})-\d+"})
            self._possible_channels = tuple(
                source for name, source in self._by_name.items() if pattern.search(name)
            )

    def protect(self, source: str, *others: str) -> OutputTarget:
        """Return the target of one input, whose outputs and `others` replace no input."""
        bound = self._target.bind(source)
        replaced: list[str] = []
        if self._by_name:
            for path in (*bound.possible_paths(source), *others):
                replaced += filter(None, [self._by_name.get(real_path(path))])
                if identity := identify(path):  # by a hard link, or in another case
                    replaced += filter(None, [self._by_identity.get(identity)])
        protected = (*bound.protected, source, *replaced, *self._possible_channels)
        return bound._replace(protected=tuple(dict.fromkeys(protected)))
