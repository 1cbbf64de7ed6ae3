"""What a command loads: nothing that it does not use, so that it is quick to start.

Whatever Click, NumPy and Pillow load by themselves is theirs.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.command import SAMPLES

import convcli

# Runs some code, and tells every module that is loaded then, with the line that asked for it.
PROBE = """
import sys

class Watch:
    asked = {}

    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while frame.f_back and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        self.asked.setdefault(name, f"{frame.f_code.co_filename}:{frame.f_lineno}")

sys.meta_path.insert(0, Watch())
code, told = sys.argv.pop(1), sys.argv.pop(1)
try:
    exec(code)
except SystemExit as leaving:
    if leaving.code:
        raise
with open(told, "w", encoding="utf-8") as file:
    file.write(repr({name: Watch.asked.get(name, "the start") for name in sys.modules}))
"""
CONSOLE = "from convcli.cli import main; main()"  # what the installed script does

HOME = str(Path(convcli.__file__).parent)

# Of the standard library and of NumPy, what takes a millisecond or more.
HEAVY = (
    "asyncio", "bz2", "concurrent", "csv", "ctypes", "dataclasses", "decimal", "difflib", "email",
    "fractions", "hashlib", "hmac", "http", "importlib.metadata", "importlib.resources",
    "importlib.util", "json", "logging", "lzma", "multiprocessing", "pathlib", "random",
    "secrets", "shutil", "socket", "ssl", "statistics", "string", "subprocess", "tempfile",
    "unittest", "urllib", "xml", "zipfile",
    "numpy.ctypeslib", "numpy.f2py", "numpy.fft", "numpy.linalg", "numpy.ma", "numpy.polynomial",
    "numpy.random", "numpy.testing",
)  # fmt: skip


def loaded(code: str, *arguments: str, cwd: Path) -> dict[str, str]:
    """Every module that is loaded at the end of some code: the line that asked for it."""
    told = cwd / "told"
    subprocess.run(
        [sys.executable, "-c", PROBE, code, str(told), *arguments],
        cwd=cwd,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    found: dict[str, str] = ast.literal_eval(told.read_text(encoding="utf-8"))
    return found


def is_among(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def slow_ones(asked: dict[str, str], packages: tuple[str, ...]) -> set[str]:
    """What convcli itself asked for that is slow to load, or of a package that is not expected."""
    known = (*sys.stdlib_module_names, "convcli", *packages)
    ours = {name for name, line in asked.items() if line.startswith(HOME)}
    return {name for name in ours if not is_among(name, known) or is_among(name, HEAVY)}


def message(names: set[str], asked: dict[str, str]) -> str:
    return "\n".join(f"{name} is loaded by {asked[name]}" for name in sorted(names))


@pytest.mark.parametrize(
    ("arguments", "slow"),
    [
        (["--help"], ()),
        (["--version"], ()),
        (["shape", "--h", "224", "--k", "3"], ()),
        (["shape", "--h", "224", "--k", "3", "--c-in", "3", "--c-out", "64"], ()),
        (["shape", "--h", "224", "--k", "3", "--json"], ("json",)),
        (["shape", "--h", "224", "--k", "3", "--c-in", "3", "--json"], ("json",)),
    ],
    ids=["help", "version", "shape", "costs", "shape as JSON", "costs as JSON"],
)
def test_what_only_prints_loads_click_alone(
    arguments: list[str], slow: tuple[str, ...], tmp_path: Path
) -> None:
    given = loaded("import click", cwd=tmp_path)
    asked = loaded(CONSOLE, *arguments, cwd=tmp_path)
    others = {name for name in asked if is_among(name, ("numpy", "PIL", "rich"))}
    extra = (others | slow_ones(asked, ("click",))) - {*slow, *given}
    assert not extra, message(extra, asked)


def test_a_picture_loads_numpy_and_its_own_decoder(tmp_path: Path) -> None:
    arguments = ["apply", str(SAMPLES / "cat.jpg"), "-k", "sharpen", "-o", "sharp.png", "-q"]
    given = loaded("import click, numpy, PIL.Image, PIL.JpegImagePlugin", cwd=tmp_path)
    asked = loaded(CONSOLE, *arguments, cwd=tmp_path)
    assert (tmp_path / "sharp.png").exists()
    slow = slow_ones(asked, ("click", "numpy", "PIL")) - {"json"}
    decoders = {name for name in asked if name.startswith("PIL.") and name.endswith("Plugin")}
    idle = {name for name in asked if is_among(name, ("PIL.ImageCms", "rich"))}
    extra = (slow | decoders | idle) - set(given)
    assert not extra, message(extra, asked)


def test_the_list_of_kernels_loads_neither_engine_nor_pillow_nor_rich(tmp_path: Path) -> None:
    asked = loaded(CONSOLE, "kernels", "--json", cwd=tmp_path)
    extra = {name for name in asked if is_among(name, ("convcli.engine", "PIL", "rich"))}
    assert not extra, message(extra, asked)


@pytest.mark.parametrize(
    ("source", "output"),
    [("a.webp", "b.tif"), ("a.tif", "b.webp"), ("a.gif", "b.gif"), ("a.bmp", "b.jpg"),
     ("a.ppm", "b.png")],
)  # fmt: skip
def test_no_format_has_pillow_load_all_that_there_are(
    source: str, output: str, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / source)
    asked = loaded(CONSOLE, "apply", source, "-k", "blur", "-o", output, cwd=tmp_path)
    assert "PIL.IcoImagePlugin" not in asked, message({"PIL.IcoImagePlugin"}, asked)


def test_a_command_has_its_garbage_collected(tmp_path: Path) -> None:
    code = f"""
import gc
try:
    {CONSOLE}
except SystemExit:
    assert gc.isenabled()
"""
    command = [sys.executable, "-c", code, "shape", "--h", "5", "--k", "3"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL, timeout=60)


# Counts what convcli has compiled while its modules are loaded: regular expressions, and classes
# that compile methods of their own.
COMPILED = """
import collections, dataclasses, re, sys
from collections import Counter

home, counts = sys.argv.pop(1), Counter()

def watch(module, name):
    function = getattr(module, name)

    def counting(*arguments, **settings):
        frame = sys._getframe(1)
        while frame.f_back and not frame.f_code.co_filename.startswith(home):
            if "importlib" in frame.f_code.co_filename:
                return function(*arguments, **settings)  # for a module of another package
            frame = frame.f_back
        counts[name] += frame.f_code.co_name == "<module>"
        return function(*arguments, **settings)

    setattr(module, name, counting)

watch(dataclasses, "_process_class")
watch(collections, "namedtuple")
watch(re, "compile")
try:
    from convcli.cli import main
    main()
except SystemExit as leaving:
    assert not leaving.code
print(repr((dict(counts), sum(name.startswith("convcli") for name in sys.modules))))
"""


@pytest.mark.parametrize(
    ("arguments", "most_expressions", "most_modules"),
    [
        (("shape", "--h", "224", "--k", "3"), 1, 23),
        (("apply", "cat.jpg", "-k", "sharpen", "-q"), 8, 86),
    ],
)
def test_little_is_compiled_while_modules_are_loaded(
    arguments: tuple[str, ...], most_expressions: int, most_modules: int, tmp_path: Path
) -> None:
    (tmp_path / "cat.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, HOME, *arguments],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    counts, modules = ast.literal_eval(done.stdout.splitlines()[-1])
    assert counts.pop("compile", 0) <= most_expressions
    assert not any(counts.values()), counts
    assert modules <= most_modules
