"""The figure of `apply`: an input, its kernels and layers, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convcli.arithmetic.values import NO_PADDING, Sides
from convcli.engine.arrays import Array
from convcli.pictures.canvas import DEFAULT_STYLE, Panel, describe, render
from convcli.pictures.contact_sheet import make_sheet_panel
from convcli.pictures.layout import Bracket, Sign, Spacer, Table, fill_page, fold_line
from convcli.pictures.panels import make_kernel_panel, make_map_panel
from convcli.pictures.scales import Scale, share_scales
from convcli.pictures.theme import GAP, Style, Theme

CONVOLVE, EQUALS, THEN = "\N{ASTERISK OPERATOR}", "=", "\N{RIGHTWARDS ARROW}"
COLOR_NAMES = ("R", "G", "B")


@dataclass(frozen=True, slots=True)
class FigureMap:
    """A map, and how it is drawn.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    pixels : ndarray of uint8, (H, W, C) or (H, W, 3), optional
        The map as it is written, on a scale of its own.
    scale : Scale, optional
        That of the pixels; without any, maps of a row share one.
    notes : tuple of str
        Captions.
    is_sheet : bool
        Whether its channels are drawn apart, each with its number, even if there are three.
    """

    title: str
    values: Array
    pixels: Array | None = None
    scale: Scale | None = None
    notes: tuple[str, ...] = ()
    is_sheet: bool = False


@dataclass(frozen=True, slots=True)
class FigureStep:
    """A kernel or a layer, and the map that it makes.

    Parameters
    ----------
    title : str
        Of the kernel.
    output : FigureMap
    weights : ndarray, optional
        As they are applied; without any, the map is all that is drawn.
    notes : tuple of str
        What is said of the kernel: size, stride, padding and others.
    padding : ((top, bottom), (left, right))
        Of its input, that is drawn.
    mode : str
        The padding mode.
    is_next : bool
        Whether its input is the map before.
    """

    title: str
    output: FigureMap
    weights: Array | None = None
    notes: tuple[str, ...] = ()
    padding: Sides = NO_PADDING
    mode: str = "zero"
    is_next: bool = True


def draw_apply_figure(
    source: FigureMap,
    branches: Sequence[Sequence[FigureStep]],
    *,
    suffix: str,
    joined: Sequence[FigureStep] = (),
    white: float | None = None,
    style: Style = DEFAULT_STYLE,
) -> bytes:
    """Draw an input once, and the stages of each branch in a line of an equation.

    Parameters
    ----------
    source : FigureMap
        The input.
    branches : sequence of sequences of FigureStep
        The steps of each kernel, or of the layers alone.
    suffix : {".png", ".svg"}
    joined : sequence of FigureStep
        What all branches become together, and the layers after it.
    white : float, optional
        The input's own white, where it has one: maps within 0..white are seen on that scale.
    style : Style

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    theme = style.theme
    lines = [[step.output for step in branch] for branch in branches]
    scales = _choose_scales([[source], *lines, _outputs(joined)], white)

    def make_map(drawn: FigureMap, follower: FigureStep | None = None) -> Panel:
        return _make_map(drawn, scales[id(drawn)], follower, theme)

    names = COLOR_NAMES if white is not None and source.values.shape[2] == 3 else ()

    def make_groups(steps: Sequence[FigureStep], channels: Sequence[str]) -> list[list[Panel]]:
        groups = []
        for index, step in enumerate(steps):
            following = [*steps[index + 1 : index + 2], None][0]
            inputs = channels if index == 0 else ()
            groups.append(_make_group(step, make_map(step.output, following), inputs, theme))
        return groups

    first = [make_map(source, _common_padding(branches))]
    groups = [make_groups(branch, names) for branch in branches]
    end = make_groups(joined, ())
    if len(groups) == 1 and not end:
        table = fold_line([first, *groups[0]])
    else:
        rows = [[panel for group in branch for panel in group] for branch in groups]
        table = _arrange(first, rows, [panel for group in end for panel in group])
    named = [panel for line in ([first], *groups, end) for group in line for panel in group]
    described = [panel for panel in named if not isinstance(panel, (Sign, Spacer))]
    return render(
        [[table]], suffix, style, title=source.title, description=describe([described])
    )  # fmt: skip


def _outputs(steps: Iterable[FigureStep]) -> list[FigureMap]:
    return [step.output for step in steps]


def _arrange(first: list[Panel], rows: list[list[Panel]], end: list[Panel]) -> Table:
    """Put an input beside a table of branches, and what they become together behind a bracket."""
    if not end:
        return Table("", rows=[[*first, fill_page(rows, first[0])]])
    table = Table("", rows=rows)
    return fold_line([[*first, table, Bracket("", height=table.size[1])], end])


def _choose_scales(rows: Sequence[Sequence[FigureMap]], white: float | None) -> dict[int, Scale]:
    """Return the scale of each map, by its id: its own where it is drawn as written."""
    free = [[drawn for drawn in row if drawn.scale is None] for row in rows]
    shared = share_scales([[drawn.values for drawn in row] for row in free], white)
    found = {id(drawn): drawn.scale for row in rows for drawn in row if drawn.scale is not None}
    for row, scales in zip(free, shared, strict=True):
        found.update(zip(map(id, row), scales, strict=True))
    return found


def _common_padding(branches: Sequence[Sequence[FigureStep]]) -> FigureStep | None:
    """Return the first step of a branch if all have the same padding, which the input shows."""
    firsts = [branch[0] for branch in branches if branch]
    if len({(step.padding, step.mode) for step in firsts}) == 1:
        return firsts[0]
    return None


def _make_map(
    drawn: FigureMap, scale: Scale, follower: FigureStep | None, theme: Theme
) -> Panel:  # fmt: skip
    if drawn.is_sheet:
        return make_sheet_panel(
            drawn.title, drawn.values, theme, scale=scale, pixels=drawn.pixels, notes=drawn.notes
        )
    is_padded = follower is not None and follower.is_next
    return make_map_panel(
        drawn.title,
        drawn.values,
        theme,
        scale=scale,
        pixels=drawn.pixels,
        padding=follower.padding if follower is not None and is_padded else NO_PADDING,
        mode="zero" if follower is None else follower.mode,
        notes=drawn.notes,
    )


def _make_group(
    step: FigureStep, output: Panel, input_names: Sequence[str], theme: Theme
) -> list[Panel]:
    """Return what a step adds to a line: its signs, its kernel and its map."""
    if step.weights is None:
        # A join takes more than the map before: no arrow leads to it.
        return [Sign(THEN) if step.is_next else Spacer("", width=GAP), output]
    kernel = make_kernel_panel(
        step.title, step.weights, theme, notes=step.notes, input_names=input_names
    )
    return [*([Sign(CONVOLVE)] if step.is_next else []), kernel, Sign(EQUALS), output]
