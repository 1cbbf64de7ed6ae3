"""Links, pipes, full disks, folders without permission, strange names."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.forked import forked
from support.hostile import (
    OLD,
    check_contract,
    command,
    place,
    snapshot,
)
from support.hostile_cases import GOOD_PNG

# Outputs


def test_force_replaces_a_file_and_keeps_its_permissions(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "old.png").chmod(0o640)
    ended = forked("apply", "a.png", "-k", "identity", "-f", "-o", "old.png", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert stat.S_IMODE((folder / "old.png").stat().st_mode) == 0o640
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "old.png")), np.asarray(Image.open(folder / "a.png"))
    )


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "link.png").symlink_to("old.png")
    arguments = ("apply", "a.png", "-k", "identity", "-o", "link.png")
    check_contract(forked(*arguments, cwd=folder), 1, "link.png: exists already")
    assert (folder / "old.png").read_bytes() == OLD
    assert forked(*arguments, "--force", cwd=folder).code == 0
    assert (folder / "link.png").is_symlink()
    assert (folder / "old.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        ("apply", "a.png", "-k", "identity", "-o", "link.png"),
        ("apply", "a.png", "-k", "identity", "--figure", "link.png"),
        ("animate", "--h", "3", "--k", "2", "-o", "link.png"),
        ("shape", "--input", "1x9x9", "conv:3", "--figure", "link.png"),
    ],
    ids=lambda arguments: "-".join((arguments[0], arguments[-2].strip("-"))),
)
def test_nothing_is_written_through_a_link_to_nothing(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    (folder / "link.png").symlink_to("target.png")
    before = snapshot(folder)
    ended = forked(*arguments, cwd=folder)
    check_contract(ended, 1, "link.png: exists already, as a link to a missing file")
    assert snapshot(folder) == before
    assert forked(*arguments, "--force", cwd=folder).code == 0
    assert (folder / "link.png").is_symlink()
    assert (folder / "target.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("output", ["nodir/../a.png", "nodir/../new.png"])
def test_a_path_through_a_missing_folder_replaces_nothing(output: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    before = snapshot(folder)
    ended = forked("apply", "a.png", "-k", "identity", "-f", "-o", output, cwd=folder)
    check_contract(ended, 1, f"convcli: {output}: the folder nodir/.. does not exist")
    assert snapshot(folder) == before


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".npy", ".csv"])
def test_a_pipe_with_a_name_gets_what_a_file_gets(suffix: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    pipe = folder / f"pipe{suffix}"
    os.mkfifo(pipe)
    assert forked("apply", "a.png", "-k", "blur", "-o", f"file{suffix}", cwd=folder).code == 0
    before = snapshot(folder)
    end = os.open(pipe, os.O_RDWR)  # so that neither side waits for the other
    try:
        ended = forked("apply", "a.png", "-k", "blur", "-o", pipe.name, cwd=folder)
        assert (ended.code, ended.stderr) == (0, b"")
        os.set_blocking(end, False)
        received = os.read(end, 1 << 16)
    finally:
        os.close(end)
    assert received == (folder / f"file{suffix}").read_bytes()
    assert snapshot(folder) == before


@pytest.mark.skipif(shutil.which("sh") is None, reason="ulimit is the shell's")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".npy", ".csv"])
def test_a_full_disk_leaves_the_old_file_whole(suffix: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    noise = random.Random(0).randbytes(300 * 300)
    Image.frombytes("L", (300, 300), noise).save(folder / "noise.png")
    (folder / f"old{suffix}").write_bytes(OLD)
    before = snapshot(folder)
    limited = ("/bin/sh", "-c", 'ulimit -f 16; exec "$@"', "sh")
    ended = command(
        *("apply", "noise.png", "-k", "identity", "-q", "-f", "-o", f"old{suffix}"),
        cwd=folder,
        prefix=limited,
    )
    check_contract(ended, 1, f"convcli: old{suffix}: ")
    assert snapshot(folder) == before


@pytest.mark.skipif(shutil.which("sh") is None, reason="ulimit is the shell's")
def test_a_limit_of_files_does_not_hold_for_a_pipe(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(300 * 300)
    Image.frombytes("L", (300, 300), noise).save(tmp_path / "noise.png")
    typed = ("apply", "noise.png", "-k", "identity", "-q", "-o", "-", "--to", "jpg")
    limited = ("/bin/sh", "-c", 'ulimit -f 16; exec "$@"', "sh")
    free, bound = (command(*typed, cwd=tmp_path, prefix=prefix) for prefix in ((), limited))
    assert (bound.code, bound.stderr) == (0, b"")
    assert bound.stdout == free.stdout
    assert len(bound.stdout) > 16 << 10  # sh counts in blocks of 512 or 1,024 bytes


def test_an_output_folder_is_made(tmp_path: Path) -> None:
    folder = place(tmp_path)
    ended = forked("apply", "a.png", "-k", "blur", "--output-dir", "new/er", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert [path.name for path in (folder / "new" / "er").iterdir()] == ["a.blur.png"]


def unprivileged(folder: Path) -> tuple[str, ...]:
    """What to put before a command so that permissions hold for it, even for root."""
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        tool = shutil.which("setpriv")
        if tool is None:
            pytest.skip("root may write everywhere, and there is no setpriv")
        prefix = (tool, "--bounding-set=-dac_override,-dac_read_search")
    probe = folder.parent / "probe"
    probe.mkdir()
    probe.chmod(0o555)
    touch = [*prefix, shutil.which("touch") or "/bin/touch", str(probe / "x")]
    if subprocess.run(touch, capture_output=True, check=False).returncode == 0:
        pytest.skip("permissions mean nothing here")
    ready = [*prefix, sys.executable, "-c", "import convcli"]
    if subprocess.run(ready, cwd=folder, capture_output=True, check=False).returncode != 0:
        pytest.skip("convcli is out of reach without privileges")
    return prefix


def test_a_folder_that_must_not_be_written_to(tmp_path: Path) -> None:
    folder = place(tmp_path)
    prefix = unprivileged(folder)
    (folder / "locked").mkdir()
    (folder / "locked" / "old.png").write_bytes(OLD)
    (folder / "locked").chmod(0o555)
    before = snapshot(folder)
    for name in ("locked/new.png", "locked/old.png"):
        ended = command(
            *("apply", "a.png", "-k", "blur", "-f", "-o", name), cwd=folder, prefix=prefix
        )
        check_contract(ended, 1, f"convcli: {name}: permission denied")
    assert snapshot(folder) == before


def test_an_input_that_must_not_be_read(tmp_path: Path) -> None:
    folder = place(tmp_path)
    prefix = unprivileged(folder)
    (folder / "secret.png").write_bytes(GOOD_PNG)
    (folder / "secret.csv").write_bytes(b"1 2 1")
    for name in ("secret.png", "secret.csv"):
        (folder / name).chmod(0)
    first = command("apply", "secret.png", "-k", "blur", cwd=folder, prefix=prefix)
    check_contract(first, 1, "convcli: secret.png: permission denied")
    second = command("apply", "a.png", "-k", "secret.csv", cwd=folder, prefix=prefix)
    check_contract(second, 1, "convcli: secret.csv: permission denied")


# Names

NAMES = [
    b"-n", b"\xff\xfe", b"[red]x", b"e\x1b[31m", b"n\nl", "café".encode(), b"{kernel}", b"%s",
    "\u202egnp".encode(), b" ", b"a b", b"'", b"$HOME",
]  # fmt: skip


def shown(name: bytes) -> str:
    """How a name appears in a message: literally, but for what a terminal would obey."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode()
        for sign in os.fsdecode(name)
    )


def can_be_named(path: bytes) -> bool:
    try:
        Path(os.fsdecode(path)).touch()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_strange_name_works_and_is_shown_literally(name: bytes, tmp_path: Path) -> None:
    folder = place(tmp_path)
    good, bad, grid = name + b".png", name + b"-bad.png", name + b".csv"
    if not all(can_be_named(bytes(folder) + b"/" + one) for one in (good, bad, grid)):
        pytest.skip("the file system refuses the name")
    (folder / os.fsdecode(good)).write_bytes(GOOD_PNG)
    (folder / os.fsdecode(bad)).write_bytes(b"bad")
    (folder / os.fsdecode(grid)).write_bytes(b"1 2 1")

    ended = forked("apply", "-k", "blur", "--json", "--", good, cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert (folder / os.fsdecode(name + b".blur.png")).exists()
    assert ended.stdout.isascii()
    document = json.loads(ended.stdout)
    assert document["input"] == os.fsdecode(good)  # a script can open what is named
    assert (folder / document["output"]).exists()

    check_contract(
        forked("apply", "-k", "blur", "--", bad, cwd=folder), 1, f"convcli: {shown(bad)}: is no"
    )
    kernel = command("kernels", "--", grid, cwd=folder, PYTHONIOENCODING="utf-8")
    assert (kernel.code, kernel.stderr) == (0, b"")
    assert b"\x1b" not in kernel.stdout
    assert kernel.stdout.splitlines()[0].startswith(f"{shown(name)}: 1x3".encode())
