"""The README says what the commands print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.readme_blocks import CONSOLE, README, ROOT, console, workplace

TEXT = README.read_text(encoding="utf-8")
BLOCKS = CONSOLE.findall(TEXT)


PICTURES = sorted((ROOT / "samples" / "pictures").iterdir())


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in PICTURES) <= 300_000


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_what_its_command_draws(path: Path, folder: Path) -> None:
    (block,) = [block for block in BLOCKS if path.name in block]
    console(block, folder)
    with Image.open(path) as kept, Image.open(folder / "samples" / "pictures" / path.name) as made:
        assert getattr(made, "n_frames", 1) == getattr(kept, "n_frames", 1)
        for frame in range(getattr(made, "n_frames", 1)):
            kept.seek(frame)
            made.seek(frame)
            # Another font or decoder moves a few pixels, and may move an edge.
            assert np.allclose(made.size, kept.size, atol=8)
            small = [np.asarray(one.convert("L").resize((64, 64)), float) for one in (kept, made)]
            assert np.abs(small[0] - small[1]).mean() < 6


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = workplace()
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:50])
def test_a_block_of_commands_prints_what_stands_there(block: str, folder: Path) -> None:
    assert console(block, folder) == block
