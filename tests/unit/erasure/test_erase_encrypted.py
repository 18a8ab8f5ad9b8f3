"""An erasure reaches what is encrypted, and leaves it encrypted."""

from datetime import UTC, date, datetime

import pytest

from pipelines.encryption import key_of_file, key_of_table
from pipelines.erasure.erase import begin_erasure, find_asked, finish_erasures
from pipelines.lake import Lake, read_json, with_parent
from pipelines.rotation import encrypt_anew, find_protected
from tests.pipeline.scan import find_texts
from tests.unit.encryption_keys import OLD
from tests.unit.erasure.erasure_home import CANARY, CONTACTS, drop, land, make_home

AT = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path, monkeypatch, catalogue):
    monkeypatch.setenv("C360_ENCRYPTION_KEYS", OLD)
    made = make_home(tmp_path)
    encrypt_anew(Lake(made.home), catalogue, lambda _: None)  # the raw files, which were dropped
    return made


def erase(settings):
    begin_erasure(settings, *find_asked(settings, "crm:c77"), "Ana", "request 12", AT)
    return finish_erasures(settings, AT, lambda _: None)


def test_the_canary_is_there_before_and_nowhere_after_and_nothing_is_in_clear(settings, catalogue):
    lake = Lake(settings.home)
    assert len(find_texts(settings.home, CANARY)) > 2 * len(CANARY)
    erase(settings)
    assert find_texts(settings.home, CANARY) == set()
    found = list(find_protected(lake, catalogue))
    assert {one.path.parts[len(lake.home.parts)] for one in found} >= {"raw", "landing"}
    for one in found:
        assert (key_of_file if one.secret is None else key_of_table)(one.path) == "k1", one.path


def test_what_a_kill_has_left_half_written_goes_with_an_erasure(settings):
    lake = Lake(settings.home)
    left = [
        lake.raw / "crm" / ".contacts.csv.part",
        lake.raw / "crm" / "2026-06-30" / ".contacts-000001.zoho_crm.parquet.part",
        lake.raw / "crm" / ".ga4" / "day.parquet",
        lake.landing / "crm_contacts" / ".part-0.parquet.part",
        lake.published / ".staging" / "lists" / "win_back.csv",
        lake.published / ".swept-2026-06-01__0a1b2c3d4e5f" / "lists" / "win_back.csv",
        lake.runs / ".swept-2026-06-01" / "models" / "x.csv",
        lake.quarantine / "crm_contacts" / "source=crm" / ".swept-date=2026-06-01" / "part-0.csv",
    ]
    for path in left:
        with_parent(path).write_text("li.canary@example.com", encoding="utf-8")
    erase(settings)
    assert find_texts(settings.home, CANARY) == set()


def test_the_same_rows_delivered_again_stay_out_and_the_raw_file_is_encrypted(settings, catalogue):
    erase(settings)
    lake, day = Lake(settings.home), date(2026, 7, 1)
    path = drop(lake, day, "crm_contacts_all.csv", [*CONTACTS, "c81,赵敏,z@example.com,,"])
    assert land(settings, day) == 1
    assert find_texts(settings.home, CANARY) == set()
    assert key_of_file(path) == "k1"
    told = read_json(next(lake.landing.glob(f"crm_contacts/*/*/{path.name[:16]}.json")))
    assert (told["rows_in"], told["landed"], told["erased"]) == (5, 3, 2)
