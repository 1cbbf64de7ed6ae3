"""The commands and the PyTorch lines that a page gives: run, they give its numbers."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.browser import call
from support.command import COMMAND, SAMPLES, here
from support.page_states import random_state, run_engine
from support.peers import require_peer
from support.shell import Call, read_commands

from convcli.kernels.bank import bank

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

BANK = [{"name": name, "matrix": kernel.matrix.tolist()} for name, kernel in bank().items()]
HOSTILE = [
    "plain.csv", "two words.csv", "it's.csv", '"quoted".csv', "$(touch x).csv", "`id`.csv",
    "-k.csv", "a\nb.csv", "tab\t.csv", "back\\slash.csv", "\x1b[31m.csv", "ü.csv", "\u2028.csv",
    "\u202e.csv", "\udcff\udc80.csv", "!history.csv", "*.csv", "~.csv", "#.csv", "a;b&c|d.csv",
    "</script>.csv", "\x7f.csv", "\x85.csv", "😀.csv", "a\nb'c\\d\udcff.csv",
]  # fmt: skip


def make_data(state: dict[str, Any], **values: Any) -> dict[str, Any]:
    data = {
        "version": "", "title": "", "state": state, "bank": BANK, "picture": None, "outputs": None,
        "source": None, "sourceOptions": [], "spec": None, "specBias": 0, "notes": [],
    }  # fmt: skip
    return {**data, **values}


def find_commands(
    modules: Page, name: str, states: list[dict[str, Any]], folder: Path
) -> list[tuple[dict[str, Any], Call]]:
    """The calls of convcli that a page gives for states, without those for which it gives none."""
    calls = [[state, make_data({**state, "input": []})] for state in states]
    commands = call(modules, "command.js", name, calls)
    paired = [pair for pair in zip(states, commands, strict=True) if pair[1] is not None]
    found = read_commands([command for _, command in paired], folder)
    return [(state, one) for (state, _), one in zip(paired, found, strict=True)]


def test_a_command_explains_the_step_that_is_shown(modules: Page, tmp_path: Path) -> None:
    random = np.random.default_rng(17)
    states = [{**random_state(random), "relu": False} for _ in range(30)]
    found = find_commands(modules, "makeCommand", states, tmp_path)
    assert len(found) > 0.6 * len(states)
    for state, one in found:
        done = here(*one.arguments, "--json", cwd=one.folder, stdin=one.stdin)
        assert done.code == 0, (done.stderr, one.arguments, str(one.folder))
        records = json.loads(done.text)
        at = state["at"]
        record = records[at["channel"]] if isinstance(records, list) else records
        value = run_engine(state)[at["channel"], at["row"], at["column"]]
        said = -np.inf if record["value"] is None else record["value"]
        np.testing.assert_allclose(said, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("count", [20, pytest.param(70, marks=pytest.mark.slow)])
def test_a_command_prints_all_outputs_where_a_relu_follows(
    modules: Page, tmp_path: Path, count: int
) -> None:
    random = np.random.default_rng(19)
    changes = [{"bias": int(random.integers(2)), "relu": True} for _ in range(count)]
    states = [{**random_state(random), **change} for change in changes]
    found = find_commands(modules, "makeCommand", states, tmp_path)
    assert {state["op"] for state, _ in found} == {"conv", "tconv", "maxpool", "avgpool"}
    assert len(found) > 0.5 * len(states)
    for state, one in found:
        done = here(*one.arguments, cwd=one.folder, stdin=one.stdin)
        assert done.code == 0, (done.stderr, one.arguments)
        lines = [line.split() for line in done.text.splitlines() if line and line[0] != "#"]
        outputs = run_engine(state)
        printed = np.array(lines, float).reshape(outputs.shape)
        np.testing.assert_allclose(printed, outputs, rtol=1e-9, atol=1e-9)


def test_a_command_prints_the_sizes_where_there_are_no_numbers(
    modules: Page, tmp_path: Path
) -> None:
    random = np.random.default_rng(23)
    states = [{**random_state(random), "input": None} for _ in range(16)]
    states += [{**state, "layers": ["relu", "tconv:2,s=2"]} for state in states[:4]]
    for state, one in find_commands(modules, "makeCommand", states, tmp_path):
        done = here(*one.arguments, "--json", cwd=one.folder)
        assert done.code == 0, (done.stderr, one.arguments)
        record = json.loads(done.text)
        size = record["output"] if "output" in record else record["layers"][0]["output"][1:]
        expected = call(modules, "arithmetic.js", "outputSize", [[{**state, "weights": []}]])[0]
        assert size == expected


@pytest.mark.parametrize("is_spec", [False, True])
def test_a_shell_reads_any_name_as_it_is(modules: Page, tmp_path: Path, is_spec: bool) -> None:
    state = random_state(np.random.default_rng(31), "conv")
    calls = []
    for name in HOSTILE:
        values = {"source": None, "spec": name} if is_spec else {"source": name, "spec": "blur"}
        calls.append([state, make_data(state, **values)])
    commands = call(modules, "command.js", "makeCommand", calls)
    found = read_commands(commands, tmp_path)
    for name, one in zip(HOSTILE, found, strict=True):
        position = one.arguments.index("-k") + 1 if is_spec else 1
        assert one.arguments[position] in (name, f"./{name}")
        assert one.arguments[position] == name or name.startswith("-")
        assert {path.name for path in one.folder.iterdir()} <= {"arguments", "input"}


def test_an_edited_kernel_is_named_by_the_bank_or_typed(modules: Page) -> None:
    state = random_state(np.random.default_rng(37), "conv")
    cases: list[tuple[list[list[float]], str]] = [
        ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "-k sobel-x "),
        ([[1, 2], [3, 4.5]], "-k '1 2; 3 4.5' "),
        ([[5]], "-k '[5]' "),
        ([[1, 2]], "-k '[1 2]' "),
    ]
    for matrix, spec in cases:
        size = [len(matrix), len(matrix[0])]
        edited = {**state, "kernel": size, "weights": [[matrix]], "size": [9, 9]}
        data = make_data(state, spec="my.csv", source="grid.csv")
        command = call(modules, "command.js", "makeCommand", [[edited, data]])[0]
        assert spec in command


def test_a_resampled_picture_is_made_by_the_command_that_the_page_names(
    modules: Page, tmp_path: Path
) -> None:
    """The picture of the page, its command run for real, and the outputs of the engine."""
    here("page", SAMPLES / "cat.jpg", "-k", "sharpen", "--gray", "-f", "-o", "a.html", cwd=tmp_path)
    text = (tmp_path / "a.html").read_text()
    data = json.loads(text.split('id="convcli-data">')[1].split("</script>")[0])
    assert data["sourceOptions"] == ["--gray", "--resize", "313x209"]
    png = base64.b64decode(data["picture"]["dataUrl"].partition(",")[2])
    levels = np.asarray(Image.open(io.BytesIO(png)), float)
    state = {**data["state"], "input": levels[np.newaxis].tolist()}
    state["at"] = {"channel": 0, "row": 100, "column": 260}
    data["state"]["input"] = state["input"]
    command = call(modules, "command.js", "makeCommand", [[state, data]])[0]
    words = " ".join(COMMAND)
    done = subprocess.run(
        ["bash", "-c", f'convcli() {{ {words} "$@"; }}; {command} --json'],
        capture_output=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["value"] == run_engine(state)[0, 100, 260]


@pytest.mark.peers
@pytest.mark.parametrize("count", [30, pytest.param(100, marks=pytest.mark.slow)])
def test_pytorch_computes_the_same_by_the_line_that_is_shown(modules: Page, count: int) -> None:
    torch = require_peer("torch")
    random = np.random.default_rng(41)
    states = [random_state(random) for _ in range(count)]
    lines = call(modules, "command.js", "makeTorchLine", [[state] for state in states])
    for state, line in zip(states, lines, strict=True):
        names = {
            "torch": torch, "F": torch.nn.functional,
            "x": torch.tensor([state["input"]], dtype=torch.float64),
        }  # fmt: skip
        exec(line, names)
        expected = run_engine(state)
        np.testing.assert_allclose(names["y"][0], expected, rtol=1e-9, atol=1e-9, err_msg=line)
