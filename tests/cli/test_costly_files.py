"""Files that ask for much and are read: within limits of time, memory and output."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from support.costly_cases import READ, Read
from support.forked import forked
from support.hostile import IS_LINUX, place
from support.hostile_cases import chunk, png


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_a_file_that_asks_for_much_is_read_within_limits(case: Read, tmp_path: Path) -> None:
    folder = place(tmp_path)
    if isinstance(case.content, bytes):
        (folder / case.name).write_bytes(case.content)
    else:
        case.content(folder / case.name)
    ended = forked(
        *("apply", case.name, "-k", "identity", "-o", case.output, *case.extra), cwd=folder
    )
    assert ended.code == 0, ended.stderr
    assert len(ended.lines) == len(case.notes), ended.lines
    for line, note in zip(ended.lines, case.notes, strict=True):
        assert line.startswith(f"convcli: {case.name}: ")
        assert note in line
    assert 0 < (folder / case.output).stat().st_size <= case.max_bytes
    assert ended.seconds < case.seconds
    if IS_LINUX:
        assert ended.megabytes < case.megabytes


@pytest.mark.parametrize("output", ["new.png", "frames.png"])
def test_text_is_kept_and_stays_compressed(output: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    words = "many words " * 80_000
    text = b"iTXt", b"Description\0\0\0\0\0" + words.encode()
    content = png(extra=chunk(*text))
    if output == "frames.png":
        stream = io.BytesIO()
        frames = [Image.new("L", (8, 6), value) for value in (9, 99)]
        frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
        start = stream.getvalue()
        content = start[:33] + chunk(*text) + start[33:]
    (folder / "text.png").write_bytes(content)
    ended = forked("apply", "text.png", "-k", "identity", "-o", output, cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert (folder / output).stat().st_size < 10_000
    with Image.open(folder / output) as image:
        assert image.text["Description"] == words  # type: ignore[attr-defined]
