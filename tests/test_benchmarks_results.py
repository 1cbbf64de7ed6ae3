"""Results are written, read again, compared with older ones, and shown in the README."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import command
from benchmarks.against import find_mismatches, find_slower, measure_until_as_fast
from benchmarks.cores import Core, find_cores
from benchmarks.machine import Machine, warn_of_load
from benchmarks.readme import LINES, render_section, replace_section, write_section
from benchmarks.results import Result, ResultError, as_json, from_json, read_result
from benchmarks.row import AMD_AVX2, AVX2, AVX512, FULL
from benchmarks.rows import all_rows
from benchmarks.runner import with_means
from benchmarks.timing import Measure
from support.readme_blocks import README, ROOT

RECORDED = sorted((ROOT / "tests" / "benchmarks" / "results").glob("*.json"))
MACHINE = Machine("Intel(R) Xeon(R)", 2, 2, "3.11.7", "2.4.6", {"cv2": "5.0.0.93"})
CORES = [Core("SkylakeX", AVX512), Core("Haswell", AVX2, "Haswell")]


def measure(row: str, ratio: float, spread: float = 0.01, core: str = "") -> Measure:
    quartiles = [ratio * (1 - spread), ratio * (1 + spread)]
    return Measure(row, "peer", core, "passed", ratio=ratio, runs=5, spread=quartiles)


def result(*measures: Measure, machine: Machine = MACHINE) -> Result:
    return Result(machine, CORES, is_quick=False, load="", measures=list(measures))


def test_a_result_reads_back_what_it_writes() -> None:
    before = result(measure("dense", 1.5, core="Haswell"), measure("command", 0.5))
    assert from_json(as_json(before), "file") == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "an older version wrote it"),
        ("{", "is not JSON"),
        ("3", "is not a result"),
        ('{"version": 2}', "is not a result of version 1"),
        ('{"version": 1, "machine": {}}', "is not a whole result"),
    ],
)
def test_what_is_no_result_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=f"old.json: {words}"):
        read_result(path)
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "is_slower"),
    [
        (measure("work", 1.0), measure("work", 1.2), True),
        (measure("work", 1.0), measure("work", 1.05), False),  # within 10 %
        (measure("work", 1.0), measure("work", 1.2, spread=0.2), False),  # within the noise
        (measure("work", 1.0, spread=0.2), measure("work", 1.15), False),
        (measure("work", 1.0), measure("work", 0.5), False),
        (measure("work", 1.0, core="Haswell"), measure("work", 2.0, core="SkylakeX"), False),
        (measure("other", 1.0), measure("work", 2.0), False),
        (Measure("work", "peer"), measure("work", 2.0), False),
        (measure("work", 1.0), Measure("work", "peer"), False),
    ],
)
def test_slower_is_beyond_the_noise_of_both(
    before: Measure, now: Measure, *, is_slower: bool
) -> None:
    found = find_slower(result(before), result(now))
    assert bool(found) == is_slower
    assert not is_slower or found == ["slower: work, peer: 1, now 1.2"]


@pytest.mark.parametrize(
    ("ratios", "kept", "runs"),
    [
        ((1.0, 9.0), 1.0, 1),
        ((1.5, 1.0), 1.0, 2),
        ((1.5, 1.3, 1.4), 1.3, 3),
        ((1.5, 2.0, 1.0), 1.0, 3),
    ],
)
def test_what_seems_to_be_slower_is_measured_again(
    ratios: tuple[float, ...], kept: float, runs: int
) -> None:
    left = iter(ratios)
    found = measure_until_as_fast(lambda: measure("work", next(left)), result(measure("work", 1.0)))
    assert (found.ratio, len(list(left))) == (kept, len(ratios) - runs)
    assert measure_until_as_fast(lambda: measure("new", 9.0), result()).ratio == 9.0
    assert measure_until_as_fast(lambda: measure("work", 9.0), None).ratio == 9.0


def test_a_failure_is_not_hidden_by_a_slower_run() -> None:
    left = iter([measure("work", 1.5), Measure("work", "peer", check="failed")])
    found = measure_until_as_fast(lambda: next(left), result(measure("work", 1.0)))
    assert found.check == "failed"


def test_memory_is_compared_too() -> None:
    before = Measure("peak", "", "", "passed", value=100.0, unit="MB", runs=1, spread=[100.0] * 2)
    now = replace(before, value=150.0, spread=[150.0] * 2)
    assert find_slower(result(before), result(now)) == ["slower: peak: 100 MB, now 150 MB"]


def test_what_cannot_be_compared_is_said() -> None:
    old = result(measure("gone", 1.0), measure("both", 1.0), measure("unmeasured", 1.0))
    machine = replace(MACHINE, cores=4, peers={"cv2": "5.0.0.93", "torch": "2.13"})
    now = result(
        measure("both", 1.0), measure("new", 1.0, core="Haswell"), Measure("unmeasured", "peer"),
        machine=machine,
    )  # fmt: skip
    assert find_mismatches(old, replace(now, is_quick=True)) == [
        "another machine: cores: 2, now 4",
        "another machine: torch: missing, now 2.13",
        "one is quick, the other is not: only rows of the same work are compared",
        "only in the older result: gone, peer",
        "only in the older result: unmeasured, peer",
        "not in the older result: new, peer (Haswell)",
    ]


def test_the_command_fails_where_something_got_slower(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = tmp_path / "older.json"
    older.write_text(as_json(result(measure("work", 1.0), measure("gone", 1.0))))
    monkeypatch.setattr(command, "find_cores", lambda *_: (CORES, []))
    for ratio, code in ((1.0, 0), (2.0, 1)):
        now = result(measure("work", ratio))
        monkeypatch.setattr(command, "measure", lambda *_, now=now: now)
        monkeypatch.setattr("sys.argv", ["", "--json", "--against", str(older), "--only", "work"])
        assert command.main() == code
        printed = capsys.readouterr()
        assert json.loads(printed.out)["measures"][0]["ratio"] == ratio
        assert ("slower: work, peer: 1, now 2" in printed.err) == bool(code)
        assert "gone" not in printed.err  # which was not asked for
    older.write_text("[]")
    with pytest.raises(SystemExit, match="2"):
        command.main()


def test_a_core_that_does_not_run_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"": (0, ["SkylakeX", 64, True]), "Haswell": (0, ["Haswell", 32, False])}
    answers["Zen"] = answers[""]  # which is not what was asked for

    def probe(arguments: list[str], **settings: object) -> subprocess.CompletedProcess[str]:
        variables = settings["env"]
        assert isinstance(variables, dict)
        code, answer = answers.get(variables.get("OPENBLAS_CORETYPE", ""), (-4, None))
        return subprocess.CompletedProcess(arguments, code, json.dumps(answer), "")

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # which `own` is not to see
    monkeypatch.setattr("subprocess.run", probe)
    assert find_cores("own,Haswell,Zen,Sapphire", "Intel") == (
        [Core("SkylakeX", AVX512), Core("Haswell", AVX2, "Haswell")],
        [
            "core Zen: this processor or its BLAS does not run it",
            "core Sapphire: this processor or its BLAS does not run it",
        ],
    )
    answers[""] = answers["Haswell"]
    assert find_cores("own,Haswell", "AMD EPYC") == (
        [Core("Haswell", AMD_AVX2)],
        ["core Haswell: the same as Haswell"],
    )


@pytest.mark.parametrize(("load", "is_busy"), [(0.4, False), (3.25, True)])
def test_a_busy_machine_is_said(
    monkeypatch: pytest.MonkeyPatch, load: float, *, is_busy: bool
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    warning = warn_of_load()
    assert (warning is not None) == is_busy
    assert warning is None or warning.startswith("the machine is busy (load 3.2)")


def full_result() -> Result:
    """Every row of a machine with two cores: on the first 1, 2, ...; on the second 0.5."""
    found = []
    for index, row in enumerate(all_rows(FULL)):
        for core in CORES if row.on_each_core else CORES[:1]:
            ratio = index + 1.0 if core == CORES[0] else 0.5
            one = replace(measure(row.name, ratio), peer=row.peer, minimum_ratio=ratio)
            found.append(replace(one, core=core.name if row.on_each_core else ""))
    return result(*with_means(found, CORES))


def test_the_readme_has_a_column_for_each_core() -> None:
    section = render_section([full_result()])
    head, _, dense, *_, last = (line for line in section.splitlines() if line.startswith("|"))
    assert head == "| work | compared with | Intel Xeon, AVX-512 | Intel Xeon, AVX2 |"
    assert dense.endswith("| 1 / 2 / 3 / 5 | 0.5 / 0.5 / 0.5 / 0.5 |")
    assert last.endswith(" | - |")  # a command is measured once
    assert " / - " not in section
    assert (
        "\nMedians, on 2 of 2 cores of Intel Xeon, OpenBLAS for SkylakeX and Haswell: " in section
    )
    assert "NumPy 2.4, OpenCV 5.0. " in section
    assert render_section([full_result(), full_result()]).count("AVX-512") == 2


def test_every_figure_of_the_readme_is_a_row() -> None:
    made = full_result()
    named = {(one.row, one.peer) for one in made.measures}
    assert {row for line in LINES for row in line.rows} <= named


def test_the_section_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    text = "# A\n\n## How fast\n\nold\n\n## Next\n\n## How fast it is not\n"
    assert replace_section(text, "## How fast\n\nnew\n\n") == text.replace("old", "new")
    page = tmp_path / "README.md"
    page.write_text(text)
    write_section(page, [full_result()])
    assert "SkylakeX" in page.read_text()
    assert page.read_text().endswith("\n\n## Next\n\n## How fast it is not\n")
    with pytest.raises(ResultError, match="quick"):
        write_section(page, [replace(full_result(), is_quick=True)])


def test_the_readme_shows_the_recorded_results() -> None:
    assert RECORDED
    text = README.read_text(encoding="utf-8")
    assert replace_section(text, render_section(list(map(read_result, RECORDED)))) == text


def test_a_result_is_recorded_with_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page, path = tmp_path / "README.md", tmp_path / "results" / "one.json"
    page.write_text("## How fast\n\nold\n")
    path.parent.mkdir()
    monkeypatch.setattr(command, "README", page)
    monkeypatch.setattr(command, "find_cores", lambda *_: (CORES, []))
    monkeypatch.setattr(command, "measure", lambda *_: full_result())
    monkeypatch.setattr("sys.argv", ["", "--record", str(path)])
    assert command.main() == 0
    assert read_result(path) == full_result()
    recorded = page.read_text()
    assert "SkylakeX" in recorded
    page.write_text("## How fast\n\nold\n")
    monkeypatch.setattr("sys.argv", ["", "--readme", str(path)])
    assert command.main() == 0
    assert page.read_text() == recorded
