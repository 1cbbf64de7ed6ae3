"""Items and workers: a result each, whatever becomes of the worker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.batch.pool import in_order, run_all


class Dying(Executor):
    """An executor that loses a worker to each deadly item; all of them for good, if it is shared.

    A worker that is shared, as a cluster's scheduler is, takes what is in flight with it, too.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self.is_lost, self.is_shared = False, is_shared
        self.given: list[Future[Any]] = []
        self.tries: Counter[int] = Counter()

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        if self.is_lost:
            raise BrokenExecutor("dead")
        future: Future[Any] = Future()
        (item,) = arguments
        self.tries[item] += 1
        if item < 0:
            self.is_lost = self.is_shared
            for lost in (future, *self.given):
                lost.set_exception(BrokenExecutor("dead"))
            self.given.clear()
        elif self.is_shared:  # nothing is done before a deadly item comes
            self.given.append(future)
        else:
            future.set_result(work(item))
        return future


def failed(item: int, error: Exception) -> str:
    return f"{item} failed: {error}"


def results(items: list[int], executor: Executor, workers: int = 2) -> list[str]:
    with executor:
        return list(in_order(run_all(str, items, executor, workers=workers, failed=failed)))


@given(st.lists(st.integers(0, 99), max_size=30), st.integers(1, 4))
def test_every_item_has_its_result_at_its_place(items: list[int], workers: int) -> None:
    assert results(items, ThreadPoolExecutor(workers), workers) == [str(item) for item in items]


@given(st.lists(st.integers(-9, 9), max_size=30), st.integers(1, 4))
def test_what_kills_its_worker_fails_alone(items: list[int], workers: int) -> None:
    expected = [str(item) if item >= 0 else f"{item} failed: dead" for item in items]
    executor = Dying()
    assert results(items, executor, workers) == expected
    for item, count in Counter(items).items():
        assert executor.tries[item] == (count if item >= 0 else 2 * count)


@given(st.lists(st.integers(0, 99), max_size=9), st.integers(1, 4))
def test_all_fail_if_all_workers_are_lost_for_good(items: list[int], workers: int) -> None:
    inputs = [*items[: 2 * workers - 1], -1, *items]
    expected = [f"{item} failed: dead" for item in inputs]
    assert results(inputs, Dying(is_shared=True), workers) == expected


def test_what_was_in_flight_is_done_again_and_once() -> None:
    done: list[int] = []

    def work(item: int) -> int:
        done.append(item)
        return item

    class LosingOnce(Dying):
        def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
            future = super().submit(work, *arguments)
            if self.is_lost:  # and there is another scheduler
                self.is_shared = self.is_lost = False
            return future

    found = run_all(
        work,
        [1, 2, -3, 4],
        LosingOnce(is_shared=True),
        workers=2,
        failed=lambda item, _: -100 + item,
    )
    assert sorted(found) == [(0, 1), (1, 2), (2, -103), (3, 4)]
    assert sorted(done) == [1, 2, 4]


def test_what_lost_its_worker_is_done_again_alone() -> None:
    running: list[int] = []
    alone: list[bool] = []

    class Full(ThreadPoolExecutor):
        """Workers whose memory is enough for one of the large items at a time."""

        def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
            return super().submit(self.run, work, *arguments)

        def run(self, work: Callable[..., Any], item: int) -> Any:
            running.append(item)
            try:
                time.sleep(0.02)
                if item % 3 == 0 and len(running) > 1:
                    raise BrokenExecutor("memory")
                alone.append(len(running) == 1)
                return work(item)
            finally:
                running.remove(item)

    assert results(list(range(12)), Full(3), 3) == [str(item) for item in range(12)]
    assert sum(alone) >= 4


def test_an_exception_fails_its_item_alone() -> None:
    def work(item: int) -> str:
        return str(6 // item)

    with ThreadPoolExecutor(2) as executor:
        found = run_all(work, [1, 0, 2], executor, workers=2, failed=failed)
        one, two, three = in_order(found)
    assert (one, three) == ("6", "3")
    assert two.startswith("0 failed: ")


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_than_two_items_for_each_worker_are_taken(workers: int) -> None:
    taken: list[int] = []
    gate = threading.Event()

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        gate.wait(20)
        return item

    executor = ThreadPoolExecutor(workers)
    found = run_all(work, items(), executor, workers=workers, failed=lambda *_: -1)
    first = threading.Thread(target=lambda: next(found))
    first.start()
    time.sleep(0.1)
    assert len(taken) == 2 * workers
    gate.set()
    first.join()
    ahead = [len(taken) - told for told, _ in enumerate(found, start=2)]
    assert max(ahead) <= 2 * workers
    assert len(taken) == 50
    executor.shutdown()


def test_the_pool_stops_when_nobody_waits_for_results() -> None:
    taken = iter(range(100))
    with ThreadPoolExecutor(2) as executor:
        found = run_all(str, taken, executor, workers=2, failed=failed)
        assert isinstance(found, Generator)
        next(found)
        found.close()
    assert next(taken) == 4


def test_a_slow_first_holds_only_the_order_back() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(20)
        if item == 19:
            gate.set()
        return item

    with ThreadPoolExecutor(2) as executor:
        found = run_all(work, range(20), executor, workers=2, failed=lambda *_: -1)
        assert list(in_order(found)) == list(range(20))
