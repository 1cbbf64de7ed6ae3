"""A Dask cluster does the same work: a real scheduler and two workers, one of them killed."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from support.command import COMMAND, convcli
from support.many_files import outcome_lines
from support.peers import require_peer
from support.planted import plant

require_peer("distributed")

PATIENCE = 60.0  # for what must happen at all
FILES = 24


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def running(module: str, *arguments: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def running_scheduler(folder: Path) -> Iterator[str]:
    port = free_port()
    folder.mkdir()
    with running("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), cwd=folder):
        deadline = time.monotonic() + PATIENCE
        while not is_listening(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def running_workers(scheduler: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers of one thread each, which are somewhere else."""
    folder.mkdir()
    options = ("--no-nanny", "--nthreads", "1", "--host", "127.0.0.1")
    with (
        running("dask_worker", scheduler, *options, cwd=folder) as one,
        running("dask_worker", scheduler, *options, cwd=folder) as two,
    ):
        from distributed import Client

        client = Client(scheduler, set_as_default=False)
        client.wait_for_workers(2, timeout=PATIENCE)
        client.close()
        yield [one, two]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    with running_scheduler(tmp_path / "scheduler") as address:
        yield address


@pytest.fixture
def workers(scheduler: str, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers that a test may kill."""
    with running_workers(scheduler, tmp_path / "worker") as found:
        yield found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The scheduler of a cluster that tests share, which takes seconds to start."""
    folder = tmp_path_factory.mktemp("cluster")
    with (
        running_scheduler(folder / "scheduler") as address,
        running_workers(address, folder / "worker"),
    ):
        yield address


@cache
def pictures() -> list[bytes]:
    """Pictures of noise, as PNG files."""
    random, found = np.random.default_rng(0), []
    for _ in range(FILES):
        stream = io.BytesIO()
        pixels = random.integers(0, 256, (160, 200), np.uint8)
        Image.fromarray(pixels).save(stream, "png", compress_level=1)
        found.append(stream.getvalue())
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    for number, content in enumerate(pictures()):
        (folder / f"p{number:02}.png").write_bytes(content)
    return folder


def test_a_cluster_does_what_is_done_here(place: Path, cluster: str) -> None:
    (place / "p01.png").write_bytes(b"bad")
    (place / "old").mkdir()
    inputs = ("./p00.png", "p01.png", str(place / "p02.png"), "gone.png")
    arguments = ("apply", *inputs, "-k", "blur", "-k", "sobel-x", "--json")
    here = convcli(*arguments, "--output-dir", "here", cwd=place)
    there = convcli(*arguments, "--output-dir", "there", "--scheduler", cluster, cwd=place)
    assert there.code == here.code == 1
    said = [outcome_lines(done.stderr.encode()) for done in (here, there)]
    assert said[0] == said[1]
    found, expected = (
        [json.loads(line) | {"seconds": 0} for line in text.splitlines()]
        for text in (there.text.replace("there/", "here/"), here.text)
    )
    assert found == expected
    written = sorted(path.name for path in (place / "here").iterdir())
    assert sorted(path.name for path in (place / "there").iterdir()) == written
    for name in written:
        assert (place / "there" / name).read_bytes() == (place / "here" / name).read_bytes()
    again = convcli(*arguments, "--output-dir", "there", "--scheduler", cluster, cwd=place)
    assert again.stderr.count("exists already") == 2


def test_no_module_beside_the_pictures_is_run(place: Path, cluster: str) -> None:
    told = plant(place, for_module=True)
    arguments = ("apply", "p00.png", "p01.png", "-k", "blur", "--scheduler", cluster)
    done = convcli(*arguments, cwd=place)
    assert (done.code, done.stderr) == (0, "")
    assert not list(told.iterdir())


@pytest.mark.slow
def test_every_file_comes_out_once_though_a_worker_is_killed(
    place: Path, scheduler: str, workers: list[subprocess.Popen[bytes]]
) -> None:
    inputs = [f"p{number:02}.png" for number in range(FILES)]
    arguments = ("apply", *inputs, "-k", "ones:3", "--method", "naive", "-q", "--json")
    with subprocess.Popen(
        [*COMMAND, *arguments, "--output-dir", "out", "--scheduler", scheduler],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        deadline = time.monotonic() + PATIENCE
        while len(list(place.glob("out/p*"))) < FILES // 4:
            assert command.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        workers[0].kill()
        assert len(list(place.glob("out/p*"))) < FILES
        stdout, stderr = command.communicate(timeout=PATIENCE)
    assert (command.returncode, stderr) == (0, b"")
    assert [json.loads(line)["input"] for line in stdout.splitlines()] == inputs
    assert {json.loads(line)["output"] for line in stdout.splitlines()} == {
        f"out/p{number:02}.ones-3.png" for number in range(FILES)
    }
    assert len(list(place.glob("out/p*.png"))) == FILES


def test_a_scheduler_without_workers_says_so(place: Path, scheduler: str) -> None:
    done = convcli("apply", "p00.png", "-k", "blur", "--scheduler", scheduler, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, b"", 1)
    assert "has no workers" in done.stderr


def test_nobody_there_is_one_line(place: Path) -> None:
    start = time.monotonic()
    address = f"tcp://127.0.0.1:{free_port()}"
    done = convcli("apply", "p00.png", "-k", "blur", "--scheduler", address, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, b"", 1)
    assert f"{address}: no Dask scheduler answers there" in done.stderr
    assert time.monotonic() - start < 15


# What a program that is no scheduler says to whoever connects: frames and their sizes first, as
# the protocol of Dask has it, or something else.
ANSWERS = {
    "nothing": b"",
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": bytes(10_000),
    "ones": b"\xff" * 10_000,
    "one huge frame": struct.pack("<QQ", 1, 1 << 40),
    "many frames": struct.pack("<Q", 1 << 24),
    "random": random.Random(0).randbytes(10_000),
    "closed": None,
}


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A port that says the same to everyone, or closes at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def answer_all() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    if answer is None:
                        connection.close()
                        continue
                    connections.append(connection)
                    connection.sendall(answer)
                except OSError:  # this test is over, or the other side has gone
                    if server.fileno() < 0:
                        return

        Thread(target=answer_all, daemon=True).start()
        yield server.getsockname()[1]
    for connection in connections:
        connection.close()


@pytest.mark.slow
def test_what_is_no_scheduler_is_one_line(place: Path) -> None:
    with ExitStack() as stack:
        ports = {name: stack.enter_context(answering(say)) for name, say in ANSWERS.items()}
        addresses = {name: f"tcp://127.0.0.1:{port}" for name, port in ports.items()}
        addresses["tls"] = f"tls://127.0.0.1:{ports['nothing']}"
        addresses["ws"] = f"ws://127.0.0.1:{ports['nothing']}"
        start = time.monotonic()
        commands = {
            name: stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, "apply", "p00.png", "-k", "blur", "--scheduler", address],
                    cwd=place,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
            for name, address in addresses.items()
        }
        for name, command in commands.items():
            stdout, stderr = command.communicate(timeout=PATIENCE)
            assert (command.returncode, stdout) == (1, b""), (name, stderr)
            assert stderr.count(b"\n") == 1, (name, stderr)
            said = f"convcli: {addresses[name]}: no Dask scheduler answers there ("
            assert stderr.decode().startswith(said), name
        assert time.monotonic() - start < PATIENCE
    assert not list(place.glob("*.blur.png"))


@pytest.mark.parametrize("address", ["nonsense", "ftp://a:1", "tcp://a", "a:99999", ""])
def test_no_address_is_a_usage_error(place: Path, address: str) -> None:
    done = convcli("apply", "p00.png", "-k", "blur", "--scheduler", address, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)
    assert "is no address, like tcp://" in done.stderr


def test_without_the_extra_it_is_named(place: Path) -> None:
    (place / "distributed.py").write_text("raise ImportError('not installed')")
    done = convcli(
        *("apply", "p00.png", "-k", "blur", "--scheduler", "tcp://127.0.0.1:1"),
        cwd=place,
        env={"PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])},
    )
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)
    assert "pip install 'convcli[cluster]'" in done.stderr


def test_an_input_that_is_late_fails_alone(place: Path, cluster: str) -> None:
    os.mkfifo(place / "slow.png")  # that nobody writes to
    inputs = ("p00.png", "slow.png", "p01.png")
    options = ("-k", "blur", "-q", "--timeout", "3", "--scheduler", cluster)
    done = convcli("apply", *inputs, *options, cwd=place)
    assert (done.code, done.stderr.splitlines()) == (
        1,
        [
            "convcli: slow.png: took longer than 3 s; --timeout S allows more",
            "convcli: 1 of 3 inputs failed",
        ],
    )
    assert sorted(path.name for path in place.glob("*.blur.png")) == [
        "p00.blur.png",
        "p01.blur.png",
    ]
