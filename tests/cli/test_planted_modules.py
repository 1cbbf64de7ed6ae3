"""No code is run from the folder where the pictures are, which others may have filled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.many_files import PATIENCE, names, save_six_pictures
from support.planted import plant
from support.process import PLAIN

SCRIPT = """
import sys
from convcli.__main__ import run_process
if __name__ == "__main__":
    sys.exit(run_process())
"""
COMMANDS = {
    "apply": ("apply", "p0.png", "deep.png", "float.tif", "a.gif", "n.npy", "-k", "blur"),
    "jobs": ("apply", "p0.png", "deep.png", "float.tif", "a.gif", "-k", "blur", "--jobs", "2"),
    "figure": ("apply", "p0.png", "-k", "sobel-x", "--figure", "f.png"),
    "preview": ("apply", "p0.png", "-k", "sobel-x", "--preview"),
    "dry-run": ("apply", "p0.png", "deep.png", "-k", "sobel-x", "--dry-run"),
    "explain": ("explain", "p0.png", "-k", "sobel-x", "--at", "2,2"),
    "animate": ("animate", "n.npy", "-k", "ones:3", "-o", "out.gif"),
    "page": ("page", "n.npy", "-k", "ones:3", "-o", "out.html"),
    "kernels": ("kernels", "gaussian:2"),
    "shape": ("shape", "--h", "9", "--k", "3", "--figure", "field.svg"),
    "layers": ("layers",),
    "design": ("design", "--rf", "11"),
    "solve": ("solve", "--in", "9", "--out", "7"),
}
EVERY = pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    save_six_pictures(folder)
    ramp = np.arange(64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(ramp).save(folder / "float.tif")
    np.save(folder / "n.npy", ramp[:4, :4])
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (9, 99, 199)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    deep = bytearray(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)).tobytes())
    Image.frombytes("I;16", (8, 8), bytes(deep)).save(folder / "deep.png")
    return folder


def run(
    command: Sequence[str], arguments: Sequence[str], folder: Path, **env: str
) -> tuple[int, bytes]:
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=PLAIN | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=2 * PATIENCE,
    )
    return done.returncode, done.stderr


@EVERY
def test_python_m_runs_no_module_of_the_folder(arguments: tuple[str, ...], place: Path) -> None:
    told = plant(place, for_module=True)
    _, stderr = run([sys.executable, "-m", "convcli"], arguments, place)
    assert names(told) == []
    assert b"Traceback" not in stderr


@pytest.mark.parametrize("arguments", [COMMANDS["apply"], COMMANDS["jobs"]], ids=["one", "jobs"])
def test_the_installed_command_runs_no_module_of_the_folder(
    arguments: tuple[str, ...], place: Path, tmp_path: Path
) -> None:
    told = plant(place)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "convcli"
    script.write_text(SCRIPT)
    assert run([sys.executable, str(script)], arguments, place)[0] == 0
    assert names(told) == []
    assert run([sys.executable, "-P", "-m", "convcli"], [*arguments, "-f"], place)[0] == 0
    assert names(told) == []


def test_workers_load_the_same_modules_as_the_command(place: Path) -> None:
    """Also where convcli is in the folder itself, as it is in a checkout that is not installed."""
    import convcli

    told = plant(place, for_module=True)
    (place / "convcli").symlink_to(Path(convcli.__file__).parent)
    found = [path for path in sys.path if path and not (Path(path) / "convcli").exists()]
    environment = {"PYTHONPATH": os.pathsep.join(found)}
    command = [sys.executable, "-m", "convcli"]
    assert run(command, [*COMMANDS["jobs"], "-q"], place, **environment) == (0, b"")
    assert names(told) == []
