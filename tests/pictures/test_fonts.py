"""Text in pictures: every letter is seen as what it is, or is written in ASCII; never as a box."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from convcli.files.restriction import restrict
from convcli.pictures import fonts
from convcli.pictures.fonts import (
    OWN,
    covered_letters,
    draw_text,
    find_fonts,
    list_fonts,
    replace_unprintable,
    split_runs,
    text_width,
    transliterate,
)
from convcli.pictures.signs import SIGNS

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# What ASCII lacks and some fonts have: Latin, Greek, Cyrillic, joined and CJK letters, an emoji.
NAMES = ["naïve.png", "αβγ", "Жук.csv", "שלום", "مرحبا", "猫の写真", "한국", "👍", "e\u0301\u0323"]


CACHED = (text_width, fonts.find_runs, fonts.can_draw, fonts.open_font, list_fonts)


def forget() -> None:
    """Forget what was found on this machine."""
    fonts.found_fonts.clear()
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder of fonts, which is empty."""
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    forget()
    yield tmp_path
    forget()


def own_font() -> bytes:
    """The file of Pillow's own font."""
    font = ImageFont.load_default(12)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return bytes(font.font_bytes)


def written(text: str, size: int = 20) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = Image.new("RGB", (max(int(text_width(text, size)), 1) + 40, 60), WHITE)
    draw_text(ImageDraw.Draw(picture), (picture.width / 2, 30), text, size=size, color=BLACK)
    return np.asarray(picture.convert("L"))


# ---- any text ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=9))
def test_what_is_drawn_is_in_its_font(text: str) -> None:
    for run in split_runs(text, 12):
        if run.is_sign:
            assert run.text in SIGNS
        elif run.font == OWN:
            assert covered_own(run.text) == set(run.text) - {" "}
        else:
            assert covered_letters(run.font, run.text) >= set(run.text) - {" "}


def covered_own(text: str) -> set[str]:
    """The letters that Pillow's own font has a shape of, unlike that of a missing letter."""
    font = ImageFont.load_default(40)
    missing = font.getmask("\U0010ffff")
    return {
        letter for letter in text
        if (mask := font.getmask(letter)).getbbox() is not None
        and (mask.size, bytes(mask)) != (missing.size, bytes(missing))
    }  # fmt: skip


def test_letters_that_a_font_lacks_are_not_among_those_that_it_has(folder: Path) -> None:
    path = folder / "own.ttf"
    path.write_bytes(own_font())
    letters = "aZ9«猫한\U0010fffe"
    assert covered_letters(str(path), letters) == covered_own(letters) == set("aZ9«")
    assert covered_letters(str(folder / "none.ttf"), letters) == set()


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=12), st.sampled_from([6, 12, 15, 33]))
def test_any_text_is_drawn_within_its_width(text: str, size: int) -> None:
    shown = written(text, size)
    columns = np.flatnonzero((shown < 255).any(axis=0))
    if columns.size:
        assert columns[0] >= 20 - size
        assert columns[-1] <= shown.shape[1] - 20 + size


@given(st.text(max_size=40))
def test_unprintable_characters_are_replaced(text: str) -> None:
    clean = replace_unprintable(text)
    assert clean.isprintable()
    assert replace_unprintable(clean) == clean
    assert unicodedata.normalize("NFC", clean) == clean or "?" in clean


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_ascii_stays_as_it_is_in_one_run(text: str) -> None:
    assert replace_unprintable(text) == text
    assert [run.text for run in split_runs(text, 12)] == ([text] if text else [])


@given(st.characters())
def test_a_letter_is_spelled_in_ascii(letter: str) -> None:
    assert transliterate(letter).isascii()


def test_marks_of_direction_and_variation_are_left_out_and_controls_are_not() -> None:
    assert replace_unprintable("a\u202eb\u200dc❤\ufe0f") == "abc❤"
    assert replace_unprintable("a\nb\x00c\udcffd\u00a0e\u3000f") == "a?b?c?d e f"


# ---- signs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [9, 12, 15, 24, 48])
def test_a_minus_is_a_bar_at_the_height_of_a_plus(size: int) -> None:
    minus, plus = (255 - written(sign, size).astype(int) for sign in ("−", "+"))
    assert text_width("−", size) == text_width("+", size)
    rows = np.flatnonzero(minus.max(axis=1) > 60)
    assert np.ptp(rows) + 1 <= max(size // 8, 1)
    bar = int(plus.sum(axis=1).argmax())  # the longest row of a plus
    assert abs(rows.mean() - bar) <= max(size / 20, 1)
    assert (minus[rows[0]] > 128).sum() >= 0.8 * (plus[bar] > 128).sum()


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_is_seen_and_stays_within_its_width(sign: str) -> None:
    for size in (8, 12, 15, 40):
        dark = written(sign, size) < 200
        columns = np.flatnonzero(dark.any(axis=0))
        assert columns.size
        assert columns[0] >= 19
        assert columns[-1] <= 20 + text_width(sign, size)


def test_signs_are_told_apart_at_the_size_of_captions() -> None:
    shapes = {written(sign, 12).tobytes() for sign in (*SIGNS, "+", "-", "x", "*")}
    assert len(shapes) == len(SIGNS) + 4


def test_halves_of_a_times_sign_mirror_each_other() -> None:
    dark = 255 - written("×", 48).astype(int)
    rows, columns = (np.flatnonzero(dark.sum(axis=axis)) for axis in (1, 0))
    shape = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.abs(shape - shape[::-1]).mean() < 25
    assert np.abs(shape - shape[:, ::-1]).mean() < 25


# ---- fonts of the machine ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_letter_is_a_box(name: str) -> None:
    drawn = "".join(run.text for run in split_runs(name, 15))
    assert drawn
    if all(find_fonts([letter]) for letter in replace_unprintable(name) if not letter.isascii()):
        assert drawn == replace_unprintable(name)


@pytest.mark.parametrize("name", NAMES)
def test_without_fonts_letters_are_written_in_ascii(folder: Path, name: str) -> None:
    assert not list(folder.iterdir())
    (run,) = split_runs(name, 15)
    assert run.font == OWN
    assert run.text.isascii()
    assert find_fonts(name) == {}


def test_known_letters_have_names(folder: Path) -> None:
    assert folder.exists()
    for name, spelled in {
        "naïve": "naive", "αβγ": "alphabetagamma", "Жук": "Zheuka", "ß": "s", "Ø": "O", "①": "1",
        "x²": "x2", "한": "han", "カ": "ka", "猫": "?", "ﬀ": "ff",
    }.items():  # fmt: skip
        assert "".join(run.text for run in split_runs(name, 12)) == spelled


def test_a_font_that_has_all_letters_draws_the_whole_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow's own font as a file, of which the program has no angle quotes then."""
    (folder / "angles.ttf").write_bytes(own_font())
    is_own = fonts.is_own
    monkeypatch.setattr(fonts, "is_own", lambda letter: letter not in "«»" and is_own(letter))
    (run,) = split_runs("a «b»", 12)
    assert run == ("a «b»", str(folder / "angles.ttf"), False)
    runs = split_runs("a «猫»", 12)
    assert [run.text for run in runs] == ["a ", "«", "?", "»"]
    assert np.array_equal(written("a «b»"), written("a «b»"))


def test_files_that_are_no_fonts_are_passed_over(folder: Path) -> None:
    whole = own_font()
    (folder / "cut.ttf").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.otf").touch()
    (folder / "words.ttc").write_text("no font at all " * 100)
    (folder / "noise.ttf").write_bytes(whole[:300] + os.urandom(len(whole) - 300))
    (folder / "folder.ttf").mkdir()
    os.mkfifo(folder / "pipe.ttf")
    (folder / "gone.ttf").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder)
    with (folder / "huge.ttf").open("wb") as file:
        file.truncate(fonts.MAX_FONT_BYTES + 1)
    assert {Path(path).name for path in list_fonts()} == {
        "cut.ttf", "empty.otf", "words.ttc", "noise.ttf"
    }  # fmt: skip
    assert "".join(run.text for run in split_runs("é猫", 12)).isascii()


def test_a_font_that_fails_at_a_size_is_left_out_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "angles.ttf").write_bytes(own_font())
    is_own, open_font = fonts.is_own, fonts.open_font
    monkeypatch.setattr(fonts, "is_own", lambda letter: letter != "«" and is_own(letter))

    def fail(path: str, size: float) -> object:
        if path != OWN and size == 13:
            raise OSError("invalid pixel size")
        return open_font(path, size)

    monkeypatch.setattr(fonts, "open_font", fail)
    assert [run.text for run in split_runs("«", 12)] == ["«"]
    assert [run.text for run in split_runs("«", 13)] == ["?"]


def test_no_font_is_looked_for_outside_of_a_folder_that_restricts(folder: Path) -> None:
    with restrict(str(folder)):
        assert all(run.font == OWN for run in split_runs("é", 12))
        assert list_fonts.cache_info().misses == 0


def test_only_so_many_files_are_looked_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "MAX_FONT_FILES", 3)
    for name in ("b-bold.ttf", "z.ttf", "sans.ttf", "a.ttf"):
        (folder / name).touch()
    assert [Path(path).name for path in list_fonts()] == ["sans.ttf", "a.ttf", "z.ttf"]
    monkeypatch.setattr(fonts, "MAX_FOLDER_ENTRIES", 3)
    list_fonts.cache_clear()
    assert list_fonts() == ()
