"""Where results go."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.errors import ArgumentError
from convcli.pipeline.outputs import (
    DEFAULT_TEMPLATE,
    OutputTarget,
    number_duplicates,
    slugify,
    validate_target,
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


def test_stem_and_kernel_stand_for_names() -> None:
    target = OutputTarget(DEFAULT_TEMPLATE, ("blur", "sobel-x"))
    assert target.paths("photos/my.cat.jpg") == ["my.cat.blur.png", "my.cat.sobel-x.png"]
    assert target.paths("-") == ["stdin.blur.png", "stdin.sobel-x.png"]
    assert OutputTarget("{kernel}/{stem}{stem}.npy", ("a",)).paths("x.csv") == ["a/xx.npy"]
    assert OutputTarget("{other}.png", ("a",)).paths("x.csv") == ["{other}.png"]


def test_names_that_hold_a_place_of_their_own_are_not_filled_twice() -> None:
    assert OutputTarget(DEFAULT_TEMPLATE, ("blur",)).paths("{kernel}.jpg") == ["{kernel}.blur.png"]


def test_all_maps_go_into_one_npy_unless_each_is_named() -> None:
    assert OutputTarget("out.npy", ("a", "b")).paths("x.png") == ["out.npy"]
    assert OutputTarget("{kernel}.npy", ("a", "b")).paths("x.png") == ["a.npy", "b.npy"]
    assert OutputTarget(None, ("a", "b")).paths("x.png") == []


@pytest.mark.parametrize(
    ("template", "labels", "sources"),
    [
        ("out.png", ("a", "b"), ["x.png"]),
        ("-", ("a", "b"), ["x.png"]),
        ("out.csv", ("a", "b"), ["x.png"]),
        ("out.xyz", ("a",), ["x.png"]),
        ("out", ("a",), ["x.png"]),
        ("out.png", ("a",), ["x.png", "y.png"]),
        ("-", ("a",), ["x.png", "y.png"]),
        (DEFAULT_TEMPLATE, ("a",), ["1/x.png", "2/x.jpg"]),
        (DEFAULT_TEMPLATE, ("a",), ["x.png", "x.png"]),
        ("{kernel}.png", ("a",), ["x.png", "y.png"]),
    ],
)
def test_what_would_be_written_twice_or_nowhere_is_refused(
    template: str, labels: tuple[str, ...], sources: list[str]
) -> None:
    with pytest.raises(ArgumentError):
        validate_target(OutputTarget(template, labels), sources)


def test_what_fits_is_let_pass() -> None:
    validate_target(OutputTarget(DEFAULT_TEMPLATE, ("a", "b")), ["x.png", "y.png"])
    validate_target(OutputTarget("out.npy", ("a", "b")), ["x.png"])
    validate_target(OutputTarget(None, ("a", "b")), ["x.png", "x.png"])
