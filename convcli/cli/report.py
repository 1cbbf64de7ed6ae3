"""The texts and JSON documents that `apply` prints about an input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from convcli.batch import Job, Report
from convcli.cli.output import escape_control, format_json, format_numbers, log, print_data
from convcli.pipeline.memory import format_bytes
from convcli.pipeline.plan import Plan
from convcli.pipeline.route import Route, RouteStep
from convcli.pipeline.run import Outcome, to_display_pixels
from convcli.pipeline.write import OutputFile

if TYPE_CHECKING:
    from convcli.cli.commands.apply.options import ApplyOptions


def print_report(report: Report, recipe: ApplyOptions) -> None:
    """Print what was asked for, and say what the user would want to know."""
    if recipe.dry_run:
        _print_dry_run(report, recipe)
    if report.error is not None:
        log(report.error)
        if recipe.as_json:
            print_data(format_json({"input": report.source, "error": report.error}))
        return
    if not recipe.quiet:
        for note in report.notes:
            log(f"{report.source}: {note}")
    if recipe.verbose and not recipe.dry_run:
        for one in report.routes:
            log(f"{report.source}: {summary_text(one, report.seconds)}")
    if report.text:
        print_data(report.text)
    if recipe.as_json:
        _print_documents(report)


def _print_dry_run(report: Report, recipe: ApplyOptions) -> None:

    for one in report.routes:
        if recipe.as_json:
            print_data(format_json(dry_run_document(report.source, one)))
        else:
            print_data(dry_run_text(report.source, one))


def _print_documents(report: Report) -> None:
    for path in report.skipped:
        print_data(format_json({"input": report.source, "output": path, "skipped": True}))
    for written in report.written:
        print_data(format_json(_output_document(report, written)))


def has_output(report: Report, recipe: ApplyOptions) -> bool:
    """Whether `print_report` would print anything."""
    always = recipe.as_json or recipe.dry_run or recipe.verbose
    return always or bool(report.error or report.notes or report.text)


def render_maps(
    outcome: Outcome, job: Job, recipe: ApplyOptions, *, names_input: bool = False
) -> str:
    """The maps of an outcome as numbers, as a preview in the terminal, or both."""
    text = ""
    if recipe.print_numbers:
        text = f"# {escape_control(job.source)}\n" if names_input else ""
        text += format_numbers(dict(zip(job.target.labels, outcome.maps, strict=True))) + "\n"
    return text + (_render_preview(outcome, job.plan) if recipe.preview else "")


def _render_preview(outcome: Outcome, plan: Plan) -> str:
    """The input and its maps for the terminal; nothing where there is none."""
    from shutil import get_terminal_size

    from convcli.pictures.text import has_colors, has_true_color, render_preview
    from convcli.pipeline.execute import preprocess

    if not has_colors(sys.stdout):
        return ""
    pictures = [to_display_pixels(outcome.picture, preprocess(outcome.picture, plan), plan)]
    pictures += [to_display_pixels(outcome.picture, one, plan) for one in outcome.maps]
    columns = get_terminal_size().columns
    return render_preview(pictures, columns, true_color=has_true_color())


def _output_document(report: Report, written: OutputFile) -> dict[str, Any]:
    """What became of one input, for JSON."""
    methods = (one.methods for one in report.routes)
    return {
        "input": report.source,
        "output": written.path,
        "shape": written.shape,
        "method": "+".join(dict.fromkeys(filter(None, methods))) or None,
        "range": written.policy,
        "clipped": written.clipped,
        "seconds": round(report.seconds, 6),
    }


def dry_run_text(source: str, route: Route) -> str:
    """An input, every step of every map's way, the memory, and what would be written."""
    frames = f", {route.frames} frames" if route.frames > 1 else ""
    lines = [f"{escape_control(source)}: {_shape_text(route.shape)} {route.kind}{frames}"]
    for label, way in route.ways:
        rows = [(step.title, _shape_text(step.shape), _method_text(step)) for step in way]
        wide = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
        lines.append(f"  {label}")
        lines += [
            f"    {title:<{wide[0]}}  {shape:<{wide[1]}}  {method}".rstrip()
            for title, shape, method in rows
        ]
    lines.append(f"  memory: about {format_bytes(route.memory)}")
    lines += [f"  output: {escape_control(path)}" for path in route.outputs]
    return "\n".join(lines)


def dry_run_document(source: str, route: Route) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "input": source,
        "shape": route.shape,
        "type": route.kind,
        "frames": route.frames,
        "maps": [
            {
                "label": label,
                "steps": [
                    {
                        "step": step.title,
                        "shape": step.shape,
                        "method": step.choice.method if step.choice else None,
                        "reason": step.choice.reason if step.choice else None,
                    }
                    for step in way
                ],
            }
            for label, way in route.ways
        ],
        "memory": route.memory,
        "outputs": route.outputs,
    }


def summary_text(route: Route, seconds: float) -> str:
    """How an input was filtered, on one line."""
    steps = [
        f"{step.title} {_shape_text(step.shape)}"
        + (f" by {_method_text(step)}" if step.choice else "")
        for _, way in route.ways
        for step in way
    ]
    told = [_shape_text(route.shape) + f" {route.kind}", *dict.fromkeys(steps)]
    return (
        f"{' -> '.join(told) if len(route.ways) == 1 else '; '.join(told)}; "
        f"about {format_bytes(route.memory)} of memory; {seconds:.2f} s"
    )


def _method_text(step: RouteStep) -> str:
    return f"{step.choice.method}: {step.choice.reason}" if step.choice else ""


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
