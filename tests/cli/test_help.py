"""The help: every command has an example in it, and no option that only pretends."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest
from PIL import Image
from support.command import SAMPLES, convcli, here
from support.onnx_models import model, node, save, weight

from convcli import __version__
from convcli.cli import commands

COMMANDS = ("apply", "kernels", "layers", "shape")
ALL = sorted(commands.COMMANDS)
SNAPSHOTS = Path(__file__).parent / "help"  # written by record.py there
# The options that are promised.
OPTIONS = {
    "apply": {
        *("-k", "--k", "--kernel", "-p", "--p", "--padding", "--padding-mode", "-s", "--s"),
        *("--stride", "-d", "--d", "--dilation", "--pool", "--activation", "--combine", "--flip"),
        *("--bias", "--normalize", "--range", "--gray", "--resize", "-l", "--layer", "--net"),
        *("-o", "--output", "--output-dir", "-f", "--force", "--figure", "--print", "--method"),
        *("-j", "--jobs", "--scheduler", "--max-pixels", "--dry-run", "--json", "-q", "--quiet"),
        *("-v", "--verbose", "--linear", "--strip", "--frame", "--preview", "--name"),
        *("-r", "--recursive", "--at", "--scale", "--mean", "--std", "--tile"),
        *("--theme", "--figure-scale", "--transparent", "--keep-size", "--precision", "--columns"),
        *(
            "--keep-damaged",
            "--skip-existing",
            "--threads",
            "--timeout",
            "--max-memory",
            "--png-level",
            "--quality",
            "--region",
            "--mask",
            "--channels",
            "--threshold",
            "--lossless",
            "--to",
            "--depth",
            "--nan",
        ),
        "--restrict",
    },
    "kernels": {"--json", "--restrict"},
    "layers": {"--json"},
    "shape": {
        *("--h", "--w", "-k", "--k", "--kernel", "-s", "--s", "--stride", "-p", "--p"),
        *("--padding", "-d", "--d", "--dilation", "--c-in", "--c-out", "--groups", "--pool"),
        *("--ceil", "--transposed", "--output-padding", "--input", "--net", "--format", "--json"),
        *("--explain", "--framework", "--figure", "--image", "-f", "--force", "--restrict"),
        *("--keep-damaged", "--timeout", "--batch", "--dtype", "--totals", "--sizes"),
        *("--max-params", "--max-macs", "--max-bytes", "--min-rf", "--counts"),
        *("--theme", "--scale", "--transparent"),
    },
}
BUILT = {  # what has to be there
    "apply": {
        *("--kernel", "--padding", "--padding-mode", "--stride", "--dilation", "--pool"),
        *("--activation", "--combine", "--flip", "--bias", "--normalize", "--range", "--gray"),
        *("--resize", "--layer", "--output", "--output-dir", "--print", "--method", "--force"),
        *("--json", "-q"),
    },
    "kernels": {"--json"},
    "layers": {"--json"},
    "shape": OPTIONS["shape"] - {"--input", "--net", "--explain", "--framework"},
}


def command(name: str) -> click.Command:
    found = getattr(import_module(f"convcli.cli.commands.{name}"), name)
    assert isinstance(found, click.Command)
    return found


def options(name: str) -> set[str]:
    declared = [one for one in command(name).params if isinstance(one, click.Option)]
    return {spelling for one in declared for spelling in (*one.opts, *one.secondary_opts)}


def examples(name: str) -> list[str]:
    text = command(name).help or ""
    return [line.strip() for line in text.splitlines() if line.strip().startswith("convcli ")]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help_with_an_example(tmp_path: Path, name: str, option: str) -> None:
    done = here(name, option, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert re.search(rf"^  convcli {name}\b", done.text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_lists_what_is_there_and_nothing_beside_the_design(
    tmp_path: Path, name: str
) -> None:
    assert BUILT[name] <= options(name) <= OPTIONS[name]
    text = here(name, "--help", cwd=tmp_path).text
    (text,) = re.split(r"^[A-Z][a-z ]+:$", text, maxsplit=1, flags=re.MULTILINE)[1:]
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text.partition("-h, --help")[0]))
    assert options(name) <= shown <= OPTIONS[name] | {"--format"}


def test_every_command_has_a_snapshot_of_its_help() -> None:
    assert sorted(path.stem for path in SNAPSHOTS.glob("*.txt")) == ALL


@pytest.mark.parametrize("name", ALL)
def test_a_snapshot_is_the_help_of_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    snapshot = (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")
    assert max(map(len, snapshot.splitlines())) <= 80
    # How lines are wrapped is the library's business, and may change with it.
    assert here(name, "--help", cwd=tmp_path).text.split() == snapshot.split()


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_does(name: str) -> None:
    for one in command(name).params:
        if isinstance(one, click.Option):
            assert one.help, one.opts


@pytest.mark.parametrize("line", [line for name in COMMANDS for line in examples(name)])
def test_the_examples_work(tmp_path: Path, line: str) -> None:
    cat = tmp_path / "cat.jpg"
    Image.open(SAMPLES / "cat.jpg").resize((30, 20)).save(cat)
    if "model.onnx" in line:
        nodes = [node("Conv", "x w", "y", name="conv1")]
        save(model(nodes, {"x": (1, 3, 9, 9)}, weights={"w": weight(4, 3, 3, 3)}), tmp_path)
    done = here(*shlex.split(line)[1:], cwd=tmp_path)
    assert done.code == 0
    assert done.stdout or len(list(tmp_path.iterdir())) > 1


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_whole_has_help_with_examples(tmp_path: Path, option: str) -> None:
    done = convcli(option, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    for name in ("apply", "kernels", "shape"):
        assert re.search(rf"^  convcli {name}\b", done.text, re.MULTILINE)
    for name in ALL:
        assert re.search(rf"^  {name}  ", done.text, re.MULTILINE)


def test_h_alone_is_a_height_and_not_help(tmp_path: Path) -> None:
    assert "5x5 -> 3x3" in here("shape", "--h", "5", "--k", "3", cwd=tmp_path).text


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert convcli("--version", cwd=tmp_path).text.split()[-1] == __version__


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("aply", "x"), "'apply'"), (("apply", "x", "-k", "blur", "--strid", "2"), "--stride")],
)
def test_a_slip_is_answered_with_the_nearest_word(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = here(*arguments, cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)
    assert words in done.stderr


def test_without_arguments_there_is_help(tmp_path: Path) -> None:
    for arguments in ((), ("apply",)):
        done = here(*arguments, cwd=tmp_path)
        assert (done.code, done.stdout) == (2, b"")
        assert done.stderr.startswith("Usage: convcli")
