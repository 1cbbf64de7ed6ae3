"""Completion in a shell: the scripts, and what is offered for a line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import here
from support.forked import forked

from convcli.arithmetic.zoo import ZOO
from convcli.cli.commands import COMMANDS
from convcli.kernels.bank import bank


def offered(line: str, cwd: Path) -> list[str]:
    """What bash would be offered for the last word of a line: a type and a value each."""
    words = line.split(" ")
    asking = {
        "_CONVCLI_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = forked(cwd=cwd, env=asking)
    assert (done.code, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_convcli(shell: str, tmp_path: Path) -> None:
    done = here("completion", shell, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert f"_CONVCLI_COMPLETE={shell}_complete" in done.text


def test_an_unknown_shell_is_a_usage_error(tmp_path: Path) -> None:
    done = here("completion", "tcsh", cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (2, b"", 1)


def test_commands_and_the_options_of_all_are_offered(tmp_path: Path) -> None:
    assert offered("convcli ", tmp_path) == [f"plain,{name}" for name in sorted(COMMANDS)]
    assert offered("convcli s", tmp_path) == ["plain,shape", "plain,solve"]
    assert "plain,--version" in offered("convcli --", tmp_path)


def test_the_options_of_a_command_are_offered(tmp_path: Path) -> None:
    found = offered("convcli apply a.png --st", tmp_path)
    assert found == ["plain,--stride", "plain,--std", "plain,--strip"]
    assert "plain,--c-out" in offered("convcli shape --c", tmp_path)


@pytest.mark.parametrize("option", ["-k", "--k", "--kernel"])
def test_kernels_are_offered_or_else_files(option: str, tmp_path: Path) -> None:
    found = offered(f"convcli apply a.png {option} ", tmp_path)
    assert found[0] == "file,"
    assert {f"plain,{name}" for name in bank()} <= set(found)
    assert offered(f"convcli apply a.png {option} gauss", tmp_path) == [
        "file,gauss",
        *(f"plain,{name}" for name in bank() if name.startswith("gauss")),
        "plain,gaussian",
    ]


@pytest.mark.parametrize("command", ["layers", "shape --input 3x8x8", "apply x.png -l"])
def test_operations_are_offered_where_a_layer_is_typed(command: str, tmp_path: Path) -> None:
    assert offered(f"convcli {command} max", tmp_path) == ["plain,maxpool", "plain,max"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", "{stem}"), ("soft-", "soft-{dir}"), ("{stem}-{k", "{stem}-{kernel}"), ("{", "{ext}")],
)
def test_fields_are_offered_where_a_name_is_typed(
    typed: str, expected: str, tmp_path: Path
) -> None:
    assert f"plain,{expected}" in offered(f"convcli apply a.png --name {typed}", tmp_path)


@pytest.mark.parametrize("command", ["explain", "animate", "kernels"])
def test_every_command_that_takes_a_kernel_offers_them(command: str, tmp_path: Path) -> None:
    option = "" if command == "kernels" else " a.csv -k"
    assert "plain,sobel-x" in offered(f"convcli {command}{option} sob", tmp_path)


def test_networks_are_offered_or_else_files(tmp_path: Path) -> None:
    found = offered("convcli shape --net res", tmp_path)
    names = [f"plain,{name}" for name in ZOO if name.startswith("res")]
    assert found == ["file,res", *names]
    assert "plain,resnet18" in names


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("convcli apply ca", "file"),
        ("convcli apply a.png -o ou", "file"),
        ("convcli apply a.png --output-dir ou", "dir"),
    ],
)
def test_files_and_folders_are_left_to_the_shell(line: str, kind: str, tmp_path: Path) -> None:
    assert offered(line, tmp_path) == [f"{kind},{line.rsplit(maxsplit=1)[-1]}"]


@pytest.mark.parametrize("line", ["convcli nonsense a", "convcli apply --nonsense -k "])
def test_what_is_wrong_on_the_line_is_no_traceback(line: str, tmp_path: Path) -> None:
    offered(line, tmp_path)


def bash_version() -> tuple[int, ...]:
    bash = shutil.which("bash")
    if bash is None:
        return (0,)
    script = 'echo "${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"'
    done = subprocess.run([bash, "-c", script], capture_output=True, check=True)
    return tuple(map(int, done.stdout.split()))


@pytest.mark.skipif(bash_version() < (4, 4), reason="there is no bash that can")
@pytest.mark.parametrize(
    ("line", "expected"),
    [("convcli sh", {"shape"}), ("convcli apply a.png -k sobel", {"sobel-x", "sobel-y"})],
)
def test_a_real_bash_completes_a_line(line: str, expected: set[str], tmp_path: Path) -> None:
    words = line.split(" ")
    program = tmp_path / "convcli"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convcli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = f"""
        PATH={tmp_path}:$PATH
        compopt() {{ :; }}  # which only a running completion may call
        eval "$(convcli completion bash)"
        COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
        _convcli_completion convcli {words[-1]} {words[-2]}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    assert expected <= set(done.stdout.decode().split())
