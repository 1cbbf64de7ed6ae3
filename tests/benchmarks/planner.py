"""How good the planner's picks are: every candidate is run, and the pick held to the fastest."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import geometric_mean, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.peers import hold_to
from benchmarks.photo import photograph
from benchmarks.planned import FILTERS, LAYERS, FilterWork, LayerWork
from convcli.arithmetic.geometry import Window
from convcli.engine.conv2d import run_conv
from convcli.engine.conv2d.problem import (
    ConvMethod,
    ConvProblem,
    choose_conv_method,
    im2col_methods,
    winograd_methods,
)
from convcli.engine.filter2d.plan import candidates, plan_filter
from convcli.engine.filter2d.problem import FilterSettings

MEAN_LIMIT, WORST_LIMIT = 1.1, 1.3  # how much longer picks may take than the fastest candidates
MIN_SAMPLE_S = 4e-3  # a shorter run is repeated within a sample
HOPELESS = 2.5  # times the fastest: run once, and left out of the rounds
QUICK_STEP = 3  # of so many works, a quick look takes one


class Candidate(NamedTuple):
    """A way to do some work.

    Parameters
    ----------
    name : str
    estimated_s : float
    run : callable
    preference : float
        What its time is multiplied with in a comparison: below 1 for exact sums, as in the planner.
    """

    name: str
    estimated_s: float
    run: Callable[[], object]
    preference: float = 1.0


class Timing(NamedTuple):
    """A candidate's seconds of one thread."""

    name: str
    estimated_s: float
    measured_s: float
    preference: float

    @property
    def weighed_s(self) -> float:
        return self.measured_s * self.preference


class Pick(NamedTuple):
    """What was picked for some work, and the times of all candidates."""

    work: str
    picked: Timing
    best: Timing
    timings: list[Timing]

    @property
    def ratio(self) -> float:
        """How much longer the pick takes than the fastest, by what the planner prefers."""
        return self.picked.weighed_s / self.best.weighed_s

    @property
    def share(self) -> float:
        """The estimated part of the measured seconds."""
        return self.picked.estimated_s / self.picked.measured_s


def show_picks(*, is_quick: bool = False, only: str = "", as_json: bool = False) -> int:
    """Print all picks; 1 where they take too much longer than the fastest candidates."""
    hold_to(1)
    rounds = 5 if is_quick else 9
    step = QUICK_STEP if is_quick else 1
    found = [(work.name, partial(prepare_filter, work)) for work in FILTERS[::step]]
    found += [(work.name, partial(prepare_layer, work)) for work in LAYERS[::step]]
    picks = [
        measure_pick(name, *prepare(), rounds=rounds)
        for name, prepare in found
        if re.search(only, name, re.IGNORECASE)
    ]
    if as_json:
        sys.stdout.write(json.dumps([as_document(pick) for pick in picks], indent=1) + "\n")
    elif picks:
        print_picks(picks)
    return int(not are_good([pick.ratio for pick in picks]))


def are_good(ratios: Sequence[float]) -> bool:
    """Whether picks keep to both limits.

    >>> are_good([1.0, 1.0, 1.25]), are_good([1.0, 1.0, 1.35]), are_good([1.2, 1.2])
    (True, False, False)
    """
    return not ratios or (geometric_mean(ratios) <= MEAN_LIMIT and max(ratios) <= WORST_LIMIT)


def prepare_filter(work: FilterWork) -> tuple[list[Candidate], str]:
    """Return the candidates of a filter, and the name of the one that is picked."""
    image = make_image(work)
    settings = FilterSettings(stride=work.stride, dilation=work.dilation)
    plan = plan_filter(image.shape, image.dtype, work.kernel, settings, integer_output=True)
    result: NDArray[Any] = np.empty(plan.shape, image.dtype)
    made = []
    for algorithm in candidates(plan.problem):
        other = plan._replace(algorithm=algorithm, fallback=None)
        run = partial(other.run_into, image, result)
        name = ": ".join(algorithm.choice)
        made.append(Candidate(name, algorithm.cost_s, run, algorithm.preference))
    return made, ": ".join(plan.choice)


def make_image(work: FilterWork) -> NDArray[Any]:
    """Make a photograph of the asked size and type, (H, W, C)."""
    height, width, channels = work.shape
    pixels = photograph(max(height, 8), max(width, 8))[:height, :width]
    planes = np.concatenate([pixels, pixels[:, :, :1]], axis=2)[:, :, :channels]
    scale = 257 if work.dtype == np.uint16 else 1
    return np.ascontiguousarray(planes.astype(work.dtype) * work.dtype(scale))


def prepare_layer(work: LayerWork) -> tuple[list[Candidate], str]:
    """Return each im2col and Winograd for a layer, and the name of the one that is picked."""
    random = np.random.default_rng(3)
    kh, kw = work.kernel
    x = random.standard_normal(work.shape, np.float32)
    weight = random.standard_normal((work.maps, work.shape[1], kh, kw), np.float32)
    padding = ((kh // 2, kh // 2), (kw // 2, kw // 2))
    window = Window(kernel=work.kernel, stride=(work.stride,) * 2, padding=padding)
    problem = ConvProblem(x, weight, None, window)
    made = [
        Candidate(name_method(method), method.cost_s, partial(run_conv, problem, method))
        for method in (*im2col_methods(problem.size), *winograd_methods(problem.size))
    ]
    return made, name_method(choose_conv_method(problem.size))


def name_method(method: ConvMethod) -> str:
    """Name a method of layers, with its layout."""
    return f"{method.name}, {method.layout}"


def measure_pick(work: str, made: Sequence[Candidate], picked: str, rounds: int) -> Pick:
    """Time the candidates; more often where the pick seems to be beyond the limit."""
    pick = time_candidates(work, made, picked, rounds)
    if pick.ratio > WORST_LIMIT:
        pick = time_candidates(work, made, picked, 2 * rounds)
    return pick


def time_candidates(work: str, made: Sequence[Candidate], picked: str, rounds: int) -> Pick:
    """Time candidates in turn, in seconds of the processor: others may keep it busy."""
    for one in made:
        one.run()  # into fresh memory
    first_s = {one.name: time_runs(one, 1) for one in made}
    limit_s = HOPELESS * min(first_s[one.name] * one.preference for one in made)
    close = [
        one for one in made if one.name == picked or first_s[one.name] * one.preference <= limit_s
    ]
    taken: dict[str, list[float]] = {one.name: [] for one in close}
    for number in range(rounds):
        for one in close[:: 1 if number % 2 else -1]:
            repeats = max(int(MIN_SAMPLE_S / first_s[one.name]), 1)
            taken[one.name].append(time_runs(one, repeats))
    measured_s = first_s | {name: median(times) for name, times in taken.items()}
    timings = [
        Timing(one.name, one.estimated_s, measured_s[one.name], one.preference) for one in made
    ]
    (chosen,) = [timing for timing in timings if timing.name == picked]
    return Pick(work, chosen, min(timings, key=lambda timing: timing.weighed_s), timings)


def time_runs(candidate: Candidate, count: int) -> float:
    """Return the processor's seconds of one run, of so many."""
    started = time.process_time()
    for _ in range(count):
        candidate.run()
    return max((time.process_time() - started) / count, 1e-9)


def print_picks(picks: Sequence[Pick]) -> None:
    """Print a line for each work, and what is held to the limits."""
    table = Table("work", "picked", "estimated", "took", "fastest", "took", "ratio")
    for pick in picks:
        fastest = "" if pick.best == pick.picked else pick.best.name
        ratio = f"{pick.ratio:.2f}{'' if pick.ratio <= WORST_LIMIT else ' !'}"
        seconds = (
            f"{1e3 * value:.3g} ms" for value in (pick.picked.estimated_s, pick.picked.measured_s)
        )
        best = f"{1e3 * pick.best.measured_s:.3g} ms"
        table.add_row(pick.work, pick.picked.name, *seconds, fastest, best, ratio)
    console = Console(width=190, highlight=False)
    console.print(table)
    ratios, shares = [pick.ratio for pick in picks], [pick.share for pick in picks]
    console.print(
        f"{len(picks)} picks: {geometric_mean(ratios):.2f} times the fastest on the geometric mean "
        f"(at most {MEAN_LIMIT}), {max(ratios):.2f} at worst (at most {WORST_LIMIT}); estimates "
        f"are {min(shares):.2f} to {max(shares):.2f} of what was measured"
    )


def as_document(pick: Pick) -> dict[str, Any]:
    return {
        "work": pick.work,
        "picked": pick.picked.name,
        "best": pick.best.name,
        "ratio": pick.ratio,
        "candidates": [timing._asdict() for timing in pick.timings],
    }
