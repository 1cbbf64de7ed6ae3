"""Run a batch in processes of this machine, which end with the command."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import IO, Any, TypeVar, cast

import convcli
from convcli.batch.worker import NOT_STARTED_CODE, run
from convcli.records import NamedTuple
from convcli.signals import SIGNALS, postpone_signals, undo_at_signal

Result = TypeVar("Result")

EXPECTED_CODES = (0, 143, -signal.SIGTERM)  # of a worker that was told to end
TERMINATE_TIMEOUT_S = 0.6  # for a worker to remove its temporary file
END_TIMEOUT_S = 5.0  # for a worker that has nothing more to do
INHERITED: Mapping[str, str] = {}
# Read by the C library of GNU when a process starts (mallopt(3)), in bytes: what may stay free at
# the end of a heap, and from which size on the system provides memory each time. It would clear the
# pages of the parts of a picture again and again: 6 % of the time of a batch (AMD EPYC, Zen 3).
MEMORY_VARIABLES = {
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
}
# What a worker runs. Its modules come from where this process has them, and convcli from where it
# was loaded, which need not be among them. -P: the working folder, which is that of the inputs, is
# not among them.
START = f"""
import sys
try:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    home, *sys.path = sys.argv[1:]
    spec = PathFinder.find_spec("convcli", [home])
    sys.modules["convcli"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["convcli"])
    from convcli.batch.worker import serve
except (MemoryError, OSError):
    sys.exit({NOT_STARTED_CODE})
serve()
"""


@contextmanager
def process_pool(workers: int, environment: Mapping[str, str] = INHERITED) -> Iterator[Executor]:
    """Start processes as they are needed, at most `workers`, and end them all.

    Parameters
    ----------
    workers : int
    environment : mapping of str to str
        Environment variables for the processes, beside those that they inherit.

    Raises
    ------
    BrokenExecutor
        From a future whose worker died, with the signal or the exit code.
    """
    _occupy_standard_streams()
    others = {**MEMORY_VARIABLES, **os.environ, **environment, "PYTHONSAFEPATH": "1"}
    pool = _ProcessPool(workers, others)
    with undo_at_signal(pool.terminate):
        try:
            yield pool
            pool.shutdown()
        finally:
            pool.terminate()


class _Call(NamedTuple):
    """A pickled function with its arguments, and where its result goes."""

    message: bytes
    future: Future[Any]


class _ProcessPool(Executor):
    """Threads with a worker process each: one that dies takes no call but its own with it."""

    def __init__(self, workers: int, environment: Mapping[str, str]) -> None:
        self._max_workers, self._environment = workers, environment
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._unfinished: set[Future[Any]] = set()
        self._threads: list[Thread] = []
        self._workers: set[subprocess.Popen[bytes]] = set()
        self._starting, self._running_here, self._is_over = Lock(), Lock(), False

    def submit(
        self, work: Callable[..., Result], /, *arguments: Any, **settings: Any
    ) -> Future[Result]:
        """Submit work; its exceptions, and the death of its worker, come from the future."""
        future: Future[Result] = Future()
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._calls.put(_Call(pickle.dumps((work, arguments, settings)), future))
        if len(self._threads) < min(self._max_workers, len(self._unfinished)):
            self._start_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the workers after what was submitted is done."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def terminate(self) -> None:
        """End the workers: by SIGTERM, and those that do not end in time by SIGKILL."""
        self._is_over = True
        if self._starting.acquire(timeout=TERMINATE_TIMEOUT_S):  # one that is being started is here
            self._starting.release()
        workers = self._workers.copy()
        for worker in workers:
            worker.terminate()
        deadline = monotonic() + TERMINATE_TIMEOUT_S
        for worker in workers:
            self._wait_for_end(worker, deadline - monotonic())

    def _start_thread(self) -> None:
        """Start a thread; if there are no more, those that there are do its work, or this one."""
        thread = Thread(target=self._serve, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                self._answer(cast("_Call", self._calls.get()), None)
        else:
            self._threads.append(thread)

    def _serve(self) -> None:
        """Pass calls on to a worker, which is started for the first, and again if it has died."""
        if hasattr(signal, "pthread_sigmask"):  # a worker begins with the signals of this thread
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        worker: subprocess.Popen[bytes] | None = None
        while (call := self._calls.get()) is not None:
            worker = self._answer(call, worker or self._start_worker())
        if worker is not None:
            with suppress(OSError):
                _send(worker, pickle.dumps(None))
            self._wait_for_end(worker, END_TIMEOUT_S)

    def _start_worker(self) -> subprocess.Popen[bytes] | None:
        """Start a worker, unless the system has no more processes, or descriptors for its pipes."""
        home = str(Path(convcli.__file__).parents[1])
        with suppress(OSError), postpone_signals(), self._starting:
            if self._is_over:
                return None
            worker = subprocess.Popen(  # noqa: S603  # this interpreter
                [sys.executable, "-P", "-c", START, home, *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
            )
            self._workers.add(worker)
            return worker
        return None

    def _answer(
        self, call: _Call, worker: subprocess.Popen[bytes] | None
    ) -> subprocess.Popen[bytes] | None:
        """Give a call its result, here if there is no worker; return the worker if it lives."""
        if self._is_over or not call.future.set_running_or_notify_cancel():
            return worker
        answer: tuple[bool, Any] | None = None
        if worker is not None:
            try:
                answer = _exchange(worker, call.message)
            except Exception:  # noqa: BLE001  # whatever it is, the worker has died
                self._wait_for_end(worker, TERMINATE_TIMEOUT_S)
                if worker.returncode != NOT_STARTED_CODE:
                    cause = _describe_exit(worker.returncode)
                    answer = False, BrokenExecutor(f"its worker died ({cause})")
                worker = None
        is_done, result = answer or self._run_here(call)
        (call.future.set_result if is_done else call.future.set_exception)(result)
        return worker

    def _run_here(self, call: _Call) -> tuple[bool, Any]:
        """Do what no worker can be started for, one call at a time."""
        with self._running_here:
            return run(*pickle.loads(call.message))  # noqa: S301  # made by `submit`

    def _wait_for_end(self, worker: subprocess.Popen[bytes], seconds: float) -> None:
        """Wait so many seconds for the end of a worker, then kill it; close its pipes."""
        try:
            worker.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        for stream in filter(None, (worker.stdin, worker.stdout)):
            with suppress(OSError):
                stream.close()
        self._workers.discard(worker)


def _exchange(worker: subprocess.Popen[bytes], message: bytes) -> tuple[bool, Any]:
    """Send a call to a worker, and return what it answers."""
    _send(worker, message)
    results = cast("IO[bytes]", worker.stdout)
    answer: tuple[bool, Any] = pickle.load(results)  # noqa: S301  # of our own process
    return answer


def _send(worker: subprocess.Popen[bytes], message: bytes) -> None:
    calls = cast("IO[bytes]", worker.stdin)
    calls.write(message)
    calls.flush()


def _describe_exit(code: int) -> str:
    """Return how a worker died: the name of a signal, or an exit code."""
    if code in EXPECTED_CODES:
        return "it was ended from outside"
    if code > 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}; memory may have run out" if name == "SIGKILL" else name


def _occupy_standard_streams() -> None:
    """Open standard streams that are closed, as the null device.

    A pipe of the pool would otherwise get the descriptor of one, and then what is printed there.
    """
    number = -1
    with suppress(OSError):  # there are no more
        while number < 3:
            number = os.open(os.devnull, os.O_RDWR)
        os.close(number)
