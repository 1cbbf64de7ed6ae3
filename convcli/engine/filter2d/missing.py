"""Filters of images in which NaN stands for values that are missing.

Either each window that sees one gives NaN, as sums in floating point do, or it leaves them out and
divides by the share of its weights that is left: normalized convolution (H. Knutsson and C.-F.
Westin, "Normalized and Differential Convolution", 1993). Every method gives the same, as what it
computes holds no NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.values import MAX_KERNEL_SIDE, PADDING_CONSTANT, padding_value
from convcli.engine.arrays import Array
from convcli.engine.filter2d.problem import FilterSettings
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.engine.filter2d.plan import FilterPlan

ROUNDINGS = 8  # errors of a sum of weights, in units of epsilon for each of them


def filter_missing(plan: FilterPlan, image: Array) -> Array:
    """Filter an image by a plan whose settings say what becomes of NaN.

    Parameters
    ----------
    plan : FilterPlan
        Of the policy "keep" or "skip".
    image : ndarray of floats, (H, W, C)

    Returns
    -------
    ndarray, (oh, ow, C)
        Where no window sees NaN, what the plan gives for an image without any. With "skip",
        `sum(k * x) * sum(k) / sum(k over what is there)`; NaN where that divisor is 0 but for
        rounding errors. The bias is added to either.

    Raises
    ------
    ArgumentError
        For NaN under a kernel that is known by its column and row alone.

    Examples
    --------
    >>> from convcli.engine.filter2d.plan import plan_filter
    >>> image = np.array([[2.0], [np.nan], [4.0]])
    >>> settings = FilterSettings(padding="valid", nan="skip")
    >>> filter_missing(plan_filter((3, 1, 1), float, np.ones((3, 1)), settings), image[:, :, None])
    array([[[9.]]])
    """
    missing = np.isnan(image)
    if not missing.any():
        return _run(plan, image)
    problem = plan.problem
    if problem.factors is not None:
        most = f"kernels of more than {MAX_KERNEL_SIDE} a side"
        raise ArgumentError(f"holds NaN, which {most} cannot filter")
    plain = plan._replace(problem=problem._replace(bias=0.0))
    sums = _run(plain, np.where(missing, image.dtype.type(0), image))
    sees_missing = _filter_support(plan, missing.astype(np.uint8), 0, is_counted=True) > 0.5
    if problem.nan == "keep":
        sums[sees_missing] = np.nan
    else:
        # What is padded with a constant is there.
        left = _filter_support(plan, (~missing).astype(np.float64), 1, is_counted=False)
        magnitudes = _sum_weights(np.abs(problem.kernel))
        tolerance = ROUNDINGS * problem.taps * np.finfo(np.float64).eps * magnitudes
        divisors = np.where(np.abs(left) > tolerance, left, np.nan)
        quotients = sums * (_sum_weights(problem.kernel) / divisors)
        np.copyto(sums, quotients, casting="same_kind", where=sees_missing)
    if np.any(problem.bias):
        sums += np.asarray(problem.bias, sums.dtype)
    return sums


def _run(plan: FilterPlan, image: Array) -> Array:
    sums = np.atleast_3d(np.empty(plan.shape, plan.sums))
    plan.run_into(image, sums)
    return sums


def _filter_support(plan: FilterPlan, image: Array, constant: int, *, is_counted: bool) -> Array:
    """Filter what is there, or what is not, by the window of a plan.

    Parameters
    ----------
    plan : FilterPlan
    image : ndarray, (H, W, C)
    constant : {0, 1}
        What constant padding counts as.
    is_counted : bool
        Count the values, also under weights of 0, instead of summing the weights.
    """
    from convcli.engine.filter2d.plan import plan_filter

    problem = plan.problem
    is_constant = padding_value(problem.padding_mode) is not None
    settings = FilterSettings(
        stride=problem.window.stride,
        padding=problem.pads,
        padding_mode=f"{PADDING_CONSTANT}{constant}" if is_constant else problem.padding_mode,
        dilation=problem.window.dilation,
        groups=problem.groups,
    )
    kernel = np.ones(problem.kernel.shape) if is_counted else problem.kernel
    return _run(plan_filter(image.shape, image.dtype, kernel, settings), image)


def _sum_weights(kernel: Array) -> Array:
    """Return the sum of the weights of each map; that of a kernel of fewer axes is for all."""
    axes = (1, 2, 3) if kernel.ndim == 4 else None
    return np.asarray(kernel.sum(axis=axes, dtype=np.float64))
