"""Run a batch on a Dask cluster; needs the extra `cluster`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, TypeVar, cast

import convcli
from convcli.errors import ArgumentError, FileError

Result = TypeVar("Result")

CONNECT_TIMEOUT_S = 4  # for a scheduler to answer, and for a worker to be there
EXTRA = "--scheduler needs Dask: pip install 'convcli[cluster]'"


@contextmanager
def connect_scheduler(address: str) -> Iterator[tuple[Executor, int]]:
    """Connect to a scheduler; yield an executor, and the number of its workers' threads.

    Raises
    ------
    ArgumentError
        If Dask is not installed, or the address is not one.
    FileError
        If no scheduler answers, it has no workers, or these have another version of convcli.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ArgumentError(EXTRA) from error
    _check_address(address)
    # Lost connections that it would log are reported as errors of their files.
    logging.disable(logging.CRITICAL)
    connect: Any = partial(Client, address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    try:
        client = _call_in_time(connect)
    except Exception as error:  # whatever it is that answers there
        raise FileError(address, f"no Dask scheduler answers there ({_line(error)})") from error
    try:
        _check_workers(client, address)
        with _ClusterExecutor(client, address) as executor:
            yield executor, sum(client.nthreads().values())
    finally:
        with suppress(Exception):
            client.close(timeout=0.5)


class _ClusterExecutor(Executor):
    """A client's executor whose futures fail when the scheduler is gone; Dask's own never end.

    Raises
    ------
    BrokenExecutor
        From `submit`, and from what was submitted, when the scheduler is gone.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._inner = client, client.get_executor(pure=False)
        self._error = BrokenExecutor(f"the scheduler at {address} is gone")
        self._pending: set[Future[Any]] = set()
        self._is_lost, self._is_shut_down = False, Event()
        Thread(target=self._monitor, daemon=True).start()

    def submit(
        self, work: Callable[..., Result], /, *arguments: Any, **settings: Any
    ) -> Future[Result]:
        """Send work to the cluster."""
        if self._is_lost:
            raise self._error
        try:
            future: Future[Result] = self._inner.submit(work, *arguments, **settings)
        except Exception as error:
            raise self._error from error
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Cancel the work that no worker has begun."""
        self._is_shut_down.set()
        if not self._is_lost:
            self._inner.shutdown(wait=False)

    def _monitor(self) -> None:
        """Fail all pending futures once the client has been disconnected for some seconds."""
        seconds = 0
        while seconds < CONNECT_TIMEOUT_S:
            if self._is_shut_down.wait(1):
                return
            seconds = 0 if self._client.status == "running" else seconds + 1
        self._is_lost = True
        for future in self._pending.copy():
            with suppress(InvalidStateError):
                future.set_exception(self._error)


def _call_in_time(function: Callable[[], Result]) -> Result:
    """Call what waits for a scheduler, which may be something else, and say nothing for ever.

    Raises
    ------
    TimeoutError
        If there is no result by then; the call is left behind.
    """
    results: SimpleQueue[tuple[Result | None, Exception | None]] = SimpleQueue()

    def call() -> None:
        try:
            results.put((function(), None))
        except Exception as error:  # noqa: BLE001  # raised below
            _errors.append(error)
            results.put((None, error))

    Thread(target=call, daemon=True).start()
    try:
        result, error = results.get(timeout=CONNECT_TIMEOUT_S + 1)
    except Empty:
        raise TimeoutError(f"nothing for {CONNECT_TIMEOUT_S} s") from None
    if error is not None:
        raise error
    return cast("Result", result)


_errors: list[Exception] = []  # for ever: with them go clients, which try to close, and print


def _check_address(address: str) -> None:
    """Refuse a malformed address, which the client itself would keep trying."""
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:
        scheme, location = parse_address(address)
        get_backend(scheme)
        host, port = parse_host_port(location)
        if not (host and 0 < port < 65_536):
            raise ValueError("it needs a host and a port")
    except (ValueError, ImportError) as error:
        raise ArgumentError(
            f"--scheduler {address!r} is no address, like tcp://127.0.0.1:8786 ({_line(error)})"
        ) from error


def _check_workers(client: Any, address: str) -> None:
    """Require at least one worker, and the same version of convcli on all of them."""
    from distributed import TimeoutError as NoWorkersError

    try:
        _call_in_time(partial(client.wait_for_workers, 1, timeout=CONNECT_TIMEOUT_S))
        versions = _call_in_time(partial(client.run, _version))
    except NoWorkersError as error:
        raise FileError(address, "the scheduler has no workers; start some: dask worker") from error
    except Exception as error:
        raise FileError(
            address, f"its workers need convcli, as it is here ({_line(error)})"
        ) from error
    for worker, version in versions.items():
        if version != convcli.__version__:
            raise FileError(
                worker,
                f"has convcli {version}, and this is {convcli.__version__}: install the same",
            )


def _version() -> str:
    return convcli.__version__


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
