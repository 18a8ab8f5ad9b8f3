"""All comes under the current key, whatever it was under, and wherever the work was killed."""

import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from factories import PROJECT

from pipelines.audit import read_acts
from pipelines.catalogue import load_catalogue
from pipelines.encryption import key_of_table, load_keyring
from pipelines.errors import C360Error
from pipelines.lake import Lake, read_table, with_parent, write_table
from pipelines.rotation import encrypt_anew, find_protected
from pipelines.sealing import seal_others, seal_run
from tests.pipeline.scan import find_texts
from tests.unit.encryption_keys import NEW, OLD, readable_columns
from tests.unit.erasure.erasure_home import DAYS, make_home

KEYS = "C360_ENCRYPTION_KEYS"
TEXTS = {"li.canary@example.com", "13812345678", "李小龙"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Raw files, landed rows, a quarantine and a run that a night left, all in clear."""
    root = tmp_path_factory.mktemp("made")
    home = make_home(root).home
    run = Lake(home).run(DAYS[0])
    for name in ("stg_crm__contacts", "int_identity_profiles"):
        write_table(
            pl.DataFrame({"customer_id": ["a"], "email": ["li.canary@example.com"], "n": [1]}),
            run.table("models", name),
        )
    run.inputs.mkdir()
    write_table(pl.DataFrame({"email": ["li.canary@example.com"]}), run.inputs / "x.parquet")
    return home


@pytest.fixture
def lake(made, tmp_path) -> Lake:
    shutil.copytree(made, tmp_path / "home", symlinks=True)
    return Lake(tmp_path / "home")


@pytest.fixture
def catalogue():
    return load_catalogue(PROJECT)


def in_clear(lake: Lake) -> set[str]:
    """Where a byte scan that knows no key finds a text."""
    return private_texts(lake, is_keyless=True)


def private_texts(lake: Lake, *, is_keyless: bool = False) -> set[str]:
    """Where a text stands, but for releases, whose lists are there to be read."""
    found = find_texts(lake.home, TEXTS, leave=("published",), is_keyless=is_keyless)
    return {place for place in found if "/release/" not in place}


def _tables(lake: Lake):
    return [one for one in find_protected(lake, load_catalogue(PROJECT)) if one.secret is not None]


def content(lake: Lake) -> dict[str, object]:
    return {
        str(path.relative_to(lake.home)): read_table(path).rows()
        for path in sorted(lake.home.glob("l*/**/*.parquet"))
    }


def rotate(lake, catalogue):
    return encrypt_anew(lake, catalogue, lambda _: None)


def test_a_first_key_encrypts_what_was_in_clear_and_another_one_takes_its_place(
    lake, catalogue, monkeypatch
):
    left = [lake.raw / "crm" / ".ga4" / "day.csv", lake.raw / "crm" / ".orders.csv.part"]
    for path in left:  # by a kill
        with_parent(path).write_bytes(b"13812345678")
    assert len(in_clear(lake)) > 5
    before = content(lake)
    monkeypatch.setenv(KEYS, OLD)
    waiting = sum(1 for one in find_protected(lake, catalogue) if one.key is None)
    assert rotate(lake, catalogue) == {"none": waiting}
    assert in_clear(lake) == set()
    assert len(private_texts(lake)) > 5  # with the key all is there
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    assert set(rotate(lake, catalogue)) == {"k1"}
    monkeypatch.setenv(KEYS, NEW)
    assert in_clear(lake) == set()
    assert content(lake) == before
    assert rotate(lake, catalogue) == {}


def test_all_columns_but_the_personal_ones_stay_open_to_every_reader(lake, catalogue, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    rotate(lake, catalogue)
    monkeypatch.delenv(KEYS)
    seen = set()
    for one in _tables(lake):
        told = readable_columns(one.path)
        seen |= set(told)
        assert {name for name, is_readable in told.items() if not is_readable} == (
            one.secret & told.keys()
        )
    assert {"email", "raw", "source_record_id", "total_amount"} <= seen


class Killed(BaseException):
    pass


def test_killed_at_any_file_a_second_call_ends_what_the_first_began(
    lake, catalogue, monkeypatch, tmp_path
):
    monkeypatch.setenv(KEYS, OLD)
    rotate(lake, catalogue)
    before = content(lake)
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    moments = len(list(find_protected(lake, catalogue)))
    for moment in range(moments):
        home = Lake(shutil.copytree(lake.home, tmp_path / f"killed-{moment}", symlinks=True))
        left = [moment]

        def replace(path, target, left=left, whole=Path.replace):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return whole(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises(Killed):
                rotate(home, catalogue)
        assert content(home) == before  # both keys are there while it is under way
        rotate(home, catalogue)
        assert {one.key for one in find_protected(home, catalogue)} == {"k2"}
        assert content(home) == before
        assert list(home.home.rglob(".*.part")) == []


def test_after_a_kill_the_line_in_the_audit_log_tells_of_all_files(
    lake, catalogue, c360, monkeypatch
):
    monkeypatch.setenv("C360_HOME", str(lake.home))
    monkeypatch.setenv(KEYS, OLD)
    rotate(lake, catalogue)
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    told = []

    def stop_at_the_third(place):
        told.append(place)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        encrypt_anew(lake, catalogue, stop_at_the_third)
    files = len(list(find_protected(lake, catalogue)))
    code, said = c360("keys", "rotate", "--by", "Ana", "--because", "yearly change")
    assert code == 0
    assert f"Under it now: {files} files." in " ".join(said.split())
    [line] = read_acts(lake)
    assert line["facts"] == {"files": files, "written_anew": {"k1": files - 2}}


def test_without_the_old_key_nothing_is_written_anew(lake, catalogue, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    rotate(lake, catalogue)
    monkeypatch.setenv(KEYS, NEW)
    with pytest.raises(C360Error, match="needs the encryption key k1"):
        rotate(lake, catalogue)
    monkeypatch.delenv(KEYS)
    with pytest.raises(C360Error, match="holds no key"):
        rotate(lake, catalogue)


def test_a_run_is_sealed_once_and_only_landing_opens_it(lake, catalogue, monkeypatch):
    run = lake.run(DAYS[0])
    seal_run(run, catalogue)
    assert run.inputs.exists()  # there is no key
    monkeypatch.setenv(KEYS, OLD)
    seal_run(run, catalogue)
    path = run.table("models", "stg_crm__contacts")
    first = path.read_bytes()
    seal_run(run, catalogue)
    assert (path.read_bytes(), run.inputs.exists(), run.sealed.exists()) == (first, False, True)
    assert run.scan("models", "stg_crm__contacts", "a test").collect()["email"][0].startswith("li")


def test_what_a_kill_left_half_written_of_a_run_goes_and_stops_no_later_night(
    lake, catalogue, monkeypatch
):
    run, later = lake.run(DAYS[0]), lake.run(date(2026, 7, 9))
    whole = run.table("models", "stg_crm__contacts")
    torn = [run.table("models", name) for name in ("tmp_stg_shop__orders", "customer_360")]
    for path in torn:  # as DuckDB leaves a model of which it was stopped: without an end
        path.write_bytes(whole.read_bytes()[:-7])
    torn[0].with_name("stg_crm__consents.parquet").touch()
    scratch = with_parent(run.path / "pipeline" / ".identity_values.parquet.part")
    scratch.write_bytes(b"13812345678")
    monkeypatch.setenv(KEYS, OLD)
    assert len(list(find_protected(lake, catalogue))) > 5
    seal_others(lake, later, catalogue)
    assert not any(path.exists() for path in (*torn, scratch))
    assert {path.stem for path in (run.path / "models").glob("*")} == {
        "stg_crm__contacts",
        "int_identity_profiles",
    }
    assert key_of_table(whole) == "k1"
    assert not {place for place in in_clear(lake) if place.startswith("runs/")}


def test_a_file_can_be_looked_at_outside_the_home_and_the_audit_log_tells_who_did(
    lake, catalogue, c360, monkeypatch, tmp_path
):
    monkeypatch.setenv("C360_HOME", str(lake.home))
    monkeypatch.setenv(KEYS, OLD)
    raw = next(lake.raw.glob("crm/*/*crm_contacts.csv"))
    torn = next(lake.quarantine.glob("crm_contacts/*/*/*.parquet"))
    wanted = raw.read_bytes()
    rotate(lake, catalogue)
    told = ("--by", "Ana", "--because", "ticket 7")
    for path, name in ((raw, "a.csv"), (torn, "b.parquet")):
        assert c360("keys", "decrypt", str(path), "--to", str(tmp_path / name), *told)[0] == 0
    assert (tmp_path / "a.csv").read_bytes() == wanted
    assert "torn li.canary@example.com" in pl.read_parquet(tmp_path / "b.parquet")["raw"][0]
    assert [line["subject"] for line in read_acts(lake)] == [
        path.relative_to(lake.home).as_posix() for path in (raw, torn)
    ]
    lake.runs.rename(tmp_path / "elsewhere")  # such as an encrypted file system
    lake.runs.symlink_to(tmp_path / "elsewhere")
    model = lake.run(DAYS[0]).table("models", "stg_crm__contacts")
    assert c360("keys", "decrypt", str(model), "--to", str(tmp_path / "m.parquet"), *told)[0] == 0
    assert [*read_acts(lake)][-1]["subject"] == model.relative_to(lake.home).as_posix()
    for target in (tmp_path / "a.csv", lake.home / "c.csv"):
        code, said = c360("keys", "decrypt", str(raw), "--to", str(target), *told)
        assert (code, "Name a new file" in said) == (1, True)
    assert c360("keys", "decrypt", "/etc/hosts", "--to", str(tmp_path / "d"), *told)[0] == 1


def test_the_commands_tell_which_key_may_go_and_leave_a_line_in_the_audit_log(
    lake, c360, monkeypatch
):
    monkeypatch.setenv("C360_HOME", str(lake.home))
    monkeypatch.setenv(KEYS, OLD)
    assert c360("keys", "rotate", "--by", "Ana", "--because", "first key")[0] == 0
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    code, said = c360("keys", "rotate", "--by", "Ana", "--because", "yearly change")
    assert code == 0
    assert "that were under k1" in said
    assert "Key k1 (may go): 0 files" in c360("keys", "status")[1]
    assert [line["because"] for line in read_acts(lake)] == ["first key", "yearly change"]
    assert load_keyring().current == "k2"
    assert (lake.home / "audit.jsonl").stat().st_mode & 0o077 == 0
    told = (lake.home / "audit.jsonl").read_text()
    assert NEW.partition(":")[2] not in told
    assert os.environ[KEYS].count(":") == 2
