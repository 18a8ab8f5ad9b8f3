"""The command: off by default, dry runs, what it refuses, what it reports."""

import json
from datetime import timedelta

import polars as pl
import pytest
from delivery_rig import DAY, people

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def box(office, tmp_path):
    folder = tmp_path / "box"
    office.configure(
        {"name": "box", "type": "folder", "path": str(folder), "lists": {"win_back": "back"}}
    )
    return folder


def test_without_deliveries_nothing_leaves_the_house(office, call):
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0
    assert "No deliveries are configured" in said
    assert not (office.root / "deliveries").exists()


def test_a_dry_run_shows_the_difference_and_does_nothing(office, call, box):
    office.release({"win_back": people([1, 2])})
    code, said = call("deliver", "--date", str(DAY), "--dry-run")
    assert code == 0
    [line] = [line for line in said.splitlines() if "win_back" in line]
    assert line.split()[:5] == ["✓", "box", "win_back", "2", "·"]
    assert "nothing was sent" in said
    assert not box.exists()
    assert not (office.root / "deliveries").exists()
    assert not (office.lake.run(DAY).steps / "deliver.json").exists()


def test_a_mass_removal_stops_that_delivery_only_and_says_how_to_accept(office, call, tmp_path):
    lists = {"win_back": "back", "vip_care": "care"}
    office.configure({"name": "box", "type": "folder", "path": str(tmp_path), "lists": lists})
    office.release({"win_back": people(range(100)), "vip_care": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    office.release({"win_back": people(range(50)), "vip_care": people([2])}, day=NEXT)
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 1
    assert "50 of 100 rows (50%) would be removed" in said
    assert f"c360 deliver --date {NEXT} --to box --accept-removals" in said
    assert list(tmp_path.glob(f"care_{NEXT}*_done.json"))
    assert not list(tmp_path.glob(f"back_{NEXT}*"))
    assert call("deliver", "--date", str(NEXT), "--to", "box", "--accept-removals")[0] == 0
    assert list(tmp_path.glob(f"back_{NEXT}*_done.json"))


def test_a_list_that_is_no_longer_named_is_not_forgotten_over_there(office, call, box):
    office.release({"win_back": people([1, 2, 3])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    entry = {"name": "box", "type": "folder", "path": str(box), "lists": {"vip_care": "care"}}
    office.configure(entry)
    office.release({"vip_care": people([3, 4])}, day=NEXT)
    code, said = call("deliver", "--date", str(NEXT))
    assert code == 1
    assert "box, list win_back: 3 rows are there by us" in said
    assert office.results("box", "vip_care", NEXT) == {"ok": 2}
    # As the sentence says: the list goes on under its new name, and who has left it is removed.
    old, new = (
        office.root / "deliveries/box" / f"{name}.jsonl" for name in ("win_back", "vip_care")
    )
    new.write_bytes(new.read_bytes() + old.read_bytes())
    old.unlink()
    assert call("deliver", "--date", str(NEXT))[0] == 0
    results = pl.read_csv(office.root / f"deliveries/box/results/vip_care_{NEXT}.csv")
    assert results.filter(operation="remove")["customer_id"].to_list() == ["c00001", "c00002"]


def test_a_destination_that_is_gone_is_told_until_its_ledgers_are(office, call, box):
    office.release({"win_back": people([1])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    office.configure()
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "box, list win_back: 1 row is there by us" in said
    (office.root / "deliveries/box/win_back.jsonl").unlink()
    assert call("deliver", "--date", str(DAY))[0] == 0


def test_only_the_current_release_is_delivered(office, call, box):
    office.release({"win_back": people([1])})
    office.release({"win_back": people([2])}, day=NEXT)
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert f"published/current is the release of {NEXT}" in said
    assert not box.exists()


def test_before_the_first_release_there_is_nothing_to_deliver(office, call, box):
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "Nothing has been released yet" in said


def test_only_the_destination_that_is_named(office, call, tmp_path):
    office.configure(
        *({"name": name, "type": "folder", "path": str(tmp_path / name),
           "lists": {"win_back": "back"}} for name in ("one", "two"))
    )  # fmt: skip
    office.release({"win_back": people([1])})
    assert call("deliver", "--date", str(DAY), "--to", "two")[0] == 0
    assert not (tmp_path / "one").exists()
    code, said = call("deliver", "--date", str(DAY), "--to", "three")
    assert code == 1
    assert "one, two" in said


def test_a_failure_is_reported_where_airflow_looks_for_it(office, call, box):
    office.release({"vip_care": people([1])})
    assert call("deliver", "--date", str(DAY))[0] == 1
    report = json.loads((office.lake.run(DAY).steps / "deliver.json").read_text())
    assert report["status"] == "failed"
    assert "has no lists/win_back.parquet" in report["reason"]
    assert report["hint"]


def test_a_success_is_reported_too(office, call, box):
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    report = json.loads((office.lake.run(DAY).steps / "deliver.json").read_text())
    assert (report["status"], report["summary"]) == ("ok", "2 rows to 1 list elsewhere")


@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ({"lists": {"winback": "x"}}, "there is no list winback"),
        ({"lists": {"win_back": "vip_high_income"}, "format": "meta"}, "no neutral alias"),
        ({"lists": {"win_back": "win_1"}, "format": "meta"}, "tells what the list is about"),
        ({"lists": {"win_back": "../etc"}}, "win_back"),
        ({"lists": {"win_back": "a", "vip_care": "a"}}, "listed twice"),
        ({"lists": {}}, "at least 1"),
        ({"path": "sftp://me:secret@host/x"}, "a password has no place"),
        ({"password": "x"}, "password is not a key"),
        ({"format": "docx"}, "format"),
        ({"secrets_variable": "secret-value"}, "secrets_variable"),
        ({"type": "hubspot", "source": "crm2", "path": None}, "path is not a key"),
    ],
)
def test_what_is_wrong_in_the_file_is_a_sentence(office, call, tmp_path, change, said_of_it):
    entry = {"name": "box", "type": "folder", "path": str(tmp_path), "lists": {"win_back": "b"}}
    office.configure(entry | change)
    code, said = call("rules", "check")
    assert code == 1
    assert said_of_it in said


def test_a_source_that_is_not_there_is_named(office, call):
    office.configure(
        {"name": "hub", "type": "hubspot", "source": "cmr", "lists": {"win_back": "x"}}
    )
    code, said = call("rules", "check")
    assert code == 1
    assert "sources.yml has no source cmr" in said
    assert "Did you mean crm?" in said


def test_a_missing_login_names_the_variable_and_what_it_holds(office, call):
    office.configure(
        {"name": "hub", "type": "hubspot", "source": "crm", "lists": {"win_back": "x"},
         "secrets_variable": "OUR_HUBSPOT"}
    )  # fmt: skip
    office.release({"win_back": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "OUR_HUBSPOT a JSON object with access_token" in said
