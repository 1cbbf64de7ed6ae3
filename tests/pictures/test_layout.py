"""Layout: lines are folded, and tables filled, to the shape of a page, in the order of reading."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.pictures.boxes import Point
from convcli.pictures.canvas import Canvas, Panel, make_canvas
from convcli.pictures.layout import MAX_LINE_RATIO, RATIO, Spacer, Table, fill_page, fold_line
from convcli.pictures.theme import LIGHT, Style, Theme


@dataclass(frozen=True)
class Block(Panel):
    """A panel of a size, that notes where it is drawn."""

    sides: Point = (100.0, 100.0)
    middle: float = 50.0
    seen: dict[str, Point] | None = None

    @property
    def size(self) -> Point:
        return self.sides

    @property
    def axis(self) -> float:
        return self.middle

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:  # noqa: ARG002
        assert self.seen is not None
        self.seen[self.title] = (left, top)


def make_blocks(count: int, seen: dict[str, Point], sides: Point = (100.0, 100.0)) -> list[Panel]:
    return [
        Block(str(index), sides=sides, middle=sides[1] / 2, seen=seen) for index in range(count)
    ]


def draw(table: Table) -> None:
    table.draw(make_canvas((9, 9), ".svg", Style()), 0.0, 0.0, LIGHT)


def names(table: Table) -> list[list[str]]:
    return [[panel.title for panel in row if not isinstance(panel, Spacer)] for row in table.rows]


def misfit(width: float, height: float) -> float:
    return abs(math.log(width / height * 9 / 16))


# ---- lines -------------------------------------------------------------------------------------


def test_a_line_of_four_times_its_height_stays_one_and_a_longer_one_is_folded() -> None:
    short = [[block] for block in make_blocks(3, {})]
    assert fold_line(short).size[0] / fold_line(short).size[1] < MAX_LINE_RATIO
    assert len(fold_line(short).rows) == 1
    assert len(fold_line([[block] for block in make_blocks(4, {})]).rows) > 1


@given(st.lists(st.integers(1, 3), min_size=1, max_size=12))
@settings(max_examples=60)
def test_groups_stay_whole_and_in_order_where_a_line_is_folded(sizes: list[int]) -> None:
    blocks = iter(make_blocks(sum(sizes), {}))
    groups = [[next(blocks) for _ in range(size)] for size in sizes]
    lines = names(fold_line(groups))
    assert [name for line in lines for name in line] == [str(n) for n in range(sum(sizes))]
    firsts = {group[0].title for group in groups}
    assert all(line[0] in firsts for line in lines)


@pytest.mark.parametrize("count", [6, 9, 12, 16, 25, 40])
def test_a_folded_line_is_as_near_to_a_page_as_lines_of_equal_length_are(count: int) -> None:
    folded = fold_line([[block] for block in make_blocks(count, {})])
    assert not folded.is_aligned
    equal = [
        Table("", rows=[make_blocks(columns, {})] * math.ceil(count / columns), is_aligned=False)
        for columns in range(1, count + 1)
    ]
    assert misfit(*folded.size) <= min(misfit(*table.size) for table in equal) + 0.15


# ---- tables ------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.floats(20, 300), st.floats(20, 300))
@settings(max_examples=60)
def test_a_table_of_rows_fills_a_page_as_well_as_any(
    count: int, width: float, height: float
) -> None:
    rows = [[block] for block in make_blocks(count, {}, (width, height))]
    table = fill_page(rows)
    lines = names(table)
    read = [line[column] for column in range(len(lines[0])) for line in lines if column < len(line)]
    assert read == [str(index) for index in range(count)]  # downwards
    # The gaps between columns and rows are known: each number of columns is tried.
    for columns in range(1, count + 1):
        down = math.ceil(count / columns)
        across = math.ceil(count / down)
        shape = (across * width + (across - 1) * (28 + 2 * 14), down * height + (down - 1) * 28)
        assert misfit(*table.size) <= misfit(*shape) + 0.05


def test_what_stands_beside_a_table_is_counted_in_the_page() -> None:
    rows = [[block] for block in make_blocks(12, {})]
    wide = Block("wide", sides=(1000.0, 100.0))
    assert len(fill_page(rows, wide).rows) > len(fill_page(rows).rows)


def test_columns_stand_below_each_other_and_rows_on_their_axis() -> None:
    seen: dict[str, Point] = {}
    rows = [
        [Block("a", sides=(100, 100), middle=20, seen=seen), Block("b", seen=seen)],
        [
            Block("c", sides=(40, 10), middle=5, seen=seen),
            Block("d", sides=(60, 60), middle=60, seen=seen),
        ],
    ]
    table = Table("", rows=rows)
    draw(table)
    assert seen["a"][1] + 20 == seen["b"][1] + 50
    assert seen["c"][1] + 5 == seen["d"][1] + 60
    assert seen["a"][0] + 50 == seen["c"][0] + 20
    assert seen["b"][0] + 50 == seen["d"][0] + 30
    width, height = table.size
    assert min(y for _, y in seen.values()) == 0
    assert max(seen["b"][0] + 100, seen["d"][0] + 60) == width
    assert max(seen["c"][1] + 10, seen["d"][1] + 60) == height


def test_a_page_is_sixteen_to_nine() -> None:
    assert pytest.approx(16 / 9) == RATIO
