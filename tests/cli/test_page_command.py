"""What `page` refuses, says and writes; the page itself is tested in tests/page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import SAMPLES, Finished, here

GRID = SAMPLES / "grid5.csv"
OUT = ("-o", "a.html")


def page(folder: Path, *arguments: str | Path) -> Finished:
    return here("page", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("--k", "3", *OUT), "give either INPUT or its height"),
        ((GRID, "--h", "5", "--k", "3", *OUT), "give either INPUT or its height"),
        ((GRID, *OUT), "give either --kernel"),
        ((GRID, "-k", "blur", "--pool", "max:2", *OUT), "--kernel"),
        (("--h", "5", "--k", "blur", *OUT), "without INPUT, --kernel"),
        (("--h", "5", "--k", "3", "--flip", *OUT), "--flip needs numbers"),
        (("--h", "5", "--k", "3", "--bias", "1", *OUT), "--bias needs numbers"),
        ((GRID, "--w", "5", "-k", "blur", *OUT), "--w goes with --h"),
        ((GRID, "-k", "blur", "--output-padding", "1", *OUT), "goes with --transposed"),
        ((GRID, "--pool", "max:2", "-s", "2", *OUT), "--stride is of a kernel"),
        ((GRID, "-k", "blur", "--transposed", "--padding-mode", "zero", *OUT), "--padding-mode"),
        ((GRID, "-k", "blur", "-o", "a.png"), "must end in .html or .htm"),
        ((GRID, "-k", "blur"), "--output"),
        ((GRID, "-k", "blur", "-l", "linear:3", *OUT), "'linear:3'"),
    ],
    ids=str,
)
def test_what_has_no_effect_or_no_meaning_is_refused(
    tmp_path: Path, arguments: tuple[str | Path, ...], cause: str
) -> None:
    done = page(tmp_path, *arguments)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1), done.stderr
    assert cause in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((GRID, "-k", "gaussian:5", *OUT), "the output would be empty"),
        ((GRID, "-k", "blur", "--at", "3,0", *OUT), "no output at 3,0: rows are 0..2"),
        ((GRID, "-k", "k.npy", *OUT), "sums over 2 channels; it has 1"),
        (("big.npy", "-k", "blur", *OUT), "a page holds 65,536 at most"),
        ((GRID, "-k", "1e308 1e308", *OUT), "too large"),
        (("--h", "9999", "--k", "3", *OUT), "9,999 is too large for a page"),
        ((GRID, "-k", "blur", "-l", "maxpool:9", *OUT), "would be empty"),
    ],
    ids=str,
)
def test_what_a_page_cannot_show_is_said(
    tmp_path: Path, arguments: tuple[str | Path, ...], cause: str
) -> None:
    np.save(tmp_path / "k.npy", np.ones((2, 3, 3)))
    np.save(tmp_path / "big.npy", np.ones((300, 300)))
    done = page(tmp_path, *arguments)
    assert done.code in (1, 2)
    assert done.stderr.count("\n") == 1, done.stderr
    assert cause in done.stderr
    assert not (tmp_path / "a.html").exists()


def test_a_page_goes_to_standard_output_or_replaces_with_force_alone(tmp_path: Path) -> None:
    printed = page(tmp_path, GRID, "-k", "blur", "-o", "-")
    assert printed.code == 0
    assert printed.stdout.startswith(b"<!doctype html>")
    assert page(tmp_path, GRID, "-k", "blur", *OUT).code == 0
    assert (tmp_path / "a.html").read_bytes() == printed.stdout
    assert "--force" in page(tmp_path, GRID, "-k", "blur", *OUT).stderr
    assert page(tmp_path, GRID, "-k", "sharpen", "-f", *OUT).code == 0
    assert (tmp_path / "a.html").read_bytes() != printed.stdout


def test_what_becomes_of_a_picture_is_said(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (300, 280)).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    done = page(tmp_path, "deep.png", "-k", "blur", *OUT)
    assert done.code == 0
    said = done.stderr.splitlines()
    assert len(said) == 2
    assert "resampled from 300x280" in said[0]
    assert "16 bits" in said[1]
    text = (tmp_path / "a.html").read_text()
    data = json.loads(text.split('id="convcli-data">')[1].split("</script>")[0])
    assert data["sourceOptions"] == ["--resize", "247x264", "--depth", "8"]
    assert data["state"]["range"] == "clamp"
    assert len(data["notes"]) == 2
