"""Many files: names, resuming, processes side by side, workers that die, a bar on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import COMMAND, Finished, convcli, here

from convcli.cli import progress

PATIENCE = 30.0  # for what must happen at all
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with six small pictures, p0.png to p5.png."""
    random = np.random.default_rng(0)
    for number in range(6):
        pixels = random.integers(0, 256, (9 + number, 8, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"p{number}.png")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def documents(done: Finished) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.text.splitlines()]


def usage(folder: Path, *arguments: str) -> str:
    before = names(folder)
    done = here("apply", *arguments, cwd=folder)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1), done
    assert names(folder) == before
    return done.stderr


@contextmanager
def started(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    def hear() -> None:  # a shell's background job would ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        [*COMMAND, "apply", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear,  # noqa: PLW1509  # no thread runs here
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The worker processes of a command."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def waits_for_a_writer(pid: int) -> bool:
    """Whether it has opened a FIFO that nobody writes to."""
    with suppress(OSError):
        return (
            "fifo" in Path(f"/proc/{pid}/wchan").read_text()
            or "wait_for_partner" in Path(f"/proc/{pid}/wchan").read_text()
        )
    return False


# Side by side


def test_jobs_change_nothing_but_who_does_it(place: Path) -> None:
    (place / "p2.png").write_bytes(b"bad")
    inputs = [f"p{number}.png" for number in range(6)]
    arguments = ("apply", *inputs, "gone.png", "-k", "sharpen", "-k", "emboss", "--json")
    one = convcli(*arguments, "--output-dir", "out", cwd=place)
    shutil.move(place / "out", place / "one")
    two = convcli(*arguments, "--output-dir", "out", "--jobs", "2", cwd=place)
    assert one.code == two.code == 1
    assert one.stderr == two.stderr
    assert two.stderr.endswith("convcli: 2 of 7 inputs failed\n")
    strip = re.compile(rb'"seconds": [0-9.e-]+')
    assert strip.sub(b"", one.stdout) == strip.sub(b"", two.stdout)
    told = [str(document["input"]) for document in documents(two)]
    assert list(dict.fromkeys(told)) == [*inputs, "gone.png"]
    assert [told.count(name) for name in inputs] == [2, 2, 1, 2, 2, 2]
    assert names(place / "one") == names(place / "out")
    for name in names(place / "one"):
        assert (place / "one" / name).read_bytes() == (place / "out" / name).read_bytes()


def test_figures_are_drawn_by_workers(place: Path) -> None:
    done = convcli(
        *("apply", "p0.png", "p1.png", "-k", "blur", "-j", "2", "--figure", "{stem}.svg"),
        cwd=place,
    )
    assert (done.code, done.stderr) == (0, "")
    assert (place / "p0.svg").read_text().startswith("<")
    assert "p1.svg" in names(place)


def test_one_input_needs_no_worker(place: Path) -> None:
    script = (
        "import sys\n"
        "from convcli.cli.commands import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "assert not {'multiprocessing.process', 'convcli.batch.processes'} & set(sys.modules)\n"
    )
    for arguments in (["p0.png", "-j", "4"], ["p1.png", "p2.png"]):
        subprocess.run(
            [sys.executable, "-c", script, "apply", *arguments, "-k", "blur"],
            cwd=place,
            check=True,
            timeout=PATIENCE,
        )
    piped = convcli(
        *("apply", "-", "-k", "blur", "-j", "4"), cwd=place, stdin=(place / "p0.png").read_bytes()
    )
    assert (piped.code, piped.stdout) == (0, (place / "p0.blur.png").read_bytes())


def test_workers_compute_in_one_thread(place: Path) -> None:
    script = (
        "import os, sys\n"
        "from convcli.cli.blas import BLAS_THREAD_VARIABLES as THREADS\n"
        "from convcli.batch.processes import process_pool\n"
        "if __name__ == '__main__':\n"
        "    before = {name: os.environ.get(name) for name in THREADS}\n"
        "    with process_pool(1, environment=dict.fromkeys(THREADS, '1')) as workers:\n"
        "        found = [workers.submit(os.getenv, name).result() for name in THREADS]\n"
        "    assert found == ['1'] * len(THREADS), found\n"
        "    assert {name: os.environ.get(name) for name in THREADS} == before\n"
    )
    (place / "ask.py").write_text(script)
    subprocess.run([sys.executable, "ask.py"], cwd=place, check=True, timeout=PATIENCE)


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_workers_need_no_streams(closing: str, place: Path) -> None:
    arguments = ("apply", "p0.png", "p1.png", "gone.png", "-k", "blur", "-j", "2")
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closing}', "sh", *COMMAND, *arguments],
        cwd=place,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert len(done.stderr.splitlines()) == (0 if "2>" in closing else 2)
    assert {"p0.blur.png", "p1.blur.png"} <= set(names(place))


@needs_proc
def test_no_pipe_takes_the_place_of_a_closed_stream(place: Path) -> None:
    (place / "look.py").write_text(
        "import os\n"
        "from convcli.batch.processes import process_pool\n"
        "if __name__ == '__main__':\n"
        "    with process_pool(1) as workers:\n"
        "        workers.submit(os.getpid).result()\n"
        "        found = [os.readlink(f'/proc/self/fd/{number}') for number in range(3)]\n"
        "    assert found == ['/dev/null'] * 3, found\n"
    )
    line = 'exec "$0" look.py <&- >&- 2>&-'
    subprocess.run(["/bin/sh", "-c", line, sys.executable], cwd=place, check=True, timeout=PATIENCE)


def test_names_come_from_find_as_they_are(place: Path) -> None:
    odd = place / "odd"
    odd.mkdir()
    for name in (b"a b.png", b"new\nline.png", b"'quoted'.png", b"\xff.png"):
        shutil.copy(place / "p0.png", odd / os.fsdecode(name))
    line = 'find odd -name "*.png" -print0 | xargs -0 "$@" -k blur --output-dir out -j 2'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *COMMAND, "apply"],
        cwd=place,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(names(place / "out")) == 4


# Names


def test_a_name_is_for_the_folder_or_for_here(place: Path) -> None:
    arguments = ("apply", "p0.png", "p1.png", "-k", "blur", "--name", "{kernel}_{stem}.npy")
    assert here(*arguments, cwd=place).code == 0
    assert here(*arguments, "--output-dir", "out", cwd=place).code == 0
    assert names(place / "out") == ["blur_p0.npy", "blur_p1.npy"]
    assert {"blur_p0.npy", "blur_p1.npy"} <= set(names(place))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "x.png", "-o", "y.png"), "--output and --name exclude each other"),
        (("--name", "sub/{stem}.png"), "--output-dir"),
        (("--name", ".."), "suffix"),
        (("--name", ""), "a file's name"),
        (("--name", "-"), "a file's name"),
        (("--name", "{stem}.what"), "suffix"),
        (("--name", "{kernel}.png"), "put {stem} in"),
        (("--jobs", "0"), "--jobs"),
        (("--jobs", "-1"), "--jobs"),
        (("--jobs", "two"), "--jobs"),
        (("--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"), "exclude each other"),
        (("--jobs", "2", "--print"), "leave out --jobs"),
        (("--jobs", "2", "--preview"), "leave out --jobs"),
        (("--scheduler", "tcp://127.0.0.1:1", "--print"), "leave out --scheduler"),
        (("--skip-existing", "--force"), "exclude each other"),
        (("--skip-existing", "--print"), "--skip-existing"),
    ],
)
def test_what_contradicts_itself_is_refused(
    place: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in usage(place, "absent1.png", "absent2.png", "-k", "blur", *options)


def test_standard_streams_stay_with_this_process(place: Path) -> None:
    far = ("--scheduler", "tcp://127.0.0.1:1")
    for arguments in (
        ("-", "p0.png", "--jobs", "2", "--output-dir", "out"),
        ("-", "-o", "x.png", *far),
        ("p0.png", "-o", "-", *far),
    ):
        assert "- does not go with it" in usage(place, *arguments, "-k", "blur")


@pytest.mark.parametrize(
    ("inputs", "options", "advice"),
    [
        (("a/x.png", "b/x.png"), (), "both have the {stem} 'x'"),
        (("a/x.png", "b/y.png"), ("-o", "z.png"), "put {stem} in the output's name"),
        (("a/x.png", "a/x.png"), (), "given twice"),
    ],
)
def test_two_inputs_for_one_output_are_told_what_helps(
    place: Path, inputs: tuple[str, ...], options: tuple[str, ...], advice: str
) -> None:
    assert advice in usage(place, *inputs, "-k", "blur", *options)


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_no_input_is_replaced_by_the_output_of_another(
    place: Path, link: Callable[[Path, Path], None]
) -> None:
    (place / "out").mkdir()
    link(place / "p3.png", place / "out" / "p0.blur.png")
    before = (place / "p3.png").read_bytes()
    inputs = ("p0.png", "p1.png", "p2.png", "p3.png")
    done = here("apply", *inputs, "-k", "blur", "--output-dir", "out", "--force", cwd=place)
    assert done.code == 1
    assert "an input is never replaced" in done.stderr
    assert (place / "p3.png").read_bytes() == before
    assert len(names(place / "out")) == 4


# Numbers


def test_numbers_of_several_inputs_are_told_apart(place: Path) -> None:
    (place / "a.csv").write_text("1,2\n")
    (place / "bad.csv").write_text("bad\n")
    (place / "b\nc.csv").write_text("3,40\n")
    inputs = ("bad.csv", "a.csv", "gone.csv", "b\nc.csv")
    done = here("apply", *inputs, "-k", "1.0", "--print", cwd=place)
    assert done.code == 1
    assert done.text == "# a.csv\n1 2\n\n# b\\nc.csv\n 3 40\n"
    both = here("apply", *inputs[1:], "-k", "1.0", "-k", "2.0", "--print", cwd=place)
    blocks = "# a.csv\n# custom\n1 2\n\n# custom-2\n2 4\n\n# b\\nc.csv\n# custom\n 3 40\n"
    assert both.text.startswith(blocks)
    alone = here("apply", "a.csv", "-k", "1.0", "--print", cwd=place)
    assert alone.text == "1 2\n"


# Resuming


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_is_there_is_not_even_read(place: Path, jobs: str) -> None:
    arguments = ("apply", "p0.png", "p1.png", "-k", "blur", "--skip-existing", "--jobs", jobs)
    (place / "p0.blur.png").write_bytes(b"old")
    (place / "p0.png").write_bytes(b"bad")
    done = convcli(*arguments, "--json", cwd=place)
    first, second = documents(done)
    assert (done.code, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("convcli: 1 of 2 inputs skipped")
    assert first == {"input": "p0.png", "output": "p0.blur.png", "skipped": True}
    assert second["output"] == "p1.blur.png"
    assert (place / "p0.blur.png").read_bytes() == b"old"
    again = convcli(*arguments, "--quiet", cwd=place)
    assert (again.code, again.stdout, again.stderr) == (0, b"", "")


def test_what_is_half_there_is_completed(place: Path) -> None:
    arguments = ("apply", "p0.png", "-k", "blur", "-k", "sobel-x", "-q", "--figure", "f.svg")
    assert here(*arguments, "--name", "{stem}.{kernel}.png", cwd=place).code == 0
    whole = (place / "p0.sobel-x.png").read_bytes(), (place / "f.svg").read_bytes()
    (place / "p0.blur.png").write_bytes(b"old")
    (place / "p0.sobel-x.png").unlink()
    (place / "f.svg").unlink()
    again = here(*arguments, "--name", "{stem}.{kernel}.png", "--skip-existing", cwd=place)
    assert (again.code, again.stderr) == (0, "")
    assert ((place / "p0.sobel-x.png").read_bytes(), (place / "f.svg").read_bytes()) == whole
    assert (place / "p0.blur.png").read_bytes() == b"old"


def test_a_map_in_channels_is_there_if_its_channels_are(place: Path) -> None:
    np.save(place / "deep.npy", np.random.default_rng(0).random((4, 5, 4)))
    arguments = ("apply", "deep.npy", "p0.png", "-k", "blur", "-k", "sobel-x", "--skip-existing")
    assert here(*arguments, "-q", cwd=place).code == 0
    channels = [f"deep.{name}-{number}.png" for name in ("blur", "sobel-x") for number in range(4)]
    assert {*channels, "p0.blur.png"} <= set(names(place))
    (place / "deep.npy").write_bytes(b"bad")  # which is not even read
    again = here(*arguments, "--json", cwd=place)
    assert again.code == 0, again
    assert [document["output"] for document in documents(again)][:8] == channels
    assert all(document["skipped"] for document in documents(again))
    assert again.stderr.startswith("convcli: 2 of 2 inputs skipped")


@pytest.mark.parametrize("broken_off", [1, 2, 3])
def test_channels_that_a_broken_run_left_are_completed(place: Path, broken_off: int) -> None:
    np.save(place / "deep.npy", np.random.default_rng(0).random((4, 5, 4)))
    channels = [place / f"deep.blur-{number}.png" for number in range(4)]
    resumed = ("apply", "deep.npy", "-k", "blur", "--skip-existing", "--json")
    assert here(*resumed, cwd=place).code == 0
    whole = [channel.read_bytes() for channel in channels]
    for channel in channels[broken_off:]:
        channel.write_bytes(b"old")
    for channel in channels[:broken_off]:
        channel.unlink()
    done = here(*resumed, cwd=place)
    assert done.code == 0
    made = [Path(str(document["output"])).name for document in documents(done)]
    assert made == [channel.name for channel in channels[:broken_off]]
    found = [channel.read_bytes() for channel in channels]
    assert found == [*whole[:broken_off], *[b"old"] * (4 - broken_off)]


def test_channel_0_is_written_last(place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 1500, 4), np.uint8)
    np.save(place / "deep.npy", noise)
    with started("deep.npy", "-k", "identity", "--output-dir", "o", cwd=place) as one:
        wait_for(lambda: list(place.glob("o/deep.*")))
        one.kill()
    assert not (place / "o" / "deep.identity-0.png").exists()
    assert (place / "o" / "deep.identity-3.png").exists()


def test_two_maps_for_one_file_are_refused_before_any_is_written(place: Path) -> None:
    np.save(place / "edge.npy", np.ones((2, 3, 1, 1)))  # two channels: edge-0 and edge-1
    np.save(place / "edge-0.npy", np.ones((3, 1, 1)))
    before = names(place)
    done = here("apply", "p0.png", "-k", "edge.npy", "-k", "edge-0.npy", cwd=place)
    assert done.code == 1
    assert "two maps would both be written to p0.edge-0.png" in done.stderr
    assert names(place) == before


def test_a_channel_that_exists_is_refused_before_any_is_written(place: Path) -> None:
    np.save(place / "deep.npy", np.zeros((4, 5, 4)))
    (place / "deep.blur-2.png").write_bytes(b"old")
    before = names(place)
    done = here("apply", "deep.npy", "-k", "blur", cwd=place)
    assert (done.code, "deep.blur-2.png: exists already" in done.stderr) == (1, True)
    assert names(place) == before


def test_one_of_two_maps_in_channels_is_made_again(place: Path) -> None:
    np.save(place / "deep.npy", np.random.default_rng(0).random((4, 5, 2)))
    arguments = ("apply", "deep.npy", "-k", "blur", "-k", "sobel-x", "--skip-existing", "--json")
    whole = [document["output"] for document in documents(here(*arguments, cwd=place))]
    for channel in range(2):
        (place / f"deep.blur-{channel}.png").unlink()
    again = documents(here(*arguments, cwd=place))
    assert {document["output"]: "skipped" in document for document in again} == {
        output: "sobel" in str(output) for output in whole
    }


def test_a_map_is_not_there_for_another_with_the_name_of_its_channel(place: Path) -> None:
    (place / "edge.txt").write_text("1 2 1")
    (place / "edge-0.txt").write_text("1 0 -1")
    for number in range(2):  # what another run made of edge-0.txt and edge-1.txt, perhaps
        (place / f"p0.edge-{number}.npy").write_bytes(b"old")
    (place / "p0.edge-0.png").write_bytes(b"old")
    resumed = ("apply", "p0.png", "-k", "edge.txt", "--skip-existing", "-q")
    assert here(*resumed, "--name", "{stem}.{kernel}.npy", cwd=place).code == 0
    assert here(*resumed, cwd=place).code == 0
    assert {"p0.edge.npy", "p0.edge.png"} <= set(names(place))


# Signals, and workers that die


@needs_proc
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_ends_all_and_keeps_what_is_finished(number: signal.Signals, place: Path) -> None:
    os.mkfifo(place / "slow.png")
    np.save(place / "large.npy", np.zeros((900, 900), np.uint8))
    arguments = ("p0.png", "slow.png", "large.npy", "-k", "ones:9", "--method", "naive", "-q")
    with started(*arguments, "--output-dir", "o", "-j", "2", cwd=place) as one:
        wait_for((place / "o" / "p0.ones-9.png").exists)
        wait_for(lambda: len(children(one.pid)) == 2)
        time.sleep(0.5)
        workers = children(one.pid)
        start = time.monotonic()
        one.send_signal(number)
        _, stderr = one.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - start
    assert (one.returncode, stderr) == (CODES[number], b"")
    assert seconds < 1.5
    wait_for(lambda: all(map(is_gone, workers)))
    assert names(place / "o") == ["p0.ones-9.png"]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_worker_that_writes_leaves_no_temporary_file(number: signal.Signals, place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4000, 4000), np.uint8)
    np.save(place / "large.npy", noise)
    arguments = ("large.npy", "p0.png", "-k", "identity", "--output-dir", "o", "-j", "2")
    with started(*arguments, cwd=place) as one:
        wait_for(lambda: list(place.glob("o/p0.*")) and list(place.glob("o/.*")))
        one.send_signal(number)
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, stderr) == (CODES[number], b"")
    assert names(place / "o") == ["p0.identity.png"]


@needs_proc
def test_workers_end_with_a_command_that_is_killed(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    arguments = ("p0.png", "slow.png", "p1.png", "-k", "blur", "--output-dir", "o", "-j", "2")
    with started(*arguments, cwd=place) as one:
        wait_for((place / "o" / "p1.blur.png").exists)
        workers = children(one.pid)
        one.kill()
        one.communicate(timeout=PATIENCE)
    assert len(workers) == 2
    wait_for(lambda: all(map(is_gone, workers)))
    assert names(place / "o") == ["p0.blur.png", "p1.blur.png"]


@needs_proc
def test_a_worker_that_dies_fails_its_own_file_alone(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    inputs = ["p0.png", "slow.png", *(f"p{number}.png" for number in range(1, 6))]
    with started(*inputs, "-k", "blur", "--output-dir", "o", "-j", "2", cwd=place) as one:
        for _ in range(2):  # with the others, and alone
            wait_for(lambda: any(map(waits_for_a_writer, children(one.pid))))
            (deadly,) = filter(waits_for_a_writer, children(one.pid))
            time.sleep(0.2)  # in which the others are done, and must not be refused as existing
            os.kill(deadly, signal.SIGKILL)
            wait_for(partial(is_gone, deadly))
        _, stderr = one.communicate(timeout=PATIENCE)
    assert one.returncode == 1
    assert stderr.decode().splitlines() == [
        "convcli: slow.png: its worker died (SIGKILL; memory may have run out)",
        "convcli: 1 of 7 inputs failed",
    ]
    assert names(place / "o") == [f"p{number}.blur.png" for number in range(6)]


@needs_proc
def test_a_file_that_kills_once_is_done_the_second_time(place: Path) -> None:
    os.mkfifo(place / "slow.png")
    inputs = ("p0.png", "slow.png", "p1.png", "p2.png")
    with started(*inputs, "-k", "blur", "--output-dir", "o", "-j", "2", cwd=place) as one:
        wait_for(lambda: any(map(waits_for_a_writer, children(one.pid))))
        (deadly,) = filter(waits_for_a_writer, children(one.pid))
        os.kill(deadly, signal.SIGKILL)
        wait_for(lambda: is_gone(deadly))
        (place / "slow.png").write_bytes((place / "p5.png").read_bytes())  # to whoever opens it
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, stderr) == (0, b"")
    assert names(place / "o") == [f"{name}.blur.png" for name in ("p0", "p1", "p2", "slow")]


@pytest.mark.parametrize("where", ["o", "{stem}.png", "link"])
def test_a_worker_that_is_killed_while_it_writes_leaves_nothing(where: str, place: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(3):
        np.save(place / f"large{number}.npy", random.integers(0, 255, (2500, 2500), np.uint8))
    (place / "o").mkdir()
    foreign = place / "o" / ".convcli-99999999-of-a-process-elsewhere"
    foreign.touch()
    inputs = ("large0.npy", "large1.npy", "p0.png", "large2.npy", "p1.png")
    targets = {
        "o": ("--output-dir", "o"),
        "{stem}.png": ("-o", "o/{stem}.identity.png"),
        "link": ("--output-dir", "link"),
    }
    if where == "link":  # whose files are links, too: what they point to is replaced
        (place / "link").mkdir()
        for name in inputs:
            link = place / "link" / f"{Path(name).stem}.identity.png"
            link.symlink_to(Path("..") / "o" / link.name)
    options = (*targets[where], "-k", "identity", "--range", "clamp", "-j", "2", "-q")
    with started(*inputs, *options, cwd=place) as one:
        wait_for(lambda: {*place.glob("o/.convcli-*")} - {foreign})
        writing = ({*place.glob("o/.convcli-*")} - {foreign}).pop()
        os.kill(int(writing.name.split("-")[1]), signal.SIGKILL)
        _, stderr = one.communicate(timeout=PATIENCE)
    assert (one.returncode, stderr) == (0, b"")
    whole = sorted(f"{Path(name).stem}.identity.png" for name in inputs)
    assert names(place / "o") == [foreign.name, *whole]
    for name in whole[:3]:
        made, given = place / "o" / name, place / f"{name.partition('.')[0]}.npy"
        np.testing.assert_array_equal(np.asarray(Image.open(made)), np.load(given))


def test_a_pipe_that_breaks_ends_all(place: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "apply", "p0.png", "p1.png", "-k", "blur", "-j", "2", "--json"],
            cwd=place,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not [name for name in names(place) if name.startswith(".")]


# The bar


def on_terminal(*arguments: str, cwd: Path, feed: Path, both: bool, **env: str) -> str:
    """What a terminal gets of standard error, and of standard output too if `both`."""
    main, other = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "apply", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=other if both else subprocess.DEVNULL,
        stderr=other,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"} | env,
    ) as process:
        os.close(other)
        time.sleep(2.5)
        feed.write_bytes((cwd / "p0.png").read_bytes())
        got = b""
        with suppress(OSError):  # which says that nobody is at the other end
            while chunk := os.read(main, 65536):
                got += chunk
        os.close(main)
        assert process.wait(PATIENCE) == 0
    return got.decode()


def screen(text: str) -> list[str]:
    """The lines that stay, as a terminal shows them."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bar_gives_way_to_every_line(place: Path, jobs: str) -> None:
    os.mkfifo(place / "slow.png")
    inputs = [f"p{number}.png" for number in range(6)]
    text = on_terminal(
        *(*inputs, "slow.png", "-k", "blur", "--json", "-j", jobs),
        cwd=place,
        feed=place / "slow.png",
        both=True,
    )
    assert "6/7" in text
    assert "files/s" in text
    shown = screen(text)
    assert len(shown) == 7
    for line, name in zip(shown, [*inputs, "slow.png"], strict=True):
        assert json.loads(line)["input"] == name
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(
    ("options", "env"), [(("-q",), {}), ((), {"TERM": "dumb"})], ids=["quiet", "dumb"]
)
def test_there_may_be_no_bar(place: Path, options: tuple[str, ...], env: dict[str, str]) -> None:
    os.mkfifo(place / "slow.png")
    arguments = ("p0.png", "slow.png", "-k", "blur", *options)
    assert on_terminal(*arguments, cwd=place, feed=place / "slow.png", both=False, **env) == ""


def test_a_pipe_gets_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.05)

    def slowly() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.06)
            yield number

    with progress.Progress(4, quiet=False) as shown:
        assert list(shown.counted(slowly())) == [0, 1, 2, 3]
    lines = capsys.readouterr().err.splitlines()
    assert lines
    pattern = re.compile(r"convcli: \d of 4 done(, [\d.]+ files/s, 0:00:\d\d left)?$")
    assert all(map(pattern.match, lines))
