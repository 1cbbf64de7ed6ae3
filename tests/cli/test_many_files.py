"""Many inputs in one command: the same outputs by any number of workers, and their names."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.command import COMMAND, convcli, here
from support.many_files import PATIENCE, documents, names, needs_proc, save_six_pictures

from convcli.cli.commands import BLAS_THREAD_VARIABLES


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_six_pictures(tmp_path)
    return tmp_path


def usage(folder: Path, *arguments: str) -> str:
    before = names(folder)
    done = here("apply", *arguments, cwd=folder)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1), done
    assert names(folder) == before
    return done.stderr


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
        "from convcli.cli.commands import BLAS_THREAD_VARIABLES as THREADS\n"
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


def test_workers_are_told_to_compute_in_one_thread(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments: list[dict[str, str]] = []

    def start(workers: int, *, environment: dict[str, str], **_: object) -> ThreadPoolExecutor:
        environments.append(environment)
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr("convcli.batch.processes.process_pool", start)
    done = here("apply", "p0.png", "p1.png", "-k", "blur", "-j", "2", cwd=place)
    assert (done.code, environments) == (0, [dict.fromkeys(BLAS_THREAD_VARIABLES, "1")])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the C library of GNU")
def test_workers_keep_the_memory_that_they_free(place: Path) -> None:
    (place / "ask.py").write_text(
        "import os, resource\n"
        "from convcli.batch.processes import process_pool\n"
        "count, size, page = 40, 1 << 20, resource.getpagesize()\n"
        "def work():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(count):\n"
        "        bytearray(size), bytearray(size)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "if __name__ == '__main__':\n"
        "    import ask\n"
        "    with process_pool(1) as workers:\n"
        "        faults = workers.submit(ask.work).result()\n"
        "        own = workers.submit(os.getenv, 'MALLOC_TRIM_THRESHOLD_').result()\n"
        "    assert faults < 10 * size // page, faults\n"
        "    assert own == '50000000', own\n"
    )
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "50000000"}  # the user's own holds
    typed = [sys.executable, "ask.py"]
    subprocess.run(typed, cwd=place, env=environment, check=True, timeout=PATIENCE)


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
