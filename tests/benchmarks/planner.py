"""How good the planner's picks are: every candidate is run, and the pick held to the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.filters import dense_kernel
from benchmarks.layers import LAYERS
from benchmarks.peers import hold_to
from benchmarks.photo import photograph
from benchmarks.timing import Effort, repeat
from convcli import load_kernel
from convcli.arithmetic.geometry import Window
from convcli.engine.conv2d import run_im2col
from convcli.engine.conv2d.problem import WINOGRAD_TILES, ConvProblem, choose_conv_method
from convcli.engine.conv2d.winograd import run_winograd
from convcli.engine.filter2d.plan import candidates, plan_filter
from convcli.engine.filter2d.problem import FilterSettings

TOLERANCE = 1.1  # a pick may take so much longer than the fastest
EXACT_TOLERANCE = 2.2  # likewise exact sums, which are preferred to rounded ones
SIZE = (1500, 2000)
EFFORT = Effort(runs=5, seconds=0.5)
Runs = dict[str, Callable[[], object]]

FILTERS: dict[str, tuple[Any, Any, int, int]] = {  # kernel, type, channels, stride
    **{f"dense {side}x{side}": (dense_kernel(side), np.uint8, 3, 1) for side in (3, 5, 9, 15, 31)},
    **{
        spec: (load_kernel(spec), np.uint8, 3, 1)
        for spec in ("sharpen", "sobel-x", "box:15", "gaussian:2", "gaussian:5")
    },
    "gaussian:2, 16 bits, gray": (load_kernel("gaussian:2"), np.uint16, 1, 1),
    "dense 5x5, float32, stride 2": (dense_kernel(5), np.float32, 3, 2),
}
MORE_LAYERS = {
    "(1,64,28²) to 64, 3x3": ((1, 64, 28, 28), 64, 3, 1),
    "(4,16,96²) to 32, 3x3": ((4, 16, 96, 96), 32, 3, 1),
}


class Pick(NamedTuple):
    """What was picked for some work, and what that and the fastest candidate took."""

    work: str
    picked: str
    best: str
    estimated_s: float
    picked_s: float
    best_s: float
    tolerance: float = TOLERANCE

    @property
    def ratio(self) -> float:
        return self.picked_s / self.best_s


def measure_filter(name: str, effort: Effort, size: tuple[int, int] = SIZE) -> Pick:
    """Run a filter by every candidate."""
    kernel, dtype, channels, stride = FILTERS[name]
    image = photograph(*size)[:, :, :channels].astype(dtype)
    settings = FilterSettings(stride=stride)
    plan = plan_filter(image.shape, dtype, kernel, settings, integer_output=True)
    result: NDArray[Any] = np.empty(plan.shape, dtype)
    runs: Runs = {}
    for candidate in candidates(plan.problem):
        other = plan._replace(algorithm=candidate, fallback=None)
        runs[candidate.choice.reason] = partial(other.run_into, image, result)
    found = compare(name, plan.choice.reason, plan.algorithm.cost_s, runs, effort)
    is_exact = plan.choice.reason.startswith("exact")
    return found._replace(tolerance=EXACT_TOLERANCE if is_exact else TOLERANCE)


def measure_layer(name: str, effort: Effort) -> Pick:
    """Run a layer by im2col and by every tile of Winograd."""
    shape, c_out, side, stride = (LAYERS | MORE_LAYERS)[name]
    random = np.random.default_rng(3)
    x = random.standard_normal(shape, np.float32)
    weight = random.standard_normal((c_out, shape[1], side, side), np.float32)
    padding = ((side // 2,) * 2,) * 2
    window = Window(kernel=(side, side), stride=(stride, stride), padding=padding)
    problem = ConvProblem(x, weight, None, window)
    maps: NDArray[np.float32] = np.empty((shape[0], c_out, *problem.output), np.float32)
    chosen = choose_conv_method(problem.size)
    runs: Runs = {"im2col": lambda: run_im2col(problem, maps)}
    if side in WINOGRAD_TILES and stride == 1:
        for tile in product(WINOGRAD_TILES[side], WINOGRAD_TILES[side]):
            runs[f"winograd {tile}"] = partial(run_winograd, problem, tile, maps)
    picked = chosen.name if chosen.tile is None else f"winograd {chosen.tile}"
    return compare(name, picked, chosen.cost_s, runs, effort)


def compare(work: str, picked: str, estimated_s: float, runs: Runs, effort: Effort) -> Pick:
    """Time all candidates in turn, in seconds of the processor: others may keep it busy."""

    def once() -> list[float]:
        taken = []
        for run in runs.values():
            started = time.process_time()
            run()
            taken.append(time.process_time() - started)
        return taken

    once()
    rounds = repeat(once, effort)
    taken = {
        name: median(times) for name, times in zip(runs, zip(*rounds, strict=True), strict=True)
    }
    best = min(taken, key=lambda name: taken[name])
    return Pick(work, picked, best, estimated_s, taken[picked], taken[best])


def show_picks(effort: Effort = EFFORT) -> int:
    """Print all picks; 1 where one took too much longer than the fastest candidate."""
    hold_to(1)
    table = Table("work", "picked", "estimated", "took", "fastest", "took", "ratio")
    picks = [measure_filter(name, effort) for name in FILTERS]
    picks += [measure_layer(name, effort) for name in LAYERS | MORE_LAYERS]
    for pick in picks:
        seconds = (f"{1e3 * value:.1f} ms" for value in (pick.estimated_s, pick.picked_s))
        fastest = "" if pick.best == pick.picked else pick.best
        table.add_row(
            pick.work, pick.picked, *seconds, fastest, f"{1e3 * pick.best_s:.1f} ms",
            f"{pick.ratio:.2f}{'' if pick.ratio <= pick.tolerance else ' !'}",
        )  # fmt: skip
    Console(width=160, highlight=False).print(table)
    return int(any(pick.ratio > pick.tolerance for pick in picks))
