"""What is there already: skipped, completed, or refused before anything is written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from support.command import convcli, here
from support.many_files import (
    PATIENCE,
    documents,
    names,
    outcome_lines,
    save_six_pictures,
    started,
    wait_for,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_six_pictures(tmp_path)
    return tmp_path


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


# What appears while a batch runs, of whatever date


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("age", [1e9, 0.0, -1e9], ids=["old", "now", "of the future"])
def test_what_another_program_makes_meanwhile_is_not_replaced(
    place: Path, jobs: str, age: float
) -> None:
    os.mkfifo(place / "slow.png")
    made = place / "slow.blur.png"
    with started("p0.png", "slow.png", "p1.png", "-k", "blur", "-j", jobs, cwd=place) as one:
        wait_for((place / "p0.blur.png").exists)
        with (place / "slow.png").open("wb") as pipe:  # once it is opened at the other end, too
            made.write_bytes(b"of another program")
            os.utime(made, (time.time() - age,) * 2)
            pipe.write((place / "p5.png").read_bytes())
        _, stderr = one.communicate(timeout=PATIENCE)
    assert one.returncode == 1
    assert outcome_lines(stderr) == [
        "convcli: slow.blur.png: exists already; --force replaces it",
        "convcli: 1 of 3 inputs failed",
    ]
    assert made.read_bytes() == b"of another program"
    assert not [name for name in names(place) if name.startswith(".")]
