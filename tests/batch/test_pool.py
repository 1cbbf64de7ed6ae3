"""Items and workers: a result each, whatever becomes of the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.batch.pool import in_order, run_all


class Dying(Executor):
    """An executor that is lost, with all that it has, as soon as it gets a deadly item."""

    def __init__(self, *, is_lost_early: bool = False) -> None:
        self.lost, self.is_lost_early = False, is_lost_early
        self.given: list[tuple[Future[Any], Any, Callable[..., Any]]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        if self.lost:
            raise BrokenExecutor("dead")
        future: Future[Any] = Future()
        (item,) = arguments
        if item < 0:
            self.lost = True
            future.set_exception(BrokenExecutor("dead"))
            for other, _item, _work in self.given:
                other.set_exception(BrokenExecutor("dead"))
            self.given.clear()
        elif self.is_lost_early:  # nothing is done before a deadly item comes
            self.given.append((future, item, work))
        else:
            future.set_result(work(item))
        return future


@contextmanager
def dying(_: int) -> Iterator[Executor]:
    yield Dying()


def failed(item: int, error: Exception) -> str:
    return f"{item} failed: {error}"


def results(items: list[int], make_executor: Any, workers: int = 2) -> list[str]:
    return list(in_order(run_all(str, items, make_executor, workers=workers, failed=failed)))


@given(st.lists(st.integers(0, 99), max_size=30), st.integers(1, 4))
def test_every_item_has_its_result_at_its_place(items: list[int], workers: int) -> None:
    assert results(items, ThreadPoolExecutor, workers) == [str(item) for item in items]


@given(st.lists(st.integers(-9, 9), max_size=30), st.integers(1, 4))
def test_what_kills_its_worker_fails_alone(items: list[int], workers: int) -> None:
    expected = [str(item) if item >= 0 else f"{item} failed: dead" for item in items]
    assert results(items, dying, workers) == expected


def test_what_was_in_flight_is_done_again_and_once() -> None:
    done: list[int] = []

    @contextmanager
    def make_executor(number: int) -> Iterator[Executor]:
        yield Dying(is_lost_early=number > 1)

    def work(item: int) -> int:
        done.append(item)
        return item

    found = run_all(
        work, [1, 2, -3, 4], make_executor, workers=3, failed=lambda item, _: -100 + item
    )
    assert [next(found) for _ in range(3)] == [(0, 1), (1, 2), (2, -103)]
    assert done == [1, 2]


def test_an_exception_fails_its_item_alone() -> None:
    def work(item: int) -> str:
        return str(6 // item)

    found = run_all(work, [1, 0, 2], ThreadPoolExecutor, workers=2, failed=failed)
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

    found = run_all(work, items(), ThreadPoolExecutor, workers=workers, failed=lambda *_: -1)
    first = threading.Thread(target=lambda: next(found))
    first.start()
    time.sleep(0.1)
    assert len(taken) == 2 * workers
    gate.set()
    first.join()
    ahead = [len(taken) - told for told, _ in enumerate(found, start=2)]
    assert max(ahead) <= 2 * workers
    assert len(taken) == 50


def test_the_pool_stops_when_nobody_waits_for_results() -> None:
    gone: list[bool] = []

    @contextmanager
    def make_executor(number: int) -> Iterator[Executor]:
        with ThreadPoolExecutor(number) as executor:
            try:
                yield executor
            finally:
                gone.append(True)

    found = run_all(str, range(100), make_executor, workers=2, failed=failed)
    assert isinstance(found, Generator)
    next(found)
    found.close()
    assert gone == [True]


def test_a_slow_first_holds_only_the_order_back() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(20)
        if item == 19:
            gate.set()
        return item

    found = run_all(work, range(20), ThreadPoolExecutor, workers=2, failed=lambda *_: -1)
    assert list(in_order(found)) == list(range(20))
