"""A walk through folders: which files, in which order, and what is passed over."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.files.restriction import restrict
from convcli.files.walk import FolderWalk


def is_png(name: str) -> bool:
    return name.endswith(".png")


def walk(root: str | Path, *left_out: str | Path) -> list[tuple[str, str]]:
    found = FolderWalk(is_png, map(str, left_out))
    return [(file.path, file.folder) for file in found.find_files(str(root))]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.png", "a.png", "z/c.png", "z/y/d.png", "k/e.png", "k/e.txt", ".h.png",
                 ".hidden/f.png", "e/none.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOUND = [
    ("a.png", ""), ("b.png", ""), ("k/e.png", "k"), ("z/c.png", "z"), ("z/y/d.png", "z/y")
]  # fmt: skip


@pytest.mark.parametrize("root", [".", "./", "../here", "/absolute", "link"])
def test_files_are_found_by_name_before_those_of_subfolders(place: Path, root: str) -> None:
    (place / "link").symlink_to(".")
    start = {"../here": f"../{place.name}", "/absolute": str(place)}.get(root, root)
    prefix = "" if start == "." else os.path.join(start, "")  # noqa: PTH118
    assert walk(start) == [(prefix + path, folder) for path, folder in FOUND]


def test_links_to_folders_are_passed_over_and_to_files_are_not(place: Path) -> None:
    (place / "k" / "up").symlink_to("..")
    (place / "k" / "folder.png").symlink_to("../z")
    (place / "k" / "file.png").symlink_to("../z/c.png")
    (place / "k" / "nothing.png").symlink_to("nothing")
    (place / "k" / "self.png").symlink_to("self.png")
    os.mkfifo(place / "k" / "pipe.png")
    names = ["e.png", "file.png", "nothing.png", "self.png"]
    assert walk("k") == [(f"k/{name}", "") for name in names]


def test_a_folder_is_visited_once(place: Path) -> None:
    found = FolderWalk(is_png)
    assert not found.has_visited("z")
    assert [file.path for file in found.find_files("z/y")] == ["z/y/d.png"]
    assert [file.path for file in found.find_files("z")] == ["z/c.png"]
    assert found.has_visited(f"{place}/k/../z")
    assert list(found.find_files("z/.")) == []


@pytest.mark.parametrize("name", ["z", "./z/", "k/../z", "/proc/self/cwd/z"])
def test_a_folder_below_can_be_left_out(place: Path, name: str) -> None:
    assert walk(".", name) == FOUND[:3]
    assert walk(place, place / "k", "gone")[-2:] == [
        (f"{place}/z/c.png", "z"),
        (f"{place}/z/y/d.png", "z/y"),
    ]
    assert len(walk("z", name)) == 2  # which was asked for itself


def test_a_folder_that_cannot_be_read_is_an_error_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: str) -> object:
        if os.path.basename(path) == "k":  # noqa: PTH119
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = FolderWalk(is_png)
    assert [file.path for file in found.find_files(".")] == [
        "a.png",
        "b.png",
        "z/c.png",
        "z/y/d.png",
    ]
    assert [str(error) for error in found.errors] == ["k: permission denied"]
    assert (place / "k").exists()


def test_a_folder_outside_is_an_error(place: Path) -> None:
    found = FolderWalk(is_png)
    with restrict(str(place / "z")):
        assert [file.path for file in found.find_files("z")] == ["z/c.png", "z/y/d.png"]
        assert list(found.find_files("k")) == []
    assert [error.path for error in found.errors] == ["k"]


def test_a_deep_tree_is_no_recursion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path.joinpath(*"d" * 150)
    folder.mkdir(parents=True)
    (folder / "x.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 80)
    try:
        found = walk(".")
    finally:
        sys.setrecursionlimit(limit)
    assert [folder for _, folder in found] == ["/".join("d" * 150)]


@settings(max_examples=30)
@given(st.lists(st.text("ab.", min_size=1, max_size=3), max_size=6))
def test_the_order_is_that_of_sorted_names(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in set(names) - {".", ".."}:
            Path(folder, f"{name}.png").write_bytes(b"")
        visible = {f"{name}.png" for name in names if not name.startswith(".")}
        assert [Path(path).name for path, _ in walk(folder)] == sorted(visible)
