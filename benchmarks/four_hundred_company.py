"""The small company of `four_hundred_nights.py`: what it drops each night, and what it decides.

Everything follows from the number of the night, so that a harness which was stopped goes on with
the same files. Besides growth and orders of six rhythms there are planned troubles: records that
become one customer and are parted again, orders that come late, requests to be forgotten, records
that vanish and return, rules that change and are taken back, nights that never run.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from pipelines.rules import PACKAGED

FIRST = date(2025, 5, 27)  # night 0 brings a year that was before
HISTORY_DAYS = 330
PERSONS, LATECOMERS = 36, 24
# Mean days between orders by rhythm: the first never orders, the last one once.
GAPS = (None, 34, 19, 45, 120, None)
STOPS, RETURNS = (3, 150), (4, 210)  # a rhythm that stops, and one that pauses for so many days
LATE_NIGHTS = 9
SKIPPED = frozenset({33, 34, 250})  # nights that do not run
AGAIN = frozenset({66, 222})  # nights that run twice; the second time of 222 by other rules
FORGOTTEN = {75: "crm:c10", 180: "crm:c2", 300: "shop:s7"}
ERASED, DELETED, RETURNED = (310, 12), (140, 14), (170, 14)
TWO_RECORDS = range(1, 7)  # persons who are in both systems
# Who is told to be one customer, or never one, from which night to which.
MUST_LINK = ((2, 40, 100), (2, 200, 230), (4, 60, 260))
CANNOT_LINK = ((1, 60, 120), (5, 90, 92), (1, 290, 330))
# Nights by which each of these has just happened.
EVENTFUL = frozenset({0, 40, 61, 66, 76, 101, 140, 151, 171, 181, 210, 222, 231, 301, 311, 331})
SECOND_RECORD_ON = {3: 150}  # the shop learns later of this person, by the same mailbox

Rules = dict[str, Any]
Row = dict[str, Any]


def day_of(night: int) -> date:
    """The run date of a night."""
    return FIRST + timedelta(night)


def drop_night(root: Path, night: int) -> None:
    """Write what the systems send on a night; again the same files if called again."""
    files: dict[str, list[Row]] = defaultdict(list)
    for source, table, row in _rows(night):
        files[f"{source}/{table}-{night:03}.csv"].append(row)
    for name, rows in sorted(files.items()):
        path = root / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = sorted({column for row in rows for column in row})
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def _rows(night: int) -> Iterator[tuple[str, str, Row]]:
    for person in range(1, PERSONS + LATECOMERS + 1):
        joined = 0 if person <= PERSONS else (person - PERSONS) * 14
        if night == joined:
            yield "crm", "crm_contacts", _contact(person, "c", night)
            yield "crm", "consents", _consent(person, night)
        if night == SECOND_RECORD_ON.get(person, joined) and person in TWO_RECORDS:
            yield "shop", "crm_contacts", _contact(person, "s", night)
        yield from (("shop", "orders", row) for row in _orders(person, joined, night))
    if night == ERASED[0]:
        yield "crm", "crm_contacts", {"id": f"c{ERASED[1]}", "op": "erase"}
    if night == DELETED[0]:
        yield "crm", "crm_contacts", {"id": f"c{DELETED[1]}", "op": "delete"}
    if night == RETURNED[0]:
        yield "crm", "crm_contacts", _contact(RETURNED[1], "c", night)
    if night in FORGOTTEN:
        source, key = FORGOTTEN[night].split(":")
        at = f"{day_of(night)}T09:00:00Z"
        asked = {"subject_key_type": "contact_id", "subject_key": key, "requested_at": at}
        yield source, "erasure_requests", {"id": f"e{night}", **asked}


def _contact(person: int, prefix: str, night: int) -> Row:
    mailbox = f"person{person}@example.org"
    if prefix == "s" and person in {2, 4}:
        mailbox = f"other{person}@example.org"  # nothing but a steward ties these
    return {
        "id": f"{prefix}{person}", "email": mailbox, "first_name": f"First{person}",
        "last_name": f"Last{person}", "full_name": f"First{person} Last{person}", "op": "upsert",
        "gender": ("female", "male")[person % 2], "city": ("Leeds", "York")[person % 2],
        "updated_at": f"{day_of(night)}T08:00:00Z",
    }  # fmt: skip


def _consent(person: int, night: int) -> Row:
    return {
        "id": f"k{person}", "subject_key_type": "contact_id", "subject_key": f"c{person}",
        "contact_source_id": f"c{person}", "purpose": "marketing", "channel": "any",
        "status": "granted", "effective_at": f"{day_of(night)}T08:00:00Z",
    }  # fmt: skip


def _orders(person: int, joined: int, night: int) -> Iterator[Row]:
    """Orders of a person that a night tells of: the day's own, late ones, and cancelled ones."""
    late = person % 7 == 0
    for number, day in enumerate(_order_days(person, joined)):
        told = max(0, day + (LATE_NIGHTS if late and day > 30 else 0))
        is_cancelled = (person + number) % 11 == 0
        if night in {told, told + 3} and (night == told or is_cancelled):
            yield {
                "id": f"o{person}-{number}", "customer_source_id": f"c{person}", "currency": "GBP",
                "customer_email": f"person{person}@example.org",
                "total_amount": f"{20 + (person * 7 + number * 13) % 180}.00",
                "status": "paid" if night == told else "cancelled", "channel": "web",
                "ordered_at": f"{day_of(day)}T10:00:00Z",
                "updated_at": f"{day_of(night)}T11:00:00Z",
            }  # fmt: skip


def _order_days(person: int, joined: int) -> Iterator[int]:
    """Nights on which a person orders; below nought before the first night."""
    rhythm, chance = person % len(GAPS), random.Random(person)  # noqa: S311 - no secret
    begin = joined - (chance.randrange(HISTORY_DAYS) if not joined else 0)
    if rhythm == 0:
        return
    day, gap, paused = begin, GAPS[rhythm], False
    while day < 500:
        yield day
        if gap is None or (rhythm == STOPS[0] and day > STOPS[1]):
            return
        day += max(1, round(chance.gauss(gap, gap / 4)))
        if rhythm == RETURNS[0] and not paused and day > 0:
            day, paused = day + RETURNS[1], True


def decide_rules(root: Path, night: int, *, second_time: bool = False) -> Path:
    """Write the rules that hold on a night; returns their folder."""
    folder = root / "rules"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [
        {"name": name, "type": "files", "path": str((root / "drop" / name).resolve())}
        for name in ("crm", "shop")
    ]
    content: dict[str, Rules] = {
        "sources": {"base_currency": "GBP", "time_zone": "Europe/London", "sources": sources},
        "identity_rules": {
            "must_link": [_pair(p) for p, begin, end in MUST_LINK if begin <= night < end],
            "cannot_link": [_pair(p) for p, begin, end in CANNOT_LINK if begin <= night < end],
        },
    }
    for name, begin, end, change in CHANGES:
        if begin <= night < end or (second_time and begin == night + 1):
            packaged = yaml.safe_load((PACKAGED / f"{name}.yml").read_text(encoding="utf-8"))
            content[name] = content.get(name, packaged)
            change(content[name])
    for path in folder.glob("*.yml"):
        if path.stem not in content:
            path.unlink()
    for name, rules in content.items():
        text = yaml.safe_dump(rules, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def _pair(person: int) -> Row:
    why = {"reason": "planned", "owner": "harness", "date": FIRST}
    return {"a": f"crm:c{person}", "b": f"shop:s{person}"} | why


def _shorter_comeback(rules: Rules) -> None:
    rules["won_back_days"] = 30


def _earlier_warning(rules: Rules) -> None:
    for stage in rules["stages"]:
        if stage["stage"] == "at_risk" and stage["min_orders"] == 2:
            stage["rhythm_above"] = 1.2


def _other_weights(rules: Rules) -> None:
    rules["weights"]["tenure"] = 0.4


def _fewer_lists(rules: Rules) -> None:
    del rules["segments"][0]


Change = Callable[[Rules], None]
CHANGES: tuple[tuple[str, int, int, Change], ...] = (
    ("lifecycle", 55, 200, _shorter_comeback),
    ("lifecycle", 95, 130, _earlier_warning),
    ("tiers", 160, 210, _other_weights),
    ("lifecycle", 223, 260, _earlier_warning),
    ("segments", 240, 280, _fewer_lists),
)
