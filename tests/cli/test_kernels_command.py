"""`kernels`: the bank listed, and one kernel shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import SAMPLES, convcli, here

KEYS = ["name", "matrix", "origin", "sum", "rank", "about", "source"]
NAMES = [
    *("identity", "box-3x3", "blur", "gaussian-3x3", "gaussian-5x5", "sharpen", "unsharp-5x5"),
    *("outline", "laplacian-8", "laplacian-4", "log-5x5", "emboss", "sobel-x", "sobel-y"),
    *("left-sobel", "right-sobel", "top-sobel", "bottom-sobel", "prewitt-x", "prewitt-y"),
    *("scharr-x", "scharr-y", "roberts-1", "roberts-2", "frei-chen-x", "vertical-edge"),
    *("kirsch-n", "kirsch-ne", "kirsch-e", "kirsch-se", "kirsch-s", "kirsch-sw", "kirsch-w"),
    *("kirsch-nw", "vertical-line", "horizontal-line"),
]
FAMILIES = [
    *("ones", "box", "gaussian", "log", "dog", "motion", "unsharp", "sharpen", "disk", "gabor"),
    "random",
    "sobel",
]


def document(folder: Path, *spec: str | Path) -> Any:
    done = here("kernels", "--json", *spec, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.isascii()
    return json.loads(done.text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_the_list_names_every_kernel_and_every_family(tmp_path: Path) -> None:
    done = here("kernels", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    first_words = [line.split()[0] for line in done.text.splitlines() if line.strip()]
    assert set(NAMES) <= set(first_words)
    assert set(FAMILIES) <= {word.split(":")[0] for word in first_words}


def test_the_list_says_how_large_each_is_and_what_it_sums_to(tmp_path: Path) -> None:
    lines = {
        line.split()[0]: line.split()
        for line in here("kernels", cwd=tmp_path).text.splitlines()
        if line.strip()
    }
    assert lines["sobel-x"][1:4] == ["3x3", "0", "1"]
    assert lines["sharpen"][1:4] == ["3x3", "1", "2"]
    assert lines["roberts-1"][1:4] == ["2x2", "0", "2"]
    assert lines["gaussian-5x5"][1:4] == ["5x5", "1", "1"]


def test_the_bank_as_json_has_every_kernel_and_an_example_of_every_family(tmp_path: Path) -> None:
    bank = document(tmp_path)
    names = [one["name"] for one in bank]
    assert sorted(NAMES) == sorted(name for name in names if ":" not in name)
    assert sorted(FAMILIES) == sorted(name.split(":")[0] for name in names if ":" in name)
    for one in bank:
        assert list(one) == KEYS
        assert one["about"]
        assert one["source"]


def test_sum_and_rank_are_those_of_the_matrix(tmp_path: Path) -> None:
    for one in document(tmp_path):
        matrix = np.array(one["matrix"])
        np.testing.assert_allclose(one["sum"], matrix.sum(), atol=1e-12)
        _, sizes, _ = np.linalg.svd(matrix)
        assert one["rank"] == int((sizes > 1e-12 * sizes[0]).sum()), one["name"]


def test_a_kernel_of_rank_1_is_a_column_times_a_row_and_no_other_is(tmp_path: Path) -> None:
    for one in document(tmp_path):
        matrix = np.array(one["matrix"])
        row, column = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
        product = np.outer(matrix[:, column], matrix[row]) / matrix[row, column]
        is_separable = np.allclose(product, matrix, atol=1e-12)
        assert is_separable == (one["rank"] == 1), one["name"]


def test_one_kernel_shows_its_matrix_and_what_there_is_to_know(tmp_path: Path) -> None:
    done = here("kernels", "unsharp-5x5", cwd=tmp_path)
    assert "unsharp-5x5: 5x5, sum 1, rank 2" in done.text
    assert "Wikipedia" in done.text
    rows = [[float(word) for word in line.split()] for line in done.text.splitlines()[-5:]]
    binomial = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(float)
    binomial[2, 2] = -476
    np.testing.assert_allclose(rows, binomial / -256, rtol=1e-5)


def test_a_separable_kernel_is_called_so(tmp_path: Path) -> None:
    assert "rank 1, separable" in here("kernels", "gaussian:1.5", cwd=tmp_path).text
    assert "separable" not in here("kernels", "sharpen", cwd=tmp_path).text


def test_an_inline_kernel_is_shown_too(tmp_path: Path) -> None:
    found = document(tmp_path, "--", "-1 0 1; -2 0 2")
    assert found["matrix"] == [[-1, 0, 1], [-2, 0, 2]]
    assert (found["name"], found["origin"], found["sum"], found["rank"]) == ("custom", [0, 1], 0, 1)


def test_a_file_is_shown_with_its_scale_folded_in(tmp_path: Path) -> None:
    engrave = SAMPLES / "kernels" / "engrave.json"
    found = document(tmp_path, engrave)
    assert found["matrix"] == [[0.5, 0.5, 0], [0.5, 0, -0.5], [0, -0.5, -0.5]]
    assert (found["name"], found["source"]) == ("engrave", str(engrave))
    assert "bias 128" in here("kernels", engrave, cwd=tmp_path).text


def test_an_origin_off_the_center_is_shown(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text('{"kernel": [[1, 2, 3]], "origin": [0, 2]}')
    assert document(tmp_path, "k.json")["origin"] == [0, 2]
    assert "origin at row 0, column 2" in here("kernels", "k.json", cwd=tmp_path).text


def test_a_layer_s_weights_are_shown_plane_by_plane(tmp_path: Path) -> None:
    bank = SAMPLES / "kernels" / "bank.npy"
    found = document(tmp_path, bank)
    assert np.shape(found["matrix"]) == (4, 3, 3, 3)
    assert found["rank"] is None
    text = here("kernels", bank, cwd=tmp_path).text
    assert "4x3x3x3" in text
    assert len(text.split("\n\n")) == 1 + 12


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("sobl-x", 2, "'sobel-x'"),
        ("gaussian", 2, "gaussian:SIGMA"),
        ("nothing-like-it", 2, "convcli kernels"),
        ("missing.json", 1, "missing.json: "),
    ],
)
def test_a_kernel_that_is_not_there(tmp_path: Path, spec: str, code: int, words: str) -> None:
    done = here("kernels", spec, cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (code, b"", 1)
    assert words in done.stderr


def test_a_table_in_a_pipe_is_whole_and_the_same_for_every_width(tmp_path: Path) -> None:
    commands = [("kernels",), ("shape", "--h", "224,225", "--k", "3,5", "--c-in", "3")]
    for command in commands:
        texts = {
            convcli(*command, cwd=tmp_path, env={"COLUMNS": width}).text for width in ("20", "300")
        }
        assert len(texts) == 1
        text = texts.pop()
        assert "…" not in text
        assert "\x1b" not in text
        assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_table_reads_the_same_with_no_terminal_to_speak_of(tmp_path: Path) -> None:
    usual = convcli("kernels", cwd=tmp_path).stdout
    plain = convcli(
        "kernels",
        cwd=tmp_path,
        env={"TERM": "dumb", "NO_COLOR": "1", "LC_ALL": "C", "HOME": "/none"},
    )
    assert (plain.code, plain.stderr) == (0, "")
    assert plain.stdout == usual
    forced = convcli("kernels", cwd=tmp_path, env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"})
    assert forced.stdout == usual


def test_a_kernel_in_a_pipe_is_shown_without_pillow(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom convcli.cli.commands import run\n"
        "code = run(['kernels', 'sobel-x'])\nsys.exit(code or 'PIL' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
