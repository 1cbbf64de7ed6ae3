"""The fonts of pictures: what a text is drawn with, and how wide it is.

Pillow's own font has ASCII and a few signs more. Signs of arithmetic are drawn as strokes; other
letters come from a font of this machine that has them; those that none has are written in ASCII.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from PIL import ImageDraw, ImageFont

from convcli.files.restriction import restricted_folder
from convcli.pictures.signs import SIGNS, draw_sign, sign_width
from convcli.pictures.theme import Color
from convcli.records import NamedTuple

MAX_CACHED_TEXTS = 4096  # texts whose runs and widths are remembered
MAX_CACHED_FONTS = 64  # fonts that are kept open, one for each size
MAX_FONT_FILES = 400  # that are looked into for a letter
MAX_FOLDER_ENTRIES = 20_000  # of all folders of fonts together
MAX_FONT_BYTES = 100_000_000
PROBE_SIZE = 16  # at which fonts are asked for a letter
OWN = ""  # in place of the path of a font: Pillow's own
FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
# Fonts are looked into in the order of their names: first those that look like Pillow's own.
PLAIN = re.compile("sans|arial|helvet|segoe|gothic|hei|fallback", re.IGNORECASE)
STYLED = re.compile(
    "bold|bd|ital?|oblique|mono|serif|light|thin|black|heavy|cond|narrow|emoji|symbol|hand",
    re.IGNORECASE,
)
UNMAPPED = "\U0010ffff"  # for which every font draws its sign of a missing letter


class Run(NamedTuple):
    """A part of a text that is drawn with one font.

    Parameters
    ----------
    text : str
    font : str
        A path, or `OWN`.
    is_sign : bool
        Whether it is one sign of `SIGNS`, which are drawn as strokes.
    """

    text: str
    font: str = OWN
    is_sign: bool = False


def replace_unprintable(text: str) -> str:
    """Return text that every font and XML can hold, its accents composed with their letters.

    Spaces of any width become a plain one, marks without a shape (as of the direction of writing)
    are left out, and other characters that cannot be shown become question marks.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_replace_character, unicodedata.normalize("NFC", text)))


def _replace_character(character: str) -> str:
    if "\ufe00" <= character <= "\ufe0f":  # which of several shapes the letter before has
        return ""
    if character.isprintable():
        return character
    return {"Zs": " ", "Cf": ""}.get(unicodedata.category(character), "?")


@lru_cache(MAX_CACHED_TEXTS)
def text_width(text: str, size: float) -> float:
    """The width of text in pixels."""
    return sum(_run_width(run, size) for run in split_runs(text, size))


def draw_text(
    draw: ImageDraw.ImageDraw,
    center: tuple[float, float],
    text: str,
    *,
    size: float,
    color: Color,
    halo: Color | None = None,
) -> None:
    """Draw text on a picture, centered both ways; a halo of a color is drawn around it.

    Text from the right to the left, and letters that are joined, come out right where Pillow has
    Raqm, as its own packages do; without it such letters stand apart, in the order of the text.
    """
    ascent, descent = open_font(OWN, size).getmetrics()
    start = center[0] - text_width(text, size) / 2
    baseline = round(center[1] + (ascent - descent) / 2)
    runs = split_runs(text, size)
    layers = [(color, 0)] if halo is None else [(halo, max(round(size / 8), 1)), (color, 0)]
    for ink, width in layers:
        left = start
        for run in runs:
            if run.is_sign:
                draw_sign(draw, (left, baseline), run.text, size=size, color=ink, halo_width=width)
            else:
                font = open_font(run.font, size)
                draw.text((left, baseline), run.text, ink, font, anchor="ls", stroke_width=width)
            left += _run_width(run, size)


def split_runs(text: str, size: float) -> tuple[Run, ...]:
    """Split text into runs that are each drawn with one font at a size."""
    return tuple(
        run if run.font == OWN or can_draw(run, size) else Run(_spell_all(run.text))
        for run in find_runs(text, can_search=restricted_folder() is None)
    )


@lru_cache(MAX_CACHED_TEXTS)
def find_runs(text: str, *, can_search: bool) -> tuple[Run, ...]:
    """Split text; fonts are files outside of any folder that is the only one to be read."""
    clean = replace_unprintable(text)
    fonts = _choose_fonts(clean) if can_search else {}
    runs: list[Run] = []
    for letter in clean:
        font, is_sign = fonts.get(letter, OWN), letter in SIGNS
        letters = letter if font != OWN or is_own(letter) else transliterate(letter)
        if runs and runs[-1].font == font and not (is_sign or runs[-1].is_sign):
            runs[-1] = Run(runs[-1].text + letters, font)
        else:
            runs.append(Run(letters, font, is_sign))
    return tuple(runs)


def _choose_fonts(text: str) -> dict[str, str]:
    """Return the paths of the fonts for those letters that are not drawn with Pillow's own.

    Where one font has all that Pillow's own lacks, and the others, too, all are drawn with it.
    """
    missing = {letter for letter in text if not is_own(letter)}
    if not missing:
        return {}
    fonts = find_fonts(missing)
    if len(set(fonts.values())) == 1:
        font, letters = next(iter(fonts.values())), set(text) - SIGNS.keys()
        if covered_letters(font, letters) >= letters - {" "}:
            return dict.fromkeys(letters, font)
    return fonts


def transliterate(letter: str) -> str:
    """Write a letter in ASCII: its base, or the name that Unicode has for it, or a question mark.

    >>> [transliterate(letter) for letter in "éßøЖαラ한猫"]
    ['e', 's', 'o', 'Zhe', 'alpha', 'ra', 'han', '?']
    """
    name = unicodedata.name(letter, "")
    found = re.search(r"(?:LETTER|SYLLABLE) (?:SHARP )?([A-Z]+)(?: WITH .*)?$", name)
    if found is not None:
        return found[1].capitalize() if " CAPITAL " in name else found[1].lower()
    parts = unicodedata.normalize("NFKD", letter)
    kept = [part for part in parts if not unicodedata.combining(part)]
    return "".join(part if part.isascii() else "?" for part in kept)


def _spell_all(text: str) -> str:
    return "".join(one if is_own(one) else transliterate(one) for one in text)


def find_fonts(letters: Iterable[str]) -> dict[str, str]:
    """Return the path of a font of this machine for each letter that any of them has."""
    wanted = {letter for letter in letters if letter not in found_fonts}
    if wanted:
        for path in list_fonts():
            if not wanted:
                break
            covered = covered_letters(path, wanted)
            found_fonts.update(dict.fromkeys(covered, path))
            wanted -= covered
        found_fonts.update(dict.fromkeys(wanted))
    return {letter: font for letter in letters if (font := found_fonts[letter]) is not None}


# By letter, the path of the first font that has it; None where none does.
found_fonts: dict[str, str | None] = {}


def covered_letters(path: str, letters: Iterable[str]) -> set[str]:
    """Return the letters that a font has, of some; a font that cannot be read has none."""
    try:
        font = ImageFont.truetype(path, PROBE_SIZE, layout_engine=ImageFont.Layout.BASIC)
        missing = _letter_pixels(font, UNMAPPED)
        return {letter for letter in letters if _letter_pixels(font, letter) != missing}
    except (OSError, ValueError):
        return set()


def _letter_pixels(font: Any, letter: str) -> tuple[Any, bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@cache
def list_fonts() -> tuple[str, ...]:
    """Return the paths of this machine's fonts, plain ones first."""

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).stem
        return STYLED.search(name) is not None, PLAIN.search(name) is None, path

    return tuple(sorted(_find_files(), key=rank)[:MAX_FONT_FILES])


def _find_files() -> Iterator[str]:
    """Yield the paths of fonts in the folders where systems keep them."""
    seen = 0
    for folder in font_folders():
        for root, folders, names in os.walk(folder):
            seen += len(folders) + len(names)
            if seen > MAX_FOLDER_ENTRIES:
                return
            for name in names:
                path = Path(root, name)
                if name.lower().endswith(FONT_SUFFIXES) and _is_readable(path):
                    yield str(path)


def _is_readable(path: Path) -> bool:
    """Whether it is a file, and no pipe or device, of a size that fonts have."""
    try:
        return path.is_file() and path.stat().st_size <= MAX_FONT_BYTES
    except OSError:
        return False


def font_folders() -> list[Path]:
    """Return the folders where Linux, macOS or Windows keep fonts, the user's first."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # raises where there is none
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        windows = Path(os.environ.get("WINDIR", "C:\\Windows"))
        return [local / "Microsoft" / "Windows" / "Fonts", windows / "Fonts"]
    if sys.platform == "darwin":
        return [home / "Library" / "Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    own = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [home / ".fonts", own / "fonts", *(Path(one, "fonts") for one in shared.split(":"))]


@cache
def is_own(letter: str) -> bool:
    """Whether a letter is drawn without a font of this machine."""
    if letter.isascii() or letter in SIGNS:
        return True
    font = open_font(OWN, PROBE_SIZE)
    return _letter_pixels(font, letter) != _letter_pixels(font, UNMAPPED)


@lru_cache(MAX_CACHED_TEXTS)
def can_draw(run: Run, size: float) -> bool:
    """Whether a font that was found draws a run at a size: some fail at some sizes."""
    try:
        open_font(run.font, size).getmask(run.text)
    except OSError:
        return False
    return True


def _run_width(run: Run, size: float) -> float:
    if run.is_sign:
        return sign_width(run.text, size)
    return float(open_font(run.font, size).getlength(run.text))


@lru_cache(MAX_CACHED_FONTS)
def open_font(path: str, size: float) -> Any:
    """Open a font, or raise `OSError`."""
    return ImageFont.load_default(size) if path == OWN else ImageFont.truetype(path, size)
