"""Signals that end a process, wherever they come: the exit code of a shell, and nothing printed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.process import PLAIN

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
EVERY = pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
START = """
import os, signal, sys, threading, time
from pathlib import Path
from convcli.signals import end_on_signals, postpone_signals, undo_at_signal

def send(number: int) -> None:
    os.kill(os.getpid(), number)

end_on_signals()
"""


def run(script: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", START + script],
        cwd=cwd,
        env=PLAIN,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return done.returncode, done.stdout, done.stderr


PLACES = {
    "statement": "send({})",
    "destructor": "class A:\n    def __del__(self): send({})\nA()",
    "class": "class A:\n    def __set_name__(self, *_): send({})\ntype('B', (), dict(a=A()))",
    "except": "try:\n    1/0\nexcept ZeroDivisionError:\n    try: send({})\n    except: pass",
    "weakref": "import weakref\nclass A: pass\na = A()\n"
    "r = weakref.ref(a, lambda _: send({}))\ndel a",
    "collection": "import gc\ngc.callbacks.append(lambda *_: send({}))\ngc.collect()",
    "import": "import sys\nclass F:\n    def find_spec(*_): send({})\n"
    "sys.meta_path.insert(0, F())\nimport nothing_of_this_name",
    "thread": "t = threading.Thread(target=send, args=({},))\nt.start()\nt.join()\ntime.sleep(9)",
    "lock": "threading.Timer(0.2, send, ({},)).start()\nthreading.Lock().__enter__()\n"
    "lock = threading.Lock()\nlock.acquire()\nlock.acquire()",
}


@EVERY
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_signal_ends_the_process_wherever_it_comes(
    place: str, number: signal.Signals, tmp_path: Path
) -> None:
    script = f"{place.format(int(number))}\ntime.sleep(0.2)\nprint('still here')"
    assert run(script, tmp_path) == (CODES[number], "", "")


@EVERY
def test_what_was_begun_is_undone_last_first(number: signal.Signals, tmp_path: Path) -> None:
    script = f"""
with undo_at_signal(lambda: os.write(1, b'first')), undo_at_signal(lambda: 1/0):
    with undo_at_signal(lambda: os.write(1, b'ended')):
        pass
    with undo_at_signal(lambda: os.write(1, b'last ')):
        send({int(number)})
        time.sleep(5)
"""
    assert run(script, tmp_path) == (CODES[number], "last first", "")


@EVERY
def test_further_signals_do_not_disturb_the_undoing(number: signal.Signals, tmp_path: Path) -> None:
    script = f"""
def undo():
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        send(other)
        time.sleep(0.05)
    os.write(1, b'undone')

with undo_at_signal(undo):
    send({int(number)})
    time.sleep(5)
"""
    assert run(script, tmp_path) == (CODES[number], "undone", "")


@EVERY
def test_a_postponed_signal_ends_the_process_later(number: signal.Signals, tmp_path: Path) -> None:
    script = f"""
with postpone_signals():
    send({int(number)})
    os.write(1, b'whole')
    time.sleep(0.1)
    os.write(1, b' step')
os.write(1, b' and more')
time.sleep(1)
os.write(1, b' and more')
"""
    code, stdout, stderr = run(script, tmp_path)
    assert (code, stderr) == (CODES[number], "")
    assert stdout in ("whole step", "whole step and more")


@EVERY
def test_no_thread_begins_what_would_not_be_undone(number: signal.Signals, tmp_path: Path) -> None:
    script = f"""
def make_files():
    for count in range(100_000):
        path = Path(f'{{threading.get_ident()}}-{{count}}')
        with undo_at_signal(path.unlink):
            with postpone_signals():
                path.touch()
            path.unlink()

for _ in range(3):
    threading.Thread(target=make_files, daemon=True).start()
time.sleep(0.2)
send({int(number)})
time.sleep(5)
"""
    for _ in range(5):
        assert run(script, tmp_path) == (CODES[number], "", "")
        assert not list(tmp_path.iterdir())


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    script = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nend_on_signals()\n"
        "send(signal.SIGINT)\ntime.sleep(0.1)\nprint('still here')"
    )
    assert run(script, tmp_path) == (0, "still here\n", "")
