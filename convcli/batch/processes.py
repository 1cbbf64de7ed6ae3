"""Run a batch in processes of this machine, which end with the command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from time import monotonic, sleep
from typing import Any, NoReturn, TypeVar

from convcli.files import remove_unfinished

Result = TypeVar("Result")

NO_CHANGES: Mapping[str, str] = {}

_at_work = threading.Event()  # in a worker

TERMINATED = 143
TERMINATE_TIMEOUT_S = 0.6  # seconds for a worker to remove its temporary file


@contextmanager
def process_pool(
    number: int, folders: Collection[str] = (), environment: Mapping[str, str] = NO_CHANGES
) -> Iterator[ProcessPoolExecutor]:
    """Start processes as they are needed, as many as `number`, and end them all.

    Parameters
    ----------
    number : int
    folders : collection of str
        Where they write, as it is known at the end: what one of them was writing when it was killed
        is removed there.
    environment : mapping of str to str
        Environment variables that the processes start with, beside those of this process.

    Raises
    ------
    BrokenExecutor
        Where a worker died, with the signal or the exit code.
    """
    _occupy_standard_streams()
    with _changed_environment(environment):
        workers = _ProcessPool(number)
        try:
            yield workers
            workers.shutdown()
        except BrokenExecutor as error:
            raise BrokenExecutor(f"its worker died ({workers.cause_of_death()})") from error
        finally:
            workers.end()
            workers.clear(folders)


class _ProcessPool(ProcessPoolExecutor):
    """A pool that knows its processes."""

    def __init__(self, number: int) -> None:
        super().__init__(number, mp_context=get_context("spawn"), initializer=_begin)
        self.others = set(active_children())
        self.processes: set[BaseProcess] = set()

    def submit(
        self, work: Callable[..., Result], /, *arguments: Any, **settings: Any
    ) -> Future[Result]:
        """Submit work; a worker that this starts never hears of Ctrl-C, which is for us."""
        with _deaf_to_interrupts():
            try:
                return super().submit(_do, work, *arguments, **settings)
            except OSError as error:
                raise BrokenExecutor(f"no worker could be started: {error}") from error
            finally:
                self.processes |= set(active_children()) - self.others

    def cause_of_death(self) -> str:
        """What the first of them died of that we did not end ourselves."""
        ours = (None, 0, TERMINATED, -signal.SIGTERM)
        code = None
        deadline = monotonic() + TERMINATE_TIMEOUT_S
        while code is None and monotonic() < deadline:  # the pool's own thread may be asking, too
            code = next((one.exitcode for one in self.processes if one.exitcode not in ours), None)
            sleep(0.01)
        if code is None:
            return "it was ended from outside"
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}; memory may have run out" if -code == signal.SIGKILL else name

    def end(self) -> None:
        """End what still runs, gently at first."""
        with _deaf_to_interrupts():
            self.shutdown(wait=False, cancel_futures=True)
            for process in self.processes:
                process.terminate()
            deadline = monotonic() + TERMINATE_TIMEOUT_S
            for process in self.processes:
                process.join(max(0.0, deadline - monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join(TERMINATE_TIMEOUT_S)

    def clear(self, folders: Collection[str]) -> None:
        """Remove what those that came to no good end were writing."""
        for process in self.processes:
            if process.pid is not None and process.exitcode != 0:
                for folder in folders:
                    remove_unfinished(folder, process.pid)


def _do(work: Callable[..., Result], *arguments: Any) -> Result:
    """Work, in a worker; the pool itself would take the order to end for a result."""
    _at_work.set()
    try:
        return work(*arguments)
    except SystemExit:
        os._exit(TERMINATED)
    finally:
        _at_work.clear()


def _begin() -> None:
    """Set up a worker: it ends when told to, or when there is nobody left to work for."""
    signal.signal(signal.SIGTERM, _terminate)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _terminate(*_: object) -> NoReturn:
    """End: at work, through what removes temporary files; between, where nothing is left behind."""
    if _at_work.is_set():
        sys.exit(TERMINATED)
    os._exit(TERMINATED)  # an exception would be one of the pool's own, and shown


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Hold SIGINT back; a process that starts meanwhile never gets it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _occupy_standard_streams() -> None:
    """Keep pipes off the numbers of streams that are closed, where messages would end in them."""
    number = -1
    while number < 3:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
