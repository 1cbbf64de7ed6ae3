"""Inputs with one output file, and outputs that are inputs, are refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from convcli.batch.collisions import OverwriteGuard, validate_target
from convcli.errors import ArgumentError
from convcli.pipeline.outputs import DEFAULT_TEMPLATE, OutputTarget


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
        ("{stem}.{ext}", ("a",), ["x"]),
        ("{stem}.{ext}", ("a",), ["x.jpg", "x.docx"]),
        ("{stem}.{ext}", ("a",), ["-"]),
        ("{stem}.{ext}", ("a", "b"), ["x.npy", "x.jpg"]),
        ("{parent}.png", ("a",), ["a/x.png", "a/y.png"]),
        ("./{stem}.png", ("a",), ["1/x.png", "2/../3/x.png"]),
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
    validate_target(OutputTarget("{stem}.{ext}", ("a", "b")), ["x.npy", "y.npy"])
    validate_target(OutputTarget("{stem}.{ext}", ("a",)), ["x.png", "x.jpg", "x.JPG", "1.csv"])
    validate_target(OutputTarget("{dir}/{stem}2.png", ("a",)), ["1/x.png", "2/x.png", "x.png"])
    validate_target(OutputTarget("{parent}{stem}.png", ("a",)), ["1/x.png", "2/x.png", "/x.png"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "linked").symlink_to("out")
    for name in ("a", "b", "x.a"):
        (tmp_path / "in" / f"{name}.png").write_bytes(b"picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROUNDABOUT = [
    "out/{stem}.png", "./out//{stem}.png", "in/../out/{stem}.png", "linked/{stem}.png",
    "/proc/self/cwd/out/{stem}.png",
]  # fmt: skip


@pytest.mark.parametrize("template", ROUNDABOUT)
def test_an_input_is_protected_by_whatever_name(place: Path, template: str) -> None:
    for link in (os.link, os.symlink):
        link(place / "in" / "b.png", place / "out" / "a.png")
        guard = OverwriteGuard(OutputTarget(template, ("k",)), ["in/a.png", "in/b.png"])
        assert guard.protect("in/a.png").protected == ("in/a.png", "in/b.png")
        assert guard.protect("in/b.png").protected == ("in/b.png",)
        (place / "out" / "a.png").unlink()
    absolute = OutputTarget(f"/{place}/{template}", ("k",))
    (place / "out" / "a.png").write_bytes(b"picture")
    guard = OverwriteGuard(absolute, ["in/b.png", "in/../linked/a.png"])
    if not template.startswith("/"):
        sources = guard.protect("in/a.png").protected
        assert sources == ("in/a.png", "in/../linked/a.png")


@pytest.mark.parametrize("template", ROUNDABOUT)
@pytest.mark.parametrize("figure", ROUNDABOUT)
@pytest.mark.usefixtures("place")
def test_a_figure_is_no_output(template: str, figure: str) -> None:
    target = OutputTarget(template, ("k",))
    with pytest.raises(ArgumentError, match="--figure and --output are the same file"):
        validate_target(target, ["in/a.png"], [figure.replace("{stem}", "a")])
    validate_target(target, ["in/a.png"], [figure.replace("{stem}", "c")])


def test_two_names_of_one_output_are_refused(place: Path) -> None:
    (place / "out" / "a.png").symlink_to("b.png")
    with pytest.raises(ArgumentError, match=r"in/a\.png and in/b\.png would both be written to"):
        validate_target(OutputTarget("out/{stem}.png", ("k",)), ["in/a.png", "in/b.png"])
    with pytest.raises(ArgumentError, match=r"is one file for several inputs; put \{parent\} or"):
        validate_target(OutputTarget(None, ()), ["a", "b"], ["out/b.svg", "linked/../out/b.svg"])


@pytest.mark.parametrize(
    ("sources", "template", "advice"),
    [
        (("p/x.jpg", "p/x.png"), "{stem}.png", "put {ext} in the output's name"),
        (("p/x.jpg", "q/x.png"), "{stem}.png", "put {parent} in the output's name"),
        (("p/x.jpg", "q/x.jpg"), "{stem}.png", "put {parent} in the output's name"),
        (("1/p/x.jpg", "2/p/x.jpg"), "{stem}.png", "with an --output-dir each"),
        (("p/x.jpg", "p/y.jpg"), "{parent}.png", "put {stem} in the output's name"),
        (("p/x.JPG", "p/./x.JPG"), "{stem}.{ext}.png", "give one of them another name"),
    ],
)
def test_what_tells_two_outputs_apart_is_named(
    sources: tuple[str, str], template: str, advice: str
) -> None:
    with pytest.raises(ArgumentError, match=re.escape(advice)):
        validate_target(OutputTarget(template, ("k",)), sources)
