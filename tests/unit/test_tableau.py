"""The marts as Tableau opens them, by Tableau's own engine."""

import shutil
from decimal import Decimal

import polars as pl
import pytest
from factories import rows

from pipelines.errors import C360Error
from pipelines.lake import Lake, write_table
from pipelines.publish import MARTS
from pipelines.release import current_release, write_manifest
from pipelines.settings import Settings
from pipelines.tableau import can_write_hyper, write_hyper
from tests.unit.erasure.erasure_home import CHEN, WANG, make_home
from tests.unit.erasure.test_erase import erase

installed = pytest.mark.skipif(
    not can_write_hyper(), reason='needs the extra: pip install "customer-360[tableau]"'
)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release with all marts, each of three rows, and the file for Tableau."""
    folder = tmp_path_factory.mktemp("it's a release")
    for name, group in MARTS.items():
        write_table(rows(name, {}, {}, {}, group=group), folder / "marts" / f"{name}.parquet")
    if can_write_hyper():
        write_hyper(folder)
    return folder


def opened(path):
    """Every table of a file: its columns and its rows."""
    from tableauhyperapi import Connection, HyperProcess, Telemetry

    telemetry = Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    with (
        HyperProcess(telemetry, parameters={"log_config": ""}) as process,
        Connection(process.endpoint, path) as connection,
    ):
        return {
            table.name.unescaped: (
                [
                    column.name.unescaped
                    for column in connection.catalog.get_table_definition(table).columns
                ],
                connection.execute_list_query(f"table {table}"),
            )
            for table in connection.catalog.get_table_names("public")
        }


@installed
def test_tableau_opens_every_mart_with_the_columns_and_rows_of_its_parquet_file(release, tmp_path):
    copy = shutil.copyfile(release / "marts.hyper", tmp_path / "copy.hyper")  # it opens to write
    tables = opened(copy)
    assert set(tables) == set(MARTS)
    for name, (columns, told) in tables.items():
        mart = pl.read_parquet(release / "marts" / f"{name}.parquet")
        assert columns == mart.columns
        assert len(told) == mart.height == 3
        for number, column in enumerate(columns):
            if mart[column].dtype in (pl.String, pl.Boolean, pl.Int64, pl.Float64):
                values = sorted(row[number] for row in told if row[number] is not None)
                assert values == mart[column].drop_nulls().sort().to_list(), (name, column)


@installed
def test_money_stays_exact_and_nobody_may_write_the_file(tmp_path):
    amounts = [Decimal("-1.0001"), Decimal("0.1"), Decimal("99999999999999.9999")]
    people = [{"net_margin_365d_amount": amount} for amount in amounts]
    write_table(
        rows("customer_360", *people, group="models"), tmp_path / "marts" / "customer_360.parquet"
    )
    write_hyper(tmp_path)
    assert (tmp_path / "marts.hyper").stat().st_mode & 0o777 == 0o444
    columns, told = opened(shutil.copyfile(tmp_path / "marts.hyper", tmp_path / "c.hyper"))[
        "customer_360"
    ]
    place = columns.index("net_margin_365d_amount")
    assert sorted(row[place] for row in told) == amounts


@installed
def test_it_has_no_part_in_the_name_of_a_release_but_its_digest_is_told(release):
    with_it = write_manifest(release, {})
    listed = (release / "manifest.json").read_text()
    (release / "marts.hyper").rename(release.parent / "away.hyper")
    try:
        assert write_manifest(release, {}) == with_it
    finally:
        (release.parent / "away.hyper").rename(release / "marts.hyper")
    assert '"path": "marts.hyper"' in listed


@installed
def test_an_erased_customer_is_not_in_the_file_that_is_made_anew(tmp_path):
    settings = make_home(tmp_path)
    release = current_release(Lake(settings.home))
    write_hyper(release.path)
    write_manifest(
        release.path, {k: v for k, v in release.manifest.items() if k not in ("run_id", "files")}
    )
    erase(settings)
    anew = current_release(Lake(settings.home)).path
    assert anew != release.path
    columns, told = opened(shutil.copyfile(anew / "marts.hyper", tmp_path / "c.hyper"))[
        "customer_360"
    ]
    assert sorted(row[columns.index("customer_id")] for row in told) == sorted([WANG, CHEN])


@installed
def test_a_mart_that_is_none_is_told(tmp_path):
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "customer_360.parquet").write_text("x")
    with pytest.raises(C360Error, match=r"could not write marts\.hyper"):
        write_hyper(tmp_path)


def test_asked_for_and_not_installed_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.tableau.find_spec", lambda name: None)
    with pytest.raises(C360Error, match="not installed") as refused:
        write_hyper(tmp_path)
    assert "customer-360[tableau]" in refused.value.hint


def test_nobody_gets_it_unasked(monkeypatch):
    monkeypatch.delenv("C360_TABLEAU", raising=False)
    assert Settings().tableau is False
    monkeypatch.setenv("C360_TABLEAU", "1")
    assert Settings().tableau is True
