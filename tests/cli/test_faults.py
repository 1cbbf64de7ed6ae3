"""Faults of the program itself: one line for the input that met one, and the others go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import Finished, convcli
from support.many_files import documents, names, save_six_pictures

# Raises in a function when it works for p1.png, in every process of a command.
SITECUSTOMIZE = """
import builtins, importlib.abc, importlib.util, os, sys

NAME, FUNCTION, ERROR = os.environ["FAULT"].split()

def is_due():
    frame = sys._getframe(2)
    while frame is not None:
        job = frame.f_locals.get("job")
        if frame.f_code.co_name in ("_run_job", "_dry_run_job") and job.source == "p1.png":
            return True
        frame = frame.f_back
    return "EVERYWHERE" in os.environ

def plant(module):
    function = getattr(module, FUNCTION)
    def fault(*arguments, **settings):
        if is_due():
            raise getattr(builtins, ERROR)("first line\\nsecond line")
        return function(*arguments, **settings)
    setattr(module, FUNCTION, fault)

class Planter(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def exec_and_plant(module):
            execute(module)
            plant(module)
        spec.loader.exec_module = exec_and_plant
        return spec

sys.meta_path.insert(0, Planter())
"""
INTERNAL = "p1.png: internal error: {}: first line; --debug shows where"
MEMORY = "p1.png: there is not enough memory for it"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    folder = tmp_path / "place"
    folder.mkdir()
    save_six_pictures(folder)
    return folder


def with_fault(fault: str, *arguments: str, cwd: Path, **env: str) -> Finished:
    paths = (str(cwd.parent / "fault"), os.environ.get("PYTHONPATH", ""))
    env |= {"FAULT": fault, "PYTHONPATH": os.pathsep.join(paths)}
    return convcli(*arguments, cwd=cwd, env=env)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("convcli.pipeline.outputs check_output IndexError", INTERNAL),  # before it is opened
        ("convcli.images.read open_input KeyError", INTERNAL),
        ("convcli.images.pillow read_header MemoryError", MEMORY),
        ("convcli.pipeline.computation plan_computation AssertionError", INTERNAL),
        ("convcli.pipeline.memory estimate_memory RecursionError", INTERNAL),
        ("convcli.pipeline.fused preprocess MemoryError", MEMORY),
        ("convcli.pipeline.fused write_filtered TypeError", INTERNAL),
        ("convcli.files.temporary make_name AttributeError", INTERNAL),
        ("convcli.images.png.write open_png IndexError", INTERNAL),
        ("convcli.files.output resolve NotImplementedError", INTERNAL),  # the file is written
    ],
)
def test_a_fault_ends_its_input_alone(fault: str, line: str, place: Path) -> None:
    inputs = ("p0.png", "p1.png", "p2.png")
    done = with_fault(fault, "apply", *inputs, "-k", "blur", "--json", cwd=place)
    expected = line.format(fault.split()[2])
    if fault.endswith("KeyError"):  # whose message is a repr
        expected = expected.replace("first line", r"'first line\nsecond line'")
    assert done.code == 1
    assert done.stderr == f"convcli: {expected}\nconvcli: 1 of 3 inputs failed\n"
    assert [document.get("error") for document in documents(done)] == [None, expected, None]
    assert [name for name in names(place) if "blur" in name] == ["p0.blur.png", "p2.blur.png"]
    assert not [name for name in names(place) if name.startswith(".")]


@pytest.mark.parametrize("options", [("--jobs", "2"), ("--dry-run",)], ids=lambda option: option[0])
@pytest.mark.parametrize("error", ["IndexError", "MemoryError"])
def test_a_fault_elsewhere_is_the_same_line(
    options: tuple[str, ...], error: str, place: Path
) -> None:
    fault = f"convcli.pipeline.memory estimate_memory {error}"
    inputs = ("p0.png", "p1.png", "p2.png")
    done = with_fault(fault, "apply", *inputs, "-k", "blur", "--json", *options, cwd=place)
    expected = MEMORY if error == "MemoryError" else INTERNAL.format(error)
    assert (done.code, done.stderr.splitlines()[0]) == (1, f"convcli: {expected}")
    assert done.stderr.count("\n") == 2
    assert len(documents(done)) == 3


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_debug_shows_where(jobs: str, place: Path) -> None:
    fault = "convcli.pipeline.memory estimate_memory IndexError"
    arguments = ("apply", "p0.png", "p1.png", "p2.png", "-k", "blur", "-j", jobs)
    done = with_fault(fault, "--debug", *arguments, cwd=place)
    assert done.code == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "in choose_route\n" in done.stderr
    assert "\nIndexError: first line\nsecond line\nconvcli: p1.png: internal error" in done.stderr
    assert {"p0.blur.png", "p2.blur.png"} < {*names(place)}


COMMANDS = {
    "explain": (
        "convcli.images.read open_frames",
        ("explain", "p0.png", "-k", "blur", "--at", "1,1"),
    ),
    "kernels": ("convcli.kernels load_kernel", ("kernels", "blur")),
    "shape": ("convcli.arithmetic.network walk", ("shape", "--input", "1x9x9", "conv:3")),
    "animate": ("convcli.files.output resolve", ("animate", "--h", "3", "--k", "2", "-o", "x.gif")),
    "solve": ("convcli.arithmetic.solve solve", ("solve", "--h", "9", "--out", "7")),
    "apply": ("convcli.kernels load_kernel", ("apply", "p0.png", "-k", "blur")),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("error", ["RuntimeError", "MemoryError"])
def test_a_fault_anywhere_is_one_line(name: str, error: str, place: Path) -> None:
    fault, arguments = COMMANDS[name]
    before = names(place)
    done = with_fault(f"{fault} {error}", *arguments, cwd=place, EVERYWHERE="1")
    line = f"internal error: {error}: first line; --debug shows where"
    if error == "MemoryError":
        line = "there is not enough memory for it"
    assert (done.code, done.stdout, done.stderr) == (1, b"", f"convcli: {line}\n")
    assert names(place) == before
    traced = with_fault(f"{fault} {error}", "--debug", *arguments, cwd=place, EVERYWHERE="1")
    assert traced.code == 1
    assert f"\n{error}: first line\nsecond line\n" in traced.stderr
