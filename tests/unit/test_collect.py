import json
from datetime import date, timedelta

import pytest
import yaml

from pipelines.collect import add_entry, extract_source, try_sources
from pipelines.configured import configured_rules
from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract import client
from pipelines.extract.entry import source_types
from pipelines.extract.files import extract_files
from pipelines.fakes.fake import Fault
from pipelines.fakes.serving import serving
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake
from pipelines.lake import read_json, with_parent
from pipelines.land import land_new_files
from pipelines.rules.sources import Sources
from pipelines.settings import Settings, load_settings
from pipelines.steps import read_report, run_step

MONDAY = date(2026, 6, 29)
DOWN = {"status": 500, "times": None, "path": "/crm/v8"}


@pytest.fixture
def crm(monkeypatch):
    """A CRM with 3 contacts, whose login is in the environment, and no waiting between tries."""
    fake = ZohoCrmFake()
    fake.add(3)
    monkeypatch.setenv("C360_SOURCE_CRM", json.dumps(CREDENTIALS))
    monkeypatch.setattr(client, "BACKOFF", lambda state: 0.0)
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def settings(crm, home, tmp_path, monkeypatch):
    def configure(**entry) -> Settings:
        (tmp_path / "rules").mkdir(exist_ok=True)
        source = {"name": "crm", "type": "zoho_crm", "api_url": crm.url, **entry}
        text = yaml.safe_dump({"sources": [source]})
        (tmp_path / "rules" / "sources.yml").write_text(text)
        monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "rules"))
        return load_settings()

    return configure


def night(settings, lake, day):
    """Extract as the step does, with its report; what comes out in a report is a fact."""
    run = lake.run(day)
    run_step(run, "extract crm", lambda: extract_source(settings, run, "crm", lambda told: None))
    return read_report(run, "extract crm")


def test_what_a_killed_extract_left_in_clear_goes_with_the_next(settings, lake):
    left = [lake.raw / "crm" / name for name in ("2026-06-28/.contacts-000001.part", ".a.csv.part")]
    other = lake.raw / "shop" / ".a.csv.part"
    for path in (*left, other):
        with_parent(path).touch()
    night(settings(), lake, MONDAY)
    assert [path.exists() for path in (*left, other)] == [False, False, True]


def test_a_night_reports_what_came_and_through_which_day_the_source_is_fresh(settings, lake):
    report = night(settings(), lake, MONDAY)
    assert report["summary"] == "3 new records: contacts 3"
    assert report["facts"] == {
        "type": "zoho_crm", "fresh_through": "2026-06-29", "is_stale": False,
    }  # fmt: skip


def test_a_source_that_is_down_stops_the_night_unless_its_policy_says_otherwise(
    settings, lake, crm
):
    configured = settings()
    night(configured, lake, MONDAY)
    crm.faults = [Fault(**DOWN)]
    with pytest.raises(SourceDownError, match="no usable answer after 6 tries: HTTP 500"):
        night(configured, lake, MONDAY + timedelta(1))
    report = read_report(lake.run(MONDAY + timedelta(1)), "extract crm")
    assert (report["status"], report["retry"]) == ("failed", True)


def test_with_go_on_the_source_is_stale_since_its_last_good_day(settings, lake, crm):
    configured = settings(when_down="go_on", max_stale_days=2)
    night(configured, lake, MONDAY)
    crm.faults = [Fault(**DOWN)]
    for later in (1, 2):
        report = night(configured, lake, MONDAY + timedelta(later))
        assert report["status"] == "ok"
        assert report["facts"]["fresh_through"] == "2026-06-29"
        assert report["facts"]["is_stale"]
        assert report["notes"][0].startswith("crm is stale since 2026-06-29: ")
    with pytest.raises(SourceDownError):
        night(configured, lake, MONDAY + timedelta(3))


def test_a_source_that_was_never_read_stops_the_night_whatever_its_policy(settings, lake, crm):
    crm.faults = [Fault(**DOWN)]
    with pytest.raises(SourceDownError):
        night(settings(when_down="go_on"), lake, MONDAY)


def test_a_refused_login_stops_the_night_whatever_the_policy_and_is_not_tried_again(
    settings, lake, crm
):
    configured = settings(when_down="go_on")
    night(configured, lake, MONDAY)
    crm.refuses_login = True
    with pytest.raises(AccessRefusedError):
        night(configured, lake, MONDAY + timedelta(1))
    report = read_report(lake.run(MONDAY + timedelta(1)), "extract crm")
    assert report["retry"] is False
    assert CREDENTIALS["client_secret"] not in json.dumps(report)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (None, "has no credentials"),
        ("no json", "it is no JSON object"),
        ('{"client_id": "x"}', "check client_secret, refresh_token"),
    ],
)
def test_missing_credentials_are_told_by_name_and_never_by_value(
    settings, lake, monkeypatch, variable, told
):
    configured = settings()
    monkeypatch.delenv("C360_SOURCE_CRM")
    if variable:
        monkeypatch.setenv("C360_SOURCE_CRM", variable)
    with pytest.raises(AccessRefusedError, match=told) as refused:
        night(configured, lake, MONDAY)
    assert "client_id, client_secret, refresh_token" in refused.value.hint


def test_the_call_log_tells_where_and_how_and_nothing_of_what(settings, lake, crm):
    crm.add(1, Full_Name="王芳", Email="wang@example.com")
    night(settings(streams=["contacts"]), lake, MONDAY)
    lines = (lake.run(MONDAY).steps / "extract_crm.calls.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert {entry["path"] for entry in entries} > {"/crm/v8/Contacts", "/oauth/v2/token"}
    assert "wang" not in "".join(lines)
    assert CREDENTIALS["refresh_token"] not in "".join(lines)


def test_a_day_that_has_not_come_is_refused_or_every_night_before_it_would_be_empty(settings, lake):
    with pytest.raises(C360Error, match="has not come yet"):
        night(settings(), lake, date(2199, 1, 1))


def test_a_part_of_cannot_change_once_it_has_landed(home, lake, catalogue, tmp_path):
    (tmp_path / "orders.csv").write_text(
        "id,status,currency,total_amount,ordered_at\n1,paid,CNY,5,2026-06-01\n"
    )
    entry = {"name": "shop_files", "type": "files", "path": str(tmp_path)}

    def land(**more) -> None:
        shop = {"name": "shop", "type": "files", "path": str(tmp_path)}
        sources = Sources.model_validate({"sources": [{**entry, **more}, shop]})
        extract_files(sources.sources[0], lake.raw, MONDAY, catalogue.landing)
        land_new_files(lake, catalogue, sources, MONDAY, lambda told: None)

    land(part_of="shop")
    with pytest.raises(C360Error, match="has landed as shop, and is to land as shop_files now"):
        land()
    assert [path.name for path in (lake.landing / "orders").iterdir()] == ["source=shop"]


def test_checking_tries_every_stream_and_hides_no_failure_behind_another(settings, crm):
    crm.faults = [Fault(400, b'{"code": "NO_PERMISSION"}', path="/Deals", times=None)]
    findings = {finding.what: finding for finding in try_sources(settings())}
    assert findings["contacts"].ok
    assert not findings["deals"].ok
    assert "NO_PERMISSION" in findings["deals"].told
    assert findings["cases"].told == "nothing new since yesterday"


def test_checking_says_when_there_is_no_login(settings, monkeypatch):
    configured = settings()
    monkeypatch.delenv("C360_SOURCE_CRM")
    [finding] = try_sources(configured)
    assert (finding.what, finding.ok) == ("login", False)


def test_an_unknown_source_is_told_with_those_that_there_are(settings, lake):
    with pytest.raises(C360Error, match="There is no source 'shop'") as error:
        list(try_sources(settings(), "shop"))
    assert error.value.hint == "Sources are: crm."


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"contact": {"gender": "Gender__c"}}, "zoho_crm has no stream contact. Did you mean cont"),
        ({"contacts": {"gendre": "X"}}, "crm_contacts has no column gendre. Did you mean gender?"),
    ],
)
def test_own_fields_that_lead_nowhere_are_refused(settings, fields, told):
    with pytest.raises(C360Error) as error:
        list(try_sources(settings(fields=fields)))
    assert told in str(error.value)


def test_an_added_entry_is_read_as_it_is_and_keeps_what_was_there(settings):
    configured = settings()
    file, entry, told = add_entry(configured, "drops", "files")
    content = yaml.safe_load(file.read_text())
    assert [source["name"] for source in content["sources"]] == ["crm", "drops"]
    assert "# when_down: stop" in entry
    assert told.endswith("c360 sources check drops")


def test_every_type_gets_an_entry_that_is_read_as_it_is(home, tmp_path, monkeypatch):
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "rules"))
    for kind in source_types():
        add_entry(load_settings(), f"my_{kind}", kind)
    sources = configured_rules(load_settings()).sources.sources
    assert {source.type for source in sources} == set(source_types())


def test_a_name_that_is_none_is_refused_before_it_is_written(home, tmp_path, monkeypatch):
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "rules"))
    with pytest.raises(C360Error, match="'Crm-1' is no name of a source"):
        add_entry(load_settings(), "Crm-1", "files")
    assert not (tmp_path / "rules").exists()


def test_a_source_that_is_down_is_checked_with_one_try_and_told_once(settings, crm):
    crm.faults = [Fault(**DOWN)]
    [finding] = try_sources(settings())
    assert (finding.what, finding.ok) == ("contacts", False)
    assert "after 1 try" in finding.told
    assert sum("/crm/v8" in path for path in crm.calls) == 1


def test_an_entry_is_refused_where_it_would_tear_the_file_apart(settings):
    configured = settings()
    file = configured.rules_dir / "sources.yml"
    before = file.read_text() + "time_zone: UTC\n"
    file.write_text(before)
    with pytest.raises(C360Error, match="does not end in its list of sources") as error:
        add_entry(configured, "drops", "files")
    assert "name: drops" in error.value.hint
    assert file.read_text() == before


@pytest.mark.parametrize(("name", "kind"), [("crm", "files"), ("new", "carrier_pigeon")])
def test_a_taken_name_or_an_unknown_type_is_refused(settings, name, kind):
    with pytest.raises(C360Error, match=r"already|There is no type"):
        add_entry(settings(), name, kind)


def test_a_new_sources_file_is_made_where_there_is_none(home, tmp_path, monkeypatch):
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "rules"))
    file, _, _ = add_entry(load_settings(), "crm", "zoho_crm")
    assert yaml.safe_load(file.read_text())["sources"] == [{"name": "crm", "type": "zoho_crm"}]


def test_step_reports_of_files_say_so_too(home, lake, tmp_path, monkeypatch):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "products.csv").write_text("id,name\n1,a\n")
    (tmp_path / "rules").mkdir()
    entry = {"name": "crm", "type": "files", "path": str(tmp_path / "drop")}
    (tmp_path / "rules" / "sources.yml").write_text(yaml.safe_dump({"sources": [entry]}))
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path / "rules"))
    report = night(load_settings(), lake, MONDAY)
    assert report["facts"]["type"] == "files"
    assert read_json(lake.run(MONDAY).steps / "extract_crm.json")["summary"].startswith("1 new")
