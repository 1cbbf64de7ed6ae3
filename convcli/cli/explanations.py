"""What `explain` prints: values and gradients with their products, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convcli.cli.output import find_terminal_width, format_json
from convcli.engine.explain import Explanation
from convcli.engine.explain_gradients import Gradients
from convcli.pictures.explanations import format_explanation, format_gradients, format_matrices


def lay_out_explanations(found: Sequence[Explanation], *, is_json: bool) -> str:
    """Lay out the explanations of outputs, a JSON list of several."""
    if is_json:
        records = [_make_record(explanation) for explanation in found]
        return format_json(records[0] if len(records) == 1 else records)
    has_channels = any(explanation.channel > 0 for explanation in found)
    width = find_terminal_width()
    return "\n\n".join(
        format_explanation(explanation, show_channel=has_channels, width=width)
        for explanation in found
    )


def lay_out_matrices(matrices: dict[str, Any], *, is_json: bool) -> str:
    """Lay out the product of im2col."""
    if is_json:
        return format_json({name: matrix.tolist() for name, matrix in matrices.items()})
    return format_matrices(**matrices, width=find_terminal_width())


def lay_out_gradients(
    found: Gradients, shape: tuple[int, ...], grad: str | None, *, is_json: bool
) -> str:
    """Lay out the gradients of a convolution; dL/dY, of this shape, is from a file, or ones."""
    if not is_json:
        return format_gradients(found, shape, grad, find_terminal_width())
    biases = found.bias.tolist()
    return format_json(
        {
            "dx": [_make_input_record(explanation) for explanation in found.inputs],
            "dweight": found.kernel.tolist(),
            "dbias": biases[0] if len(biases) == 1 else biases,
            "weights": found.weights
            and [
                _make_weight_record(index, explanation)
                for index, explanation in found.weights.items()
            ],
        }
    )


def _make_record(explanation: Explanation) -> dict[str, Any]:
    """One output for JSON; matrices of a single channel have two axes."""
    planes = 0 if len(explanation.window) == 1 else slice(None)
    counted = True if explanation.is_counted is None else explanation.is_counted

    def finite(values: Any, *, is_counted: Any = True) -> Any:
        found: Any = np.where(np.isfinite(values) & is_counted, values, None)
        return found.tolist()

    record = {
        "at": explanation.at,
        "slice": [_find_bounds(taps.positions) for taps in explanation.taps],
        "window": finite(explanation.window[planes], is_counted=counted),
        "kernel": finite(explanation.kernel[planes]),
        "products": finite(explanation.products[planes], is_counted=counted),
        "sum": finite(explanation.total),
        "bias": explanation.bias,
        "value": finite(explanation.value),
    }
    return record | _list_taps(explanation) if explanation.op == "tconv" else record


def _make_input_record(explanation: Explanation) -> dict[str, Any]:
    """The gradient of one input for JSON."""
    planes = 0 if len(explanation.window) == 1 else slice(None)
    return {
        "at": explanation.at,
        "channel": explanation.channel,
        **_list_taps(explanation),
        "grad": explanation.window[planes].tolist(),
        "kernel": explanation.kernel[planes].tolist(),
        "products": explanation.products[planes].tolist(),
        "value": explanation.value,
    }


def _make_weight_record(index: tuple[int, ...], explanation: Explanation) -> dict[str, Any]:
    """The gradient of one weight for JSON."""
    return {
        "at": index,
        "rows": list(explanation.rows),
        "columns": list(explanation.columns),
        "window": explanation.window[0].tolist(),
        "grad": explanation.kernel[0].tolist(),
        "products": explanation.products[0].tolist(),
        "value": explanation.value,
    }


def _list_taps(explanation: Explanation) -> dict[str, list[int]]:
    """List the positions of the window, and the weight that each row and column of it meets."""
    rows, columns = explanation.taps
    return {
        "rows": list(rows.positions),
        "columns": list(columns.positions),
        "kernel_rows": list(rows.weights),
        "kernel_columns": list(columns.weights),
    }


def _find_bounds(positions: Sequence[int]) -> list[int]:
    return [positions[0], positions[-1] + 1] if positions else [0, 0]
