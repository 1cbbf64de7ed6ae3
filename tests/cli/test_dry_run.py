"""`--dry-run`, `-v`, `--max-memory`, `--threads`, `--png-level`, floats that stay floats."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES, Finished, convcli, here
from support.hostile_cases import png
from support.peers import require_peer

from convcli.blas import find_blas
from convcli.images.png.write import write_png

ONE = ("--threads", "1")
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
    typed = ("apply", "in.png", "-k", "blur", "--dry-run", "--json", *ONE)
    needed = documents(here(*typed, cwd=folder))[0]["memory"]
    enough, little = str(2 * needed + 2), str(2 * needed - 2)
    typed = ("apply", "in.png", "b.png", "-k", "blur", "--jobs", "2", "--dry-run")
    assert here(*typed, "--max-memory", enough, cwd=folder).code == 0
    assert here(*typed, "--threads", "1", cwd=folder).code == 2
    refused = here(*typed, "--max-memory", little, cwd=folder)
    assert (refused.code, "--max-memory allows" in refused.stderr) == (1, True)


@pytest.mark.parametrize("amount", ["0", "-1", "much", "2X", "1e9", "0.4", ""])
def test_memory_is_an_amount(folder: Path, amount: str) -> None:
    done = here("apply", "in.png", "-k", "blur", f"--max-memory={amount}", cwd=folder)
    assert (done.code, done.stderr.count("\n")) == (2, 1)


def test_verbose_says_how_and_quiet_excludes_it(folder: Path) -> None:
    done = here("apply", "in.png", "-k", "blur", "-v", cwd=folder)
    assert done.code == 0
    line = done.stderr.splitlines()[-1]
    assert line.startswith("convcli: in.png: 60x80x3 uint8 -> blur 60x80x3 by separable: ")
    assert line.endswith(" s")
    assert f"; BLAS for {find_blas().core}; about " in line
    assert ", in tiles of " not in line
    Image.fromarray(np.resize(NOISE, (900, 1000, 3))).save(folder / "large.png")
    wide = here("apply", "large.png", "-k", "blur", "-l", "maxpool:2", "-v", cwd=folder).stderr
    assert re.search(r"blur 900x1000x3 by separable: .*, in tiles of \d+x\d+ -> maxpool", wide)
    deep = here("apply", "large.png", "-k", "random:15", "-v", cwd=folder).stderr
    found = re.search(r"900x1000x3 by fft: .*, in tiles of (\d+)x(\d+); BLAS", deep)
    assert found is not None
    assert (int(found[1]) < 900, int(found[2]) <= 1000) == (True, True)
    pooled = here("apply", "in.png", "-l", "maxpool:2", "-v", "-f", cwd=folder).stderr
    assert "BLAS" not in pooled
    assert here("apply", "in.png", "-k", "blur", "-v", "-q", "-f", cwd=folder).code == 2


def test_threads_change_nothing_but_the_time(folder: Path) -> None:
    found = [
        convcli(
            *("apply", "in.png", "-k", "gaussian:3", "-o", "-", *options), cwd=folder, env=variable
        ).stdout
        for options, variable in (
            (("--threads", "1"), {}),
            (("--threads", "3"), {}),
            ((), {"CONVCLI_THREADS": "2"}),
        )
    ]
    assert found[0] == found[1] == found[2] != b""
    wrong = {"CONVCLI_THREADS": "no"}
    assert convcli("apply", "in.png", "-k", "blur", cwd=folder, env=wrong).code == 2
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
    tifffile = require_peer("tifffile")
    values = np.random.default_rng(1).normal(size=(9, 7, 3))
    np.save(tmp_path / "in.npy", values)
    done = here("apply", "in.npy", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), values)


@pytest.mark.skipif(os.name != "posix", reason="no /dev/full")
def test_a_full_disk_leaves_no_float_tiff(tmp_path: Path) -> None:
    Image.fromarray(float_picture()).save(tmp_path / "in.tif")
    (tmp_path / "out.tif").symlink_to("/dev/full")
    done = here("apply", "in.tif", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30)])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_float_tiff_is_read(tmp_path: Path, shape: tuple[int, ...], kind: Any) -> None:
    tifffile = require_peer("tifffile")
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
    tifffile = require_peer("tifffile")
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5), np.complex64))
    done = here("apply", "in.tif", "-k", "identity", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)


def test_sixteen_bits_of_a_png_need_no_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    deep = np.random.default_rng(0).integers(0, 1 << 16, (4, 5, 3), np.uint16)
    with (tmp_path / "deep.png").open("wb") as stream:
        write_png(stream, deep)
    done = here("apply", "deep.png", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "deep.png").read_bytes()


def test_real_numbers_of_several_channels_need_no_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    values = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    np.save(tmp_path / "in.npy", values)
    for source, output in (("in.npy", "a.tif"), ("a.tif", "b.tif"), ("b.tif", "out.npy")):
        done = here("apply", source, "-k", "identity", "-o", output, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)


@pytest.mark.parametrize("name", ["out.png", "out.gif", "out.webp"])
def test_pages_of_different_sizes_are_no_animation(tmp_path: Path, name: str) -> None:
    pages = [Image.new("RGB", size, "red") for size in ((9, 7), (5, 4))]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    done = here("apply", "in.tif", "-k", "blur", "-o", name, cwd=tmp_path)
    assert (done.code, "frames differ in size" in done.stderr) == (1, True)
    assert not (tmp_path / name).exists()
    assert here("apply", "in.tif", "-k", "blur", "-o", "out.tif", cwd=tmp_path).code == 0


def test_a_dry_run_knows_the_frames_and_the_figure(folder: Path) -> None:
    done = here("apply", "in.png", "-k", "blur", "--frame", "1", "--dry-run", cwd=folder)
    assert (done.code, "has no frame 1" in done.stderr) == (1, True)
    typed = ("apply", "in.png", "-k", "blur", "--figure", "drawn.svg", "--dry-run")
    drawn = here(*typed, cwd=folder)
    assert drawn.text.endswith("\n  output: drawn.svg\n")


def test_frames_are_counted_before_a_run_and_after(folder: Path) -> None:
    frames = [Image.fromarray(np.roll(NOISE, shift)) for shift in range(3)]
    frames[0].save(folder / "in.gif", save_all=True, append_images=frames[1:])
    typed = ("apply", "in.gif", "-k", "blur", "-o", "out.gif")
    dry = here(*typed, "--dry-run", cwd=folder)
    assert dry.text.startswith("in.gif: 60x80x3 uint8, 3 frames\n")
    said = here(*typed, "-v", cwd=folder).stderr
    assert said.startswith("convcli: in.gif: 60x80x3 uint8, 3 frames -> blur 60x80x3 by ")


@pytest.mark.parametrize("template", ["{stme}.png", "{}.png", "{stem}-{suffix}.png"])
def test_an_unknown_placeholder_is_refused(folder: Path, template: str) -> None:
    done = here("apply", "in.png", "-k", "blur", "--name", template, cwd=folder)
    assert done.code == 2
    assert "is none of {stem}, {kernel}, {dir}, {parent}, {ext}" in done.stderr


def test_a_grid_in_bands_has_no_limit_of_its_own(tmp_path: Path) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (60_000, 10_000)}
    with (tmp_path / "large.npy").open("wb") as stream:  # sparse: it takes no disk
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 4 * 60_000 * 10_000)
    typed = ("apply", "large.npy", "-k", "gaussian-5x5", "-o", "out.npy", "--dry-run")
    done = here(*typed, "--json", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert documents(done)[0]["memory"] < 300_000_000
    limited = here(*typed, "--max-pixels", "100000000", cwd=tmp_path)
    assert (limited.code, limited.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("method", ["fft", "separable"])
def test_a_method_that_cannot_sum_channels_is_refused(folder: Path, method: str) -> None:
    layer = "conv:kernel=blur,g=1,c=3"
    for more in ((), ("--dry-run",)):
        done = here("apply", "in.png", "-l", layer, "--method", method, *more, cwd=folder)
        assert done.code in (0, 1)
    grouped = here(
        *("apply", "in.png", "-l", "conv:kernel=blur,g=3,c=6", "--method", method), cwd=folder
    )
    assert (grouped.code, "sums over some" in grouped.stderr) == (1, True)


def test_numbers_that_a_tiff_cannot_hold_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.full((3, 4), 1e300))
    done = here("apply", "in.npy", "-k", "identity", "-o", "large.tif", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    found = require_peer("tifffile").imread(tmp_path / "large.tif")
    np.testing.assert_array_equal(found, np.full((3, 4), 1e300))
    done = here("apply", "in.npy", "-l", "maxpool:1,p=1", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert "the maximum of padding alone is infinite" in done.stderr
    assert not (tmp_path / "out.tif").exists()
