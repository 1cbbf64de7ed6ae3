"""`--restrict`: no path outside one folder is read or written, by whatever name."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from support.forked import forked
from support.hostile import check_contract, command, snapshot
from support.hostile_cases import GOOD_PNG

from convcli.cli.commands import COMMANDS
from convcli.cli.options import TextType
from convcli.errors import FileError, OutputError
from convcli.files import open_input, output, restriction
from convcli.files.output import atomic_write
from convcli.files.restriction import restrict

APPLY = ("apply", "a.png", "-k", "blur")


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder with pictures, and outside of it secrets: whoever opens one waits for ever."""
    folder = tmp_path / "outside" / "inside"
    folder.mkdir(parents=True)
    for name in ("secret.png", "secret.csv", "secret.net"):
        os.mkfifo(folder.parent / name)
    (folder.parent / "old.png").write_bytes(b"old")
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(GOOD_PNG)
    (folder / "k.csv").write_text("0 1 0")
    (folder / "deep").mkdir()
    (folder / "up").symlink_to("..")
    (folder / "in").symlink_to("deep")
    for name in ("secret.png", "secret.csv", "secret.net", "old.png", "new.png"):
        (folder / f"link-{name}").symlink_to(f"../{name}")
    (folder / "bad.net").write_text("conv:kernel=@../secret.csv\n")
    return folder


def outside(inside: Path) -> dict[str, Any]:
    """All files, but what a command printed."""
    found = snapshot(inside.parent)
    return {
        name: entry for name, entry in found.items() if not name.endswith((".stdout", ".stderr"))
    }


OUTSIDE = [
    ("apply", "../secret.png", "-k", "blur"),
    ("apply", "a.png", "deep/../../secret.png", "-k", "blur"),
    ("apply", "a.png", "/etc/passwd", "-k", "blur"),
    ("apply", "a.png", "-k", "../secret.csv"),
    ("apply", "a.png", "-k", "@../secret"),
    ("apply", "a.png", "-k", "@/etc/passwd"),
    ("apply", "a.png", "-l", "conv:kernel=../secret.csv"),
    ("apply", "a.png", "--net", "../secret.net"),
    ("apply", "a.png", "--net", "@../secret"),
    (*APPLY, "-f", "-o", "../old.png"),
    (*APPLY, "--output-dir", "../new"),
    (*APPLY, "--figure", "../new.png"),
    (*APPLY, "-o", "/dev/null.png"),
    ("explain", "../secret.png", "-k", "blur", "--at", "1,1"),
    ("explain", "a.png", "-k", "../secret.csv", "--at", "1,1"),
    ("explain", "a.png", "-k", "blur", "--backward", "--at", "1,1", "--grad", "../secret.csv"),
    ("explain", "a.png", "-k", "blur", "--at", "1,1", "--figure", "../new.png"),
    ("animate", "--h", "5", "--k", "3", "-o", "../new.gif"),
    ("animate", "--h", "5", "--k", "3", "--frames", "../new"),
    ("animate", "../secret.csv", "-k", "blur", "-o", "x.gif"),
    ("animate", "k.csv", "-k", "../secret.csv", "-o", "x.gif"),
    ("fit", "../secret.png", "a.png", "-k", "3"),
    ("fit", "a.png", "../secret.png", "-k", "3"),
    ("fit", "a.png", "a.png", "-k", "3", "-o", "../new.json"),
    ("fit", "a.png", "a.png", "-k", "3", "--figure", "../new.png"),
    ("page", "--h", "5", "--k", "3", "-o", "../new.html"),
    ("page", "../secret.csv", "-k", "blur", "-o", "x.html"),
    ("page", "k.csv", "-k", "../secret.csv", "-o", "x.html"),
    ("page", "k.csv", "-k", "1", "-l", "conv:kernel=../secret.csv", "-o", "x.html"),
    ("kernels", "../secret.csv"),
    ("shape", "--net", "../secret.net"),
    ("shape", "--input", "1x9x9", "conv:kernel=../secret.csv"),
    ("shape", "--input", "1x9x9", "conv:3", "--figure", "../new.png"),
    ("shape", "--input", "1x9x9", "conv:3", "--figure", "x.png", "--image", "../secret.png"),
]


@pytest.mark.parametrize("arguments", OUTSIDE, ids=" ".join)
def test_a_path_that_is_typed_outside_is_a_usage_error(
    arguments: tuple[str, ...], inside: Path
) -> None:
    before = outside(inside)
    ended = forked(*arguments, "--restrict", ".", cwd=inside)
    check_contract(ended, 2, "which --restrict names")
    assert outside(inside) == before


LINKS = [
    ("apply", "link-secret.png", "-k", "blur"),
    ("apply", "up/secret.png", "-k", "blur"),
    ("apply", "a.png", "-k", "link-secret.csv"),
    ("apply", "a.png", "--net", "link-secret.net"),
    ("apply", "a.png", "--net", "bad.net"),
    (*APPLY, "-f", "-o", "link-old.png"),
    (*APPLY, "-f", "-o", "link-new.png"),
    (*APPLY, "-f", "-o", "up/old.png"),
    (*APPLY, "-f", "-o", "up/new.png"),
    (*APPLY, "--output-dir", "up"),
    (*APPLY, "--output-dir", "up/new"),
    (*APPLY, "--figure", "up/new.png"),
    ("explain", "link-secret.png", "-k", "blur", "--at", "1,1"),
    ("animate", "--h", "5", "--k", "3", "-o", "up/new.gif"),
    ("animate", "--h", "5", "--k", "3", "--frames", "up/new"),
    ("fit", "a.png", "link-secret.png", "-k", "3"),
    ("fit", "up", "up", "-k", "3"),
    ("fit", "a.png", "a.png", "-k", "1", "-o", "up/new.json"),
    ("kernels", "link-secret.csv"),
    ("shape", "--net", "link-secret.net"),
    ("shape", "--net", "bad.net", "--input", "1x9x9"),
    ("shape", "--input", "1x9x9", "conv:3", "--figure", "up/new.png"),
]


@pytest.mark.parametrize("arguments", LINKS, ids=" ".join)
def test_a_link_that_leads_outside_is_an_error_of_its_file(
    arguments: tuple[str, ...], inside: Path
) -> None:
    before = outside(inside)
    ended = forked(*arguments, "--restrict", str(inside), cwd=inside)
    check_contract(ended, 1, "leads outside the folder that --restrict names")
    assert outside(inside) == before


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_link_outside_fails_its_input_alone(jobs: str, inside: Path) -> None:
    inputs = ("a.png", "link-secret.png", "b.png")
    ended = command("apply", *inputs, "-k", "k.csv", "--restrict", ".", "-j", jobs, cwd=inside)
    assert ended.code == 1
    assert ended.lines == [
        "convcli: link-secret.png: leads outside the folder that --restrict names",
        "convcli: 1 of 3 inputs failed",
    ]
    assert (inside / "a.k.png").exists()
    assert (inside / "b.k.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (*APPLY, "-f", "-o", "deep/new.png"),
        (*APPLY, "-f", "-o", "in/new.png"),  # a link that stays inside
        (*APPLY, "-k", "@k.csv", "--output-dir", "new/er", "--figure", "f.png", "-f"),
        ("apply", "deep/../a.png", "-k", "k.csv", "-o", "-"),
        ("apply", "-", "-k", "k.csv"),
        ("kernels", "k.csv"),
        ("shape", "--net", "resnet18"),
    ],
    ids=" ".join,
)
def test_what_lies_inside_goes(arguments: tuple[str, ...], inside: Path) -> None:
    for folder in (".", str(inside), "../inside", "deep/.."):
        ended = forked(*arguments, "--restrict", folder, cwd=inside, stdin=GOOD_PNG)
        assert (ended.code, ended.stderr) == (0, b"")


def test_the_folder_may_be_named_through_a_link(inside: Path) -> None:
    link = inside.parent / "link"
    link.symlink_to("inside")
    for source in ("link/a.png", "inside/a.png", str(inside / "a.png")):
        ended = forked(
            *("apply", source, "-k", "blur", "-f", "-o", "link/new.png", "--restrict", "link"),
            cwd=inside.parent,
        )
        assert (ended.code, ended.stderr) == (0, b"")


def test_outputs_by_default_lie_outside_if_the_working_folder_does(inside: Path) -> None:
    ended = command(
        "apply", "inside/a.png", "-k", "blur", "--restrict", "inside", cwd=inside.parent
    )
    check_contract(ended, 2, "which --restrict names")
    assert b"by default, outputs go to the working folder: give -o or --output-dir" in ended.stderr
    typed = ("apply", "inside/a.png", "-k", "blur", "--restrict", "inside", "-o", "new.png")
    ended = command(*typed, cwd=inside.parent)
    check_contract(ended, 2, "'new.png' lies outside")
    assert b"by default" not in ended.stderr


def test_the_folder_must_be_one(inside: Path) -> None:
    check_contract(command(*APPLY, "--restrict", "gone", cwd=inside), 2, "'gone' is no folder")
    check_contract(command(*APPLY, "--restrict", "a.png", cwd=inside), 2, "'a.png' is no folder")


@pytest.mark.parametrize("stem", ["..", "..."])
def test_no_name_of_an_input_leads_outside(stem: str, inside: Path) -> None:
    (inside / f"{stem}.png").write_bytes(GOOD_PNG)
    before = outside(inside)
    output = "{stem}/new.png"
    ended = forked(
        *("apply", f"./{stem}.png", "-k", "blur", "-o", output, "--restrict", "."), cwd=inside
    )
    check_contract(ended, 1)
    assert outside(inside) == before


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_parameter_that_names_a_file_is_restricted(name: str, inside: Path) -> None:
    command = getattr(import_module(f"convcli.cli.commands.{name}"), name)
    types = [one.type for one in command.params if isinstance(one.type, TextType)]
    naming = [one for one in types if one.completes in ("file", "folder", "network", "kernel")]
    has_restrict = any("--restrict" in one.opts for one in command.params)
    assert has_restrict == bool(naming)
    with restrict(str(inside)):
        for one in naming:
            with pytest.raises(click.UsageError, match="which --restrict names"):
                one.convert("/etc/hosts.csv", None, None)


# A link that is made between the check and the opening


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_what_was_opened_is_asked_where_it_lies(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restriction, "is_allowed", lambda _: True)  # as it was when it was checked
    monkeypatch.setattr(output, "remove_stale", lambda _: None)
    before = outside(inside)
    (inside.parent / "file.csv").write_text("1 2 3")
    with restrict(str(inside)):
        with (
            pytest.raises(FileError, match="leads outside"),
            open_input(str(inside / "up" / "file.csv"), 1000),
        ):
            pass
        for force in (False, True):
            with (
                pytest.raises(OutputError, match="leads outside"),
                atomic_write(str(inside / "up" / "new.npy"), force=force) as stream,
            ):
                np.save(stream, np.zeros(3))
    (inside.parent / "file.csv").unlink()
    assert outside(inside) == before
