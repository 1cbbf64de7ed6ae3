"""The names that outputs are asked to have, in the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support.apply import pixels
from support.command import here
from support.many_files import documents


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a/x.png", "b/x.png", "b/x.jpg", "b/y.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(6, 8, 3)).save(tmp_path / name)
    return tmp_path


INPUTS = ("a/x.png", "b/x.png", "b/x.jpg", "b/y.tif")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_outputs_lie_beside_their_inputs_in_their_format(place: Path, jobs: str) -> None:
    names = ["a/x.soft.png", "b/x.soft.png", "b/x.soft.jpg", "b/y.soft.tif"]
    soft = ("-k", "blur", "-o", "{dir}/{stem}.soft.{ext}", "--json", "-j", jobs)
    done = here("apply", *INPUTS, *soft, cwd=place)
    assert (done.code, done.stderr) == (0, "")
    assert [document["output"] for document in documents(done)] == names
    starts = [(place / name).read_bytes()[:2] for name in names]
    assert starts == [b"\x89P", b"\x89P", b"\xff\xd8", b"II"]


def test_names_in_one_folder_are_told_apart(place: Path) -> None:
    typed = ("-k", "blur", "--output-dir", "out", "--name", "{parent}-{stem}-{ext}.png")
    assert here("apply", *INPUTS, *typed, cwd=place).code == 0
    names = sorted(path.name for path in (place / "out").iterdir())
    assert names == ["a-x-png.png", "b-x-jpg.png", "b-x-png.png", "b-y-tif.png"]


def test_a_figure_has_a_name_of_its_input(place: Path) -> None:
    done = here("apply", "a/x.png", "b/x.png", "-k", "blur", "--figure", "{parent}.svg", cwd=place)
    assert done.code == 0
    assert (place / "a.svg").exists()
    assert (place / "b.svg").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "{name}.png"), "{name} is none of {stem}, {kernel}, {dir}, {parent}, {ext}"),
        (("-o", "{parnt}.png"), "did you mean 'parent'?"),
        (("--figure", "{kernel}.svg"), "{kernel} is none of {stem}, {dir}, {parent}, {ext}"),
        (("--name", "{dir}.png"), "{dir} is a path, which goes with -o; {parent} is its last part"),
        (("-o", "{stem}.{ext}"), "output '{stem}.{ext}' ('{stem}.what'): its suffix must be one"),
        (("-o", "{stem}.png", "--figure", "./{stem}.png"), "are the same file"),
    ],
)
def test_what_names_no_file_is_refused(place: Path, options: tuple[str, ...], words: str) -> None:
    done = here("apply", "gone.what", "-k", "blur", *options, cwd=place)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)
    assert words in done.stderr


def test_a_folder_that_is_missing_is_not_made(place: Path) -> None:
    typed = ("apply", "a/x.png", "-k", "blur", "-o", "new/{parent}/{stem}.png")
    for more in ((), ("--dry-run",)):
        done = here(*typed, *more, cwd=place)
        assert (done.code, done.stderr.count("\n")) == (1, 1)
        assert (
            "the folder new/a does not exist; make it, or name it with --output-dir" in done.stderr
        )
    assert not (place / "new").exists()


@pytest.mark.parametrize("force", [(), ("-f",)])
@pytest.mark.parametrize(
    "output",
    ["nodir/../x.png", "./x.png", ".//x.png", "../a/x.png", "link/x.png", "/proc/self/cwd/x.png",
     "hard.png", "soft.png", "{dir}/{stem}.png", "../{parent}/{stem}.png", "{stem}.{ext}"],
)  # fmt: skip
def test_an_input_is_never_replaced(place: Path, output: str, force: tuple[str, ...]) -> None:
    (place / "a" / "link").symlink_to("../a")
    (place / "a" / "hard.png").hardlink_to(place / "a" / "x.png")
    (place / "a" / "soft.png").symlink_to("x.png")
    before = (place / "a" / "x.png").read_bytes()
    for option in ("-o", "--figure"):
        done = here("apply", "x.png", "-k", "blur", option, output, *force, cwd=place / "a")
        assert done.code in (1, 2)
        assert (done.stdout, done.stderr.count("\n")) == (b"", 1)
    assert (place / "a" / "x.png").read_bytes() == before
    assert not (place / "a" / "nodir").exists()


def test_a_folder_may_have_braces_in_its_name(place: Path) -> None:
    done = here("apply", "a/x.png", "-k", "blur", "--output-dir", "{stem}", "--json", cwd=place)
    assert json.loads(done.text)["output"] == "{stem}/x.blur.png"
    assert (place / "{stem}" / "x.blur.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--depth", "float"), "--depth float goes with TIFF, and JPEG is to be written, too"),
        (("--depth", "16"), "and JPEG is to be written, too"),
    ],
)
def test_a_depth_is_one_that_the_formats_of_all_inputs_hold(
    place: Path, options: tuple[str, ...], words: str
) -> None:
    named = ("-k", "blur", "-o", "{dir}/{stem}.soft.{ext}")
    done = here("apply", *INPUTS, *named, *options, cwd=place)
    assert done.code == 2
    assert words in done.stderr
    assert not list(place.rglob("*.soft.*"))
    assert here("apply", "b/y.tif", "a/x.png", *named, "--depth", "16", cwd=place).code == 0
    assert here("apply", "b/y.tif", *named, "--depth", "float", "-f", cwd=place).code == 0
