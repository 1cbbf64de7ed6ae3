"""`--recursive`: the pictures in folders, and the tree that their outputs keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.apply import pixels
from support.command import convcli, here
from support.many_files import documents

PHOTOS = ("photos/x.png", "photos/a/x.png", "photos/a/b/x.jpg", "photos/c/y.tif")
BLUR = ("-k", "blur", "--output-dir", "out")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number, name in enumerate(PHOTOS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(5 + number, 8)).save(tmp_path / name)
    (tmp_path / "photos" / "notes.txt").write_text("1 2 3")
    (tmp_path / "photos" / "c" / "table.csv").write_text("1,2,3")
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"bad")
    (tmp_path / "empty").mkdir()
    return tmp_path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("root", "jobs"),
    [
        ("photos", "1"),
        ("photos", "2"),
        ("photos/", "1"),
        ("./photos", "1"),
        ("empty/../photos", "1"),
    ],
)
def test_the_tree_of_a_folder_is_kept(place: Path, root: str, jobs: str) -> None:
    done = here("apply", "-r", root, *BLUR, "--json", "-j", jobs, cwd=place)
    assert (done.code, done.stderr) == (0, "")
    names = ["x.blur.png", "a/x.blur.png", "a/b/x.blur.png", "c/y.blur.png"]
    assert [document["output"] for document in documents(done)] == [f"out/{name}" for name in names]
    assert tree(place / "out") == sorted(names)
    for source, name in zip(PHOTOS, names, strict=True):
        typed = ("apply", source, "-k", "blur", "-o", "one.png", "-f")
        assert here(*typed, cwd=place).code == 0
        assert (place / "out" / name).read_bytes() == (place / "one.png").read_bytes()


def test_several_trees_lie_below_the_folder_that_holds_them(place: Path) -> None:
    shutil.copytree(place / "photos", place / "more" / "photos")
    done = here("apply", "-r", "photos/a", "more/photos", "photos/c", *BLUR, cwd=place)
    assert (done.code, done.stderr) == (0, "")
    made = ["photos/a/x", "photos/a/b/x", "photos/c/y"]
    more = [f"more/photos/{name}" for name in ("x", "a/x", "a/b/x", "c/y")]
    assert tree(place / "out") == sorted(f"{name}.blur.png" for name in (*made, *more))


def test_a_picture_is_an_input_once(place: Path) -> None:
    typed = ("photos/a", "photos/x.png", "photos", "photos/../photos", "./photos/c/y.tif")
    done = here("apply", "-r", *typed, *BLUR, "--json", "--dry-run", cwd=place)
    assert (done.code, done.stderr) == (0, "")
    assert [document["input"] for document in documents(done)] == [
        "photos/a/x.png", "photos/a/b/x.jpg", "photos/x.png", "./photos/c/y.tif"
    ]  # fmt: skip
    assert not (place / "out").exists()


def test_outputs_are_no_inputs_of_the_next_run(place: Path) -> None:
    inside = ("apply", "-r", ".", "-k", "blur", "--output-dir", "./photos/out")
    assert here(*inside, cwd=place).code == 0
    first = tree(place)
    again = here(*inside, "--skip-existing", "--json", cwd=place)
    assert (again.code, tree(place)) == (0, first)
    assert "4 of 4 inputs skipped" in again.stderr
    assert here(*inside, "-f", cwd=place).stderr == ""
    assert tree(place) == first


@pytest.mark.parametrize(
    "options",
    [("--output-dir", "."), ("--output-dir", "photos/.."), ("-o", "{dir}/{stem}.soft.{ext}")],
    ids=" ".join,
)
def test_outputs_beside_their_inputs_are_no_inputs_either(
    place: Path, options: tuple[str, ...]
) -> None:
    beside = ("apply", "-r", ".", "-k", "blur", *options)
    assert here(*beside, cwd=place).code == 0
    first = tree(place)
    assert len(first) == 4 + 4 + 3
    again = here(*beside, "--skip-existing", cwd=place)
    assert (again.code, tree(place)) == (0, first)
    assert "convcli: 4 files left out, as outputs of other inputs: " in again.stderr
    assert "4 of 4 inputs skipped" in again.stderr
    assert here(*beside, "-q", "-f", cwd=place) == here(*beside, "-q", "-f", cwd=place)
    assert tree(place) == first


def test_a_bad_picture_or_folder_stops_no_other(place: Path) -> None:
    (place / "photos" / "a" / "bad.png").write_bytes(b"bad")
    (place / "photos" / "c" / "gone.png").symlink_to("nothing")
    done = here("apply", "-r", "empty", "photos", *BLUR, "--json", cwd=place)
    assert done.code == 1
    assert len(tree(place / "out")) == 4
    failed = [str(one["input"]) for one in documents(done) if "error" in one]
    assert failed == ["empty", "photos/a/bad.png", "photos/c/gone.png"]
    assert "convcli: empty: has no pictures in it: -r takes files with a" in done.stderr
    assert done.stderr.endswith("convcli: 3 of 7 inputs failed\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_empty_walk_is_an_error(place: Path, jobs: str) -> None:
    done = here("apply", "-r", "empty", *BLUR, "-j", jobs, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, b"", 1)
    assert done.stderr.startswith("convcli: empty: has no pictures in it")


def test_a_folder_without_the_option_is_told_of_it(place: Path) -> None:
    for more in ((), ("--dry-run",), ("-j", "2")):
        done = here("apply", "photos", "photos/x.png", *BLUR, *more, "-f", cwd=place)
        assert done.code == 1
        assert "convcli: photos: is a folder; -r takes the pictures in it\n" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-k", "blur"), "both have the {stem} 'x': give --output-dir, which keeps their folders"),
        (("-k", "blur", "-o", "x.png"), "put {stem} in the output's name"),
        (("-k", "blur", "-o", "-"), "put {stem} in the output's name"),
        ((*BLUR, "--figure", "f.svg"), "--figure 'f.svg' is one file for several inputs"),
        ((*BLUR, "--print", "-j", "2"), "leave out --jobs"),
    ],
)
def test_outputs_that_collide_are_refused(
    place: Path, options: tuple[str, ...], words: str
) -> None:
    before = tree(place)
    done = here("apply", "-r", "photos", *options, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)
    assert words in done.stderr
    assert tree(place) == before


def test_two_formats_of_one_name_are_told_apart(place: Path) -> None:
    shutil.copy(place / "photos" / "a" / "b" / "x.jpg", place / "photos")
    done = here("apply", "-r", "photos", *BLUR, cwd=place)
    assert done.code == 2
    assert "put {ext} in the output's name, like {stem}.{ext}" in done.stderr
    name = ("--name", "{stem}.{ext}.png")
    assert here("apply", "-r", "photos", *BLUR, *name, cwd=place).code == 0
    assert {"x.jpg.png", "x.png.png"} <= set(tree(place / "out"))


def test_no_path_outside_is_walked_or_read(place: Path) -> None:
    (place / "photos" / "a" / "far.png").symlink_to("../x.png")
    (place / "photos" / "a" / "up").symlink_to("..")
    inside = ("-k", "blur", "--output-dir", "photos/a/out", "--restrict", "photos/a")
    done = here("apply", "-r", "photos/a", *inside, cwd=place)
    assert done.code == 1
    assert "photos/a/far.png: leads outside the folder that --restrict names" in done.stderr
    assert tree(place / "photos" / "a" / "out") == ["b/x.blur.png", "x.blur.png"]
    assert here("apply", "-r", "photos", *inside, cwd=place).code == 2
    led = here("apply", "-r", "photos/a/up", *inside, cwd=place)
    assert (led.code, "leads outside" in led.stderr) == (1, True)


def test_an_output_tree_that_is_a_link_to_the_inputs_replaces_none(place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / "a").symlink_to(place / "photos" / "a")
    before = (place / "photos" / "a" / "x.png").read_bytes()
    done = here("apply", "-r", "photos", *BLUR, "--name", "{stem}.{ext}", "-f", cwd=place)
    assert done.code == 1
    assert "out/a/x.png: is an input too, and an input is never replaced" in done.stderr
    assert (place / "photos" / "a" / "x.png").read_bytes() == before


def test_the_command_itself_walks(place: Path) -> None:
    name = ("--name", "{stem}.{ext}.{parent}.png")
    done = convcli("apply", "-r", "photos", "-k", "blur", *name, cwd=place)
    assert (done.code, done.stderr) == (0, "")
    assert {"x.png.photos.png", "x.png.a.png", "x.jpg.b.png", "y.tif.c.png"} <= set(tree(place))
