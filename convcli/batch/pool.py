"""Run many items in an executor: a result for each, even if its worker dies."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from itertools import islice
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ExecutorFactory: TypeAlias = Callable[[int], AbstractContextManager[Executor]]
FailureHandler: TypeAlias = Callable[[Item, Exception], Result]


def run_all(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    make_executor: ExecutorFactory,
    *,
    workers: int,
    failed: FailureHandler[Item, Result],
) -> Iterator[tuple[int, Result]]:
    """Run work on every item; yield each result, with the item's index, as it is finished.

    At most two items for each worker are in flight. A worker that dies breaks its executor, and
    with it all items in flight: each of them is run again, alone, and one that breaks its executor
    again has failed.

    Parameters
    ----------
    work : callable
        A function of one item.
    items : iterable
        Read one by one, as workers become free.
    make_executor : callable
        Returns an executor with the given number of workers, as a context manager.
    workers : int
    failed : callable
        Returns the result of an item whose work raised an exception, or whose worker died.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> squares = run_all(
    ...     lambda number: number**2,
    ...     [1, 2, 3],
    ...     ThreadPoolExecutor,
    ...     workers=2,
    ...     failed=lambda number, error: -1,
    ... )
    >>> list(in_order(squares))
    [1, 4, 9]
    """
    pending = enumerate(items)
    while broken := (yield from _run(work, pending, make_executor(workers), 2 * workers, failed)):
        suspects = iter(broken.items)
        while again := (yield from _run(work, suspects, make_executor(1), 1, failed)):
            for index, item in again.items:
                yield index, failed(item, again.cause)


def in_order(indexed: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """Yield results in the order of their indices; those that come early are held back.

    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    next_index = 0
    for index, result in indexed:
        early[index] = result
        while next_index in early:
            yield early.pop(next_index)
            next_index += 1


class _Broken(NamedTuple, Generic[Item]):
    """The items that were in flight when an executor broke, and why it broke."""

    items: list[tuple[int, Item]]
    cause: BrokenExecutor


def _run(
    work: Callable[[Item], Result],
    pending: Iterator[tuple[int, Item]],
    context: AbstractContextManager[Executor],
    max_in_flight: int,
    failed: FailureHandler[Item, Result],
) -> Generator[tuple[int, Result], None, _Broken[Item] | None]:
    """Run the pending items in one executor, until none is left or the executor breaks."""
    running: dict[Future[Result], tuple[int, Item]] = {}
    try:
        with context as executor:
            while True:
                for entry in islice(pending, max_in_flight - len(running)):
                    running[_submit(executor, work, entry[1])] = entry
                if not running:
                    return None
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=_is_broken):
                    if _is_broken(future):
                        future.result()  # raises
                    index, item = running.pop(future)
                    yield index, _result(future, item, failed)
    except BrokenExecutor as error:
        return _Broken(list(running.values()), error)


def _submit(executor: Executor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    """Submit an item; if the executor is broken already, so is the item's future."""
    try:
        return executor.submit(work, item)
    except BrokenExecutor as error:
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _is_broken(future: Future[Result]) -> bool:
    return not future.cancelled() and isinstance(future.exception(), BrokenExecutor)


def _result(future: Future[Result], item: Item, failed: FailureHandler[Item, Result]) -> Result:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001  # any exception concerns this item alone
        return failed(item, error)
