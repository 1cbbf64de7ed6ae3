"""Previews: the terminal's characters say the picture's pixels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from support.looking import READABLE, contrast
from support.oracles import pixels, seeds

from convcli.pictures.text import (
    HALF_BLOCK,
    has_colors,
    has_true_color,
    render_half_blocks,
    render_kernel,
    render_preview,
)

Color = tuple[int, int, int]
CODE = re.compile(r"\x1b\[([0-9;]*)m")


def palette(index: int) -> Color:
    """The colors of a 256-color terminal, as xterm has them."""
    if index >= 232:
        level = 8 + 10 * (index - 232)
        return level, level, level
    levels = (0, 95, 135, 175, 215, 255)
    index -= 16
    return levels[index // 36], levels[index // 6 % 6], levels[index % 6]


def shown(text: str) -> list[list[tuple[str, Color | None, Color | None]]]:
    """What a terminal shows: for every character its ink and its ground."""
    rows = []
    ink: Color | None = None
    ground: Color | None = None
    for line in text.split("\n"):
        row = []
        place = 0
        while place < len(line):
            code = CODE.match(line, place)
            if not code:
                row.append((line[place], ink, ground))
                place += 1
                continue
            place = code.end()
            numbers = [int(part) for part in code[1].split(";")]
            if numbers == [0]:
                ink = ground = None
                continue
            is_true = numbers[1] == 2
            color = (numbers[2], numbers[3], numbers[4]) if is_true else palette(numbers[2])
            if numbers[0] == 38:
                ink = color
            else:
                ground = color
        rows.append(row)
    return rows


def as_pixels(text: str) -> NDArray[Any]:
    """Half blocks read back as pixels."""
    rows = []
    for line in shown(text):
        assert {sign for sign, _, _ in line} == {HALF_BLOCK}
        rows += [[ink for _, ink, _ in line], [ground for _, _, ground in line]]
    return np.array(rows)


@settings(max_examples=30)
@given(seeds)
def test_half_blocks_show_two_pixels_each(seed: int) -> None:
    image = pixels(seed, 6, 5, 3)
    text = "\n".join(render_half_blocks(image, true_color=True))
    assert np.array_equal(as_pixels(text), image)
    assert all(line.endswith("\x1b[0m") for line in text.split("\n"))


def nearest_by_trying(color: Color) -> float:
    return min(
        sum((a - b) ** 2 for a, b in zip(palette(index), color, strict=True))
        for index in range(16, 256)
    )


@settings(max_examples=30)
@given(seeds)
def test_of_256_colors_nearly_the_nearest_is_taken(seed: int) -> None:
    image = pixels(seed, 2, 4, 3)
    found = as_pixels("\n".join(render_half_blocks(image, true_color=False)))
    for color, seen in zip(image.reshape(-1, 3), found.reshape(-1, 3), strict=True):
        away = float(((color.astype(int) - seen.astype(int)) ** 2).sum())
        assert away <= nearest_by_trying(tuple(color.tolist())) + 60


def test_pictures_stand_beside_each_other_and_fit_the_terminal() -> None:
    pictures = [pixels(0, 30, 40, 3), pixels(1, 30, 40), pixels(2, 15, 20, 3)]
    for columns in (20, 80, 200):
        rows = shown(render_preview(pictures, columns, true_color=True))
        assert all(len(row) <= columns for row in rows)
        blocks = "".join(sign for sign, _, _ in rows[0]).split("  ")
        assert len(blocks) == 3


def test_pixels_keep_their_shape() -> None:
    """A character is about twice as high as wide, and a half block about square."""
    rows = shown(render_preview([pixels(0, 60, 80)], 40, true_color=True))
    assert (len(rows[0]), 2 * len(rows)) == (40, 30)


def test_a_tall_picture_does_not_scroll_away() -> None:
    text = render_preview([pixels(0, 2000, 40)] * 2, 80, true_color=True)
    assert text.count("\n") < 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 1), (1, 500)])
def test_any_picture_can_be_shown(shape: tuple[int, ...]) -> None:
    text = render_preview([pixels(0, *shape)], 80, true_color=False)
    assert all(len(row) <= 80 for row in shown(text))


@pytest.mark.parametrize("true_color", [True, False])
def test_a_kernel_s_cells_have_its_numbers_and_can_be_read(true_color: bool) -> None:
    weights = np.array([[-1.0, 0, 1], [-2, 0, 2], [-0.25, 0, 100]])
    rows = shown(render_kernel(weights, true_color=true_color))
    words = ["".join(sign for sign, _, _ in row).split() for row in rows]
    assert [[float(word) for word in row] for row in words] == weights.tolist()
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        for _, ink, ground in row:
            assert ink
            assert ground
            assert contrast(ink, ground) >= READABLE - 0.5
    zeros = {ground for sign, _, ground in rows[0] if sign == "0"}
    assert len(zeros) == 1


class Screen:
    def __init__(self, *, is_terminal: bool = True) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def test_colors_are_for_terminals_that_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert has_colors(Screen())
    assert not has_colors(Screen(is_terminal=False))
    assert not has_colors(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colors(Screen())
    monkeypatch.setenv("NO_COLOR", "")  # empty means nothing, as no-color.org has it
    assert has_colors(Screen())
    for term in ("dumb", None):
        if term is None:
            monkeypatch.delenv("TERM")
        else:
            monkeypatch.setenv("TERM", term)
        assert not has_colors(Screen())


def test_true_color_is_what_the_terminal_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (("truecolor", True), ("24bit", True), ("", False), ("yes", False)):
        monkeypatch.setenv("COLORTERM", said)
        assert has_true_color() is expected
