"""Companies and institutions, the deals made with them, and what they ordered."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.handwriting import OWNERS, add_versions
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    choose,
    draw,
    draw_seasonal,
    draw_visits,
    keep_where,
    make_ids,
    number_ids,
    pick,
    to_day,
    to_money,
    to_utc,
)


def write_accounts(seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write the organisations of a chunk.

    Companies and institutions, some of them parts of an older one.
    """
    chance = draw(seed, chunk.number, "accounts")
    count = max(2, round(chunk.size * 0.012))
    created = np.sort(draw_seasonal(chance, chunk.begins, chunk.ends, count))
    school = chance.random(count) < 0.25
    parent = (chance.random(count) * np.arange(count)).astype(np.int64)
    child = (chance.random(count) < 0.2) & (np.arange(count) > 0)
    city = choose(chance, [c[4] for c in words.CITIES_CN], count)
    trade, institution = (
        chance.integers(0, len(words.COMPANY_TRADES), count),
        chance.integers(0, len(words.INSTITUTION_TRADES), count),
    )
    cities, ids = (
        pick([c[0] for c in words.CITIES_CN], city),
        make_ids("4876877", chunk.number, count, 8),
    )
    head = pl.select(
        pl.when(pl.Series(school))
        .then(cities)
        .otherwise(
            cities + pick(words.COMPANY_HEADS, chance.integers(0, len(words.COMPANY_HEADS), count))
        )
    ).to_series()
    tails = [
        np.array([t[i] for t in ts])[k]
        for ts, k in ((words.COMPANY_TRADES, trade), (words.INSTITUTION_TRADES, institution))
        for i in (0, 1)
    ]
    slug = "org" + pl.Series(np.arange(count) + chunk.first).cast(pl.String) + ".example.com"
    numbers = pl.Series(np.arange(count) % 200 + 1).cast(pl.String)
    return pl.DataFrame(
        {
            "id": ids,
            "name": head + pl.Series(np.where(school, tails[2], tails[0])) + "（" + numbers + "）",
            "kind": pick(("company", "institution"), school.astype(np.int64)),
            "account_number": "ACC-" + ids.str.tail(8),
            "account_type": pick(
                ("customer", "partner", "prospect"), choose(chance, (70, 10, 20), count)
            ),
            "parent_account_source_id": keep_where(ids.gather(parent), child),
            "owner_id": pick(OWNERS, chance.integers(0, len(OWNERS), count)),
            "industry": pl.Series(np.where(school, tails[3], tails[1])),
            "employees": pl.Series(np.exp(chance.normal(4.2, 1.2, count)).astype(np.int64) + 3),
            "annual_revenue": to_money(
                (np.exp(chance.normal(16, 1.3, count)) // 1000 * 100_000).astype(np.int64)
            ),
            "currency": pl.repeat("CNY", count, eager=True),
            "website": "https://www." + slug,
            "domain": slug,
            "phone": "021-6"
            + pl.Series((np.arange(count) + chunk.first) * 48_271 % 10_000_000)
            .cast(pl.String)
            .str.zfill(7),
            "street": pick(words.STREETS_CN, chance.integers(0, len(words.STREETS_CN), count))
            + numbers
            + "号",
            "city": cities,
            "state": pick([c[2] for c in words.CITIES_CN], city),
            "country_code": pl.repeat("CN", count, eager=True),
            "source_created_at": to_utc(created),
            "source_updated_at": to_utc(created),
            "_at": created,
            "_person": "A" + ids.str.tail(12),
        }
    )


def write_deals(
    accounts: pl.DataFrame, seed: int, chunk: Chunk
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write deals with organisations, and the order that each won deal became.

    A deal is open first, then closed.
    """
    chance = draw(seed, chunk.number, "deals")
    since = accounts["_at"].to_numpy()
    firm, opened = draw_visits(
        since, np.full(len(since), SPAN), np.full(len(since), 1 / 300), chance
    )
    order = np.argsort(opened, kind="stable")
    firm, opened = firm[order], opened[order]
    count = len(firm)
    amount = (np.exp(chance.normal(9.2, 0.9, count)) // 10 * 1_000).astype(np.int64)
    closed = opened + ((5 + chance.exponential(40, count)) * DAY).astype(np.int64)
    won = chance.random(count) < 0.55
    over = closed < SPAN
    buyer = accounts[["id", "name", "owner_id"]][firm]
    deals = pl.DataFrame(
        {
            "id": number_ids("D", chunk, np.arange(count)),
            "deal_name": buyer["name"]
            + " – "
            + pick(
                ("年度采购", "节日礼品", "Welcome gifts", "Office coffee"),
                chance.integers(0, 4, count),
            ),
            "account_source_id": buyer["id"],
            "amount": to_money(amount),
            "currency": pl.repeat("CNY", count, eager=True),
            "stage": pl.repeat("proposal", count, eager=True),
            "probability": pl.repeat(0.5, count, eager=True),
            "pipeline": pl.repeat("b2b", count, eager=True),
            "expected_close": to_day(opened + 45 * DAY),
            "closed_at": to_utc(np.full(count, NEVER)),
            "is_won": pl.Series([None] * count, dtype=pl.Boolean),
            "owner_id": buyer["owner_id"],
            "lead_source": pick(
                words.LEAD_SOURCES, chance.integers(0, len(words.LEAD_SOURCES), count)
            ),
            "source_created_at": to_utc(opened),
            "source_updated_at": to_utc(opened),
            "_at": opened,
        }
    )
    ended = deals.with_columns(
        stage=pick(("closed_lost", "closed_won"), won.astype(np.int64)),
        probability=pl.Series(won.astype(np.float64)),
        is_won=pl.Series(won),
        closed_at=to_utc(closed),
    )
    bought = np.flatnonzero(won & over)
    at = closed[bought]
    orders = pl.DataFrame(
        {
            "id": number_ids("B", chunk, bought),
            "order_number": "B2B-" + pl.Series(bought).cast(pl.String).str.zfill(6),
            "account_source_id": buyer["id"].gather(bought),
            "channel": pl.repeat("b2b", len(bought), eager=True),
            "status": pl.repeat("completed", len(bought), eager=True),
            "is_test": np.zeros(len(bought), dtype=bool),
            "currency": pl.repeat("CNY", len(bought), eager=True),
            "subtotal_amount": to_money(amount[bought]),
            "total_amount": to_money(amount[bought]),
            "cost_amount": to_money(amount[bought] * 7 // 10),
            "payment_method": pl.repeat("bank_transfer", len(bought), eager=True),
            "ordered_at": to_utc(at),
            "source_created_at": to_utc(at),
            "_at": at,
        }
    )
    return add_versions(deals, ended, np.where(over, closed, NEVER)), orders
