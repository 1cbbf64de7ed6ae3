"""The file that `page` writes: what is in it, its policy, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.command import SAMPLES, here

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAX_PAGE_BYTES = 120_000  # without its data
DATA = re.compile(r'<script type="application/json" id="convcli-data">(.*?)</script>', re.DOTALL)


def write(folder: Path, *arguments: str | Path) -> str:
    done = here("page", *arguments, "-f", "-o", "page.html", cwd=folder)
    assert (done.code, done.stdout) == (0, b""), done.stderr
    return (folder / "page.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DATA.findall(page)[0])
    return found


def test_a_page_holds_the_engines_numbers(tmp_path: Path) -> None:
    data = data_of(write(tmp_path, SAMPLES / "grid5.csv", "-k", "sobel-x", "--bias", "1"))
    printed = here("apply", SAMPLES / "grid5.csv", "-k", "sobel-x", "--bias", "1", "-p", "valid",
                   "--print", cwd=tmp_path).rows  # fmt: skip
    assert data["outputs"] == [printed]
    assert data["state"]["weights"] == [[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]]
    assert data["title"] == "sobel-x on grid5.csv"


@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_layers_weights_give_the_numbers_of_apply(tmp_path: Path, is_transposed: bool) -> None:
    random = np.random.default_rng(3)
    np.save(tmp_path / "x.npy", random.normal(size=(5, 6, 2)))
    shape = (2, 3, 3, 2) if is_transposed else (3, 2, 3, 2)
    np.save(tmp_path / "k.npy", random.normal(size=shape))
    words = ["-k", "k.npy", "-s", "2", "-p", "1.0.1.1", "--padding-mode", "reflect"]
    layer = words
    if is_transposed:
        words = ["-k", "k.npy", "-s", "2", "-p", "1.0.1.1", "--transposed"]
        layer = ["-l", "tconv:kernel=k.npy,s=2,p=1.0.1.1"]
    outputs = data_of(write(tmp_path, "x.npy", *words))["outputs"]
    here("apply", "x.npy", *layer, "-o", "y.npy", cwd=tmp_path)
    expected = np.load(tmp_path / "y.npy").transpose(2, 0, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)


def test_a_page_without_its_data_is_small_and_of_one_file(tmp_path: Path) -> None:
    page = write(tmp_path, "--h", "5", "--k", "3")
    assert len(DATA.sub("", page).encode()) <= MAX_PAGE_BYTES
    assert not re.search(r"\b(?:src|href)=", DATA.sub("", page))
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="application/json" id="convcli-data">', '<script type="module">'
    ]  # fmt: skip
    assert page.count("</script>") == 2


@pytest.mark.browser
def test_a_page_runs_by_its_policy_without_network_or_message(tmp_path: Path, tab: Page) -> None:
    write(tmp_path, SAMPLES / "grid5.csv", "-k", "sobel-x")
    tab.goto((tmp_path / "page.html").as_uri())
    assert "sobel-x on grid5.csv" in tab.inner_text("body")


@pytest.mark.parametrize(("typed", "expected"), [((), (149, 100)), (("--at", "3,2"), (3, 2))])
def test_a_picture_is_first_explained_in_its_middle(
    tmp_path: Path, typed: tuple[str, ...], expected: tuple[int, int]
) -> None:
    Image.fromarray(np.zeros((300, 202), np.uint8)).save(tmp_path / "in.png")
    done = here("page", "in.png", "-k", "blur", *typed, "-o", "out.html", cwd=tmp_path)
    assert done.code == 0, done.stderr
    at = data_of((tmp_path / "out.html").read_text())["state"]["at"]
    assert (at["row"], at["column"]) == expected
