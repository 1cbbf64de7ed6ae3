"""Clipping: which range policy, if any, is good advice where values of a map were clipped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convcli.images.quantize import WARN_CLIPPED_SHARE
from convcli.kernels import ZERO_SUM
from convcli.pipeline.plan import Plan, Step
from convcli.pipeline.write import OutputFile

# Of an area of one value, which is not negative, these make the same value.
KEEPING_OPERATIONS = {"relu", "leaky-relu", "abs", "identity", "maxpool", "avgpool"}
UNIT_TOLERANCE = 1e-6  # of a sum of weights that was typed with some digits


def find_remedies(
    written: Sequence[OutputFile], files: Sequence[Sequence[str]], plan: Plan
) -> list[OutputFile]:
    """Return files with the range policy that the warning of what was clipped is to advise.

    Around edges, positive and negative values count alike. No policy is good advice for a map that
    keeps areas of one value, as sharpening does: to clip what goes beyond black and white is usual,
    and any other range would change the whole picture.

    Parameters
    ----------
    written : sequence of OutputFile
    files : sequence of sequence of str
        Those of each map, as `Route` has them.
    plan : Plan
    """
    maps = {path: index for index, paths in enumerate(files) for path in paths}
    advised = []
    for file in written:
        if file.clipping.share > WARN_CLIPPED_SHARE:
            gain = _find_gain(plan, maps[file.path])
            policies = ["offset", "abs", "rescale"] if gain == 0 else ["rescale"]
            if not math.isclose(gain, 1, rel_tol=UNIT_TOLERANCE):
                file = file._replace(clipping=file.clipping.find_remedy(policies))  # noqa: PLW2901
        advised.append(file)
    return advised


def _find_gain(plan: Plan, index: int) -> float:
    """Return the factor by which a map multiplies areas of one value; NaN if there is none."""
    kernels = plan.kernels[index : index + 1] if plan.combine is None else plan.kernels
    gain, *others = [_gain(step) for step in kernels] or [1.0]
    if not all(math.isclose(gain, other, rel_tol=UNIT_TOLERANCE) for other in others):
        return math.nan
    count = len(kernels) if plan.combine == "sum" else 1
    return gain * count * math.prod(map(_gain, plan.layers))


def _gain(step: Step) -> float:
    layer, kernel = step.layer, step.kernel
    if layer.sources:
        return math.nan
    if kernel is None:
        return 1.0 if layer.op in KEEPING_OPERATIONS else math.nan
    if kernel.matrix.ndim > 2 or layer.channels is not None or layer.operation.is_transposed:
        return math.nan
    if abs(kernel.sum) > ZERO_SUM * float(np.abs(kernel.matrix).sum()):
        return kernel.sum
    return math.nan if step.bias else 0.0
