"""What `--dry-run` shows, and `-v` says."""

from __future__ import annotations

from typing import Any

from convcli.cli.output import visible
from convcli.pipeline.memory import format_bytes
from convcli.pipeline.rehearsal import Rehearsal, RehearsedStep


def rehearsal_text(source: str, rehearsal: Rehearsal) -> str:
    """An input, every step of every map's way, the memory, and what would be written."""
    frames = f", {rehearsal.frames} frames" if rehearsal.frames > 1 else ""
    lines = [f"{visible(source)}: {_by(rehearsal.shape)} {rehearsal.kind}{frames}"]
    for label, way in rehearsal.ways:
        rows = [(step.title, _by(step.shape), _method(step)) for step in way]
        wide = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
        lines.append(f"  {label}")
        lines += [
            f"    {title:<{wide[0]}}  {shape:<{wide[1]}}  {method}".rstrip()
            for title, shape, method in rows
        ]
    lines.append(f"  memory: about {format_bytes(rehearsal.memory)}")
    lines += [f"  output: {visible(path)}" for path in rehearsal.outputs]
    return "\n".join(lines)


def rehearsal_document(source: str, rehearsal: Rehearsal) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "input": source,
        "shape": rehearsal.shape,
        "type": rehearsal.kind,
        "frames": rehearsal.frames,
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
            for label, way in rehearsal.ways
        ],
        "memory": rehearsal.memory,
        "outputs": rehearsal.outputs,
    }


def account(rehearsal: Rehearsal, seconds: float) -> str:
    """How an input was filtered, on one line."""
    steps = [
        f"{step.title} {_by(step.shape)}" + (f" by {_method(step)}" if step.choice else "")
        for _, way in rehearsal.ways
        for step in way
    ]
    told = [_by(rehearsal.shape) + f" {rehearsal.kind}", *dict.fromkeys(steps)]
    return (
        f"{' -> '.join(told) if len(rehearsal.ways) == 1 else '; '.join(told)}; "
        f"about {format_bytes(rehearsal.memory)} of memory; {seconds:.2f} s"
    )


def _method(step: RehearsedStep) -> str:
    return f"{step.choice.method}: {step.choice.reason}" if step.choice else ""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
