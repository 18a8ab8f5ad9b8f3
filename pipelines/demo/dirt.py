"""What is wrong with some rows: a faulty companion beside about one good row in 250.

Which rows get one follows from the digits of their id alone, so that a faulty row is the same
whatever the window. The companion has an id of its own ("…-x"): whoever drops all faulty rows has
lost nothing and gained nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

FAULTY_SHARE = 1 / 250
REPEATED_SHARE = 1 / 800
REPEATED = "repeated_row"


@dataclass(frozen=True)
class Fault:
    """One kind of fault: what stands in which columns instead of the right value."""

    kind: str
    columns: tuple[str, ...]
    text: str | None


def _fault(kind: str, column: str, text: str | None = None) -> Fault:
    return Fault(kind, tuple(column.split()), text)


FAULTS: dict[str, tuple[Fault, ...]] = {
    "crm_contacts": (
        _fault("bad_date", "birth_date", "1987-13-45"),
        _fault("nul_byte", "full_name", "王\0伟"),
        _fault("missing_value", "id"),
    ),
    "crm_accounts": (
        _fault("missing_value", "name"),
        _fault("bad_number", "employees", "about fifty"),
    ),
    "crm_activities": (
        _fault("missing_value", "activity_type"),
        _fault("bad_enum", "activity_type", "telepathy"),
        _fault("bad_date", "started_at", "2024-02-30T25:00:00Z"),
    ),
    "crm_cases": (
        _fault("bad_date", "opened_at", "last Tuesday"),
        _fault("missing_value", "status"),
        _fault("bad_enum", "case_type", "rant"),
        _fault("nul_byte", "body", "坏\0了"),
    ),
    "crm_deals": (_fault("missing_value", "stage"), _fault("bad_number", "amount", "12,3x")),
    "consents": (
        _fault("bad_enum", "status", "maybe"),
        _fault("missing_value", "subject_key"),
        _fault("bad_date", "effective_at", "31/31/2024"),
    ),
    "service_costs": (
        _fault("bad_number", "amount", "n/a?"),
        _fault("bad_currency", "currency", "XXX?"),
        _fault("bad_enum", "allocation_method", "somehow"),
    ),
    "orders": (
        _fault("bad_date", "ordered_at", "2025-02-31 10:00"),
        _fault("missing_value", "total_amount"),
        _fault("bad_number", "total_amount", "twelve"),
        _fault("bad_currency", "currency", "XXX?"),
    ),
    "order_items": (
        _fault("bad_number", "quantity", "two"),
        _fault("missing_value", "order_source_id"),
    ),
    "refunds": (
        _fault("bad_number", "amount", "all of it"),
        _fault("no_subject", "order_source_id customer_source_id"),
        _fault("bad_currency", "currency", "XXX?"),
    ),
    "loyalty_entries": (
        _fault("missing_value", "member_id"),
        _fault("bad_date", "occurred_at", "0000-00-00"),
        _fault("bad_enum", "entry_type", "bonus?"),
    ),
    "referrals": (
        _fault("missing_value", "referee_key"),
        _fault("bad_enum", "relation", "neighbour"),
    ),
    "web_events": (
        _fault("bad_date", "event_at", "16e9"),
        _fault("missing_value", "event_name"),
        _fault("bad_number", "event_count", "many"),
        _fault("bad_enum", "grain", "hourly"),
    ),
    "identity_links": (
        _fault("missing_value", "id_b"),
        _fault("bad_enum", "id_type_a", "passport"),
    ),
    "social_engagements": (
        _fault("bad_date", "engaged_at", "刚刚"),
        _fault("missing_value", "own_account_id"),
        _fault("bad_enum", "engagement_type", "stare"),
        _fault("nul_byte", "text", "nice\0one"),
    ),
    "campaign_events": (
        _fault("bad_enum", "event_type", "read_aloud"),
        _fault("missing_value", "recipient_key"),
        _fault("bad_date", "event_at", "soon"),
    ),
    "survey_answers": (
        _fault("bad_number", "score", "ten"),
        _fault("bad_date", "responded_at", "2025-06-31T12:00:00Z"),
        _fault("missing_value", "response_id"),
    ),
}


def add_luck(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `_luck`, evenly spread over 0 to 1, and `_turn`, a whole number.

    Both follow from the id's last digits.
    """
    number = pl.col("id").str.tail(6).cast(pl.Int64)
    return frame.with_columns(
        _luck=(number * 2_654_435_761 % 2**32) / 2**32, _turn=number * 40_503 % 65_537
    )


def choose_rows(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that get a faulty companion, and those that a text file says twice.

    The former keep their `_turn`, which decides about the kind of fault.
    """
    lucky = add_luck(frame.select("id")).with_row_index("_row")
    faulty = lucky.filter(pl.col("_luck") < FAULTY_SHARE)
    twice = lucky.filter(pl.col("_luck") >= 1 - REPEATED_SHARE)
    return frame[faulty["_row"]].with_columns(faulty["_turn"]), frame[twice["_row"]]


def spoil_rows(chosen: pl.DataFrame, table: str) -> dict[str, pl.DataFrame]:
    """Return the faulty companions of the chosen rows by kind of fault.

    The columns of the rows are already what a file can hold.
    """
    faults = FAULTS.get(table, ())
    spoilt: dict[str, pl.DataFrame] = {}
    for place, fault in enumerate(faults):
        turn = pl.col("_turn").cast(pl.Int64)
        rows = chosen.filter(turn % len(faults) == place).drop("_turn")
        if rows.is_empty():
            continue
        wrong = [pl.lit(fault.text, dtype=pl.String).alias(column) for column in fault.columns]
        # An id that is itself the fault is wiped after it got its mark.
        spoilt[fault.kind] = rows.with_columns(id=pl.col("id") + "-x").with_columns(wrong)
    return spoilt
