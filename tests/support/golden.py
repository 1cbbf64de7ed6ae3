"""Run the golden commands, and describe what they print and write.

A description depends neither on an encoder (pictures are decoded) nor on how a processor rounds
floats (numbers are compared with a tolerance), nor on fonts (drawings are compared by their
size and the mean colors of their parts).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import re
import shlex
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from support.command import Finished, convcli, here
from support.forked import forked
from support.golden_compare import Record, is_text_lines
from support.golden_inputs import content

FOLDER = Path(__file__).resolve().parents[1] / "golden"
EXPECTED = FOLDER / "expected"

# What else the output depends on: two threads on every machine, 80 columns, no colors.
ENVIRONMENT = {"CONVCLI_THREADS": "2", "COLUMNS": "80", "NO_COLOR": "1", "PYTHONUTF8": "1"}
UNSET = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONWARNINGS", "LINES")
TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}

NAME = re.compile(r"[\w./-]+")
MASKS = {
    re.compile(r'(?<="seconds": )[\d.e-]+|\d+\.\d\d(?= s$)', re.MULTILINE): "SECONDS",
    re.compile("; BLAS for [^;]+"): "",
    re.compile(r"(?<=would cost )[\d.]+(?= times as much)"): "RATIO",  # by the rates of the BLAS
    re.compile(r"(?<=^convcli, version )\S+"): "VERSION",
    re.compile(r'(?<=cannot be decoded: )[^"\n]+'): "REASON",  # which is Pillow's
}
MAX_COLORS = 40  # of an SVG; of more, their number is kept
MAX_LINE = 8000  # characters; of longer lines, their start and a digest are kept
COORDINATE = re.compile(r"(?<![#\w.])-?\d+(?:\.\d+)?")
EMBEDDED = re.compile(r'(?<=href="data:image/png;base64,)[^"]*')


@dataclass(frozen=True)
class Case:
    """A command.

    Parameters
    ----------
    family, name : str
        The table of `commands.toml` that it stands in, and its key there.
    run : str
        What is typed after `convcli`, as a shell reads it.
    extra : tuple of str
        Files that are not named in the command; a name that ends in `/` is a folder.
    stdin : str or None
        The file that is standard input.
    process : bool
        Run in a process of its own.
    terminal : bool
        Run in a process of its own whose standard output is a terminal.
    near : bool
        The pixels depend on how floats are rounded.
    drawn : bool
        The pictures are drawings with text.
    texts : mapping
        Name and content of the text files of `commands.toml`.
    """

    family: str
    name: str
    run: str
    extra: tuple[str, ...] = ()
    stdin: str | None = None
    process: bool = False
    terminal: bool = False
    near: bool = False
    drawn: bool = False
    texts: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.run)

    def inputs(self) -> dict[str, bytes]:
        """Name and content of the files that the command or `extra` names."""
        words = [word for argument in self.arguments for word in NAME.findall(argument)]
        names = [str(PurePosixPath(word)) for word in words] + list(self.extra)
        found = {name: content(name, self.texts or {}) for name in names}
        return {name: held for name, held in found.items() if held is not None}


def load_cases() -> list[Case]:
    """Read `commands.toml`."""
    document = tomllib.loads((FOLDER / "commands.toml").read_text(encoding="utf-8"))
    texts = document.pop("files")
    cases = []
    for family, table in document.items():
        for name, value in table.items():
            options = {"run": value} if isinstance(value, str) else dict(value)
            extra = tuple(options.pop("with", ()))
            cases.append(Case(family, name, extra=extra, texts=texts, **options))
    return cases


def format_expected(results: Mapping[str, Record]) -> str:
    """Format results as JSON with a line for every line of text and for every file."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def block(value: Any) -> str:
        if is_text_lines(value) and value:
            return "[\n" + ",\n".join(f"   {text(line)}" for line in value) + "\n  ]"
        if isinstance(value, dict) and "kind" not in value:
            rows = (f"   {text(name)}: {text(item)}" for name, item in value.items())
            return "{\n" + ",\n".join(rows) + "\n  }"
        return text(value)

    cases = []
    for name, record in results.items():
        rows = (f"  {text(key)}: {block(value)}" for key, value in record.items())
        cases.append(f" {text(name)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(cases) + "\n}\n"


def load_expected(family: str) -> dict[str, Record]:
    path = EXPECTED / f"{family}.json"
    found: dict[str, Record] = json.loads(path.read_text(encoding="utf-8"))
    return found


# Run


def execute(case: Case, folder: Path) -> Record:
    """Run a case in an empty folder, and describe what came of it."""
    make_inputs(case, folder)
    before = snapshot(folder)
    done = run(case, folder)
    after = snapshot(folder)
    changed = {name: held for name, held in after.items() if before.get(name, b"") != held}
    record: Record = {"command": f"convcli {case.run}", "exit": done.code}
    if done.stdout:
        record["stdout"] = describe_stdout(done.stdout, case, folder)
    if done.stderr:
        record["stderr"] = text_lines(done.stderr, folder)
    if changed:
        record["files"] = {name: describe(held, case) for name, held in sorted(changed.items())}
    if before.keys() - after.keys():
        record["removed"] = sorted(before.keys() - after.keys())
    return record


def make_inputs(case: Case, folder: Path) -> None:
    for name in case.extra:
        if name.endswith("/"):
            (folder / name).mkdir()
    for name, held in case.inputs().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(held)


def run(case: Case, folder: Path) -> Finished:
    stdin = (content(case.stdin, case.texts or {}) or b"") if case.stdin else b""
    with patch.dict(os.environ, ENVIRONMENT), warnings.catch_warnings():
        for name in UNSET:
            os.environ.pop(name, None)
        warnings.simplefilter("error")
        if case.terminal:
            return on_terminal(case.arguments, folder)
        if case.process:
            return convcli(*case.arguments, cwd=folder, stdin=stdin)
        return here(*case.arguments, cwd=folder, stdin=stdin)


def on_terminal(arguments: list[str], folder: Path) -> Finished:
    """Run a command whose standard output is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as executor:
        printed = executor.submit(lambda: b"".join(iter(lambda: read_terminal(ours), b"")))
        try:
            env = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | TERMINAL
            ended = forked(*arguments, cwd=folder, env=env, terminal=os.ttyname(theirs))
        finally:
            os.close(theirs)  # which ends the reading
    os.close(ours)
    stdout = printed.result().replace(b"\r\n", b"\n")
    return Finished(ended.code, stdout, ended.stderr.decode())


def read_terminal(descriptor: int) -> bytes:
    """Read from a terminal; nothing once the other side has closed it."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # what Linux says of a closed terminal
        return b""


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Name and content of everything in a folder; folders end in `/` and have None."""
    found: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        found |= {f"{name}/": None} if path.is_dir() else {name: path.read_bytes()}
    return found


# Describe


def text_lines(text: str, folder: Path) -> list[str]:
    """Lines of text, without what differs from run to run and from machine to machine."""
    text = text.replace(str(folder), "FOLDER")
    for pattern, mask in MASKS.items():
        text = pattern.sub(mask, text)
    lines = text.removesuffix("\n").split("\n") + ([] if text.endswith("\n") else ["(no newline)"])
    return [
        line if len(line) <= MAX_LINE else f"{line[:500]}... ({digest(line.encode())})"
        for line in lines
    ]


def describe_stdout(stdout: bytes, case: Case, folder: Path) -> list[str] | Record:
    try:
        return text_lines(stdout.decode(), folder)
    except UnicodeDecodeError:
        return describe(stdout, case)


def describe(held: bytes | None, case: Case) -> Record:
    """Describe a file by what it means, not by how it is encoded."""
    if held is None:
        return {"kind": "folder"}
    if held.startswith(b"\x93NUMPY"):
        values = np.load(io.BytesIO(held))
        return {"kind": "npy", "dtype": str(values.dtype)} | summary(values)
    try:
        text = held.decode()
    except UnicodeDecodeError:
        return describe_picture(held, case)
    if len(text) <= 2000:
        return {"kind": "text", "lines": text_lines(text, Path("/nowhere"))}
    if text.startswith("<svg"):
        return describe_svg(text)
    return {"kind": "text", "sha256": digest(held), "lines": text.count("\n")}


def describe_svg(text: str) -> Record:
    """An SVG by its elements, colors, texts, and the mean of its numbers, which fonts may move."""
    bare = EMBEDDED.sub("", text)
    colors = sorted(set(re.findall(r'(?<=")#\w+(?=")|rgb\([^)]*\)', bare)))
    numbers = [float(number) for number in COORDINATE.findall(re.sub(r">[^<]*<", "><", bare))]
    return {
        "kind": "svg",
        "drawn": round(sum(numbers) / len(numbers), 2),
        "elements": {
            name: len(re.findall(f"<{name}[ >]", bare))
            for name in sorted(set(re.findall(r"<(\w+)", bare)))
        },
        "colors": colors if len(colors) <= MAX_COLORS else len(colors),
        "texts": re.findall(r">([^<>\n]+)<", bare),
    }


def describe_picture(held: bytes, case: Case) -> Record:
    with Image.open(io.BytesIO(held)) as image:
        record: Record = {"kind": image.format, "mode": image.mode, "size": list(image.size)}
        if image.format == "PNG":
            record["bits"] = held[24]
        record |= describe_metadata(image)
        pictures = [np.asarray(frame) for frame in decoded_frames(image, record)]
    pixels = np.stack(pictures) if len({one.shape for one in pictures}) == 1 else None
    lossy = record["kind"] in ("JPEG", "WEBP")
    if case.drawn:
        return record | {"drawn": tiles(pictures)}
    if pixels is None or lossy:
        return record | {"lossy": mean_colors(pictures)}
    if case.near or pixels.dtype.kind == "f":
        return record | summary(pixels)
    return record | {"pixels": digest(pixels.tobytes())}


def decoded_frames(image: Image.Image, record: Record) -> Iterator[Image.Image]:
    """The frames of a picture, palettes looked up; their number and times go into the record."""
    times = []
    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        if number > 1:
            record["frames"] = number
        frame.load()  # a WebP tells the time of a frame that is decoded
        times.append(frame.info.get("duration"))
        yield frame.convert("RGBA") if image.format == "GIF" or frame.mode == "P" else frame.copy()
    if any(times):
        record |= {"milliseconds": [round(float(time or 0)) for time in times]}
        record |= {"loop": image.info.get("loop")}


def describe_metadata(image: Image.Image) -> Record:
    """What a picture carries beside its pixels; 1 dot per inch is Pillow's word for none."""
    found: Record = {
        "exif": {str(tag): str(value) for tag, value in image.getexif().items()},
        "dpi": [round(float(value)) for value in image.info.get("dpi", ()) if value != 1],
        "profile": bool(image.info.get("icc_profile")),
        "comment": str(image.info.get("comment", "")),
        "text": dict(getattr(image, "text", {})),
    }
    if image.format == "TIFF":  # its tags say how it is encoded
        del found["exif"]
    return {name: value for name, value in found.items() if value}


def mean_colors(pictures: list[NDArray[Any]]) -> list[list[float]]:
    """The mean of every channel of the first and the last picture."""
    chosen = [pictures[0], pictures[-1]] if len(pictures) > 1 else pictures
    flat = [one.reshape(*one.shape[:2], -1).mean(axis=(0, 1), dtype=float) for one in chosen]
    return [[round(float(value), 2) for value in one] for one in flat]


def tiles(pictures: list[NDArray[Any]]) -> list[list[int]]:
    """The mean colors of 4x4 parts of the first and the last picture."""
    chosen = [pictures[0], pictures[-1]] if len(pictures) > 1 else pictures
    images = [Image.fromarray(one).convert("RGB") for one in chosen]
    return [np.asarray(one.resize((4, 4), Image.Resampling.BOX)).ravel().tolist() for one in images]


def summary(values: NDArray[Any]) -> Record:
    """Sums of values under three patterns of signs: what differs anywhere, differs there."""
    flat = values.ravel().astype(float)
    places = np.arange(flat.size, dtype=np.uint64)
    sums = [flat.sum()]
    for factor in (2654435761, 2246822519):  # of well-known hashes
        signs = (places * np.uint64(factor) >> np.uint64(15) & np.uint64(1)).astype(float)
        sums.append((flat * (2 * signs - 1)).sum())
    found = {
        "shape": list(values.shape),
        "least": flat.min(),
        "largest": flat.max(),
        "sizes": np.abs(flat).sum(),
    }
    rounded = {
        name: float(f"{value:.8g}") if isinstance(value, float) else value
        for name, value in found.items()
    }
    return rounded | {"sums": [float(f"{value:.8g}") for value in sums]}


def digest(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()[:16]
