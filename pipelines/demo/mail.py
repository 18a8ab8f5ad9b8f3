"""How the people are met by mail: who was sent what, and what became of it.

Events are cut to the window of the call before any text is made for them, for they are many.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from pipelines.demo.people import MEAN_GAP_DAYS
from pipelines.demo.world import (
    HORIZON,
    NEVER,
    ORIGIN,
    Chunk,
    Ints,
    Window,
    draw,
    inside,
    keep_where,
    number_ids,
    number_within,
    pick,
    repeat_rows,
    second_of,
    to_money,
    to_utc,
)

SENT, OPEN, CLICK, BOUNCE_SOFT, BOUNCE_HARD, UNSUBSCRIBE, COMPLAINT, CONVERT = range(8)
MAIL_EVENTS = (
    "sent", "open", "click", "bounce_soft", "bounce_hard", "unsubscribe", "complaint", "convert",
)  # fmt: skip


def campaign_times() -> tuple[list[str], list[str], Ints]:
    """Return id, name and time of every mailing: one a month, and one before each sale."""
    ids, names, times = [], [], []
    for year in range(ORIGIN.year, HORIZON.year + 1):
        days = [(m, 5, f"Newsletter {year}-{m:02d}") for m in range(1, 13)]
        days += [
            (6, 14, f"618 大促 {year}"),
            (11, 8, f"双十一 {year}"),
            (12, 15, f"Christmas gifts {year}"),
        ]
        for month, day, name in sorted(days):
            ids.append(f"cmp-{year}{month:02d}{day:02d}")
            names.append(name)
            times.append(second_of(date(year, month, day)) + 10 * 3600)
    return ids, names, np.array(times)


def write_campaign_events(
    people: pl.DataFrame, seed: int, chunk: Chunk, window: Window
) -> pl.DataFrame:
    """Write what became of every mail.

    Sent, opened by people or machines, clicked, led to a purchase, bounced, left, complained of.
    """
    chance = draw(seed, chunk.number, "mail")
    ids, names, times = campaign_times()
    since = people["mail"].to_numpy()
    leaves, bounces, complains = (
        people[c].to_numpy() for c in ("unsubscribed", "bounced", "complained")
    )
    stop = np.minimum(np.minimum(leaves, bounces), complains)
    low, high = np.searchsorted(times, since), np.searchsorted(times, stop)
    high = np.where(
        (stop == bounces) & (stop < NEVER), np.minimum(high + 1, len(times)), high
    )  # it bounces once
    counts = np.where(since < NEVER, np.maximum(high - low, 0), 0)
    person = repeat_rows(counts)
    campaign = low[person] + number_within(person)
    sent = times[campaign] + chance.integers(0, 5_400, len(person))
    habit, by_machine = chance.beta(1.2, 2, people.height), chance.random(people.height) < 0.15
    # Who buys often reads more of what the shop sends; the rest is habit.
    interest = people["rate"].to_numpy() / (people["rate"].to_numpy() + 1 / MEAN_GAP_DAYS)
    keen = 0.275 * habit + 0.5 * interest
    alive = sent < people["ends"].to_numpy()[person]
    dead = sent >= bounces[person]
    opens = (chance.random(len(person)) < np.where(alive, keen[person] + 0.05, 0.03)) & ~dead
    clicks = opens & (chance.random(len(person)) < 0.16)
    machine = by_machine[person] & ~dead
    soft = (chance.random(len(person)) < 0.004) & ~opens & ~dead
    delay = (chance.exponential(9, len(person)) * 3_600).astype(np.int64) + 30
    buys = clicks & (chance.random(len(person)) < 0.12)
    spent = (chance.gamma(2, 12_000, len(person)) + 900).astype(np.int64)
    row = np.arange(len(person))
    goes = np.flatnonzero(
        (stop < NEVER) & (stop < bounces) & (counts > 0)
    )  # who leaves does so by the last mail
    last = np.cumsum(counts)[goes] - 1
    parts = (
        (row, SENT, sent, False),
        (row[machine], OPEN, sent[machine] + 4, True),
        (row[opens], OPEN, (sent + delay)[opens], False),
        (row[clicks], CLICK, (sent + delay + 40)[clicks], False),
        (row[buys], CONVERT, (sent + delay + 1_500)[buys], False),
        (row[soft], BOUNCE_SOFT, sent[soft] + 20, False),
        (row[dead], BOUNCE_HARD, sent[dead] + 20, False),
        (
            last[leaves[goes] == stop[goes]],
            UNSUBSCRIBE,
            stop[goes][leaves[goes] == stop[goes]],
            False,
        ),
        (
            last[leaves[goes] != stop[goes]],
            COMPLAINT,
            stop[goes][leaves[goes] != stop[goes]],
            False,
        ),
    )
    rows, at = np.concatenate([p[0] for p in parts]), np.concatenate([p[2] for p in parts])
    kind = np.repeat([p[1] for p in parts], [len(p[0]) for p in parts])
    by = np.repeat([p[3] for p in parts], [len(p[0]) for p in parts])
    chosen = np.flatnonzero(inside(at, window))
    chosen = chosen[np.argsort(at[chosen], kind="stable")]
    r, k = rows[chosen], kind[chosen]
    email = people["email"].gather(person[r])
    sent_out = to_utc(at[chosen])
    return pl.DataFrame(
        {
            "id": number_ids("N", chunk, chosen),
            "campaign_id": pick(ids, campaign[r]),
            "campaign_name": pick(names, campaign[r]),
            "campaign_type": pl.repeat("email", len(chosen), eager=True),
            "recipient_key": email,
            "email": email,
            "event_type": pick(MAIL_EVENTS, k),
            "is_machine": by[chosen],
            "url": keep_where(
                pick(("https://shop.example.com/new", "https://shop.example.com/sale"), chosen % 2),
                k == CLICK,
            ),
            "revenue_amount": keep_where(to_money(spent[r]), k == CONVERT),
            "cost_amount": keep_where(to_money(np.ones(len(chosen))), k == SENT),
            "currency": keep_where(
                pl.repeat("CNY", len(chosen), eager=True), (k == SENT) | (k == CONVERT)
            ),
            "event_at": sent_out,
            "_at": at[chosen],
        }
    )
