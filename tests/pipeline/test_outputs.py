"""Where results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from convcli.pipeline.outputs import DEFAULT_TEMPLATE, OutputTarget


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
