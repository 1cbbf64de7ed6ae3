"""Only what was typed is opened: no file names another that is read, too."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.golden_inputs import INPUTS
from support.hostile import place
from support.opened import opened
from support.peers import require_peer

MAX_MEGABYTES = 256  # of a process; what the files below claim to hold is far more
OWN = 5  # the values of the input; those of the files beside it are others
UUID = "urn:uuid:22222222-2222-2222-2222-222222222222"


def ome(file: str, dtype: str, planes: int = 2) -> str:
    """OME-XML that says that the planes lie in another file."""
    data = "".join(
        f'<TiffData IFD="{plane}" FirstZ="{plane}" PlaneCount="1">'
        f'<UUID FileName="{file}">{UUID}</UUID></TiffData>'
        for plane in range(min(planes, 3))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        ' UUID="urn:uuid:11111111-1111-1111-1111-111111111111"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{dtype}" SizeX="5" SizeY="4"'
        f' SizeZ="{planes}" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        f"{data}</Pixels></Image></OME>"
    )


def metadata_only(file: str) -> str:
    """OME-XML that says that all of it lies in a companion file."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<BinaryOnly MetadataFile="{file}" UUID="{UUID}"/></OME>'
    )


# Descriptions by which readers of microscopes' files take other files, or more pages, for a part
# of this one: each names `other.tif`, or claims 100,000 pages.
DESCRIPTIONS: dict[str, Callable[[str], str]] = {
    "beside": lambda dtype: ome("other.tif", dtype),
    "outside": lambda dtype: ome("../outside/other.tif", dtype),
    "absolute": lambda dtype: ome("/etc/hostname", dtype),
    "pipe": lambda dtype: ome("fifo.tif", dtype),
    "claim": lambda dtype: ome("other.tif", dtype, planes=100_000_000),
    "companion": lambda _: metadata_only("other.companion.ome"),
    "imagej": lambda _: "ImageJ=1.53t\nimages=100000\nslices=100000\n",
    "shaped": lambda _: '{"shape": [100000, 4, 5]}',
    "micro-manager": lambda _: '{"MicroManagerVersion": "2.0", "FileName": "other.tif"}',
    "scanimage": lambda _: "state.configPath = 'other'\rstate.acq.numberOfFrames=100000\r",
    "metaseries": lambda _: '<MetaData><prop id="file" value="other.tif"/></MetaData>',
    "svs": lambda _: "Aperio Image Library v1\nother.tif|Filename = other.tif",
    "scn": lambda _: '<?xml version="1.0"?><scn><image file="other.tif"/></scn>',
}
NAMES = (
    "in.tif",
    "in.ome.tif",
    "in_MMStack_Pos0.ome.tif",
    "in_NDTiffStack.tif",
    "in.ndpi",
    "in.lsm",
)


def write_decoys(folder: Path) -> None:
    """Write what could be read beside the input: files, a companion, and a pipe with no writer."""
    outside = folder.parent / "outside"
    outside.mkdir()
    stream = io.BytesIO()
    Image.new("L", (5, 4), 77).save(stream, "TIFF")
    for path in (folder / "other.tif", outside / "other.tif", folder / "NDTiff.index"):
        path.write_bytes(stream.getvalue())
    for name in ("in_MMStack_Pos0_1.ome.tif", "in_metadata.txt", "other.companion.ome"):
        (folder / name).write_bytes(stream.getvalue())
    os.mkfifo(folder / "fifo.tif")


def check_opened(seen: set[str], *allowed: str) -> None:
    """Check that nothing but what was typed was opened; an output is written beside its place."""
    others = {name for name in seen if not Path(name).name.startswith(".convcli-")}
    assert others <= {".", *allowed}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64", "rgb16", "big"])
def test_tiffs_that_name_other_files_are_read_alone(tmp_path: Path, dtype: str) -> None:
    tifffile = require_peer("tifffile")
    folder = place(tmp_path)
    write_decoys(folder)
    name = {"uint8": "uint8", "float64": "double"}.get(dtype, "uint16")
    values = np.full((4, 5, 3) if dtype == "rgb16" else (4, 5), OWN, name)
    options: dict[str, Any] = {"bigtiff": dtype == "big"}
    options["photometric"] = "rgb" if dtype == "rgb16" else "minisblack"
    for kind, description in DESCRIPTIONS.items():
        text = description(name)
        tifffile.imwrite(folder / f"{kind}.tif", values, description=text, metadata=None, **options)
    files = [f"{kind}.tif" for kind in DESCRIPTIONS]
    ended, seen = opened("apply", *files, "-k", "identity", "-o", "{stem}.npy", cwd=folder)
    assert ended.code == 0, ended.stderr
    assert ended.megabytes < MAX_MEGABYTES
    for kind in DESCRIPTIONS:
        np.testing.assert_array_equal(np.load(folder / f"{kind}.npy"), values)
    check_opened(seen, *files)


def test_tiffs_are_read_alone_whatever_their_names(tmp_path: Path) -> None:
    tifffile = require_peer("tifffile")
    folder = place(tmp_path)
    write_decoys(folder)
    values = np.full((4, 5, 3), OWN, np.uint16)
    for name in NAMES:
        tifffile.imwrite(folder / name, values, photometric="rgb", metadata=None)
    for name in NAMES:
        ended, seen = opened("apply", name, "-k", "identity", "-f", "-o", "out.npy", cwd=folder)
        assert (ended.code, ended.stderr) == (0, b"")
        np.testing.assert_array_equal(np.load(folder / "out.npy"), values)
        check_opened(seen, name)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_inputs_of_all_formats_are_the_only_files_that_are_read(tmp_path: Path, jobs: str) -> None:
    folder = place(tmp_path)
    write_decoys(folder)
    names: list[str] = []
    for name, content in sorted(INPUTS.items()):  # several have one stem
        names.append(f"{len(names)}-{name}")
        (folder / names[-1]).write_bytes(content())
    outputs = ("--output-dir", "made", "--name", "{stem}.{kernel}.npy")
    ended, seen = opened("apply", *names, "-k", "blur", *outputs, "--jobs", jobs, cwd=folder)
    assert ended.code == 1  # some are no pictures
    workers = {event for event in seen if event.startswith("subprocess.Popen")}
    assert all(sys.executable in event for event in workers)
    assert bool(workers) == (jobs == "2")
    check_opened(seen - workers, *names, "made")


@pytest.mark.parametrize("name", ["gray.png", "pages.tif", "grid.npy"])
def test_standard_input_opens_no_file(tmp_path: Path, name: str) -> None:
    folder = place(tmp_path)
    content = INPUTS[name]()
    ended, seen = opened("apply", "-", "-k", "blur", "-q", "-o", "-", cwd=folder, stdin=content)
    assert (ended.code, ended.stderr) == (0, b"")
    check_opened(seen)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".json", ".txt"])
def test_a_kernel_is_the_only_file_beside_the_input_that_is_read(
    tmp_path: Path, suffix: str
) -> None:
    folder = place(tmp_path)
    write_decoys(folder)
    texts = {".csv": "0,1,0\n", ".txt": "0 1 0\n", ".json": '{"kernel": [[0, 1, 0]]}'}
    if suffix == ".npy":
        np.save(folder / "k.npy", [[0.0, 1.0, 0.0]])
    else:
        (folder / f"k{suffix}").write_text(texts[suffix])
    ended, seen = opened("apply", "a.png", "-k", f"k{suffix}", "-o", "b.png", cwd=folder)
    assert (ended.code, ended.stderr) == (0, b"")
    check_opened(seen, "a.png", f"k{suffix}")
