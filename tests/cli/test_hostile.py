"""Hostile files, arguments and places: one line, the right exit code, and nothing else changed."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.hostile_cases import CASES, GOOD_JPEG, GOOD_PNG, LEAN, Case, png

SECONDS = 5.0  # of processor time: no file and no argument keeps the command busy for longer
GIGABYTES = 6  # of addresses: what would take more fails, and takes no machine with it
OLD = b"an older result"
IS_LINUX = sys.platform == "linux"

# A process of its own measures what the command takes: its own memory, not that of the tests.
LAUNCHER = """
import os, resource, sys
report, addresses, *command = sys.argv[1:]
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_AS, (int(addresses), int(addresses)))
    os.execv(command[0], command)
_, status, usage = os.wait4(child, 0)
with open(report, "w") as stream:
    stream.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime}")
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONUNBUFFERED", "PYTHONWARNINGS")
} | {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: bytes
    stderr: bytes
    megabytes: float
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.stderr.decode(errors="replace").splitlines()


def command(
    *arguments: str | bytes,
    cwd: Path,
    stdin: bytes | int = b"",
    prefix: Sequence[str] = (),
    **env: str,
) -> Ended:
    """Run the real command, and measure it."""
    report = cwd.parent / f"{cwd.name}.usage"
    launcher = (sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), str(GIGABYTES << 30))
    with subprocess.Popen(
        [*launcher, *prefix, sys.executable, "-m", "convcli", *arguments],
        cwd=cwd,
        stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=PLAIN | env,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(
                None if isinstance(stdin, int) else stdin, timeout=20
            )
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
    kilobytes, seconds = report.read_text().split()
    megabytes = int(kilobytes) / (1 << 10 if IS_LINUX else 1 << 20)
    return Ended(process.returncode, stdout, stderr, megabytes, float(seconds))


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything in a folder, hidden files too: kinds, permissions, targets, bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: Any = None
        if path.is_symlink():
            content = path.readlink()
        elif stat.S_ISREG(status.st_mode):
            is_small = status.st_size < 1 << 20
            content = path.read_bytes() if is_small else (status.st_size, status.st_mtime_ns)
        found[str(path)] = (status.st_mode, content)
    return found


def place(tmp_path: Path) -> Path:
    """A folder with a good picture and an older result."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a.png").write_bytes(GOOD_PNG)
    (folder / "old.png").write_bytes(OLD)
    return folder


def check_contract(ended: Ended, code: int, fragment: str = "") -> None:
    """Exit code, one line on standard error, nothing on standard output."""
    assert b"Traceback" not in ended.stderr, ended.stderr[-600:]
    assert ended.code == code, ended.stderr[-600:]
    assert ended.stdout == b""
    assert len(ended.lines) == 1, ended.lines
    assert ended.lines[0].startswith("convcli: ")
    assert ended.lines[0].isprintable()
    assert fragment in ended.lines[0]


@dataclass(frozen=True)
class Played:
    """What became of a case, and of its folder."""

    ended: Ended
    before: dict[str, Any]
    after: dict[str, Any]


def play(case: Case, folder: Path) -> Played:
    for name, content in case.files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content(folder / name)
    before = snapshot(folder)
    ended = command(*case.arguments, cwd=folder, stdin=case.stdin)
    return Played(ended, before, snapshot(folder))


@pytest.fixture(scope="module")
def playing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Played]]]:
    """Every case that was selected, on its way on as many cores as there are."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    found = [one.params.get("case") for one in parameters if one is not None]
    cases = [one for one in found if isinstance(one, Case)]  # others call other things so
    with ThreadPoolExecutor(min(8, max(2, os.cpu_count() or 1))) as pool:
        yield {
            case.name: pool.submit(play, case, place(tmp_path_factory.mktemp("case")))
            for case in cases
        }


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.name))
def test_a_hostile_case_is_one_line_and_changes_nothing(
    case: Case, playing: dict[str, Future[Played]]
) -> None:
    played = playing[case.name].result()
    ended = played.ended
    check_contract(ended, case.code, case.fragment)
    if case.path is not None:
        assert ended.lines[0].startswith(f"convcli: {case.path}: ")
    assert played.after == played.before
    assert ended.seconds < SECONDS
    if IS_LINUX:
        assert ended.megabytes < case.megabytes


def test_the_names_of_the_cases_differ() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


# Inputs


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("text", b"1 2 3\n"),
        ("zeros", bytes(8)),
        ("jpeg", b"\xff\xd8\xff\xe0\0\4ab"),
        ("gif", b"GIF89a"),
        ("npy", b"\x93NUMPY"),
    ],
)
def test_an_endless_standard_input_ends(name: str, start: bytes, tmp_path: Path) -> None:
    folder = place(tmp_path)
    before = snapshot(folder)
    reading, writing = os.pipe()

    def pour() -> None:
        filling = (b"1 2 3\n" if name == "text" else bytes(6)) * 20_000
        with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as stream:
            stream.write(start)
            while True:
                stream.write(filling)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        ended = command(
            "apply", "-", "-k", "blur", "-f", "-o", "old.png", cwd=folder, stdin=reading
        )
    finally:
        os.close(reading)
        pouring.join()
    check_contract(ended, 1, "convcli: -: goes on beyond")
    assert snapshot(folder) == before
    assert ended.seconds < SECONDS
    if IS_LINUX:
        assert ended.megabytes < 700


@pytest.mark.skipif(not IS_LINUX, reason="memory is counted otherwise")
def test_a_header_of_60000x60000_costs_what_a_missing_file_costs(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "huge.png").write_bytes(png(60000, 60000, pixels=b""))
    idle = command("apply", "gone.png", "-k", "blur", cwd=folder)
    huge = command("apply", "huge.png", "-k", "blur", cwd=folder)
    check_contract(huge, 1, "60000x60000")
    assert huge.megabytes < idle.megabytes + 32
    assert huge.seconds < idle.seconds + 0.5


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "liar.png").write_bytes(GOOD_JPEG)
    (folder / "honest.jpg").write_bytes(GOOD_JPEG)
    ended = command("apply", "liar.png", "honest.jpg", "-k", "blur", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    written = [(folder / f"{stem}.blur.png").read_bytes() for stem in ("liar", "honest")]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("size", "spec", "expected"),
    [
        ((1, 1), "ones:3", [[63]]),
        ((1, 1), "ones:301", [[301 * 301 * 7]]),
        ((1, 4), "ones:1x3", [[7 * 4, 7 * 6, 7 * 9, 7 * 11]]),
        ((3, 1), "identity", [[7], [14], [21]]),
    ],
)
def test_the_smallest_inputs_are_filtered_exactly(
    size: tuple[int, int], spec: str, expected: list[list[int]], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    height, width = size
    pixels = b"".join(
        b"\0" + bytes(7 * (row + column + 1) for column in range(width)) for row in range(height)
    )
    (folder / "small.png").write_bytes(png(width, height, pixels=pixels))
    ended = command("apply", "small.png", "-k", spec, "--print", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert [
        [float(word) for word in line.split()] for line in ended.stdout.splitlines()
    ] == expected


@pytest.mark.parametrize(
    ("mode", "suffix", "value", "expected"),
    [
        ("1", ".png", 1, [255]),
        ("L", ".png", 200, [200]),
        ("LA", ".png", (200, 255), [200]),
        ("LA", ".png", (200, 0), [0]),  # what cannot be seen is nothing
        ("RGBA", ".png", (9, 8, 7, 255), [9, 8, 7]),
        ("RGBA", ".webp", (9, 8, 7, 0), [0, 0, 0]),
        ("CMYK", ".tif", (0, 0, 0, 255), [0, 0, 0]),
        ("I;16", ".png", 40000, [40000]),
        ("I;16", ".tif", 40000, [40000]),
        ("I", ".tif", -70000, [-70000]),
        ("F", ".tif", 0.25, [0.25]),
    ],
)
def test_every_mode_has_defined_values(
    mode: str, suffix: str, value: Any, expected: list[float], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    Image.new(mode, (3, 2), value).save(folder / f"odd{suffix}")
    ended = command("apply", f"odd{suffix}", "-k", "identity", "-q", "-o", "x.npy", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    result = np.load(folder / "x.npy")
    np.testing.assert_array_equal(
        result.reshape(2, 3, -1), np.broadcast_to(expected, (2, 3, len(expected)))
    )


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_a_palette_is_filtered_by_its_colours(mode: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    picture = Image.new("P", (3, 2), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.convert(mode).save(folder / "palette.tif" if mode == "PA" else folder / "palette.gif")
    name = "palette.tif" if mode == "PA" else "palette.gif"
    ended = command("apply", name, "-k", "identity", "-q", "-o", "x.npy", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    np.testing.assert_array_equal(np.load(folder / "x.npy")[0, 0], [10, 20, 30])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_damaged_pictures_are_a_line_each(kind: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    good = folder / "good"
    save: dict[str, Any] = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    Image.effect_noise((24, 20), 80).convert("RGB").save(good, kind, **save)
    content = good.read_bytes()
    luck = random.Random(kind)
    names = []
    for number in range(40):
        damaged = bytearray(content)
        reach = luck.choice([60, len(content)])
        for _ in range(luck.choice([1, 2, 5, 20])):
            damaged[luck.randrange(min(reach, len(content)))] = luck.randrange(256)
        names.append(f"damaged-{number}")
        (folder / names[-1]).write_bytes(damaged)

    ended = command("apply", *names, "-k", "identity", "-q", "--output-dir", "out", cwd=folder)

    written = len(list((folder / "out").iterdir()))
    assert b"Traceback" not in ended.stderr
    assert ended.code == (1 if written < len(names) else 0)
    *causes, summary = ended.lines or [""]
    assert [line for line in ended.lines if not line.startswith("convcli: ")] == []
    assert len(causes) == len(names) - written
    if causes:
        assert summary == f"convcli: {len(causes)} of {len(names)} inputs failed"
    assert ended.stdout == b""


def test_a_picture_of_exactly_max_pixels_is_filtered(tmp_path: Path) -> None:
    folder = place(tmp_path)
    ended = command("apply", "a.png", "-k", "blur", "--max-pixels", "48", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")


# Outputs


def test_force_replaces_a_file_and_keeps_its_permissions(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "old.png").chmod(0o640)
    ended = command("apply", "a.png", "-k", "identity", "-f", "-o", "old.png", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert stat.S_IMODE((folder / "old.png").stat().st_mode) == 0o640
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "old.png")), np.asarray(Image.open(folder / "a.png"))
    )


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "link.png").symlink_to("old.png")
    arguments = ("apply", "a.png", "-k", "identity", "-o", "link.png")
    check_contract(command(*arguments, cwd=folder), 1, "link.png: exists already")
    assert (folder / "old.png").read_bytes() == OLD
    assert command(*arguments, "--force", cwd=folder).code == 0
    assert (folder / "link.png").is_symlink()
    assert (folder / "old.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".npy", ".csv"])
def test_a_pipe_with_a_name_gets_what_a_file_gets(suffix: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    pipe = folder / f"pipe{suffix}"
    os.mkfifo(pipe)
    assert command("apply", "a.png", "-k", "blur", "-o", f"file{suffix}", cwd=folder).code == 0
    before = snapshot(folder)
    end = os.open(pipe, os.O_RDWR)  # so that neither side waits for the other
    try:
        ended = command("apply", "a.png", "-k", "blur", "-o", pipe.name, cwd=folder)
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
    Image.effect_noise((300, 300), 90).save(folder / "noise.png")
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


def test_an_output_folder_is_made(tmp_path: Path) -> None:
    folder = place(tmp_path)
    ended = command("apply", "a.png", "-k", "blur", "--output-dir", "new/er", cwd=folder)
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

NAMES = [b"-n", b"\xff\xfe", b"[red]x", b"e\x1b[31m", b"n\nl", "café".encode(), b"{kernel}", b"%s"]
NAMES += ["\u202egnp".encode(), b" ", b"a b", b"'", b"$HOME"]


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

    ended = command("apply", "-k", "blur", "--json", "--", good, cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert (folder / os.fsdecode(name + b".blur.png")).exists()
    assert ended.stdout.isascii()
    document = json.loads(ended.stdout)
    assert document["input"] == os.fsdecode(good)  # a script can open what is named
    assert (folder / document["output"]).exists()

    check_contract(
        command("apply", "-k", "blur", "--", bad, cwd=folder), 1, f"convcli: {shown(bad)}: is no"
    )
    kernel = command("kernels", "--", grid, cwd=folder, PYTHONIOENCODING="utf-8")
    assert (kernel.code, kernel.stderr) == (0, b"")
    assert b"\x1b" not in kernel.stdout
    assert kernel.stdout.splitlines()[0].startswith(f"{shown(name)}: 1x3".encode())


# Numbers of any size


def test_shape_is_exact_for_4000_digits(tmp_path: Path) -> None:
    folder = place(tmp_path)
    height = 10**3999 + 7
    ended = command(*("shape", "--h", str(height), "--k", "3", "--s", "2", "--json"), cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    start = ended.stdout.index(b'"output": [') + len(b'"output": [')
    assert ended.stdout[start:].startswith(_digits((height - 3) // 2 + 1))


def _digits(number: int) -> bytes:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return str(number).encode()
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_a_sweep_of_thousands_is_quick(form: str, tmp_path: Path) -> None:
    folder = place(tmp_path)
    heights, sizes = ",".join(map(str, range(50, 100))), ",".join(map(str, range(1, 41)))
    ended = command("shape", "--h", heights, "--k", sizes, "--format", form, cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.seconds < SECONDS


# The library takes what no command line can hold


@pytest.mark.parametrize("name", ["a\0b", "a\0b.csv", "@a\0b.csv", "\ud800.csv", "x" * 100_000])
def test_a_name_with_a_nul_is_an_error_of_ours(name: str) -> None:
    import convcli

    with pytest.raises(convcli.ConvError):
        convcli.load_kernel(name)


def test_lean_is_more_than_the_command_needs(tmp_path: Path) -> None:
    ended = command("apply", "a.png", "-k", "sharpen", cwd=place(tmp_path))
    assert ended.code == 0
    if IS_LINUX:
        assert ended.megabytes < LEAN / 2
