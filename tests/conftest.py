from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import settings
from support import peers

MAX_WORKERS = 8  # beyond them the memory that the tests take together grows faster than they end

# A slow machine is no bug: the time of one example says nothing. The same examples every time: a
# change fails for what it changes; `--hypothesis-profile explore` tries others, and `thorough` more
# of the same kind, as `.ci/run` does once.
settings.register_profile("convcli", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=300, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=300, print_blob=True)
settings.load_profile("convcli")


def pytest_configure() -> None:
    """Let what tests start hear the signals that a shell's background job or nohup ignores."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """As many as may run at once: pytest-xdist itself would count the cores of the machine."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or min(MAX_WORKERS, cores))


def pytest_collection_finish() -> None:
    """Spare every later collection of garbage the thousands of tests, which stay to the end."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    peers.is_marked = item.get_closest_marker("peers") is not None
