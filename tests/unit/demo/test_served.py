"""What the served systems tell is what the company's files would have told, column by column."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
import yaml

from pipelines.demo.company import SERVED, write_company
from pipelines.demo.served import credentials, load_crm, serve_crm, serve_shop, sources_yaml
from pipelines.extract.sql.passes import extract_sql
from pipelines.extract.systems import connect, extract_api, read_secrets
from pipelines.lake import Lake
from pipelines.land import land_new_files
from pipelines.rules.sources import Sources

AS_OF = date(2026, 6, 30)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    write_company(folder, customers=400, seed=7, until=AS_OF, served=True)
    return folder


@pytest.fixture(scope="module")
def landing(root, tmp_path_factory, catalogue):
    """The landing tables after both served systems have been read."""
    lake = Lake(tmp_path_factory.mktemp("home"))
    with serve_crm(root, port=0) as url, serve_shop(root) as database:
        sources = Sources.model_validate(yaml.safe_load(sources_yaml(root, url)))
        crm, shop = sources.sources[:2]
        logins = credentials(database)
        connector = connect(
            crm, read_secrets(crm, "", logins["C360_SOURCE_CRM"]), lambda entry: None
        )
        extract_api(connector, lake.raw / "crm", AS_OF, NOW, lambda told: None)
        login = read_secrets(shop, "", json.dumps(database))
        extract_sql(shop, login, lake.raw / "shop", AS_OF, catalogue.landing, lambda told: None)
    land_new_files(lake, catalogue, sources, AS_OF, lambda told: None)
    assert not list(lake.quarantine.rglob("*.parquet"))
    return lake.landing


@pytest.mark.parametrize(("source", "table"), SERVED, ids=lambda name: name)
def test_every_column_arrives_as_the_system_holds_it(landing, root, source, table):
    files = root / "systems" / source / f"{table}-*.parquet"
    held = pl.read_parquet(files, missing_columns="insert")
    held = held.sort("updated_at").unique("id", keep="last", maintain_order=True).sort("id")
    folder = landing / table / f"source={source}"
    landed = pl.read_parquet(folder / "**/*.parquet", hive_partitioning=False)
    landed = landed.sort("source_record_id")
    assert landed["source_record_id"].to_list() == held["id"].to_list()
    for column in held.columns:
        if column in ("id", "updated_at", "source_updated_at"):
            continue
        wanted = held[column]
        if isinstance(wanted.dtype, pl.Datetime):
            wanted = wanted.dt.replace_time_zone(None)
        given = landed[column]
        if wanted.dtype == pl.List(pl.String):
            given, wanted = given.list.join("|"), wanted.list.join("|")
            given, wanted = given.replace("", None), wanted.replace("", None)
        assert given.to_list() == wanted.cast(given.dtype).to_list(), column


def test_a_record_goes_to_the_module_of_its_kind(root):
    fake = load_crm(root)
    contacts = pl.read_parquet(root / "systems" / "crm" / "crm_contacts-*.parquet")
    leads = contacts.filter(pl.col("kind") == "lead")["id"].n_unique()
    assert leads > 0
    assert len(fake.records["Leads"]) == leads
    assert len(fake.records["Contacts"]) == contacts["id"].n_unique() - leads


def test_files_of_a_systems_people_land_under_its_name(root):
    entries = {s["name"]: s for s in yaml.safe_load(sources_yaml(root, "http://x"))["sources"]}
    assert entries["crm_files"]["part_of"] == "crm"
    assert entries["shop_files"]["part_of"] == "shop"
    assert "part_of" not in entries["web_files"]
