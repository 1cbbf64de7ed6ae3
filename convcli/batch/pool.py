"""Run many items in an executor: a result for each, even if its worker dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from itertools import islice
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
FailureHandler: TypeAlias = Callable[[Item, Exception], Result]


def run_all(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    executor: Executor,
    *,
    workers: int,
    failed: FailureHandler[Item, Result],
) -> Iterator[tuple[int, Result]]:
    """Run work on every item; yield each result, with the item's index, as it is finished.

    At most two items for each worker are in flight. An item whose worker died is run again, alone,
    as it may have had too little memory beside others; one that loses its worker again has failed.

    Parameters
    ----------
    work : callable
        A function of one item.
    items : iterable
        Read one by one, as workers become free.
    executor : Executor
        One whose futures raise `BrokenExecutor` if their worker died.
    workers : int
        The number of its workers.
    failed : callable
        Returns the result of an item whose work raised an exception, or whose worker died.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as executor:
    ...     squares = run_all(
    ...         lambda number: number**2,
    ...         [1, 2, 3],
    ...         executor,
    ...         workers=2,
    ...         failed=lambda number, error: -1,
    ...     )
    ...     list(in_order(squares))
    [1, 4, 9]
    """
    pending = enumerate(items)
    running: dict[Future[Result], tuple[int, Item]] = {}
    retries: list[tuple[int, Item]] = []
    while True:
        if not retries:
            for entry in islice(pending, 2 * workers - len(running)):
                running[_submit(executor, work, entry[1])] = entry
        if running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                index, item = running.pop(future)
                if _is_broken(future):
                    retries.append((index, item))
                else:
                    yield index, _result(future, item, failed)
        elif retries:
            index, item = retries.pop()
            yield index, _result(_submit(executor, work, item), item, failed)
        else:
            return


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
