"""Writing: what is there is never lost, and nothing is written through a link to nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from convcli.errors import OutputError
from convcli.files.output import atomic_write, check_output, make_folder

NEW = b"a new result"
ROOT = os.geteuid() == 0


def write(path: Path | str, *, force: bool = False, meanwhile: Callable[[], object] = bool) -> None:
    """Write a file; something else happens before it gets its name."""
    with atomic_write(str(path), force=force) as stream:
        stream.write(NEW)
        meanwhile()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse_links(number: int) -> Callable[[str, str], None]:
    def link(_source: str, _target: str) -> None:
        raise OSError(number, os.strerror(number))

    return link


@pytest.fixture(params=["hard links", errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems with hard links, and without them, for which systems have several errors."""
    if request.param != "hard links":
        monkeypatch.setattr(os, "link", refuse_links(request.param))


@pytest.mark.usefixtures("file_system")
def test_a_new_file_is_written_whole(tmp_path: Path) -> None:
    seen: list[bool] = []
    write(tmp_path / "new", meanwhile=lambda: seen.append((tmp_path / "new").exists()))
    assert seen == [False]
    assert (tmp_path / "new").read_bytes() == NEW
    assert (tmp_path / "new").stat().st_nlink == 1
    assert names(tmp_path) == ["new"]


@pytest.mark.usefixtures("file_system")
@pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
def test_what_appears_meanwhile_is_not_replaced(kind: str, tmp_path: Path) -> None:
    target, other = tmp_path / "new", tmp_path / "other"

    def appear() -> None:
        if kind == "file":
            target.write_bytes(b"of another program")
            return
        if kind == "link":
            other.write_bytes(b"of another program")
        target.symlink_to(other)

    with pytest.raises(OutputError, match="new: exists already"):
        write(target, meanwhile=appear)
    if kind == "link to nothing":
        assert not other.exists()
    else:
        assert target.read_bytes() == b"of another program"
    assert target.is_symlink() == (kind != "file")
    assert names(tmp_path) == (["new", "other"] if kind == "link" else ["new"])


def test_force_replaces_what_appears_meanwhile(tmp_path: Path) -> None:
    write(tmp_path / "new", force=True, meanwhile=lambda: (tmp_path / "new").write_bytes(b"old"))
    assert (tmp_path / "new").read_bytes() == NEW


def test_a_link_to_nothing_counts_as_existing(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "folder" / "target"
    link.symlink_to(target)
    with pytest.raises(OutputError, match="link to a missing file; --force makes that file"):
        check_output(str(link), force=False, inputs=[])
    with pytest.raises(OutputError, match="link into a folder that does not exist"):
        check_output(str(link), force=True, inputs=[])
    target.parent.mkdir()
    check_output(str(link), force=True, inputs=[])
    write(link, force=True)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("path", ["missing/../in.png", "missing/../new.png", "a/missing/../../x"])
def test_a_path_through_a_missing_folder_leads_nowhere(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.png").write_bytes(b"input")
    (tmp_path / "a").mkdir()
    for force in (False, True):
        with pytest.raises(OutputError, match=r"the folder .*missing\S* does not exist"):
            check_output(path, force=force, inputs=["in.png"])
        with pytest.raises(OutputError, match="no such file or directory"):
            write(path, force=force)
    assert names(tmp_path) == ["a", "in.png"]
    assert (tmp_path / "in.png").read_bytes() == b"input"


@pytest.mark.parametrize("path", ["made/../in.png", "./in.png", "away/../in.png", "hard.png"])
def test_an_input_is_known_under_any_name(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    make_folder("made")
    source = tmp_path / "in.png" if path.startswith("away") else place / "in.png"
    source.write_bytes(b"input")
    (tmp_path / "elsewhere").mkdir()
    (place / "away").symlink_to(tmp_path / "elsewhere")  # whose `..` is not this folder
    (place / "hard.png").hardlink_to(source)
    with pytest.raises(OutputError, match="an input is never replaced"):
        check_output(path, force=True, inputs=[str(source)])


@pytest.mark.parametrize("path", ["", "folder", "folder/", "new/", ".", "folder/.."])
def test_a_name_of_a_folder_is_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(path, force=True, inputs=[])


# Permissions and owners


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666, 0o400])
def test_a_file_has_its_permissions_before_its_first_byte(mode: int, tmp_path: Path) -> None:
    target = tmp_path / "old"
    target.write_bytes(b"old")
    target.chmod(mode)
    with atomic_write(str(target), force=True) as stream:
        (temporary,) = tmp_path.glob(".convcli-*")
        assert stat.S_IMODE(temporary.stat().st_mode) == mode
        stream.write(NEW)
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_makes_the_permissions_of_a_new_file(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with atomic_write(str(tmp_path / "new"), force=False) as stream:
            (temporary,) = tmp_path.glob(".convcli-*")
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o666 & ~umask
            stream.write(NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
def test_the_owner_stays(tmp_path: Path) -> None:
    target = tmp_path / "old"
    target.write_bytes(b"old")
    os.chown(target, 12345, 23456)
    target.chmod(0o640)
    write(target, force=True)
    status = target.stat()
    assert (status.st_uid, status.st_gid) == (12345, 23456)
    assert stat.S_IMODE(status.st_mode) == 0o640


def test_a_group_that_cannot_be_kept_leaves_its_rights_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    target = tmp_path / "old"
    target.write_bytes(b"old")
    target.chmod(0o664)
    real = os.stat

    def of_another_group(path: str, **options: bool) -> os.stat_result:
        status = real(path, **options)
        values = list(status)
        values[5] += 1  # st_gid
        return os.stat_result(values) if str(path) == str(target) else status

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "stat", of_another_group)
    write(target, force=True)
    monkeypatch.undo()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_pipe_that_became_a_file_is_not_overwritten(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def become_a_file() -> None:
        pipe.unlink()
        pipe.write_bytes(b"of another program")

    with pytest.raises(OutputError, match="exists already"):
        write(pipe, meanwhile=become_a_file)
    assert pipe.read_bytes() == b"of another program"
