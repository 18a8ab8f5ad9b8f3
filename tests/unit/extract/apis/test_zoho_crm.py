import json
from datetime import date, timedelta

import httpx
import polars as pl
import pytest
from factories import open_parts

from pipelines.errors import SourceDownError
from pipelines.extract import parts
from pipelines.extract.apis.zoho_crm import MAPPINGS, STREAMS, parse
from pipelines.extract.client import Verdict
from pipelines.extract.mapping import country_code
from pipelines.extract.parts import find_parts
from pipelines.extract.systems import connect, extract_api, read_secrets
from pipelines.fakes.fake import Fault
from pipelines.fakes.serving import serving
from pipelines.fakes.zoho_crm import CREDENTIALS, ZohoCrmFake
from pipelines.land import land_new_files
from pipelines.rules.source_types.zoho_crm import ZohoCrmSource
from pipelines.rules.sources import Sources

AS_OF = date(2026, 6, 30)
AT = "2026-06-30T20:00:00+08:00"
ENVELOPE = {"source_created_at", "source_updated_at"}
RECORDS = {
    "contacts": {
        "Full_Name": "王芳", "Email": "fang@example.com", "Mailing_Country": "中国",
        "Date_of_Birth": "1990-02-03", "Email_Opt_Out": False,
        "Account_Name": {"name": "某公司", "id": "77"}, "Tag": [{"name": "vip", "id": "1"}],
        "Data_Processing_Basis_Details": {
            "Data_Processing_Basis": "Obtained", "Contact_Through_Email": True,
            "Contact_Through_Phone": False, "Consent_Date": "2026-01-02",
        },
    },
    "leads": {"Full_Name": "Li", "Country": "USA", "Converted_Contact": {"id": "5"}},
    "accounts": {"Account_Name": "某公司", "Employees": 51, "Annual_Revenue": 1200000.5},
    "deals": {"Deal_Name": "x", "Amount": 10.1, "Stage": "Won", "Closing_Date": "2026-07-01"},
    "cases": {"Status": "Closed", "Type": "Problem", "Subject": "坏了", "Related_To": {"id": "9"}},
    "tasks": {"Subject": "call back", "Status": "Completed", "Due_Date": "2026-07-01"},
    "calls": {"Call_Type": "Outbound", "Call_Start_Time": AT, "Call_Duration_in_seconds": 61},
    "events": {
        "Event_Title": "demo", "Start_DateTime": AT, "End_DateTime": AT,
        "What_Id": {"id": "77"}, "$se_module": "Accounts",
    },
}  # fmt: skip


@pytest.fixture
def crm():
    fake = ZohoCrmFake()
    with serving(fake) as fake.url:
        yield fake


@pytest.fixture
def read(crm, lake, catalogue):
    """Extract and land; gives the landing tables."""

    def extract_and_land(night: int = 0, **entry) -> dict[str, pl.DataFrame]:
        source = ZohoCrmSource(name="crm", type="zoho_crm", api_url=crm.url, **entry)
        secrets = read_secrets(source, "", json.dumps(CREDENTIALS))
        connector = connect(source, secrets, lambda entry: None, lambda seconds: None)
        day = AS_OF + timedelta(days=night)
        extract_api(connector, lake.raw / "crm", day, crm.now, lambda told: None)
        sources = Sources(sources=(source,))
        land_new_files(lake, catalogue, sources, day, lambda told: None)
        assert not list(lake.quarantine.rglob("*.parquet"))
        return {
            folder.name: pl.read_parquet(folder / "**/*.parquet", hive_partitioning=False)
            for folder in lake.landing.glob("*")
            if list(folder.rglob("*.parquet"))
        }

    return extract_and_land


def test_every_mapped_column_is_one_of_the_landing_contract(catalogue):
    for stream, mapping in MAPPINGS.items():
        declared = set(catalogue["landing", mapping.tables[0]].schema)
        assert set(mapping.fields) | set(mapping.constants) <= declared, stream


def test_a_record_of_every_module_lands_as_it_should(crm, read):
    for stream, record in RECORDS.items():
        crm.add(1, stream.capitalize(), **record)
    tables = read()
    contact, lead = tables["crm_contacts"].sort("source_record_id").rows(named=True)
    assert (contact["full_name"], contact["country_code"], contact["kind"]) == (
        "王芳",
        "CN",
        "person",
    )
    assert (contact["account_source_id"], contact["tags"]) == ("77", ["vip"])
    assert (lead["kind"], lead["country_code"], lead["merged_into_id"]) == ("lead", "US", "5")
    [account] = tables["crm_accounts"].rows(named=True)
    assert (account["employees"], str(account["annual_revenue"])) == (51, "1200000.5000")
    [deal] = tables["crm_deals"].rows(named=True)
    assert (str(deal["amount"]), deal["expected_close"]) == ("10.1000", date(2026, 7, 1))
    [case] = tables["crm_cases"].rows(named=True)
    assert (case["case_type"], case["contact_source_id"]) == ("complaint", "9")
    assert case["closed_at"] == case["source_updated_at"]
    activities = {row["activity_type"]: row for row in tables["crm_activities"].rows(named=True)}
    assert activities["task"]["is_completed"]
    assert activities["call"]["duration_s"] == 61
    assert activities["call"]["started_at"].hour == 12  # 20:00 in Shanghai
    assert activities["meeting"]["account_source_id"] == "77"


def test_consent_is_granted_only_where_it_was_obtained_and_the_channel_is_open(crm, read):
    crm.add(1, **RECORDS["contacts"])
    consents = {row["channel"]: row for row in read()["consents"].rows(named=True)}
    assert {channel: row["status"] for channel, row in consents.items()} == {
        "email": "granted", "phone": "denied", "social": "unknown", "any": "unknown",
    }  # fmt: skip
    assert consents["email"]["effective_at"].date() == date(2026, 1, 2)
    assert consents["email"]["subject_key"] == consents["email"]["contact_source_id"]


@pytest.mark.parametrize(
    ("basis", "status"),
    [
        ("Obtained", "granted"),
        ("Pending", "pending"),
        ("Not Responded", "unknown"),
        ("", "unknown"),
    ],
)
def test_silence_is_no_consent(basis, status):
    told = {"Data_Processing_Basis": basis, "Contact_Through_Email": True}
    record = {"id": "1", "Modified_Time": AT, "Data_Processing_Basis_Details": told}
    _, (table, row), *_ = parse("contacts", record)
    assert (table, row["status"]) == ("consents", status)


def test_a_consent_that_is_cleared_stands_no_longer(crm, read):
    [id] = crm.add(1, **RECORDS["contacts"])
    read(streams=["contacts"])
    crm.now += timedelta(days=1)
    crm.change([id], Data_Processing_Basis_Details=None)
    consents = read(1, streams=["contacts"])["consents"].filter(pl.col("channel") == "email")
    newest = consents.sort("effective_at").rows(named=True)[-1]
    assert (newest["status"], newest["effective_at"]) == ("unknown", crm.now.replace(tzinfo=None))


def test_a_company_that_keeps_consent_elsewhere_reads_none(crm, read):
    crm.add(1, **RECORDS["contacts"])
    assert "consents" not in read(streams=["contacts"], consent=False)


def test_what_is_deleted_between_two_files_of_a_bulk_read_hides_nobody(crm, read):
    crm.bulk_rows = 40
    ids = crm.add(100, "Accounts", Account_Name="x")

    def delete_while_files_are_made(path):
        if path.endswith("/read/2"):
            crm.before_call = lambda path: None
            crm.remove(ids[:5], "Accounts")

    crm.before_call = delete_while_files_are_made
    rows = read(streams=["accounts"], bulk_from=100)["crm_accounts"]
    alive = set(rows.filter(pl.col("op") == "upsert")["source_record_id"])
    assert set(ids[5:]) <= alive


def test_who_is_deleted_while_a_page_token_dies_is_still_buried(crm, read, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 200)
    ids = crm.add(400)
    read(streams=["contacts"])
    crm.now += timedelta(hours=1)
    crm.remove(ids[:3])
    for _ in range(3):
        crm.now += timedelta(hours=5)
        crm.add(200)
    crm.faults = [Fault(path="/Contacts", nth=3, times=None)]
    with pytest.raises(SourceDownError):
        read(1, streams=["contacts"])
    crm.faults.clear()
    crm.page_token_age += 1
    rows = read(1, streams=["contacts"])["crm_contacts"]
    assert set(rows.filter(pl.col("op") == "delete")["source_record_id"]) == set(ids[:3])
    assert rows["source_record_id"].n_unique() == 1000


def test_a_companys_own_field_goes_before_the_connectors(crm, read):
    crm.add(1, Grade__c="A", Full_Name="x", Legal_Name="y")
    own = {"contacts": {"source_tier": "Grade__c", "full_name": "Legal_Name"}}
    [row] = read(fields=own)["crm_contacts"].rows(named=True)
    assert (row["source_tier"], row["full_name"]) == ("A", "y")


def test_a_large_first_load_goes_by_bulk_read_and_what_changed_meanwhile_follows(crm, read):
    crm.bulk_rows = 40
    ids = crm.add(100, "Accounts", Account_Name='某公司, "x"\n', Tag=[{"name": "a"}, {"name": "b"}])

    def change_while_files_are_made(path):
        if path.endswith("/read/2"):
            crm.before_call = lambda path: None
            crm.change(ids[:2], "Accounts", Account_Name="changed")

    crm.before_call = change_while_files_are_made
    tables = read(streams=["accounts"], bulk_from=100)
    rows = tables["crm_accounts"]
    assert rows["source_record_id"].n_unique() == 100
    assert sum("/bulk/" in path and path.endswith("/result") for path in crm.calls) == 3
    newest = rows.filter(pl.col("source_record_id") == ids[0]).sort("source_updated_at")
    assert newest["name"][-1] == "changed"
    assert rows["tags"][5].to_list() == ["a", "b"]


def test_who_may_carry_consent_is_never_loaded_by_a_file_that_cannot(crm, read):
    crm.add(30, **RECORDS["contacts"])
    tables = read(streams=["contacts"], bulk_from=10)
    assert tables["consents"].height == 120
    assert not any("bulk" in path for path in crm.calls)


def test_a_page_token_that_expired_is_no_dead_end(crm, read, lake, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 200)
    for _ in range(5):
        crm.now += timedelta(hours=1)
        crm.add(200)
    crm.faults = [Fault(path="/Contacts", nth=4, times=None)]
    with pytest.raises(SourceDownError):
        read(streams=["contacts"])
    crm.faults.clear()
    crm.page_token_age += 1
    assert read(streams=["contacts"])["crm_contacts"]["source_record_id"].n_unique() == 1000
    assert not open_parts(lake.raw / "crm")
    assert len(find_parts(lake.raw / "crm")) < 8


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, {}, Verdict.ok),
        (204, None, Verdict.empty),
        (304, None, Verdict.empty),
        (401, {"code": "INVALID_TOKEN"}, Verdict.reauth),
        (401, {"code": "AUTHENTICATION_FAILURE"}, Verdict.reauth),
        (429, {"code": "TOO_MANY_REQUESTS"}, Verdict.retry),
        (429, {"code": "API_LIMIT_EXCEEDED"}, Verdict.quota),
        (400, {"code": "INVALID_MODULE"}, Verdict.fatal),
        (403, {"code": "NO_PERMISSION"}, Verdict.fatal),
        (500, {"code": "INTERNAL_ERROR"}, Verdict.retry),
        (502, None, Verdict.retry),
    ],
)
def test_what_an_answer_means(status, body, verdict):
    source = ZohoCrmSource(name="crm", type="zoho_crm")
    connector = connect(source, read_secrets(source, "", json.dumps(CREDENTIALS)), lambda _: None)
    response = httpx.Response(status, json=body) if body else httpx.Response(status)
    assert connector.classify(response).verdict is verdict
    connector.client.close()


@pytest.mark.parametrize(
    ("center", "api", "login"),
    [
        ("com", "https://www.zohoapis.com", "https://accounts.zoho.com"),
        ("cn", "https://www.zohoapis.com.cn", "https://accounts.zoho.com.cn"),
        ("ca", "https://www.zohoapis.ca", "https://accounts.zohocloud.ca"),
    ],
)
def test_each_data_centre_has_its_own_addresses(center, api, login):
    source = ZohoCrmSource(name="crm", type="zoho_crm", data_center=center)
    connector = connect(source, read_secrets(source, "", json.dumps(CREDENTIALS)), lambda _: None)
    assert (connector.api, connector.login) == (api, login)
    connector.client.close()


@pytest.mark.parametrize(
    ("written", "code"),
    [("China", "CN"), ("中国", "CN"), ("cn", "CN"), ("USA", "US"), ("Nowhere", None), (None, None)],
)
def test_a_country_is_known_by_name_and_by_code(written, code):
    assert country_code(written) == code


def test_each_stream_is_read_in_the_order_of_change():
    assert all(stream.ordered and not stream.scan for stream in STREAMS.values())
    assert set(STREAMS) == set(RECORDS)


def test_nothing_is_mapped_twice_under_one_name():
    for mapping in MAPPINGS.values():
        assert not set(mapping.constants) & set(mapping.fields)
        assert set(mapping.fields) >= ENVELOPE
