"""Where results go."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from convcli.errors import ArgumentError
from convcli.pipeline.outputs import (
    DEFAULT_TEMPLATE,
    OutputTarget,
    OverwriteGuard,
    validate_target,
)


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


def test_the_format_may_be_that_of_each_input() -> None:
    target = OutputTarget("{stem}.soft.{ext}", ("a",))
    formats = {source: target.bind(source).format for source in ("x.jpg", "x.TIF", "x.npy")}
    assert formats == {"x.jpg": "JPEG", "x.TIF": "TIFF", "x.npy": ".npy"}
    assert target.paths("a/b.JPG") == ["b.soft.JPG"]
    odd = OutputTarget("{stem}.{kernel}.{ext}.png", ("a",))
    assert odd.paths("x.{stem}") == ["x.a.{stem}.png"]


def test_names_lie_in_a_folder_and_its_subfolders() -> None:
    target = OutputTarget(DEFAULT_TEMPLATE, ("a",), folder="out/{x}", subfolders={"p/q/x.jpg": "q"})
    assert target.paths("p/q/x.jpg") == ["out/{x}/q/x.a.png"]
    assert target.paths("p/r/x.jpg") == ["out/{x}/x.a.png"]
    assert OutputTarget("/abs/{stem}.png", ("a",), folder="out").paths("x.jpg") == ["/abs/x.png"]
    assert OutputTarget("-", ("a",), folder="out").paths("x.jpg") == ["-"]


def test_a_bound_target_is_the_same_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    target = OutputTarget("{dir}/{parent}-{stem}.{ext}", ("a",))
    bound = target.bind("x.png")
    monkeypatch.chdir(tmp_path)
    assert bound.path("/somewhere/else/y.jpg", "a") == "./home-x.png"


# ---- which files are the same --------------------------------------------------------------------


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
