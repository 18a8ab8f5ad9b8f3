"""Consent fails closed: random histories of consent, judged a second time by plain Python (S1)."""

import random
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from pipelines.lake import Run
from tests.pipeline.nights import run_night

DAY = date(2026, 6, 30)
NOON = datetime(2026, 7, 3, 12)  # noqa: DTZ001 - landed times are UTC without a zone
PERSONS = 10_000
CHANNELS = {"email": "email", "sms": "phone", "phone": "phone", "wechat": "external_userid"}
PURPOSES = ("marketing", "service", "survey")
OPT_OUT = {"email": "email_opt_out", "sms": "do_not_call", "phone": "do_not_call"}


def make_persons(rng: random.Random) -> list[dict[str, object]]:
    return [
        {
            "id": f"c{number}",
            "email": f"p{number}@example.com" if rng.random() < 0.9 else None,
            "phone": f"+8613{number:09d}" if rng.random() < 0.8 else None,
            "external_userid": f"wm{number:08d}" if rng.random() < 0.5 else None,
            "email_opt_out": rng.random() < 0.05,
            "do_not_call": rng.random() < 0.05,
        }
        for number in range(PERSONS)
    ]


def make_statements(
    rng: random.Random, persons: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Up to eight statements of a person, often at one instant, of the person or of an address."""
    statements = []
    for person in persons:
        keys = {"contact_id": person["id"]} | {
            kind: person[kind] for kind in ("email", "phone", "external_userid") if person[kind]
        }
        for _ in range(rng.randint(0, 8)):
            kind = rng.choice(list(keys))
            said_at = NOON - timedelta(days=rng.choice((0, 3, 5, 40, 700, 800)))
            ends = rng.choice((None, None, said_at + timedelta(days=rng.choice((1, 3, 4, 900)))))
            key = str(keys[kind])
            statements.append(
                {
                    "subject_key_type": kind,
                    "subject_key": key.upper() if kind == "email" and rng.random() < 0.2 else key,
                    "purpose": rng.choice(PURPOSES),
                    "channel": rng.choice([*CHANNELS, "any"]),
                    "status": rng.choice(
                        (
                            "granted",
                            "granted",
                            "granted",
                            "withdrawn",
                            "denied",
                            "pending",
                            "unknown",
                        )
                    ),
                    "effective_at": said_at,
                    "expires_at": ends,
                }
            )
    return statements


def make_events(rng: random.Random, persons: list[dict[str, object]]) -> list[dict[str, object]]:
    kinds = ("unsubscribe", "complaint", "bounce_hard", "open")
    return [
        {
            "campaign_id": "k1",
            "campaign_type": "email",
            "recipient_key": person["email"],
            "email": person["email"],
            "event_type": rng.choice(kinds),
            "event_at": NOON - timedelta(days=rng.choice((0, 5, 30, 300))),
        }
        for person in persons
        if person["email"] and rng.random() < 0.2
    ]


def judge(
    person: dict[str, object],
    channel: str,
    purpose: str,
    said: list[dict[str, object]],
    happened: list[dict[str, object]],
) -> bool:
    """Whether a person may be written to: the rule of DEFINITIONS section 8, told once more."""
    address = person[CHANNELS[channel]]
    if not address:
        return False
    if purpose in ("marketing", "survey") and person.get(OPT_OUT.get(channel, "")):
        return False
    events = {event["event_type"] for event in happened} if channel == "email" else set()
    if events & {"bounce_hard", "complaint"}:
        return False
    votes = []
    for one in said:
        is_meant = one["subject_key_type"] in ("contact_id", CHANNELS[channel])
        if is_meant and one["purpose"] == purpose and one["channel"] in (channel, "any"):
            ends = one["expires_at"] or one["effective_at"].replace(  # 24 months
                year=one["effective_at"].year + 2
            )
            is_yes = one["status"] == "granted" and ends.date() > DAY
            votes.append((one["effective_at"], one["status"] != "granted", not is_yes))
    if purpose == "marketing":
        votes += [
            (event["event_at"], True, True)
            for event in happened
            if channel == "email" and event["event_type"] == "unsubscribe"
        ]
    return bool(votes) and not max(votes)[2]


@pytest.fixture(scope="module")
def consented(tmp_path_factory: pytest.TempPathFactory):
    """The contact points that a night lets lists use, and what it was told."""
    rng = random.Random(20260630)  # noqa: S311 - no secret
    root = tmp_path_factory.mktemp("consents")
    persons = make_persons(rng)
    statements, events = make_statements(rng, persons), make_events(rng, persons)
    drop, mail, rules = root / "crm", root / "mail", root / "rules"
    for folder in (drop, mail, rules):
        folder.mkdir()
    write(persons, drop / "crm_contacts.parquet")
    write(
        [one for one in statements if one["subject_key_type"] == "contact_id"],
        drop / "consents.parquet",
    )
    write(
        [one for one in statements if one["subject_key_type"] != "contact_id"],
        mail / "consents.parquet",
    )
    write(events, mail / "campaign_events.parquet")
    (rules / "sources.yml").write_text(
        "sources:\n"
        f"  - {{name: crm, type: files, path: {drop}}}\n"
        f"  - {{name: mail, type: files, path: {mail}}}\n",
        encoding="utf-8",
    )
    run = run_night(root / "home", rules, DAY, until="transform profile").run
    return persons, statements, events, allowed_places(run)


def write(rows: list[dict[str, object]], path: Path) -> None:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if "id" not in frame.columns:
        frame = frame.with_row_index("id").with_columns(pl.col("id").cast(pl.String))
    frame.write_parquet(path)


def allowed_places(run: Run) -> dict[tuple[str, str, str], str]:
    keys = run.scan("pipeline", "customer_keys", "test").select("customer_id", "source_record_id")
    contacts = run.scan("models", "customer_contacts", "test").join(keys, on="customer_id")
    rows = contacts.select("source_record_id", "channel", "purpose", "contact_value").collect()
    return {(who, channel, purpose): value for who, channel, purpose, value in rows.iter_rows()}


def test_exactly_who_consented_may_be_written_to(consented):
    persons, statements, events, places = consented
    said: dict[object, list[dict[str, object]]] = {}
    happened: dict[object, list[dict[str, object]]] = {}
    today = [one for one in statements if one["effective_at"].date() <= DAY]
    for one in today:
        said.setdefault(str(one["subject_key"]).lower(), []).append(one)
    for event in events:
        if event["event_at"].date() <= DAY:
            happened.setdefault(event["email"], []).append(event)
    leaks, missing = [], []
    for person, channel, purpose in product(persons, CHANNELS, PURPOSES):
        keys = (person["id"], person["email"], person["phone"], person["external_userid"])
        own = [one for key in keys if key for one in said.get(key, [])]
        judged = judge(person, channel, purpose, own, happened.get(person["email"], []))
        is_there = (person["id"], channel, purpose) in places
        if is_there and not judged:
            leaks.append((person["id"], channel, purpose))
        if judged and not is_there:
            missing.append((person["id"], channel, purpose))
    assert (leaks[:5], missing[:5]) == ([], [])
    assert len(places) > PERSONS / 10


def test_nobody_is_reached_at_an_address_that_is_not_their_own(consented):
    persons, _, _, places = consented
    own = {
        person["id"]: {person["email"], person["phone"], person["external_userid"]}
        for person in persons
    }
    assert all(value in own[who] for (who, _, _), value in places.items())
