"""Run a batch in processes of this machine, which end with the command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from time import monotonic, sleep
from typing import Any, NoReturn, TypeVar

from convcli.files.journal import remove_own_journals

Result = TypeVar("Result")

TERMINATED_CODE = 143
TERMINATE_TIMEOUT_S = 0.6  # for a worker to remove its temporary file
INHERITED: Mapping[str, str] = {}

_is_working = threading.Event()  # in a worker


@contextmanager
def process_pool(
    workers: int, environment: Mapping[str, str] = INHERITED
) -> Iterator[ProcessPoolExecutor]:
    """Start processes as they are needed, at most `workers`, and end them all.

    Parameters
    ----------
    workers : int
    environment : mapping of str to str
        Environment variables for the processes, beside those that they inherit.

    Raises
    ------
    BrokenExecutor
        If a worker died, with the signal or the exit code.
    """
    _occupy_standard_streams()
    with _changed_environment(environment):
        pool = _ProcessPool(workers)
        try:
            yield pool
            pool.shutdown()
        except BrokenExecutor as error:
            raise BrokenExecutor(f"its worker died ({pool.cause_of_death()})") from error
        finally:
            pool.terminate()


class _ProcessPool(ProcessPoolExecutor):
    """A pool that keeps a list of its processes, to end them and to say how one died."""

    def __init__(self, workers: int) -> None:
        context = get_context("spawn")
        super().__init__(workers, mp_context=context, initializer=_initialize_worker)
        self._unrelated = set(active_children())
        self._workers: set[BaseProcess] = set()

    def submit(
        self, work: Callable[..., Result], /, *arguments: Any, **settings: Any
    ) -> Future[Result]:
        """Submit work; a worker that this starts does not receive SIGINT (Ctrl-C)."""
        with _blocked_interrupts():
            try:
                return super().submit(_run, work, *arguments, **settings)
            except OSError as error:
                raise BrokenExecutor(f"no worker could be started: {error}") from error
            finally:
                self._workers |= set(active_children()) - self._unrelated

    def cause_of_death(self) -> str:
        """Return how the first worker died that this pool did not end: a signal or an exit code."""
        expected = (None, 0, TERMINATED_CODE, -signal.SIGTERM)
        code = None
        deadline = monotonic() + TERMINATE_TIMEOUT_S
        while code is None and monotonic() < deadline:  # the pool's own thread may be asking, too
            codes = (worker.exitcode for worker in self._workers)
            code = next((found for found in codes if found not in expected), None)
            sleep(0.01)
        if code is None:
            return "it was ended from outside"
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}; memory may have run out" if -code == signal.SIGKILL else name

    def terminate(self) -> None:
        """End the workers: by SIGTERM, and those that do not end in time by SIGKILL."""
        with _blocked_interrupts():
            self.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.terminate()
            deadline = monotonic() + TERMINATE_TIMEOUT_S
            for worker in self._workers:
                worker.join(max(0.0, deadline - monotonic()))
                if worker.is_alive():
                    worker.kill()
                    worker.join(TERMINATE_TIMEOUT_S)


def _run(work: Callable[..., Result], *arguments: Any) -> Result:
    """Run work in a worker; exit on SystemExit, which the pool would return as an error."""
    _is_working.set()
    try:
        return work(*arguments)
    except SystemExit:
        os._exit(TERMINATED_CODE)
    finally:
        _is_working.clear()


def _initialize_worker() -> None:
    """Make a worker end on SIGTERM, and when its parent has ended."""
    signal.signal(signal.SIGTERM, _terminate)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _terminate(*_: object) -> NoReturn:
    """End a worker; while it works by an exception, so that temporary files are removed."""
    if _is_working.is_set():
        sys.exit(TERMINATED_CODE)
    os._exit(TERMINATED_CODE)  # an exception would be raised inside the pool, and printed


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        remove_own_journals()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Block SIGINT; a process that is started meanwhile never receives it."""
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
    """Set environment variables for the processes that are started meanwhile."""
    before = {name: os.environ[name] for name in changes if name in os.environ}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in changes:
            os.environ.pop(name, None)
        os.environ.update(before)


def _occupy_standard_streams() -> None:
    """Open standard streams that are closed, as the null device.

    A pipe of the pool would otherwise get the descriptor of one, and then what is printed there.
    """
    number = -1
    while number < 3:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
