"""Temporary files: names that say who made them, so that those of a process now dead are removed.

A name says the maker's process, when it started, its process namespace, the boot of the machine
and its name. A process is thereby never taken for one with the same number in another container
or after a restart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from time import time

from convcli.files.restriction import is_allowed
from convcli.records import NamedTuple

PREFIX = ".convcli-"
MAX_HOST_CHARACTERS = 40  # of a name, the last ones, which tell apart the pods of a cluster

_NAME = re.escape(PREFIX) + r"(\d+)-(\d+)-(\d+)-([0-9a-f]+)-([\w.]+)-[\w.-]+"
_cleaned_folders: set[str] = set()


class Maker(NamedTuple):
    """The process that made a temporary file.

    Parameters
    ----------
    process : int
    started : int
        When the process started, in clock ticks after the machine; 0 where no one says.
    namespace : int
        Of process numbers, as each container has its own.
    boot : str
        What the system calls the time since it was started; "0" where it does not.
    host : str
        The machine's name.
    """

    process: int
    started: int
    namespace: int
    boot: str
    host: str

    def __str__(self) -> str:
        return "-".join(map(str, self))


def make_name(suffix: str = "") -> str:
    """Return a new name for a temporary file of this process."""
    return f"{PREFIX}{this_process()}-{os.urandom(8).hex()}{suffix}"


def this_process() -> Maker:
    """Return the maker that this process is."""
    return _describe_process(os.getpid())


@cache
def _describe_process(process: int) -> Maker:
    namespace, boot = "", ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")  # pid:[4026531836]
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as stream:
            boot = stream.read(8)
    return Maker(
        process,
        _state_and_start(process)[1],
        int("".join(filter(str.isdigit, namespace)) or 0),
        boot if boot.isalnum() else "0",
        re.sub(r"[^\w.]", "_", _host_name()[-MAX_HOST_CHARACTERS:], flags=re.ASCII) or "_",
    )


def _host_name() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "")


def _state_and_start(process: int) -> tuple[str, int]:
    """Return the state of a process, and when it started; "" and 0 where no one says."""
    with suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()  # a name may have spaces
        return fields[0], int(fields[19])
    return "", 0


def remove_stale(folder: str) -> None:
    """Remove the temporary files in a folder whose makers are dead; look once a process."""
    if folder in _cleaned_folders:
        return
    _cleaned_folders.add(folder)
    _remove(folder, None)


def remove_unfinished(folders: Collection[str], ended: Maker) -> None:
    """Remove the temporary files in folders of a process that writes no more, and of dead ones."""
    for folder in folders:
        _remove(folder, ended)


def _remove(folder: str, ended: Maker | None) -> None:
    if not is_allowed(folder):
        return
    me = this_process()
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            is_ours = entry.name.startswith(PREFIX)
            found = re.fullmatch(_NAME, entry.name, re.ASCII) if is_ours else None
            if found is None:
                continue
            process, started, namespace, boot, host = found.groups()
            maker = Maker(int(process), int(started), int(namespace), boot, host)
            with suppress(OSError):
                if maker == ended or _is_dead(maker, me, entry):
                    os.unlink(entry.path)


def _is_dead(maker: Maker, me: Maker, entry: os.DirEntry[str]) -> bool:
    """Whether a file's maker has surely ended; of other machines and containers no one knows."""
    if maker.host != me.host or os.name != "posix":
        return False
    if maker.boot != me.boot:
        # Another machine may have the same name: what is written there now is younger.
        return "0" not in (maker.boot, me.boot) and _is_before_boot(entry)
    if maker.namespace != me.namespace:
        return False
    try:
        os.kill(maker.process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # of another user, or no name of ours
        pass
    state, started = _state_and_start(maker.process)
    return state in ("Z", "X") or (started != maker.started and 0 not in (started, maker.started))


def _is_before_boot(entry: os.DirEntry[str]) -> bool:
    """Whether a file was last written before this machine was started."""
    with open("/proc/uptime", encoding="utf-8") as stream:
        uptime = float(stream.read().split()[0])
    return entry.stat(follow_symlinks=False).st_mtime < time() - uptime
