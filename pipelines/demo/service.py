"""How the people are looked after: cases, calls and visits, consents, and what it costs."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.handwriting import OWNERS, add_versions
from pipelines.demo.orders import Orders
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    Floats,
    Ints,
    choose,
    draw,
    draw_visits,
    keep_where,
    number_ids,
    pick,
    to_utc,
)

YEAR_AND_A_HALF = 548 * DAY
TWO_YEARS = 730 * DAY
ACTIVITIES = ("call", "wechat", "email", "note", "meeting", "visit", "followup", "sms", "task")
CHANNELS = ("phone", "wechat", "email", "store")


def write_cases(people: pl.DataFrame, orders: Orders, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write cases of CRM contacts, open first, then closed.

    Some after an order, more from the discontented.
    """
    chance = draw(seed, chunk.number, "cases")
    crm, content = people["crm"].to_numpy(), people["content"].to_numpy()
    source = np.flatnonzero(chance.random(len(orders.at)) < 0.07 * (1.72 - content[orders.person]))
    opened = orders.at[source] + 7_200 + (chance.exponential(6, len(source)) * DAY).astype(np.int64)
    known = (crm[orders.person[source]] <= opened) & (opened < SPAN)
    source, opened = source[known], opened[known]
    order = np.argsort(opened, kind="stable")
    source, opened = source[order], opened[order]
    person = orders.person[source]
    count = len(opened)
    cross = chance.random(count) < 0.75 - 0.6 * content[person]
    complaints = [i for i, c in enumerate(words.CASES) if c[0] == "complaint"]
    others = [i for i, c in enumerate(words.CASES) if c[0] != "complaint"]
    which = np.where(
        cross,
        np.array(complaints)[chance.integers(0, len(complaints), count)],
        np.array(others)[chance.integers(0, len(others), count)],
    )
    first = opened + (chance.exponential(5, count) * 3_600).astype(np.int64) + 300
    closed = first + (chance.exponential(2.5, count) * DAY).astype(np.int64) + 600
    settled = (chance.random(count) < 0.96) & (closed < SPAN)
    number = pl.Series(np.arange(chunk.first, chunk.first + count)).cast(pl.String)
    cases = pl.DataFrame(
        {
            "id": number_ids("C", chunk, np.arange(count)),
            "contact_source_id": people["crm_id"].gather(person),
            "channel": pick(CHANNELS, choose(chance, (35, 30, 25, 10), count)),
            "case_type": pick([c[0] for c in words.CASES], which),
            "category": pick([c[1] for c in words.CASES], which),
            "priority": pick(("low", "normal", "high"), choose(chance, (25, 60, 15), count)),
            "severity": keep_where(pick(("minor", "major"), chance.integers(0, 2, count)), cross),
            "status": pl.repeat("open", count, eager=True),
            "is_complaint": cross,
            "subject": pick([c[2] for c in words.CASES], which),
            "body": pick([c[3] for c in words.CASES], which)
            + keep_where(
                " (" + orders.ids.gather(source) + ")", chance.random(count) < 0.5
            ).fill_null(""),
            "opened_at": to_utc(opened),
            "first_response_at": to_utc(np.full(count, NEVER)),
            "closed_at": to_utc(np.full(count, NEVER)),
            "resolution": pl.Series([None] * count, dtype=pl.String),
            "reopen_count": np.zeros(count, dtype=np.int64),
            "csat_score": pl.Series([None] * count, dtype=pl.Float64),
            "sla_breached": pl.repeat(False, count, eager=True),
            "owner_id": pick(OWNERS, chance.integers(0, len(OWNERS), count)),
            "case_number": "CS" + number,
            "source_created_at": to_utc(opened),
            "source_updated_at": to_utc(opened),
            "_at": opened,
            "_local": person,
        }
    )
    score = np.clip(np.round(1 + 5 * content[person] - cross + chance.normal(0, 0.8, count)), 1, 5)
    done = cases.with_columns(
        status=pl.lit("closed"),
        first_response_at=to_utc(first),
        closed_at=to_utc(closed),
        resolution=pick(words.RESOLUTIONS, chance.integers(0, len(words.RESOLUTIONS), count)),
        reopen_count=pl.Series(choose(chance, (93, 6, 1), count)),
        csat_score=keep_where(pl.Series(score), chance.random(count) < 0.35),
        sla_breached=pl.Series(closed - opened > 5 * DAY),
    )
    return add_versions(cases, done, np.where(settled, closed, NEVER)).drop("case_number")


def write_activities(
    people: pl.DataFrame, accounts: pl.DataFrame, seed: int, chunk: Chunk
) -> pl.DataFrame:
    """Write calls, visits, chats and tasks.

    There are more for those who spend more, and for organisations.
    """
    chance = draw(seed, chunk.number, "activities")
    crm = people["crm"].to_numpy()
    care = np.where(people["spend"].to_numpy() > 400, 1 / 110, 1 / 420)
    stop = np.minimum(people["ends"].to_numpy(), SPAN) + 90 * DAY
    person, met = draw_visits(crm, stop, np.where(crm < NEVER, care, 0.0), chance)
    since = accounts["_at"].to_numpy()
    account, seen = draw_visits(
        since, np.full(len(since), SPAN), np.full(len(since), 1 / 100), chance
    )
    at = np.concatenate((met, seen))
    order = np.argsort(at, kind="stable")
    at = at[order]
    count = len(at)
    is_person = np.repeat([True, False], [len(met), len(seen)])[order]
    contact = np.concatenate((person, np.zeros(len(account), dtype=np.int64)))[order]
    firm = np.concatenate((np.zeros(len(person), dtype=np.int64), account))[order]
    weights = (30, 20, 14, 10, 6, 3, 12, 3, 2)
    kind = np.where(
        is_person,
        choose(chance, weights, count),
        choose(chance, (20, 10, 15, 5, 25, 20, 5, 0, 0), count),
    )
    length = (60 + chance.exponential(400, count)).astype(np.int64) * np.where(kind == 5, 8, 1)
    planned = (kind == 6) | (kind == 8)
    done = ~planned | (chance.random(count) < 0.7)
    return pl.DataFrame(
        {
            "id": number_ids("V", chunk, np.arange(count)),
            "activity_type": pick(ACTIVITIES, kind),
            "direction": pick(
                ("outbound", "inbound"), (chance.random(count) < 0.25).astype(np.int64)
            ),
            "contact_source_id": keep_where(people["crm_id"].gather(contact), is_person),
            "account_source_id": keep_where(accounts["id"].gather(firm), ~is_person),
            "owner_id": pick(OWNERS, chance.integers(0, len(OWNERS), count)),
            "subject": pick(
                words.ACTIVITY_SUBJECTS, chance.integers(0, len(words.ACTIVITY_SUBJECTS), count)
            ),
            "outcome": keep_where(
                pick(words.OUTCOMES, choose(chance, (45, 20, 20, 8, 7), count)), done
            ),
            "status": pick(("open", "done"), done.astype(np.int64)),
            "due_at": to_utc(np.where(planned, at + 7 * DAY, NEVER)),
            "started_at": to_utc(at),
            "ended_at": to_utc(np.where(done & ~planned, at + length, NEVER)),
            "duration_s": keep_where(pl.Series(length), done & ~planned),
            "is_completed": done,
            "source_created_at": to_utc(at),
            "_at": at,
        }
    )


def write_consents(people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write what CRM contacts allowed, refused, renewed and took back.

    A statement is about the contact, an e-mail address or a number.
    """
    chance = draw(seed, chunk.number, "consents")
    known = people.filter(pl.col("crm") < NEVER)
    crm, ends = known["crm"].to_numpy(), known["ends"].to_numpy()
    phone = "+" + known["dial_code"] + known["mobile"]
    keys = {"contact_id": known["crm_id"], "email": known["email"], "phone": phone}
    left, regrets = known["unsubscribed"].to_numpy(), chance.exponential(9_000, known.height)
    tells = (left > crm) & (chance.random(known.height) < 0.8)
    back = np.where(tells, left, crm + (regrets * DAY).astype(np.int64))
    blocks = []
    for key, purpose, channel, grants, denies, withdraws in (
        ("email", "marketing", "email", 0.60, 0.05, True),
        ("phone", "marketing", "sms", 0.38, 0.06, True),
        ("phone", "marketing", "phone", 0.15, 0.05, False),
        ("contact_id", "marketing", "wechat", 0.25, 0.02, False),
        ("contact_id", "marketing", "any", 0.08, 0.05, True),
        ("contact_id", "service", "any", 0.85, 0.01, False),
        ("email", "survey", "email", 0.45, 0.04, False),
        ("contact_id", "profiling", "any", 0.62, 0.04, False),
        ("email", "ads_matching", "any", 0.18, 0.07, True),
    ):
        luck, has = chance.random(known.height), keys[key].is_not_null().to_numpy()
        given, refused = has & (luck < grants), has & (luck >= grants) & (luck < grants + denies)
        gone = (
            back
            if withdraws
            else crm + (chance.exponential(20_000, known.height) * DAY).astype(np.int64)
        )
        what = (key, purpose, channel)
        blocks.append(state(known, keys, what, "granted", np.where(given, crm, NEVER)))
        blocks.append(state(known, keys, what, "denied", np.where(refused, crm, NEVER)))
        for times in (1, 2, 3):  # a grant lasts two years: active customers are asked again in time
            again = crm + times * YEAR_AND_A_HALF
            asked = (
                given
                & (again < gone)
                & (again < ends + 90 * DAY)
                & (chance.random(known.height) < 0.8)
            )
            blocks.append(state(known, keys, what, "granted", np.where(asked, again, NEVER)))
        blocks.append(
            state(known, keys, what, "withdrawn", np.where(given & (gone < SPAN), gone, NEVER))
        )
    consents = pl.concat(blocks).sort("_at", "contact_source_id", "purpose", "channel", "status")
    count = consents.height
    at = consents["_at"].to_numpy()
    limited = (chance.random(count) < 0.5) & (consents["status"] == "granted").to_numpy()
    return consents.with_columns(
        id=number_ids("W", chunk, np.arange(count)),
        legal_basis=pl.lit("consent"),
        captured_via=pick(
            ("web_form", "store", "phone", "wechat"), choose(chance, (50, 25, 10, 15), count)
        ),
        policy_version=pick(
            ("2022-11", "2024-05", "2026-01"), np.searchsorted([486 * DAY, 1096 * DAY], at)
        ),
        proof_ref="form/" + number_ids("", chunk, np.arange(count)),
        effective_at=to_utc(at),
        expires_at=to_utc(np.where(limited, at + TWO_YEARS, NEVER)),
        source_created_at=to_utc(at),
    )


def state(
    known: pl.DataFrame,
    keys: dict[str, pl.Series],
    what: tuple[str, str, str],
    status: str,
    at: Ints,
) -> pl.DataFrame:
    """Write one statement for each contact whose time is not NEVER."""
    key, purpose, channel = what
    frame = known.select(
        subject_key_type=pl.lit(key),
        subject_key=keys[key],
        contact_source_id="crm_id",
        purpose=pl.lit(purpose),
        channel=pl.lit(channel),
        status=pl.lit(status),
        jurisdiction="country",
        _at=pl.Series(at),
    )
    return frame.filter(pl.col("_at") < SPAN)


def write_costs(cases: pl.DataFrame, activities: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
    """Write what closed cases, visits and calls cost, straight to whom they were for."""
    closed = cases.filter(pl.col("status") == "closed")
    trips = activities.filter(pl.col("activity_type").is_in(["visit", "call"]))
    minutes = pl.col("duration_s").fill_null(300) / 60
    visit = pl.col("activity_type") == "visit"
    hours: Floats = (closed["_at"].to_numpy() % 7 + 2) * 6.0
    blocks = [
        closed.select(
            cost_type=pl.lit("case"),
            contact_source_id="contact_source_id",
            case_source_id="id",
            quantity=pl.lit(1.0),
            unit=pl.lit("case"),
            unit_cost=pl.Series(hours),
            amount=pl.Series(hours),
            _at="_at",
        ),
        trips.select(
            cost_type="activity_type",
            contact_source_id="contact_source_id",
            account_source_id="account_source_id",
            quantity=pl.when(visit).then(1.0).otherwise(minutes.round(2)),
            unit=pl.when(visit).then(pl.lit("visit")).otherwise(pl.lit("minute")),
            unit_cost=pl.when(visit).then(120.0).otherwise(0.8),
            amount=pl.when(visit).then(120.0).otherwise((minutes.round(2) * 0.8).round(2)),
            _at="_at",
        ),
    ]
    costs = pl.concat(blocks, how="diagonal").sort(
        "_at", "cost_type", "contact_source_id", "account_source_id", nulls_last=True
    )
    money = pl.Decimal(18, 4)
    return costs.with_columns(
        pl.col("quantity", "unit_cost", "amount").cast(money),
        id=number_ids("X", chunk, np.arange(costs.height)),
        currency=pl.lit("CNY"),
        allocation_method=pl.lit("direct"),
        incurred_at=to_utc(costs["_at"].to_numpy()),
    )
