"""Many items: executors, and one result for each, whatever becomes of its worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ExecutorFactory: TypeAlias = Callable[[int], AbstractContextManager[Executor]]
FailureHandler: TypeAlias = Callable[[Item, Exception], Result]


def run_all(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    hire: ExecutorFactory,
    *,
    workers: int,
    failed: FailureHandler[Item, Result],
) -> Iterator[tuple[int, Result]]:
    """Let workers do every item: a result each, as they finish, with the item's place.

    At most two items for each worker are in flight. A worker that dies takes all that are in
    flight with it: each of them is done again, alone, and the one that kills again has failed.

    Parameters
    ----------
    work : callable
        What is done to an item.
    items : iterable
        Taken one by one, as workers come free.
    hire : callable
        An executor of so many workers, as a context.
    workers : int
    failed : callable
        The result of an item whose work raised an exception, or whose worker died.

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
    waiting = enumerate(items)
    while lost := (yield from _run(work, waiting, hire(workers), 2 * workers, failed)):
        suspects = iter(lost.items)
        while killed := (yield from _run(work, suspects, hire(1), 1, failed)):
            for place, item in killed.items:
                yield place, failed(item, killed.cause)


def in_order(finished: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """Give results in the order of their items; what comes early is held back.

    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    turn = 0
    for place, result in finished:
        early[place] = result
        while turn in early:
            yield early.pop(turn)
            turn += 1


@dataclass(frozen=True, slots=True)
class _Broken(Generic[Item]):
    """What was in flight when a worker died, and why it died."""

    items: list[tuple[int, Item]]
    cause: BrokenExecutor


def _run(
    work: Callable[[Item], Result],
    waiting: Iterator[tuple[int, Item]],
    crew: AbstractContextManager[Executor],
    in_flight: int,
    failed: FailureHandler[Item, Result],
) -> Generator[tuple[int, Result], None, _Broken[Item] | None]:
    """Let one crew do what is waiting, until there is no more of it, or a worker dies."""
    running: dict[Future[Result], tuple[int, Item]] = {}
    try:
        with crew as executor:
            while True:
                for entry in islice(waiting, in_flight - len(running)):
                    running[_submitted(executor, work, entry[1])] = entry
                if not running:
                    return None
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=_is_lost):
                    if _is_lost(future):
                        future.result()  # raises
                    place, item = running.pop(future)
                    yield place, _result(future, item, failed)
    except BrokenExecutor as error:
        return _Broken(list(running.values()), error)


def _submitted(executor: Executor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    """Submit an item; a crew that is lost already loses it, too."""
    try:
        return executor.submit(work, item)
    except BrokenExecutor as error:
        lost: Future[Result] = Future()
        lost.set_exception(error)
        return lost


def _is_lost(future: Future[Result]) -> bool:
    return not future.cancelled() and isinstance(future.exception(), BrokenExecutor)


def _result(future: Future[Result], item: Item, failed: FailureHandler[Item, Result]) -> Result:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is about this item alone
        return failed(item, error)
