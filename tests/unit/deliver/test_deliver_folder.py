"""Files in a folder, a bucket and on an SFTP server: whole, and under an alias."""

import csv
import hashlib
import io
import json
from datetime import timedelta

import boto3
import polars as pl
import pytest
from delivery_rig import DAY, people
from moto.server import ThreadedMotoServer
from sftp_server import serving_sftp

from pipelines.platforms.hashing import hash_text

NEXT = DAY + timedelta(days=1)
SECRET = "hidden"  # noqa: S105 - of a server on this machine


def entry(path, **more) -> dict:
    return {
        "name": "box", "type": "folder", "path": str(path), "lists": {"win_back": "seg_017"}, **more
    }  # fmt: skip


def digests(*numbers: int) -> set[str]:
    return {hash_text(f"person{n}@example.com", "sha256") for n in numbers}


def emails(content: str) -> set[str]:
    return {row["email"] for row in csv.DictReader(io.StringIO(content))}


@pytest.fixture
def box(office, tmp_path):
    folder = tmp_path / "box"
    office.configure(entry(folder, format="meta"))
    return folder


def parts(folder, day=DAY) -> dict[str, str]:
    """The texts of a day's files by what follows the key."""
    return {
        path.name.rsplit("_", 1)[-1]: path.read_text()
        for path in folder.glob(f"seg_017_*{day}_*")
        if path.suffix in (".csv", ".json")
    }


def test_a_platform_gets_everybody_the_additions_and_the_removals(office, call, box):
    office.release({"win_back": people([1, 2])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    first = parts(box)
    assert sorted(first) == ["additions.csv", "all.csv", "done.json", "removals.csv"]
    assert emails(first["all.csv"]) == emails(first["additions.csv"]) == digests(1, 2)
    assert emails(first["removals.csv"]) == set()
    office.release({"win_back": people([2, 3])}, day=NEXT)
    assert call("deliver", "--date", str(NEXT))[0] == 0
    second = parts(box, NEXT)
    assert emails(second["all.csv"]) == digests(2, 3)
    assert emails(second["additions.csv"]) == digests(3)
    assert emails(second["removals.csv"]) == digests(1)


def test_who_takes_the_grant_back_is_removed_though_still_on_the_list(office, call, box):
    office.release({"win_back": people([1, 2, 3])}, unwilling=["c00003"])
    call("deliver", "--date", str(DAY))
    assert emails(parts(box)["all.csv"]) == digests(1, 2)
    office.release({"win_back": people([1, 2, 3])}, day=NEXT, unwilling=["c00001", "c00003"])
    call("deliver", "--date", str(NEXT))
    second = parts(box, NEXT)
    assert emails(second["all.csv"]) == digests(2)
    assert emails(second["removals.csv"]) == digests(1)


@pytest.mark.parametrize("dry_run", [True, False])
def test_who_is_not_sent_is_counted_with_the_reason(office, call, box, dry_run):
    people_of = people([1, 2, 3]).with_columns(contact=pl.Series([None, "b@b.cn", "c@b.cn"]))
    office.release({"win_back": people_of}, unwilling=["c00003"])
    code, said = call("deliver", "--date", str(DAY), *(["--dry-run"] if dry_run else []))
    told = (
        "box, list win_back: 2 customers of the list are not sent: 1 without a grant that "
        "advertising platforms are told of them; 1 without an address or number that the file "
        "needs."
    )
    assert (code, told in " ".join(said.split())) == (0, True)
    if not dry_run:
        report = json.loads((office.lake.run(DAY).steps / "deliver.json").read_text())
        assert told in report["notes"][0]


def test_the_last_file_tells_the_digests_of_the_others(office, call, box):
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    [done] = box.glob("*_done.json")
    told = json.loads(done.read_text())
    assert (told["rows"], told["additions"], told["removals"]) == (2, 2, 0)
    for name, digest in told["files"].items():
        assert hashlib.sha256((box / name).read_bytes()).hexdigest() == digest
    assert len(told["files"]) == len(list(box.iterdir())) - 1


def test_nothing_in_the_folder_or_the_ledger_names_list_or_person(office, call, box):
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    for path in box.iterdir():
        assert "win_back" not in path.name
        assert not any(word in path.read_text() for word in ("win_back", "person1", "王", "c00001"))
    assert "person1" not in office.ledger("box", "win_back")


def test_a_day_without_changes_has_no_files(office, call, box):
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([2, 1])}, day=NEXT)
    assert call("deliver", "--date", str(NEXT))[0] == 0
    assert parts(box, NEXT) == {}


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_released_file_itself_is_handed_on(office, call, tmp_path, format):
    office.configure(entry(tmp_path / "box", format=format))
    release = office.release({"win_back": people([1, 2])})
    assert call("deliver", "--date", str(DAY))[0] == 0
    assert parts(tmp_path / "box")["additions.csv"] == "customer_id\nc00001\nc00002\n"
    [whole] = (tmp_path / "box").glob(f"*_all.{format}")
    assert whole.read_bytes() == (release / "lists" / f"win_back.{format}").read_bytes()


def test_an_import_file_of_a_mailing_tool_keeps_no_address_in_the_ledger(office, call, tmp_path):
    office.configure(entry(tmp_path / "box", format="mailchimp_import"))
    office.release({"win_back": people([1, 2])})
    call("deliver", "--date", str(DAY))
    office.release({"win_back": people([2])}, day=NEXT)
    call("deliver", "--date", str(NEXT))
    second = parts(tmp_path / "box", NEXT)
    assert "person2@example.com" in second["all.csv"]
    assert second["removals.csv"] == "customer_id\nc00001\n"
    assert second["additions.csv"] == "customer_id\n"
    assert "person" not in office.ledger("box", "win_back")


def test_who_has_no_row_in_a_file_is_not_said_to_be_delivered(office, call, tmp_path):
    office.configure(entry(tmp_path / "box", format="hubspot_import"))
    office.release({"win_back": people([1, 2]).with_columns(contact=pl.Series(["a@b.cn", None]))})
    _, said = call("deliver", "--date", str(DAY))
    assert office.results("box", "win_back") == {"ok": 1}
    assert (
        "box, list win_back: 1 customer of the list is not sent: 1 without an address or number"
        in said
    )


def test_a_format_that_was_not_released_is_named(office, call, tmp_path):
    office.configure(entry(tmp_path / "box", format="xlsx"))
    office.release({"win_back": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "has no lists/win_back.xlsx" in said


def test_a_list_that_was_changed_after_its_release_is_not_delivered(office, call, box):
    release = office.release({"win_back": people([1])})
    people([1, 2]).write_parquet(release / "lists" / "win_back.parquet")
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "is not the file that was released" in said
    assert not box.exists()


def test_a_folder_that_may_not_be_written_is_told_in_a_sentence(office, call, tmp_path):
    (tmp_path / "file").write_text("no folder")
    office.configure(entry(tmp_path / "file" / "box"))
    office.release({"win_back": people([1])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 1
    assert "Destination box" in said


# --- A bucket, and an SFTP server ---------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1",
                          aws_access_key_id="demo", aws_secret_access_key=SECRET)  # fmt: skip
    client.create_bucket(Bucket="lists")
    client.url = url
    yield client
    client.close()
    server.stop()


def test_a_bucket_takes_the_same_files(office, call, bucket):
    login = {"key": "demo", "secret": SECRET, "endpoint_url": bucket.url, "region": "us-east-1"}
    office.configure(entry("s3://lists/ads", format="meta"), box=login)
    office.release({"win_back": people([1, 2])})
    code, said = call("deliver", "--date", str(DAY))
    assert code == 0, said
    names = [found["Key"] for found in bucket.list_objects(Bucket="lists")["Contents"]]
    assert len(names) == 4
    assert all(name.startswith(f"ads/seg_017_meta_{DAY}_") for name in names)
    assert SECRET not in said


def test_an_sftp_server_takes_the_same_files(office, call, tmp_path):
    with serving_sftp(tmp_path / "far") as server:
        login = {"login": "c360", "password": server.password, "known_hosts": server.known_hosts}
        url = f"sftp://127.0.0.1:{server.port}/lists/ads"
        office.configure(entry(url, format="meta"), box=login)
        office.release({"win_back": people([1, 2])})
        code, said = call("deliver", "--date", str(DAY))
        assert code == 0, said
        files = parts(tmp_path / "far" / "lists" / "ads")
        assert sorted(files) == ["additions.csv", "all.csv", "done.json", "removals.csv"]
        assert emails(files["all.csv"]) == digests(1, 2)


def test_an_sftp_server_that_is_not_known_is_told_nothing(office, call, tmp_path):
    (tmp_path / "known_hosts").write_text("")
    with serving_sftp(tmp_path / "far") as server:
        login = {
            "login": "c360", "password": server.password,
            "known_hosts": str(tmp_path / "known_hosts"),
        }  # fmt: skip
        office.configure(entry(f"sftp://127.0.0.1:{server.port}/ads", format="meta"), box=login)
        office.release({"win_back": people([1])})
        code, said = call("deliver", "--date", str(DAY))
        assert code == 1
        assert "UnknownServerError" in said
        assert server.logins == []
        assert server.password not in said
