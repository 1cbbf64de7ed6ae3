"""What `apply` tells of an outcome."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from convcli.cli.output import emit, json_text, numbers_text, say, visible
from convcli.jobs import Job, Report
from convcli.pipeline.plan import Plan
from convcli.pipeline.results import Written
from convcli.pipeline.run import Outcome, shown

if TYPE_CHECKING:
    from convcli.cli.commands.apply.options import Recipe


def tell(report: Report, recipe: Recipe) -> None:
    """Print what was asked for, and say what the user would want to know."""
    if recipe.dry_run:
        _tell_rehearsal(report, recipe)
    if report.error is not None:
        say(report.error)
        if recipe.as_json:
            emit(json_text({"input": report.source, "error": report.error}))
        return
    if not recipe.quiet:
        for note in report.notes:
            say(f"{report.source}: {note}")
    if recipe.verbose and not recipe.dry_run:
        from convcli.cli.rehearsing import account

        for one in report.rehearsals:
            say(f"{report.source}: {account(one, report.seconds)}")
    if report.text:
        emit(report.text)
    if recipe.as_json:
        _tell_documents(report)


def _tell_rehearsal(report: Report, recipe: Recipe) -> None:
    from convcli.cli.rehearsing import rehearsal_document, rehearsal_text

    for one in report.rehearsals:
        if recipe.as_json:
            emit(json_text(rehearsal_document(report.source, one)))
        else:
            emit(rehearsal_text(report.source, one))


def _tell_documents(report: Report) -> None:
    for path in report.skipped:
        emit(json_text({"input": report.source, "output": path, "skipped": True}))
    for written in report.written:
        emit(json_text(_document(report, written)))


def has_something_to_tell(report: Report, recipe: Recipe) -> bool:
    """Whether `tell` would print anything."""
    always = recipe.as_json or recipe.dry_run or recipe.verbose
    return always or bool(report.error or report.notes or report.text)


def render(outcome: Outcome, job: Job, recipe: Recipe, *, names_input: bool = False) -> str:
    """The maps of an outcome as numbers, as a preview in the terminal, or both."""
    text = ""
    if recipe.print_numbers:
        text = f"# {visible(job.source)}\n" if names_input else ""
        text += numbers_text(dict(zip(job.target.labels, outcome.maps, strict=True))) + "\n"
    return text + (_preview(outcome, job.plan) if recipe.preview else "")


def _preview(outcome: Outcome, plan: Plan) -> str:
    """The input and its maps for the terminal; nothing where there is none."""
    from shutil import get_terminal_size

    from convcli.pictures.preview import has_colours, side_by_side_preview, true_colour
    from convcli.pipeline.maps import prepared

    if not has_colours(sys.stdout):
        return ""
    pictures = [shown(outcome.picture, prepared(outcome.picture, plan), plan)]
    pictures += [shown(outcome.picture, one, plan) for one in outcome.maps]
    columns = get_terminal_size().columns
    return side_by_side_preview(pictures, columns, all_colours=true_colour())


def _document(report: Report, written: Written) -> dict[str, Any]:
    """What became of one input, for JSON."""
    methods = (one.methods for one in report.rehearsals)
    return {
        "input": report.source,
        "output": written.path,
        "shape": written.shape,
        "method": "+".join(dict.fromkeys(filter(None, methods))) or None,
        "range": written.policy,
        "clipped": written.clipped,
        "seconds": round(report.seconds, 6),
    }
