"""`--resize`: by width and height, by one of them, by percent; its limits and its frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from support.apply import drawn, pixels
from support.command import here


def test_resize_has_the_width_first(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
    result, _ = drawn(tmp_path, smooth, "--resize", "30x20")
    assert result.shape == (20, 30)
    expected = np.asarray(Image.fromarray(smooth).resize((30, 20), Image.Resampling.BICUBIC))
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("text", ["50%", "30x", "x20"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_forms_agree(tmp_path: Path, text: str, channels: int) -> None:
    values = pixels(40, 60, channels).squeeze()
    expected, _ = drawn(tmp_path, values, "--resize", "30x20", "-k", "blur")
    found, _ = drawn(tmp_path, values, "--resize", text, "-k", "blur")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["50%", "30x", "x20"])
def test_a_dry_run_shows_the_size(tmp_path: Path, text: str) -> None:
    Image.fromarray(pixels(40, 60, 3)).save(tmp_path / "in.png")
    arguments = ("apply", "in.png", "--resize", text, "-k", "blur", "--dry-run")
    assert "\n    resize  20x30x3\n    blur    20x30x3  " in here(*arguments, cwd=tmp_path).text
    (made,) = json.loads(here(*arguments, "--json", cwd=tmp_path).text)["maps"]
    assert [step["shape"] for step in made["steps"]] == [[20, 30, 3]] * 2


def test_each_page_is_resized_by_its_own_size(tmp_path: Path) -> None:
    first, *others = [Image.fromarray(pixels(*size)) for size in ((10, 20), (7, 3), (1, 1))]
    first.save(tmp_path / "in.tif", save_all=True, append_images=others)
    for text, sizes in (("50%", [(10, 5), (2, 4), (1, 1)]), ("x4", [(8, 4), (2, 4), (4, 4)])):
        done = here("apply", "in.tif", "--resize", text, "-f", "-o", "out.tif", cwd=tmp_path)
        assert done.code == 0, done
        with Image.open(tmp_path / "out.tif") as made:
            assert [frame.size for frame in ImageSequence.Iterator(made)] == sizes


def test_what_comes_out_is_within_the_limit_of_pixels(tmp_path: Path) -> None:
    Image.fromarray(pixels(40, 60)).save(tmp_path / "in.png")
    limit = ("--max-pixels", "2400")
    assert here("apply", "in.png", "--resize", "100%", *limit, cwd=tmp_path).code == 0
    for text, size in (("101%", "61x40 = 2,440"), ("61x", "61x41 = 2,501"), ("x41", "62x41")):
        for more in ((), ("--dry-run",)):
            done = here("apply", "in.png", "--resize", text, *limit, "-f", *more, cwd=tmp_path)
            assert (done.code, done.stderr.count("\n")) == (1, 1)
            assert f"in.png: --resize would make {size}" in done.stderr
            assert "--max-pixels allows 2,400" in done.stderr
    typed = here("apply", "gone.png", "--resize", "2401x", *limit, cwd=tmp_path)
    assert (typed.code, "would make 2,401 pixels" in typed.stderr) == (2, True)


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_frames_are_within_the_limit_together(tmp_path: Path, suffix: str) -> None:
    first, *others = [Image.fromarray(pixels(10, 10, seed=seed)) for seed in range(3)]
    first.save(tmp_path / f"in.{suffix}", save_all=True, append_images=others)
    arguments = ("apply", f"in.{suffix}", "--resize", "200%", "-o", f"out.{suffix}")
    done = here(*arguments, "--max-pixels", "1199", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert "--resize would make 1,200 pixels in 3 frames" in done.stderr
    assert here(*arguments, "--max-pixels", "1200", cwd=tmp_path).code == 0
