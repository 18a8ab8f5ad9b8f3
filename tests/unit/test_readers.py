"""Whoever reads while releases come in sees one of them at a time, and never an error."""

from collections import Counter

import duckdb

from benchmarks.readers import MARTS, READERS, put_release, read_through_releases, versions
from pipelines.lake import Lake

RELEASES, READS = 20, 200
SESSION_RELEASES = 50


def test_readers_of_every_kind_see_whole_releases_that_only_go_forward(tmp_path):
    found = read_through_releases(tmp_path, RELEASES, READS)
    assert set(found) == set(READERS)
    for kind, (met, seen) in found.items():
        assert met == Counter(reads=met["reads"]), kind
        assert seen > 1, kind
    assert sum(met["reads"] for met, _ in found.values()) >= READS


def test_a_bi_session_left_open_hinders_no_release_and_keeps_the_one_it_opened(tmp_path):
    lake = Lake(tmp_path)
    put_release(lake, 0)
    with duckdb.connect(lake.current / "marts.duckdb", read_only=True) as session:
        for version in range(1, SESSION_RELEASES + 1):
            put_release(lake, version)
            assert versions(session, list(MARTS)) == {0}
            # The same process asks again by the same path, as a refresh in the BI tool does.
            with duckdb.connect(lake.current / "marts.duckdb", read_only=True) as refreshed:
                assert versions(refreshed, list(MARTS)) == {version}


def test_a_bi_session_that_reads_parquet_by_the_path_of_current_follows_every_release(tmp_path):
    lake = Lake(tmp_path)
    put_release(lake, 0)
    with duckdb.connect() as session:
        session.execute(
            f"create view customers as from read_parquet('{lake.current}/marts/customers.parquet')"
        )
        for version in range(1, SESSION_RELEASES + 1):
            put_release(lake, version)
            assert versions(session, ["customers"]) == {version}
