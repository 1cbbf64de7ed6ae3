"""A job that is run twice, as it is after its worker died before it could report."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from pathlib import Path

import pytest

from convcli.batch import Job, dry_run_job, run_job
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "x.csv").write_text("1 2\n3 4\n")
    target = OutputTarget(str(tmp_path / "{stem}.{kernel}.npy"), ("filtered",))
    return Job(source=str(tmp_path / "x.csv"), plan=Plan(gray=True), target=target)


def test_what_an_earlier_attempt_wrote_is_replaced(job: Job) -> None:
    again = replace(job, started_at=time.time() - 5)
    first, second = run_job(again), run_job(again)
    assert first.error is second.error is None
    assert first.written == second.written
    assert run_job(replace(again, skip_existing=True)).skipped == ()


def test_what_was_there_before_is_not(job: Job, tmp_path: Path) -> None:
    old = tmp_path / "x.filtered.npy"
    old.write_bytes(b"old")
    for one in (job, replace(job, started_at=time.time() + 5)):
        assert run_job(one).error == f"{old}: exists already; --force replaces it"
        assert run_job(replace(one, skip_existing=True)).skipped == (str(old),)
    assert old.read_bytes() == b"old"


def test_an_input_is_not_replaced_however_new_it_is(job: Job) -> None:
    here = job.target._replace(template=job.source, protected=(job.source,))
    report = run_job(replace(job, target=here, started_at=0.0))
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
