import re

from pipelines.privacy.references import (
    IDENTIFIERS,
    OWN_ID,
    PURCHASES,
    SOURCE_KEYS,
    TYPED,
    UNTYPED,
    key_columns,
    reference_of,
)

# What names a thing, a place or one of our own people, and no customer.
THINGS = {
    "owner_id", "product_id", "variant_id", "store_id", "session_id", "post_id", "parent_id",
    "campaign_id", "program_id", "survey_id", "question_id", "response_id", "own_account_id",
    "source_account_id", "source_record_id",
}  # fmt: skip
# What tells of a person, and by which none is found.
TOLD = {
    "full_name", "first_name", "last_name", "birth_date", "street", "subject", "body", "text",
    "answer_text", "reason_text", "actor_name", "extra",
}  # fmt: skip


def test_every_column_that_may_name_a_person_or_a_record_is_known(catalogue):
    named = {*IDENTIFIERS, *SOURCE_KEYS, *TYPED, *UNTYPED, *THINGS, *TOLD}
    named |= {name for names in PURCHASES.values() for name in names}
    unknown = {
        f"{table}.{column.name}"
        for table, dataset in catalogue.landing.items()
        for column in dataset.columns
        if (re.search(r"_id$|_key$", column.name) or column.pii == "direct")
        and column.name not in named
        and not reference_of(column.name)
    }
    assert unknown == set()


def test_no_known_column_has_left_the_contract(catalogue):
    there = {name for dataset in catalogue.landing.values() for name in dataset.schema}
    assert {*IDENTIFIERS, *SOURCE_KEYS, *TYPED, *TYPED.values(), *UNTYPED, *THINGS} <= there


def test_only_the_columns_that_tell_whose_a_row_is_are_read(catalogue):
    assert key_columns(catalogue.landing["order_items"]) == [
        "order_source_id", "source", "source_account_id", OWN_ID, "source_created_at",
        "extracted_at",
    ]  # fmt: skip
