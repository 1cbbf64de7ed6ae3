"""What `apply` tells and draws of an outcome."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from convcli.cli.output import emit, json_text, numbers_text, say
from convcli.cli.recipe import Recipe, figure_path
from convcli.files import check_output, replacing
from convcli.pipeline.names import Target
from convcli.pipeline.plan import Plan
from convcli.pipeline.results import Written
from convcli.pipeline.run import Outcome, Stage, prepared, process, shown


def tell(outcome: Outcome, plan: Plan, target: Target, recipe: Recipe) -> None:
    """Print what was asked for, and say what the user would want to know."""
    if not recipe.quiet:
        for note in outcome.notes:
            say(f"{outcome.source}: {note}")
    if recipe.print_numbers:
        emit(numbers_text(dict(zip(target.labels, outcome.maps, strict=True))))
    if recipe.preview:
        _show(outcome, plan)
    if recipe.as_json:
        for written in outcome.written:
            emit(json_text(_document(outcome, written, plan)))


def draw(source: str, plan: Plan, target: Target, recipe: Recipe) -> Outcome:
    """Filter one input, and draw the way that it went."""
    from convcli.pictures.stages import stages_figure

    path = figure_path(recipe.figure or "", source)
    check_output(path, force=recipe.force, inputs=target.protected)
    ways: dict[int, list[Stage]] = {}
    outcome = process(
        source, plan, target, lambda number, stage: ways.setdefault(number, []).append(stage)
    )
    depth = outcome.picture.depth
    drawn = stages_figure(
        Path(source).name,
        prepared(outcome.picture, plan),
        [
            [
                (stage.title, stage.values, None if stage.kernel is None else stage.kernel.matrix)
                for stage in way
            ]
            for way in ways.values()
        ],
        white=None if depth is None else 2.0**depth - 1,
        suffix=Path(path).suffix.lower(),
    )
    with replacing(path) as stream:
        stream.write(drawn)
    return outcome


def _show(outcome: Outcome, plan: Plan) -> None:
    """Show the input and its maps in the terminal; nothing where there is none."""
    from convcli.pictures.preview import has_colours, side_by_side_preview, true_colour

    if not has_colours(sys.stdout):
        return
    pictures = [shown(outcome.picture, prepared(outcome.picture, plan), plan)]
    pictures += [shown(outcome.picture, one, plan) for one in outcome.maps]
    columns = shutil.get_terminal_size().columns
    emit(side_by_side_preview(pictures, columns, all_colours=true_colour()))


def _document(outcome: Outcome, written: Written, plan: Plan) -> dict[str, Any]:
    """What became of one input, for JSON."""
    return {
        "input": outcome.source,
        "output": written.path,
        "shape": written.shape,
        "method": plan.methods,
        "range": written.policy,
        "clipped": written.clipped,
        "seconds": round(outcome.seconds, 6),
    }
