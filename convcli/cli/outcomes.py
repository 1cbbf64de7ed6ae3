"""What `apply` tells of an outcome."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from convcli.cli.output import emit, json_text, numbers_text, say
from convcli.cli.recipe import Recipe
from convcli.jobs import Job, Report
from convcli.pipeline.plan import Plan
from convcli.pipeline.results import Written
from convcli.pipeline.run import Outcome, prepared, shown


def tell(report: Report, plan: Plan, recipe: Recipe) -> None:
    """Print what was asked for, and say what the user would want to know."""
    if report.error is not None:
        say(report.error)
        if recipe.as_json:
            emit(json_text({"input": report.source, "error": report.error}))
        return
    if not recipe.quiet:
        for note in report.notes:
            say(f"{report.source}: {note}")
    if report.text:
        emit(report.text)
    if recipe.as_json:
        for path in report.skipped:
            emit(json_text({"input": report.source, "output": path, "skipped": True}))
        for written in report.written:
            emit(json_text(_document(report, written, plan)))


def has_something_to_tell(report: Report, recipe: Recipe) -> bool:
    """Whether `tell` would print anything."""
    return recipe.as_json or bool(report.error or report.notes or report.text)


def render(outcome: Outcome, job: Job, recipe: Recipe) -> str:
    """The maps of an outcome as numbers, as a preview in the terminal, or both."""
    text = ""
    if recipe.print_numbers:
        text = numbers_text(dict(zip(job.target.labels, outcome.maps, strict=True))) + "\n"
    return text + (_preview(outcome, job.plan) if recipe.preview else "")


def _preview(outcome: Outcome, plan: Plan) -> str:
    """The input and its maps for the terminal; nothing where there is none."""
    from convcli.pictures.preview import has_colours, side_by_side_preview, true_colour

    if not has_colours(sys.stdout):
        return ""
    pictures = [shown(outcome.picture, prepared(outcome.picture, plan), plan)]
    pictures += [shown(outcome.picture, one, plan) for one in outcome.maps]
    columns = shutil.get_terminal_size().columns
    return side_by_side_preview(pictures, columns, all_colours=true_colour())


def _document(report: Report, written: Written, plan: Plan) -> dict[str, Any]:
    """What became of one input, for JSON."""
    return {
        "input": report.source,
        "output": written.path,
        "shape": written.shape,
        "method": plan.methods,
        "range": written.policy,
        "clipped": written.clipped,
        "seconds": round(report.seconds, 6),
    }
