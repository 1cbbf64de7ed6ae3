"""Pairs of pictures in two folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from convcli.errors import FileError
from convcli.pipeline.pairs import find_pairs


def make(folder: Path, *names: str) -> str:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return str(folder)


def names_of(tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...]) -> dict[str, str]:
    folders = make(tmp_path / "before", *before), make(tmp_path / "after", *after)
    return {
        str(Path(pair.before).relative_to(folders[0])): str(
            Path(pair.after).relative_to(folders[1])
        )
        for pair in find_pairs(*folders)
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("a.png",), ("a.png",)),
        (("a.png",), ("a.jpg",)),
        (("a.jpg",), ("a.blur.png",)),
        (("a.jpg", "a.2.jpg"), ("a.blur.png", "a.2.blur.png")),
        (("a.jpg", "a.jpeg"), ("a.jpg", "a.jpeg")),
        (("a.csv", "sub/a.npy"), ("a.csv", "sub/a.npy")),
    ],
)
def test_pairs_have_one_name(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert names_of(tmp_path, before, after) == dict(zip(before, after, strict=True))


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    before, after = ("a.png", "notes.md", ".hidden.png"), ("a.png", "kernel.json")
    assert names_of(tmp_path, before, after) == {"a.png": "a.png"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (("a.png",), ("b.png",), r"a\.png: needs one picture of its name in .*; there is none"),
        (("a.png",), ("a.x.png", "a.y.png"), "there is 'a.x.png', 'a.y.png'"),
        (("a.png",), ("a.png", "b.png"), r"b\.png: has no picture of its name in"),
        (("a.png",), ("sub/a.png",), "there is none"),
        (("a.png",), ("notes.md",), "after: has no pictures in it"),
    ],
)
def test_a_picture_that_is_in_no_one_pair_is_refused(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], words: str
) -> None:
    with pytest.raises(FileError, match=words):
        names_of(tmp_path, before, after)


def test_two_files_are_a_pair_whatever_their_names(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png")
    before, after = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    assert find_pairs(before, after) == [(before, after)]
