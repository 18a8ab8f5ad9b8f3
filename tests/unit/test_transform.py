"""dbt is called many times in one process, and each call stands alone."""

import shutil
import threading
from datetime import date

import polars as pl
import pytest
from factories import PROJECT

from pipelines.errors import C360Error
from pipelines.lake import Lake, with_parent, write_table
from pipelines.transform import PARSED, reuse_parsed, run_dbt

BEFORE, TONIGHT = date(2026, 6, 29), date(2026, 6, 30)
SOURCES = "sources: [{name: rules, tables: [{name: bands}]}]"


@pytest.fixture
def project(tmp_path):
    """A project with our settings and macros, and models of its own."""

    def write(**models):
        folder = tmp_path / "project" / "dbt_project"
        shutil.copytree(PROJECT / "dbt_project" / "macros", folder / "macros")
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(PROJECT / "dbt_project" / name, folder)
        (folder / "models").mkdir()
        (folder / "models" / "sources.yml").write_text(SOURCES)
        for name, sql in models.items():
            (folder / "models" / f"{name}.sql").write_text(sql)
        return folder.parent

    return write


def build(model, run, project):
    run_dbt(["build", "--select", model], run, run.path / "dbt" / model, project, "UTC")
    return pl.read_parquet(run.table("models", model))


def test_what_a_night_has_no_file_of_is_not_read_from_the_night_before(lake, project):
    folder = project(copied="select * from {{ source('rules', 'bands') }}")
    before = lake.run(BEFORE)
    write_table(pl.DataFrame({"band": ["young"]}), before.table("rules", "bands"))
    assert build("copied", before, folder).height == 1
    with pytest.raises(C360Error, match="copied"):
        build("copied", lake.run(TONIGHT), folder)


def test_a_stage_that_needed_the_scratch_folder_is_followed_by_the_next(
    tmp_path, project, monkeypatch
):
    monkeypatch.setenv("C360_MEMORY_LIMIT", "30MB")
    folder = project(
        spilled="select hash(i) as h, i from range(1000000) as t(i) order by h",
        counted="select count(*)::int as rows from {{ ref('spilled') }}",
    )
    run = Lake(tmp_path / "home").run(TONIGHT)
    build("spilled", run, folder)
    assert build("counted", run, folder)["rows"].to_list() == [1_000_000]


def test_two_nights_that_end_a_call_at_the_same_moment_both_keep_what_dbt_read(lake, monkeypatch):
    copy, meet, faults = shutil.copyfile, threading.Barrier(2), []

    def copy_side_by_side(path, target):
        copy(path, target)
        meet.wait(timeout=60)

    def keep(run):
        try:
            with reuse_parsed(run, run.path / "dbt" / "target"):
                pass
        except OSError as fault:
            faults.append(fault)

    runs = [lake.run(BEFORE), lake.run(TONIGHT)]
    for run in runs:
        with_parent(run.path / "dbt" / "target" / PARSED).write_bytes(b"read")
    monkeypatch.setattr("pipelines.transform.shutil.copyfile", copy_side_by_side)
    nights = [threading.Thread(target=keep, args=[run]) for run in runs]
    for night in nights:
        night.start()
    for night in nights:
        night.join()
    assert faults == []
    assert (lake.runs / PARSED).read_bytes() == b"read"
