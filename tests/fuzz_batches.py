"""Batches that are interrupted and killed: `python tests/fuzz_batches.py --count 200 --seed 7`.

Whenever a signal comes, a command ends at once with a shell's exit code and prints nothing about
it; outputs are whole or not there, nothing is left behind, no process stays. The seed and the
number make a trial again: `python tests/fuzz_batches.py --seed 7 --again 123`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

HANG_S = 60.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
OLD = b"an older result"
HIDDEN = ".convcli-"


class Event(NamedTuple):
    """What happens to a batch.

    Parameters
    ----------
    signals : tuple of Signals
        Sent one after another, to the command or to all of its processes, as a terminal does.
    to : {"command", "group", "worker"}
    delay : float
        Until the first, as a part of the time that the batch takes.
    pause : float
        Seconds between them.
    """

    signals: tuple[signal.Signals, ...]
    to: str
    delay: float
    pause: float


class Trial(NamedTuple):
    """A batch and what happens to it; half of its outputs are there before if it may replace."""

    jobs: int
    prints_json: bool
    replaces: bool
    event: Event

    @property
    def arguments(self) -> list[str]:
        """The options of the command."""
        flags = [("--json", self.prints_json), ("--force", self.replaces)]
        return [f"-j{self.jobs}", *(name for name, is_given in flags if is_given)]


class Ended(NamedTuple):
    """How a batch ended, in seconds after the first signal; `late` are processes that stayed."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    was_running: bool
    late: list[str]


def make_trial(chance: random.Random) -> Trial:
    """Draw a trial."""
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    first, second = chance.choice(ends), chance.choice((signal.SIGINT, *ends))
    signals, to = chance.choice(
        (
            ((signal.SIGINT,), "command"),
            ((signal.SIGINT,), "group"),
            ((signal.SIGINT, signal.SIGINT), "command"),
            ((signal.SIGINT, signal.SIGINT), "group"),
            ((first, second), "group"),
            ((first, second, signal.SIGINT), "command"),
            ((signal.SIGTERM,), "command"),
            ((signal.SIGTERM,), "group"),
            ((signal.SIGKILL,), "command"),
            ((signal.SIGKILL,), "worker"),
        )
    )
    jobs = chance.choice((2, 3)) if to == "worker" else chance.choice((1, 2, 2, 3))
    event = Event(signals, to, chance.random() * 1.1, chance.uniform(0.001, 0.3))
    return Trial(jobs, chance.random() < 0.5, chance.random() < 0.5, event)


class Search:
    """Trials in a folder, and what was found."""

    def __init__(self, folder: Path, patience: float) -> None:
        self.folder, self.patience = folder, patience
        self.inputs = self._save_inputs()
        self.expected: dict[str, bytes] = {}
        self.durations: dict[int, float] = {}
        self.ends: Counter[str] = Counter()
        self.findings = 0
        for jobs in (1, 2, 3):
            self._measure(jobs)

    def _save_inputs(self) -> dict[str, bytes]:
        chance = np.random.default_rng(0)
        for number in range(6):
            pixels = chance.integers(0, 256, (40 + number, 50, 3), np.uint8)
            Image.fromarray(pixels).save(self.folder / f"p{number}.png")
        for number, side in enumerate((1500, 700, 1200)):  # which take long to write
            large = chance.integers(0, 256, (side, side), np.uint8)
            np.save(self.folder / f"large{number}.npy", large)
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def _measure(self, jobs: int) -> None:
        start = time.monotonic()
        with self._started([f"-j{jobs}"]) as process:
            assert process.wait(HANG_S) == 0
        self.durations[jobs] = time.monotonic() - start
        self.expected = self._outputs()

    def _outputs(self) -> dict[str, bytes]:
        out = self.folder / "out"
        return {path.name: path.read_bytes() for path in out.iterdir()} if out.exists() else {}

    def _started(self, options: list[str]) -> subprocess.Popen[bytes]:
        """Start the batch in a session of its own, with an empty folder of outputs."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        if "--force" in options:
            (self.folder / "out").mkdir()
            for name in sorted(self.expected)[::2]:
                (self.folder / "out" / name).write_bytes(OLD)
        return self._start(options)

    def _start(self, options: list[str]) -> subprocess.Popen[bytes]:
        arguments = ("apply", *self.inputs, "-k", "sharpen", "--range", "clamp", "-q")
        return subprocess.Popen(
            [sys.executable, "-m", "convcli", *arguments, "--output-dir", "out", *options],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_restore_interrupts,  # noqa: PLW1509  # no thread runs here
        )

    def attempt(self, trial: Trial, name: str) -> None:
        """Run a trial, and print what is wrong about how it ended."""
        process = self._started(trial.arguments)
        try:
            ended = self._disturb(process, trial)
        except subprocess.TimeoutExpired:
            ended = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        wrong = ["hangs"] if ended is None else list(self._complaints(trial, ended))
        self.ends["hangs" if ended is None else str(ended.code)] += 1
        for complaint in wrong[:3]:
            sys.stdout.write(f"FOUND {name}: {complaint}\n      {trial}\n")
            sys.stdout.flush()
        self.findings += bool(wrong)

    def _disturb(self, process: subprocess.Popen[bytes], trial: Trial) -> Ended:
        event = trial.event
        _wait_for(lambda: _handles_signals(process.pid) or process.poll() is not None)
        time.sleep(event.delay * self.durations[trial.jobs])
        targets = [process.pid]
        if event.to == "worker":
            workers = sorted(_workers(process.pid))
            targets = random.Random(event.delay).sample(workers, k=min(1, len(workers)))
        was_running = process.poll() is None
        start = time.monotonic()
        for number, sent in enumerate(event.signals):
            time.sleep(event.pause if number else 0)
            for target in targets:
                with suppress(ProcessLookupError):
                    (os.killpg if event.to == "group" else os.kill)(target, sent)
        stdout, stderr = process.communicate(timeout=HANG_S)
        seconds = time.monotonic() - start
        _wait_for(lambda: not _members(process.pid), self.patience)
        late = [*_members(process.pid).values()]
        return Ended(process.returncode, stdout, stderr, seconds, was_running, late)

    def _complaints(self, trial: Trial, ended: Ended) -> Iterator[str]:
        event = trial.event
        codes = {CODES[number] for number in event.signals}
        if not ended.was_running or event.to == "worker":
            codes = {0}
        elif trial.event.delay > 0.5:  # it may have been about to end
            codes.add(0)
        if ended.code not in codes:
            yield f"exit code {ended.code}"
        if ended.stderr:
            yield f"on standard error: {ended.stderr[-400:].decode(errors='replace')!r}"
        if event.to != "worker" and ended.seconds - event.pause * 2 > self.patience:
            yield f"took {ended.seconds:.2f} s to end"
        if ended.late:
            yield f"processes that stay: {ended.late}"
        yield from self._broken_json(ended.stdout)
        yield from self._broken_files(ended, trial)

    def _broken_json(self, stdout: bytes) -> Iterator[str]:
        for line in stdout.splitlines():
            try:
                output = json.loads(line)["output"]
            except (ValueError, KeyError):
                yield f"printed {line[:200]!r}"
            else:
                if not (self.folder / output).exists():
                    yield f"{output} was reported, and is not there"

    def _broken_files(self, ended: Ended, trial: Trial) -> Iterator[str]:
        outputs = self._outputs()
        hidden = {name for name in outputs if name.startswith(HIDDEN)}
        for name in outputs.keys() - hidden:
            if outputs[name] not in (self.expected.get(name), OLD if trial.replaces else None):
                yield f"{name} is not whole"
        if ended.code == 0:
            lacking = [name for name in self.expected if outputs.get(name) != self.expected[name]]
            if lacking:
                yield f"exit code 0 without {lacking}"
        if hidden and ended.code == CODES[signal.SIGKILL]:
            with self._start(["-j1", "--force"]) as process:  # writes there, and cleans up
                process.communicate(timeout=HANG_S)
            hidden = {name for name in self._outputs() if name.startswith(HIDDEN)}
        if hidden:
            yield f"left behind: {sorted(hidden)}"
        changed = [
            name
            for name, content in self.inputs.items()
            if (self.folder / name).read_bytes() != content
        ]
        if changed:
            yield f"changed inputs: {changed}"


def _restore_interrupts() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # which a shell's background job ignores
        signal.signal(number, signal.SIG_DFL)


def _wait_for(what: Callable[[], object], seconds: float = HANG_S) -> None:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.002)


def _handles_signals(process: int) -> bool:
    """Whether the command has begun: the interpreter by itself does nothing about SIGTERM."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _members(session: int) -> dict[int, str]:
    """The processes of a session that have not ended, and their commands."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")[:200]
    return found


def _workers(process: int) -> set[int]:
    """The workers of a command, once it has one; none if it has ended them all by now."""
    _wait_for(lambda: _members(process).keys() != {process})
    return _members(process).keys() - {process}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--again", type=int, help="the number of a trial")
    parser.add_argument("--patience", type=float, default=2.0, help="seconds to end after a signal")
    options = parser.parse_args()
    numbers = range(options.count) if options.again is None else [options.again]
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder), options.patience)
        for number in numbers:
            trial = make_trial(random.Random(f"{options.seed} {number}"))
            search.attempt(trial, f"--seed {options.seed} --again {number}")
    ends = ", ".join(f"{count} with {code}" for code, count in sorted(search.ends.items()))
    sys.stdout.write(f"{len(numbers)} batches ended: {ends}; {search.findings} findings\n")
    return 1 if search.findings else 0


if __name__ == "__main__":
    sys.exit(main())
