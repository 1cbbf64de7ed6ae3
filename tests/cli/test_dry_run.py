"""`--dry-run`, `-v`, `--max-memory`, `--threads`, `--png-level`, floats that stay floats."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SAMPLES, Finished, convcli, here
from hostile_cases import png
from numpy.typing import NDArray
from PIL import Image

TWICE = "0 0 0; 0 2 0; 0 0 0"
NOISE = np.random.default_rng(5).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(NOISE).save(tmp_path / "in.png")
    return tmp_path


def documents(done: Finished) -> list[Any]:
    return [json.loads(line) for line in done.text.splitlines()]


WORKS = [
    ("-k", "sharpen"),
    ("-k", "sobel-x", "-k", "gaussian:2", "-l", "maxpool:2", "-l", "conv:kernel=blur,p=1"),
    ("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude"),
    ("--gray", "--resize", "30x20", "-k", "blur", "-s", "2"),
    ("--pool", "max:3", "-o", "out.npy"),
    ("-k", "sobel-x", "-k", "sobel-y", "-o", "out.npy"),
    ("-l", "conv:kernel=channels.npy"),
]


@pytest.mark.parametrize("options", WORKS, ids=" ".join)
def test_a_dry_run_foretells_the_run_and_writes_nothing(
    folder: Path, options: tuple[str, ...]
) -> None:
    np.save(folder / "channels.npy", np.ones((2, 3, 3, 3)))
    before = sorted(folder.iterdir())
    dry = here("apply", "in.png", *options, "--dry-run", "--json", cwd=folder)
    assert (dry.code, sorted(folder.iterdir())) == (0, before), dry.stderr
    (foretold,) = documents(dry)
    told = documents(here("apply", "in.png", *options, "--json", "-q", cwd=folder))
    assert foretold["outputs"] == [one["output"] for one in told]
    assert foretold["input"] == told[0]["input"] == "in.png"
    shapes = [one["steps"][-1]["shape"] for one in foretold["maps"]]
    if len(shapes) == len(told):
        assert shapes == [one["shape"] for one in told]
    used = [step["method"] for one in foretold["maps"] for step in one["steps"] if step["method"]]
    assert told[0]["method"] == ("+".join(dict.fromkeys(used)) or None)


def test_a_dry_run_reads_a_header_and_no_pixels(tmp_path: Path) -> None:
    (tmp_path / "header.png").write_bytes(png(900, 700, pixels=b""))
    dry = here("apply", "header.png", "-k", "blur", "--dry-run", cwd=tmp_path)
    assert (dry.code, dry.stderr) == (0, "")
    assert dry.text.startswith("header.png: 700x900 uint8\n  blur\n    blur  700x900  separable: ")
    assert "\n  memory: about " in dry.text
    assert dry.text.endswith("\n  output: header.blur.png\n")
    assert here("apply", "header.png", "-k", "blur", cwd=tmp_path).code == 1


def test_a_dry_run_makes_no_folder_and_says_what_would_be_refused(folder: Path) -> None:
    done = here(
        *("apply", "in.png", "none.png", "-k", "blur", "--output-dir", "out", "--dry-run"),
        cwd=folder,
    )
    assert done.code == 1
    assert not (folder / "out").exists()
    assert "none.png: no such file" in done.stderr
    assert "1 of 2 inputs failed" in done.stderr
    (folder / "in.blur.png").touch()
    there = here("apply", "in.png", "-k", "blur", "--dry-run", cwd=folder)
    assert (there.code, "exists already" in there.stderr) == (1, True)
    skipped = here("apply", "in.png", "-k", "blur", "--dry-run", "--skip-existing", cwd=folder)
    assert (skipped.code, skipped.text) == (0, "")
    assert "1 of 1 inputs skipped" in skipped.stderr


@pytest.mark.parametrize("other", ["--print", "--preview", "-v", "--scheduler=tcp://127.0.0.1:1"])
def test_a_dry_run_does_not_go_with(folder: Path, other: str) -> None:
    done = here("apply", "in.png", "-k", "blur", "--dry-run", other, cwd=folder)
    assert (done.code, done.stderr.count("\n")) == (2, 1)


def test_too_much_memory_is_refused_with_the_figure_before_pixels_are_read(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(12_000, 12_000, pixels=b""))
    typed = ("apply", "bomb.png", "-k", "blur", "--max-memory", "200M")
    done = convcli(*typed, cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: bomb.png: needs about ")
    assert done.stderr.endswith(" MB of memory, and --max-memory allows 200 MB\n")
    dry = here(*typed, "--dry-run", cwd=tmp_path)
    assert (dry.code, dry.stderr) == (1, done.stderr)
    assert "  memory: about " in dry.text
    assert list(tmp_path.iterdir()) == [tmp_path / "bomb.png"]


def test_several_jobs_share_the_memory(folder: Path) -> None:
    Image.fromarray(NOISE).save(folder / "b.png")
    (needed,) = (
        one["memory"]
        for one in documents(
            here("apply", "in.png", "-k", "blur", "--dry-run", "--json", cwd=folder)
        )
    )
    enough, little = str(2 * needed + 2), str(2 * needed - 2)
    typed = ("apply", "in.png", "b.png", "-k", "blur", "--jobs", "2", "--dry-run")
    assert here(*typed, "--max-memory", enough, "--threads", "1", cwd=folder).code in (0, 2)
    refused = here(*typed, "--max-memory", little, cwd=folder)
    assert (refused.code, "--max-memory allows" in refused.stderr) == (1, True)


@pytest.mark.parametrize("amount", ["0", "-1", "much", "1.5", "2T", ""])
def test_memory_is_an_amount(folder: Path, amount: str) -> None:
    done = here("apply", "in.png", "-k", "blur", f"--max-memory={amount}", cwd=folder)
    assert (done.code, done.stderr.count("\n")) == (2, 1)


def test_verbose_says_how_and_quiet_excludes_it(folder: Path) -> None:
    done = here("apply", "in.png", "-k", "blur", "-v", cwd=folder)
    assert done.code == 0
    line = done.stderr.splitlines()[-1]
    assert line.startswith("convcli: in.png: 60x80x3 uint8 -> blur 60x80x3 by separable: ")
    assert line.endswith(" s")
    assert here("apply", "in.png", "-k", "blur", "-v", "-q", "-f", cwd=folder).code == 2


def test_threads_change_nothing_but_the_time(folder: Path) -> None:
    found = [
        convcli(
            *("apply", "in.png", "-k", "gaussian:3", "-o", "-", *options), cwd=folder, **variable
        ).stdout
        for options, variable in (
            (("--threads", "1"), {}),
            (("--threads", "3"), {}),
            ((), {"CONVCLI_THREADS": "2"}),
        )
    ]
    assert found[0] == found[1] == found[2] != b""
    assert convcli("apply", "in.png", "-k", "blur", cwd=folder, CONVCLI_THREADS="no").code == 2
    both = here("apply", "in.png", "in.png", "-k", "blur", "-j2", "--threads=2", cwd=folder)
    assert both.code == 2


def test_the_level_of_png_trades_size_for_time(folder: Path) -> None:
    photograph = SAMPLES / "cat.jpg"

    def written(*options: str) -> bytes:
        done = here("apply", photograph, "-k", "identity", "-o", "-", *options, cwd=folder)
        assert done.code == 0, done.stderr
        return done.stdout

    levels = [written("--png-level", level) for level in ("0", "1", "9")]
    assert len(levels[0]) > len(levels[1]) > len(levels[2])
    assert len(levels[2]) < len(written()) < 1.15 * len(levels[2])
    pictures = {Image.open(io.BytesIO(one)).tobytes() for one in (*levels, written())}
    assert len(pictures) == 1
    for options in (("--png-level", "10"), ("--png-level", "3", "-o", "x.jpg")):
        assert here("apply", photograph, "-k", "blur", *options, cwd=folder).code == 2


def float_picture() -> NDArray[Any]:
    return np.random.default_rng(8).normal(0, 3, (20, 30)).astype(np.float32)


def test_a_float_tiff_stays_float(tmp_path: Path) -> None:
    values = float_picture()
    Image.fromarray(values).save(tmp_path / "in.tif")
    done = here("apply", "in.tif", "-k", TWICE, "-o", "out.tif", "--json", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert documents(done)[0]["range"] is None
    with Image.open(tmp_path / "out.tif") as made:
        assert made.mode == "F"
        np.testing.assert_array_equal(np.asarray(made), 2 * values)
    here("apply", "in.tif", "-k", TWICE, "-o", "out.npy", cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), 2 * values)


def test_a_float_tiff_becomes_a_picture_where_a_range_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(float_picture()).save(tmp_path / "in.tif")
    for name, options in (("a.tif", ("--range", "rescale")), ("a.png", ())):
        done = here("apply", "in.tif", "-k", "identity", *options, "-o", name, cwd=tmp_path)
        assert (done.code, "rescaled" in done.stderr) == (0, True)
        with Image.open(tmp_path / name) as made:
            assert made.mode == "L"


def test_a_grid_of_several_channels_is_a_float_tiff_where_it_can_be_written(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(1).normal(size=(9, 7, 3))
    np.save(tmp_path / "in.npy", values)
    done = here("apply", "in.npy", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), values.astype(np.float32))


@pytest.mark.skipif(os.name != "posix", reason="no /dev/full")
def test_a_full_disk_leaves_no_float_tiff(tmp_path: Path) -> None:
    Image.fromarray(float_picture()).save(tmp_path / "in.tif")
    (tmp_path / "out.tif").symlink_to("/dev/full")
    done = here("apply", "in.tif", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30)])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_float_tiff_is_read(tmp_path: Path, shape: tuple[int, ...], kind: Any) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(2).normal(size=shape).astype(kind)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb" if len(shape) > 2 else None)
    done = here("apply", "in.tif", "-k", "identity", "-o", "out.npy", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)
    few = here("apply", "in.tif", "-k", "identity", "--max-pixels", "599", cwd=tmp_path)
    assert (few.code, few.stderr.count("\n")) == (1, 1)
    values[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", values[:, :, :1] if len(shape) > 2 else values)
    nan = here("apply", "nan.tif", "-k", "identity", cwd=tmp_path)
    assert (nan.code, "holds NaN" in nan.stderr) == (1, True)


def test_a_tiff_of_no_numbers_that_are_known_is_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5), np.complex64))
    done = here("apply", "in.tif", "-k", "identity", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)
