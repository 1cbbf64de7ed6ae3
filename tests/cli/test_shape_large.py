"""`shape` with networks of many layers and numbers of many digits: within seconds, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.forked import forked
from support.hostile import check_contract

INPUT = "input 3x64x64\n"
REPEATED = "conv:3,p=1,c=8\nrelu\n"
SECONDS = 4.0  # of processor time, of a machine that other tests use; without them 0.5


def distinct(count: int) -> str:
    return INPUT + "".join(f"conv:3,p=1,c={index + 1},name=l{index}\n" for index in range(count))


def far_joins(count: int) -> str:
    half = count // 2
    names = "".join(f"conv:3,p=1,c=4,name=l{index}\n" for index in range(half))
    return INPUT + names + "".join(f"add:from=l{i}+l{half - 1 - i}\n" for i in range(half // 2))


LARGE: dict[str, Callable[[], str]] = {
    "repeated": lambda: INPUT + REPEATED * 5000,
    "distinct": lambda: distinct(10_000),
    "far joins": lambda: far_joins(10_000),
    "crops": lambda: INPUT + "relu:name=a\n" + "crop:like=a\n" * 9999,
}
LAYOUTS = ("--format=table", "--format=csv", "--format=markdown", "--explain")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ten_thousand_layers_take_a_second(layout: str, tmp_path: Path) -> None:
    (tmp_path / "large.net").write_text(INPUT + REPEATED * 5000)
    ended = forked("shape", "--net", "large.net", layout, cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.seconds < SECONDS


@pytest.mark.parametrize("name", LARGE)
def test_ten_thousand_layers_of_any_kind_are_all_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "large.net").write_text(text := LARGE[name]())
    ended = forked("shape", "--net", "large.net", "--json", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, b"")
    layers = json.loads(ended.stdout)["layers"]
    assert [layer["layer"] for layer in layers[:5]] == text.splitlines()[1:6]
    assert len(layers) == text.count("\n") - 1
    assert ended.seconds < SECONDS


def test_time_is_in_proportion_to_the_layers(tmp_path: Path) -> None:
    (tmp_path / "large.net").write_text(INPUT + REPEATED * 15_000)
    ended = forked("shape", "--net", "large.net", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, b"")
    lines = ended.stdout.splitlines()
    assert len(lines) == 2 + 30_000 + 2
    assert lines[-1].split()[:3] == [b"total", b"8x64x64", b"30001"]
    assert ended.seconds < 3 * SECONDS


# What would take longer, and the words by which it is refused.
REFUSED = {
    "a million layers": ("relu\n" * 1_000_000, "holds more than 100,000 layers"),
    "doubled channels": (
        "relu:name=a0\n" + "".join(f"concat:from=a{i}+a{i},name=a{i + 1}\n" for i in range(9999)),
        "so many digits take too long",
    ),
    "long jumps": (("conv:1,s=" + "9" * 700 + ",p=9\n") * 9999, "so many digits take too long"),
    "wide joins": (
        "".join(f"conv:3,p=1,name=l{index}\n" for index in range(5000))
        + ("concat:from=" + "+".join(f"l{index}" for index in range(5000)) + "\n") * 200,
        "takes too long",
    ),
    "many phases": ("tconv:512,s=512\n" + "conv:1001,p=500\n" * 9999, "takes too long"),
    "uneven parts": (
        "conv:1,p=32700\n" + "adaptiveavgpool:65521\nadaptiveavgpool:65519\n" * 99,
        "takes too long",
    ),
    "many kernels": (
        "".join(f"conv:kernel=gaussian:{9 + index % 99}.{index}\n" for index in range(20_000)),
        "kernels are too much",
    ),
    "an unknown name": (
        "".join(f"relu:name=layer{index}\n" for index in range(99_000)) + "crop:like=layer99x\n",
        "no layer before it is named 'layer99x'; did you mean 'layer98",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_take_longer_is_refused(name: str, tmp_path: Path) -> None:
    text, fragment = REFUSED[name]
    (tmp_path / "large.net").write_text(INPUT + text)
    ended = forked("shape", "--net", "large.net", cwd=tmp_path)
    check_contract(ended, 1, fragment)
    assert ended.lines[0].startswith("convcli: large.net: ")
    assert ended.seconds < 3 * SECONDS


DIGITS = "9" * 400


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--input", f"3x{DIGITS}x9", "conv:3"),
        ("--input", "3x9x9", f"conv:3,p={DIGITS}"),
        ("--input", "3x9x9", f"conv:3,p={DIGITS},d={DIGITS},s={DIGITS}", "maxpool:1"),
        ("--input", f"3x{DIGITS}x{DIGITS}", "tconv:3,s=2"),
    ],
)
def test_maps_too_large_to_draw_are_refused(
    arguments: tuple[str, ...], suffix: str, tmp_path: Path
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    ended = forked("shape", *arguments, "--figure", f"x{suffix}", cwd=folder)
    check_contract(ended, 2, "is too large to draw")
    assert list(folder.iterdir()) == []


def test_a_picture_of_a_huge_input_is_drawn_in_little_memory(tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a.csv").write_text("1 2\n3 4\n")
    arguments = ("shape", "--input", "3x90000x90000", "conv:3", "--figure", "x.png")
    ended = forked(*arguments, "--image", "a.csv", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.megabytes < 512
