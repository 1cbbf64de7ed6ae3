"""The names of outputs: fields, slugs, numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.errors import ArgumentError
from convcli.pipeline.names import (
    INPUT_FIELDS,
    check_fields,
    fill,
    input_values,
    make_pattern,
    number_duplicates,
    slugify,
)


@given(st.text(max_size=40))
def test_a_slug_is_letters_digits_and_little_else(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]*", slugify(name))
    assert slugify(slugify(name)) == slugify(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gaussian:1.5", "gaussian-1.5"), ("sobel-x", "sobel-x"), ("my kernel/2", "my-kernel-2")],
)
def test_slugs(name: str, expected: str) -> None:
    assert slugify(name) == expected


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "b"]), max_size=6))
def test_no_two_labels_are_alike(slugs: list[str]) -> None:
    labels = number_duplicates(slugs)
    assert len(set(labels)) == len(slugs)
    for label, name in zip(labels, slugs, strict=True):
        assert label.startswith(name)


def test_the_second_of_two_alike_is_number_2() -> None:
    assert number_duplicates(["blur", "blur", "blur"]) == ("blur", "blur-2", "blur-3")


# ---- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),  # stem, dir, parent, ext
    [
        ("photos/a/cat.jpg", ("cat", "photos/a", "a", "jpg")),
        ("photos/cat.tar.JPG", ("cat.tar", "photos", "photos", "JPG")),
        ("/data/cat.jpg", ("cat", "/data", "data", "jpg")),
        ("/cat.jpg", ("cat", "/", ".", "jpg")),
        ("cat", ("cat", ".", "here", "")),
        ("cat.", ("cat.", ".", "here", "")),
        (".jpg", (".jpg", ".", "here", "")),
        ("./cat.png", ("cat", ".", "here", "png")),
        ("../cat.png", ("cat", "..", "above", "png")),
        ("sub/../cat.png", ("cat", "sub/..", "here", "png")),
        ("link/cat.png", ("cat", "link", "link", "png")),
        ("link/../cat.png", ("cat", "link/..", "far", "png")),  # as the system has it
        ("a b/{stem}.png", ("{stem}", "a b", "a b", "png")),
        ("-", ("stdin", ".", "here", "")),
        ("./-", ("-", ".", "here", "")),
    ],
)
def test_the_fields_of_an_input(
    source: str, expected: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "above" / "here"
    (here / "sub").mkdir(parents=True)
    (tmp_path / "far" / "away").mkdir(parents=True)
    (here / "link").symlink_to(tmp_path / "far" / "away")
    monkeypatch.chdir(here)
    template = "".join(f"{{{name}}}" for name in INPUT_FIELDS)
    assert input_values(template, source) == dict(zip(INPUT_FIELDS, expected, strict=True))
    assert input_values("{kernel}.png", source) == {}


def test_a_folder_that_was_removed_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert input_values("{parent}{dir}", "cat.jpg") == {"parent": ".", "dir": "."}


@given(st.text(), st.text())
def test_values_are_not_filled_again(stem: str, kernel: str) -> None:
    assert fill("<{stem}|{kernel}>", {"stem": stem, "kernel": kernel}) == f"<{stem}|{kernel}>"


@pytest.mark.parametrize("name", ["", "stm", "Stem", "0", "folder"])
def test_an_unknown_field_is_told_which_there_are(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"is none of \{stem\}, \{dir\}"):
        check_fields(f"x-{{{name}}}.png", "output", tuple(INPUT_FIELDS))
    check_fields("{stem}{dir}{parent}{ext}{not one}", "output", tuple(INPUT_FIELDS))


def test_a_pattern_matches_the_names_of_a_template() -> None:
    pattern = make_pattern("out/{stem}.{kernel}+.png", {"kernel": "blur-[0-9]"})
    assert pattern.search("/x/a.b.blur-1+.png")
    assert not pattern.search("/x/a.blur-10+.png")
    assert not pattern.search("/x/a.blur-1.png")
