"""The memory of machines and containers, from files as the kernel writes them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from convcli.pipeline.machine import machine_memory

UNLIMITED_1 = "9223372036854771712"
PHYSICAL = 40960
V1 = "35 31 0:32 {top} {point} rw,relatime - cgroup cgroup rw,memory"
V2 = "30 23 0:26 {top} {point} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
CPU = "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
ROOT_2 = V2.format(top="/", point="/sys/fs/cgroup")
ROOT_1 = V1.format(top="/", point="/sys/fs/cgroup/memory")
NESTED_1 = "9:cpu:/x\n4:memory:/docker/abc\n0::/\n"
MAX, LIMIT = "memory.max", "memory.limit_in_bytes"

# The process's groups, what is mounted, the limits by their files, and what there is.
CASES: dict[str, tuple[str, str, dict[str, str], int]] = {
    "no groups": ("", "", {}, PHYSICAL),
    "v2, own namespace": ("0::/\n", ROOT_2, {f"sys/fs/cgroup/{MAX}": "8192\n"}, 8192),
    "v2, no limit": ("0::/\n", ROOT_2, {f"sys/fs/cgroup/{MAX}": "max\n"}, PHYSICAL),
    "v2, above the machine": ("0::/\n", ROOT_2, {f"sys/fs/cgroup/{MAX}": "99999\n"}, PHYSICAL),
    "v2, the group's own": (
        "0::/user.slice/a b.scope\n",
        ROOT_2,
        {f"sys/fs/cgroup/user.slice/a b.scope/{MAX}": "4096\n"},
        4096,
    ),
    "v2, of a group around it": (
        "0::/a/b/c\n",
        ROOT_2,
        {
            f"sys/fs/cgroup/a/b/c/{MAX}": "max\n",
            f"sys/fs/cgroup/a/b/{MAX}": "20480\n",
            f"sys/fs/cgroup/a/{MAX}": "12288\n",
            f"sys/fs/cgroup/{MAX}": "32768\n",
            f"sys/fs/cgroup/other/{MAX}": "1\n",
        },
        12288,
    ),
    "v1, no limit": (NESTED_1, ROOT_1, {f"sys/fs/cgroup/memory/{LIMIT}": UNLIMITED_1}, PHYSICAL),
    "v1, of the group around it": (
        NESTED_1,
        f"{CPU}\n{ROOT_1}",
        {
            f"sys/fs/cgroup/memory/docker/abc/{LIMIT}": UNLIMITED_1,
            f"sys/fs/cgroup/memory/docker/{LIMIT}": "16384\n",
            f"sys/fs/cgroup/cpu/x/{LIMIT}": "1\n",
        },
        16384,
    ),
    "v1, mounted is the container's": (
        NESTED_1,
        V1.format(top="/docker/abc", point="/sys/fs/cgroup/memory"),
        {f"sys/fs/cgroup/memory/{LIMIT}": "24576\n"},
        24576,
    ),
    "v1, a group outside": (
        "4:memory:/../other\n",
        V1.format(top="/docker/abc", point="/sys/fs/cgroup/memory"),
        {f"sys/fs/cgroup/memory/{LIMIT}": "24576\n"},
        24576,
    ),
    "v1 of memory beside v2": (
        "4:memory:/box\n0::/box\n",
        f"{ROOT_1}\n{V2.format(top='/', point='/sys/fs/cgroup/unified')}",
        {
            f"sys/fs/cgroup/memory/box/{LIMIT}": "28672\n",
            f"sys/fs/cgroup/unified/box/{MAX}": "20480\n",
        },
        20480,
    ),
    "a mount point with a space": (
        "0::/\n",
        V2.format(top="/", point="/my\\040groups"),
        {f"my groups/{MAX}": "8192\n"},
        8192,
    ),
    "junk": ("x\n:::\n0\n", "a - cgroup2\n- - -\n", {}, PHYSICAL),
}


@pytest.mark.parametrize("name", CASES)
def test_a_container_has_the_least_of_its_limits_and_the_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, mounts, limits, expected = CASES[name]
    for path, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **limits}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": PHYSICAL // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert machine_memory(tmp_path) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="not every system says how much it has")
def test_the_machine_has_some_memory() -> None:
    found = machine_memory()
    assert found is not None
    assert found > 1 << 28


def test_memory_that_nothing_tells_of_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert machine_memory(tmp_path) is None
