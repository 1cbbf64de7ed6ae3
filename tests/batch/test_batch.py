"""A job that is run twice, as it is after its worker died before it could report."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from convcli.batch import Job, dry_run_job, run_job
from convcli.batch.collisions import OverwriteGuard
from convcli.files.journal import JobKey, name_batch
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "x.csv").write_text("1 2\n3 4\n")
    target = OutputTarget(str(tmp_path / "{stem}.{kernel}.npy"), ("filtered",))
    return Job(source=str(tmp_path / "x.csv"), plan=Plan(gray=True), target=target)


def test_what_an_earlier_attempt_wrote_is_no_obstacle(job: Job, tmp_path: Path) -> None:
    again = job._replace(key=JobKey(name_batch(), 3))
    first = run_job(again)
    whole = (tmp_path / "x.filtered.npy").read_bytes()
    second = run_job(again)
    assert first.error is second.error is None
    assert first.written == second.written
    assert run_job(again._replace(skip_existing=True)).skipped == ()
    assert (tmp_path / "x.filtered.npy").read_bytes() == whole


FAR = 4e9  # seconds, in the year 2096


@pytest.mark.parametrize("date", [0.0, FAR])
def test_what_another_program_wrote_is_not_replaced_whatever_its_date(
    job: Job, tmp_path: Path, date: float
) -> None:
    old = tmp_path / "x.filtered.npy"
    old.write_bytes(b"old")
    os.utime(old, (date, date))
    batch = name_batch()
    elsewhere = OutputTarget(str(tmp_path / "other.npy"), ("",))
    assert run_job(job._replace(target=elsewhere, key=JobKey(batch, 0))).error is None
    for key in (None, JobKey(batch, 0), JobKey(name_batch(), 0)):
        one = job._replace(key=key)
        assert run_job(one).error == f"{old}: exists already; --force replaces it"
        assert run_job(one._replace(skip_existing=True)).skipped == (str(old),)
    assert old.read_bytes() == b"old"


def change(path: Path) -> None:
    path.write_bytes(b"newer")


def replace_by_a_copy(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.with_suffix(".away"))  # so that its number is not given again
    path.write_bytes(content)


def touch(path: Path) -> None:
    os.utime(path, (FAR, FAR))


@pytest.mark.parametrize("meanwhile", [change, replace_by_a_copy, touch])
def test_what_was_changed_after_the_first_attempt_stays(
    job: Job, tmp_path: Path, meanwhile: Callable[[Path], None]
) -> None:
    again = job._replace(key=JobKey(name_batch(), 0))
    made = tmp_path / "x.filtered.npy"
    assert run_job(again).error is None
    meanwhile(made)
    content = made.read_bytes()
    assert run_job(again).error == f"{made}: exists already; --force replaces it"
    assert made.read_bytes() == content


def test_what_another_job_of_the_batch_wrote_stays(job: Job) -> None:
    batch = name_batch()
    assert run_job(job._replace(key=JobKey(batch, 0))).error is None
    second = run_job(job._replace(key=JobKey(batch, 1)))
    assert second.error is not None
    assert "exists already" in second.error


def test_an_input_is_not_replaced_by_a_second_attempt(job: Job) -> None:
    here = job.target._replace(template=job.source, protected=(job.source,))
    report = run_job(job._replace(target=here, key=JobKey(name_batch(), 0)))
    assert report.error is not None
    assert "an input is never replaced" in report.error


def test_jobs_and_reports_are_small_enough_to_be_sent(job: Job) -> None:
    report = run_job(pickle.loads(pickle.dumps(job)))
    assert pickle.loads(pickle.dumps(report)) == report
    assert len(pickle.dumps(report)) < 2_000


def test_a_dry_run_tells_the_route_of_the_run_and_writes_nothing(job: Job) -> None:
    (dry,) = dry_run_job(job).routes
    assert not Path(dry.outputs[0]).exists()
    (real,) = run_job(job).routes
    assert dry == real
    assert Path(dry.outputs[0]).exists()


# ---- paths of a job that runs in another folder ------------------------------------------------


@pytest.mark.parametrize("is_absolute", [False, True])
@pytest.mark.parametrize(
    ("template", "folder", "expected"),
    [
        ("{stem}.{kernel}.npy", "out", "out/in/x.filtered.npy"),
        ("{dir}/{stem}.npy", "", "photos/in/x.npy"),
        ("{parent}-{ext}.npy", "", "in-csv.npy"),
    ],
)
def test_a_worker_in_another_folder_writes_what_was_typed(
    template: str,
    folder: str,
    expected: str,
    *,
    is_absolute: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "photos" / "in").mkdir(parents=True)
    elsewhere.mkdir()
    (home / "photos" / "in" / "x.csv").write_text("1 2\n3 4\n")
    source = f"{home}/photos/in/x.csv" if is_absolute else "photos/in/x.csv"
    monkeypatch.chdir(home)
    target = OutputTarget(template, ("filtered",), folder=folder, subfolders={source: "in"})
    bound = OverwriteGuard(target, [source, "photos/y.csv"]).protect(source)
    job = Job(
        source=source,
        plan=Plan(gray=True),
        target=bound,
        working_dir=str(home),
        output_dir=bound.folder or None,
    )
    sent = pickle.loads(pickle.dumps(job))
    assert sent.target.subfolders == {}  # which may be those of many thousands
    monkeypatch.chdir(elsewhere)
    report = run_job(sent)
    assert report.error is None
    typed = f"{home}/{expected}" if is_absolute and "dir" in template else expected
    assert [file.path for file in report.written] == [typed]
    assert (home / expected).exists()
    assert list(elsewhere.iterdir()) == []
    again = run_job(sent)
    assert again.error == f"{typed}: exists already; --force replaces it"
