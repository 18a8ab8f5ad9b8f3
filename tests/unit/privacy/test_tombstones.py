from datetime import date, datetime, time

import polars as pl
import pytest
from factories import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.privacy.references import record_key
from pipelines.privacy.tombstones import SCHEMA, Tombstones, bury, digest_of

KEY, ON = b"key", date(2026, 7, 1)
ME = record_key("contact", "crm", "", "77")
MAIL, PHONE = "email\x1fli@example.com", "phone\x1f+8613812345678"
BEFORE, AFTER = (datetime.combine(date(2026, month, 1), time()) for month in (6, 8))


@pytest.fixture
def judge(catalogue):
    """Which of the rows go, and which columns mention somebody who went."""

    def judge_rows(table: str, *overrides: dict, keys: tuple[str, ...] = (ME, MAIL, PHONE)):
        frame = rows(table, *({"source": "crm"} | row for row in overrides))
        stones = Tombstones(bury(keys, KEY, ON), KEY, "CN")
        judged = stones.judge(frame, catalogue["landing", table])
        told = {column: hit.to_list() for column, hit in judged.mentions.items()}
        return judged.goes.to_list(), told

    return judge_rows


def test_a_tombstone_says_nothing_of_the_person_and_needs_the_key():
    stones = bury([ME, MAIL, PHONE], KEY, ON)
    assert stones.schema == pl.Schema(SCHEMA)
    told = str(stones.to_dicts())
    assert not any(text in told for text in ("li@example.com", "13812345678"))
    assert digest_of(MAIL, KEY) in told
    assert digest_of(MAIL, b"another") not in told


def test_a_record_is_out_by_its_own_id_and_only_in_its_source(judge):
    goes, _ = judge(
        "crm_contacts",
        {"source_record_id": "77"},
        {"source_record_id": "78"},
        {"source_record_id": "77", "source": "shop"},
        {"source_record_id": "77", "source_account_id": "eu"},
    )
    assert goes == [True, False, False, False]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("orders", {"customer_source_id": "77"}),
        ("refunds", {"customer_source_id": "77"}),
        ("crm_activities", {"contact_source_id": "77"}),
        ("referrals", {"referee_contact_source_id": "77"}),
        ("referrals", {"referrer_key": "li@example.com"}),
        ("referrals", {"referrer_key": "77"}),
        ("consents", {"subject_key_type": "contact_id", "subject_key": "77"}),
        ("consents", {"subject_key_type": "phone", "subject_key": "138 1234 5678"}),
        ("erasure_requests", {"subject_key_type": "email", "subject_key": "Li@Example.com"}),
        ("identity_links", {"id_type_b": "email", "id_b": "li@example.com"}),
        ("campaign_events", {"recipient_key": "0a1b", "email": "LI@example.com"}),
        ("survey_answers", {"email": " li@example.com "}),
    ],
)
def test_a_row_goes_with_whom_it_names(judge, table, row):
    goes, _ = judge(table, row, {})
    assert goes == [True, False]


def test_who_comes_back_under_a_new_record_is_a_new_customer(judge):
    known = {"email": "li@example.com"}
    goes, _ = judge(
        "crm_contacts",
        known | {"source_created_at": BEFORE},
        known | {"source_created_at": AFTER},
        known,
        {"source_record_id": "77", "source_created_at": AFTER},
    )
    assert goes == [True, False, True, True]


def test_an_order_of_another_stays_and_loses_the_address(judge):
    goes, told = judge(
        "orders",
        {"customer_source_id": "1", "customer_email": "li@example.com", "ordered_at": BEFORE},
        {"customer_email": "li@example.com", "ordered_at": BEFORE},
        {"customer_email": "li@example.com", "ordered_at": AFTER},
    )
    assert goes == [False, True, False]
    assert told == {"customer_email": [True, False, False]}


def test_who_was_referred_by_an_erased_contact_stays_without_the_reference(judge):
    goes, told = judge("crm_contacts", {"referrer_source_id": "77"}, {"referrer_source_id": "7"})
    assert goes == [False, False]
    assert told == {"referrer_source_id": [True, False]}


def test_a_row_that_cannot_do_without_the_value_goes(judge):
    row = {"contact_source_id": "1", "recipient_key": "li@example.com", "event_at": BEFORE}
    assert judge("campaign_events", row)[0] == [True]


def test_rows_as_received_are_looked_at_word_by_word():
    stones = Tombstones(bury([ME, MAIL, PHONE], KEY, ON), KEY, "CN")
    texts = ['{"id": "77"}', '{"id":"770"}', "5;Li@example.com;x", "a,13812345678", "", "no,body"]
    frame = pl.DataFrame({"source": "crm", "raw": texts})
    assert stones.judge_texts(frame).to_list() == [True, False, True, True, False, False]


@settings(deadline=None, max_examples=25)
@given(ids=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6, unique=True))
def test_whoever_is_buried_is_found_and_nobody_else(ids):
    texts = [record_key("contact", "crm", "", name) for name in ids]
    stones = Tombstones(bury(texts[:1], KEY, ON), KEY, None)
    found = stones.erased_on(pl.Series([*texts, None], dtype=pl.String)).is_not_null().to_list()
    assert found == [True] + [False] * len(ids)
