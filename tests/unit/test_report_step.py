import pytest

from pipelines.lake import Lake, write_json, write_table
from pipelines.report import write_report
from tests.unit.page.page_frames import a_list, manifest, whole_audience
from tests.unit.page.test_lists import segment

BEFORE = "2026-06-29__0a1b2c3d4e5f"


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "home")


@pytest.fixture
def release(lake):
    folder = lake.run(whole_audience().collect()["as_of"][0]).release
    write_table(whole_audience(), folder / "marts" / "audience.parquet")
    return folder


def write(lake, release, facts):
    return write_report(lake, release, facts, [segment()]).read_text()


def test_the_report_is_written_into_the_release_from_its_marts(lake, release):
    page = write(lake, release, manifest())
    assert (release / "report.html").read_text() == page
    assert 'id="figure-grades"' in page
    assert 'id="figure-topics"' not in page
    assert not list(release.glob("*.part"))


def test_lists_are_compared_with_the_release_that_the_run_goes_on_from(lake, release):
    write_json({"lists": [a_list(rows=25)]}, lake.published / BEFORE / "manifest.json")
    page = write(lake, release, manifest(previous_release=BEFORE))
    assert ">+15</td>" in page


@pytest.mark.parametrize("before", [None, BEFORE])
def test_without_a_former_release_there_is_no_change(lake, release, before):
    page = write(lake, release, manifest(previous_release=before))
    assert ">+15</td>" not in page


def test_a_former_release_that_told_nothing_of_lists_is_no_comparison(lake, release):
    write_json({}, lake.published / BEFORE / "manifest.json")
    assert write(lake, release, manifest(previous_release=BEFORE)) == write(
        lake, release, manifest()
    )
