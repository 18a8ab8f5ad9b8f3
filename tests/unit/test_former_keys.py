"""Another pseudonym key: nobody erased comes back, nobody is renamed, and the old key may go."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from factories import rows
from pydantic import SecretStr

from pipelines.audit import read_acts
from pipelines.erasure.erase import begin_erasure, find_asked, finish_erasures
from pipelines.errors import C360Error
from pipelines.former_keys import keep_former_key, pseudonym_keys
from pipelines.identity.refs import RECORD, key_values, mint_id
from pipelines.lake import Lake, write_table
from pipelines.release import current_release
from tests.pipeline.scan import find_texts
from tests.unit.erasure.erasure_home import CANARY, CONTACTS, drop, land, make_home

AT, NEXT = datetime(2026, 7, 1, 9, tzinfo=UTC), date(2026, 7, 1)
FIRST, SECOND, THIRD = b"k", b"another key of the tests", b"a third key of the tests"
BUYER = "c81,赵敏,zhao@example.com,13612345678,"


@pytest.fixture
def settings(tmp_path):
    return make_home(tmp_path)


def under(settings, key: bytes):
    return settings.model_copy(update={"pseudonym_key": SecretStr(key.decode())})


def erase(settings, asked: str):
    begin_erasure(settings, *find_asked(settings, asked), "Ana", "request 12", AT)
    return finish_erasures(settings, AT, lambda _: None)


def send_all_again(settings, number: int) -> None:
    lines = [*CONTACTS, BUYER, f"c9{number},nobody,,,"]
    drop(Lake(settings.home), NEXT, f"crm_contacts_{number}.csv", lines)
    assert land(settings, NEXT) == 1


def landed_ids(settings) -> set[str]:
    parts = Lake(settings.home).landing.glob(f"crm_contacts/*/date={NEXT}/*.parquet")
    return {id for part in parts for id in pl.read_parquet(part)["source_record_id"]}


def test_who_was_erased_under_an_older_key_stays_out_with_the_newest_alone(settings):
    lake = Lake(settings.home)
    erase(settings, "crm:c77")
    keep_former_key(lake, FIRST, SECOND)
    erase(under(settings, SECOND), "crm:c79")
    assert keep_former_key(lake, SECOND, THIRD) == 2
    assert pseudonym_keys(lake, THIRD) == (THIRD, SECOND, FIRST)
    send_all_again(under(settings, THIRD), 0)
    assert landed_ids(settings) == {"c78", "c81", "c90"}
    assert find_texts(settings.home, CANARY) == set()


def test_a_key_that_nothing_was_brought_to_is_refused(settings):
    lake = Lake(settings.home)
    erase(settings, "crm:c77")
    keep_former_key(lake, FIRST, SECOND)
    for stranger in (FIRST, THIRD):
        with pytest.raises(C360Error, match="not the key that this installation was brought to"):
            land(under(settings, stranger), NEXT)
        with pytest.raises(C360Error, match="not the key that this installation was brought to"):
            keep_former_key(lake, stranger, THIRD)


def test_what_is_kept_tells_no_key_and_is_another_each_time(settings):
    lake = Lake(settings.home)
    told = set()
    for _ in range(2):
        keep_former_key(lake, THIRD, SECOND)
        path = lake.privacy / "former_keys.json"
        told.add(path.read_text())
        assert THIRD.decode() not in path.read_text()
        path.unlink()
    assert len(told) == 2


def name_customers(lake, key: bytes) -> None:
    """Give the release an id that was made with a key, as a night does."""
    record = {"entity": "contact", "source": "crm", "source_account_id": "",
              "source_record_id": "c78"}  # fmt: skip
    state = rows(
        "customer_keys",
        record | {"customer_id": mint_id(tuple(record[name] for name in RECORD), key)},
        group="pipeline",
    )
    write_table(state, current_release(lake).path / "state" / "customer_keys.parquet")


def test_the_command_takes_the_right_former_key_only_and_leaves_a_line_in_the_audit_log(
    settings, c360, monkeypatch
):
    lake = Lake(settings.home)
    name_customers(lake, FIRST)
    monkeypatch.setenv("C360_HOME", str(settings.home))
    monkeypatch.setenv("C360_PSEUDONYM_KEY", SECOND.decode())

    def rotate() -> tuple[int, str]:
        return c360("keys", "rotate-pseudonyms", "--by", "Ana", "--because", "somebody left")

    assert "Two keys are needed" in rotate()[1]
    monkeypatch.setenv("C360_FORMER_PSEUDONYM_KEY", "a typing error")
    assert "is not the key that the customers" in rotate()[1]
    assert not (lake.privacy / "former_keys.json").exists()
    monkeypatch.setenv("C360_FORMER_PSEUDONYM_KEY", FIRST.decode())

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.former_keys.write_json", killed)
        assert rotate()[0] != 0
    assert pseudonym_keys(lake, FIRST) == (FIRST,)
    assert rotate()[0] == 0
    assert pseudonym_keys(lake, SECOND) == (SECOND, FIRST)
    # Told before it is done: no kill brings it to another key unseen.
    assert [line["subject"] for line in read_acts(lake)] == ["pseudonym key", "pseudonym key"]
    assert rotate()[0] == 1  # the former key opens nothing any more


def test_a_pseudonym_is_found_by_trying_known_values_with_the_key_and_not_without():
    known = pl.DataFrame(
        {"id_type": "email", "value": [f"mail{n}@example.com" for n in range(10**5)]}
    )
    secret = b"thirty-two bytes that nobody knows"
    published = set(key_values(known.gather_every(100), secret))
    assert len(published) == 1000
    assert len(published & set(key_values(known, secret))) == 1000
    for guess in (b"", b"k", b"C360_PSEUDONYM_KEY"):
        assert published & set(key_values(known, guess)) == set()
