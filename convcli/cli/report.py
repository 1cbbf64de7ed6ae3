"""The texts and JSON documents that `apply` prints about an input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcli.batch import Job, Report
from convcli.cli.output import escape_control, format_json, format_numbers, log, print_data
from convcli.pipeline import Outcome, to_display_pixels
from convcli.pipeline.memory import format_bytes
from convcli.pipeline.plan import Plan
from convcli.pipeline.route import Route, RouteStep
from convcli.pipeline.write import OutputFile

if TYPE_CHECKING:
    from convcli.cli.commands.apply.options import ApplyOptions


def print_report(report: Report, options: ApplyOptions) -> None:
    """Print what the options ask for, and the messages about an input."""
    for route in report.routes if options.dry_run else ():
        text = dry_run_text(report.source, route)
        document = dry_run_document(report.source, route)
        print_data(format_json(document) if options.json else text)
    for message in _messages(report, options):
        log(message)
    if report.text and report.error is None:
        print_data(report.text)
    for document in _documents(report) if options.json else ():
        print_data(format_json(document))


def _messages(report: Report, options: ApplyOptions) -> Iterator[str]:
    """Yield an input's error, or else its notes and how it was filtered."""
    if report.error is not None:
        yield report.error
        return
    if not options.quiet:
        yield from (f"{report.source}: {note}" for note in report.notes)
    if options.verbose and not options.dry_run:
        for route in report.routes:
            yield f"{report.source}: {summary_text(route, report.seconds)}"


def _documents(report: Report) -> Iterator[dict[str, Any]]:
    """Yield an input's error, or else what was skipped and written, for JSON."""
    if report.error is not None:
        yield {"input": report.source, "error": report.error}
        return
    for path in report.skipped:
        yield {"input": report.source, "output": path, "skipped": True}
    for written in report.written:
        yield output_document(report, written)


def has_output(report: Report, options: ApplyOptions) -> bool:
    """Whether `print_report` would print anything."""
    always = options.json or options.dry_run or options.verbose
    return always or bool(report.error or report.notes or report.text)


def render_maps(outcome: Outcome, job: Job, options: ApplyOptions) -> str:
    """Return the maps of an outcome as numbers, as a preview for the terminal, or both."""
    text = ""
    if options.print_numbers:
        text = f"# {escape_control(job.source)}\n" if len(options.inputs) > 1 else ""
        text += format_numbers(dict(zip(job.target.labels, outcome.maps, strict=True))) + "\n"
    return text + (_render_preview(outcome, job.plan) if options.preview else "")


def _render_preview(outcome: Outcome, plan: Plan) -> str:
    """Return the input and its maps as text in color; nothing where no terminal shows it."""
    from shutil import get_terminal_size

    from convcli.pictures.text import has_colors, has_true_color, render_preview
    from convcli.pipeline.execute import preprocess

    if not has_colors(sys.stdout):
        return ""
    pictures = [to_display_pixels(outcome.picture, preprocess(outcome.picture, plan), plan)]
    pictures += [to_display_pixels(outcome.picture, values, plan) for values in outcome.maps]
    columns = get_terminal_size().columns
    return render_preview(pictures, columns, true_color=has_true_color())


def output_document(report: Report, written: OutputFile) -> dict[str, Any]:
    """Return what was written of an input, for JSON."""
    methods = (route.methods for route in report.routes)
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
    """Return an input's steps to each map, the memory, and the paths that would be written."""
    frames = f", {route.frames} frames" if route.frames > 1 else ""
    lines = [f"{escape_control(source)}: {_shape_text(route.shape)} {route.dtype}{frames}"]
    for label, steps in route.maps:
        rows = [(step.title, _shape_text(step.shape), _method_text(step)) for step in steps]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] or [0, 0]
        lines.append(f"  {label}")
        lines += [
            f"    {title:<{widths[0]}}  {shape:<{widths[1]}}  {method}".rstrip()
            for title, shape, method in rows
        ]
    lines.append(f"  memory: about {format_bytes(route.memory)}")
    lines += [f"  output: {escape_control(path)}" for path in route.outputs]
    return "\n".join(lines)


def dry_run_document(source: str, route: Route) -> dict[str, Any]:
    """Return the same for JSON."""
    return {
        "input": source,
        "shape": route.shape,
        "type": route.dtype,
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
                    for step in steps
                ],
            }
            for label, steps in route.maps
        ],
        "memory": route.memory,
        "outputs": route.outputs,
    }


def summary_text(route: Route, seconds: float) -> str:
    """Return how an input was filtered, on one line."""
    titles = [
        f"{step.title} {_shape_text(step.shape)}"
        + (f" by {_method_text(step)}" if step.choice else "")
        for _, steps in route.maps
        for step in steps
    ]
    texts = [_shape_text(route.shape) + f" {route.dtype}", *dict.fromkeys(titles)]
    return (
        f"{(' -> ' if len(route.maps) == 1 else '; ').join(texts)}; "
        f"about {format_bytes(route.memory)} of memory; {seconds:.2f} s"
    )


def _method_text(step: RouteStep) -> str:
    return f"{step.choice.method}: {step.choice.reason}" if step.choice else ""


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
