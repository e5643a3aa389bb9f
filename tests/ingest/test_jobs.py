"""Runs of tasks: a row each, and what becomes of it."""

import pytest

from ingest import jobs
from ingest.models import JobRun


def test_it_works(db: None) -> None:
    with jobs.run("sweep", site_id=7, total=2) as job:
        assert JobRun.objects.get().is_running
        job.step(2, rows=5)
        job.detail = "Swept."
    row = JobRun.objects.get()
    assert (row.task, row.site_id, row.total, row.done, row.rows, row.detail) == ("sweep", 7, 2, 2, 5, "Swept.")
    assert row.ended_at is not None
    assert row.problem == ""


def test_an_exception_is_kept_and_raised(db: None) -> None:
    with pytest.raises(ValueError, match="no broom"), jobs.run("sweep"):
        raise ValueError("no broom")
    assert JobRun.objects.get().error == "ValueError: no broom"
