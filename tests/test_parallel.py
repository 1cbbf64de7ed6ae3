import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Literal

import numpy as np
import pytest

from convcli.parallel import available_cores, parallel_for, set_threads


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    set_threads(2)
    yield
    set_threads(1)


def all_of(count: int) -> set[int]:
    """What is done of so many items."""
    done: list[int] = []
    parallel_for(lambda: done.append, range(count))
    assert len(done) == len(set(done))
    return set(done)


def test_the_same_threads_work_again() -> None:
    all_of(4)
    before = set(threading.enumerate())
    for _ in range(50):
        assert all_of(4) == set(range(4))
    assert set(threading.enumerate()) == before


def test_two_threads_work_at_once() -> None:
    both = threading.Barrier(2, timeout=30)
    parallel_for(lambda: lambda _: both.wait(), range(2))


def test_work_that_is_not_worth_it_is_done_by_the_caller_alone() -> None:
    all_of(4)
    found: list[threading.Thread] = []

    def work(_: int) -> None:
        time.sleep(0.001)  # long enough for another thread to take one
        found.append(threading.current_thread())

    parallel_for(lambda: work, range(9), in_threads=False)
    assert found == [threading.current_thread()] * 9


def test_as_many_threads_as_are_asked_for_later() -> None:
    all_of(4)
    set_threads(4)
    four = threading.Barrier(4, timeout=30)
    parallel_for(lambda: lambda _: four.wait(), range(4))


def test_sharing_within_what_is_shared_never_waits_for_itself() -> None:
    found: list[set[int]] = []

    def work(_: int) -> None:
        time.sleep(0.002)  # long enough for every thread of the pool to take one
        found.append(all_of(3))

    def outer() -> None:
        parallel_for(lambda: work, range(20))

    callers = [threading.Thread(target=outer, daemon=True) for _ in range(4)]
    for one in callers:
        one.start()
    for one in callers:
        one.join(timeout=20)
        assert not one.is_alive()
    assert found == [set(range(3))] * 80


def test_what_a_worker_raises_is_raised_and_the_next_call_works() -> None:
    def hire() -> Callable[[int], None]:
        def work(item: int) -> None:
            if item == 5:
                raise KeyError(item)

        return work

    for _ in range(20):
        with pytest.raises(KeyError, match="5"):
            parallel_for(hire, range(10))
        assert all_of(4) == set(range(4))


@pytest.mark.parametrize("state", ["raise", "ignore"])
def test_workers_keep_to_what_the_caller_says_of_overflows(
    state: Literal["raise", "ignore"],
) -> None:
    both = threading.Barrier(2, timeout=30)
    seen: list[str] = []

    def work(_: int) -> None:
        both.wait()  # neither does the work of both
        seen.append(np.geterr()["over"])

    all_of(4)
    with np.errstate(over=state):
        parallel_for(lambda: work, range(2))
    assert seen == [state] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    all_of(4)
    child = os.fork()
    if child == 0:
        both = threading.Barrier(2, timeout=30)
        try:
            parallel_for(lambda: lambda _: both.wait(), range(2))
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---- cores --------------------------------------------------------------------------------------


def helper_cores(count: int, *, is_short: bool, fails: bool = False) -> set[frozenset[int]]:
    """The cores that the threads beside the caller's may use while they work."""
    found: set[frozenset[int]] = set()
    both = threading.Barrier(2, timeout=30)

    def make_worker() -> Callable[[int], None]:
        def work(item: int) -> None:
            if item < 2:  # each of two threads takes one
                both.wait()
            if threading.current_thread().name == "convcli":
                found.add(frozenset(os.sched_getaffinity(0)))
            if fails:
                raise ValueError("failed")

        return work

    set_threads(count)
    with pytest.raises(ValueError, match="failed") if fails else nullcontext():
        parallel_for(make_worker, range(9), is_short=is_short)
    return found


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be placed here")
@pytest.mark.skipif(available_cores() < 2, reason="there is one core")
@pytest.mark.parametrize("fails", [False, True])
def test_threads_of_short_work_have_cores_of_their_own(fails: bool) -> None:
    cores = os.sched_getaffinity(0)
    pair = frozenset(sorted(cores)[:2])
    helper_cores(2, is_short=True)  # a thread is placed once it has been started
    os.sched_setaffinity(os.getpid(), pair)
    try:
        assert helper_cores(2, is_short=True, fails=fails) == {frozenset({max(pair)})}
        assert helper_cores(2, is_short=False) == {pair}
        assert helper_cores(2, is_short=True) == {frozenset({max(pair)})}
        helper_cores(3, is_short=True)
        assert helper_cores(3, is_short=True) == {pair}  # more threads than cores
        assert os.sched_getaffinity(0) == pair
    finally:
        os.sched_setaffinity(os.getpid(), cores)
    assert helper_cores(2, is_short=False) == {frozenset(cores)}
