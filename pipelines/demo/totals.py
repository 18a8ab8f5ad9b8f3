"""What exists once for the company: goods, exchange rates, totals, monthly costs."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.handwriting import add_versions
from pipelines.demo.mail import campaign_times
from pipelines.demo.voices import POST_DAYS
from pipelines.demo.world import (
    DAY,
    HORIZON,
    NEVER,
    ORIGIN,
    SPAN,
    Catalogue,
    draw,
    draw_rates,
    pick,
    season_of_days,
    second_of,
    to_day,
    to_money,
    to_utc,
)

DAILY_EVENTS = ("page_view", "session_start", "scroll")


def write_products(goods: Catalogue) -> pl.DataFrame:
    """Write the products when they come on sale, and again when they are withdrawn."""
    products = goods.products.with_columns(
        is_active=pl.lit(value=True),
        source_created_at=to_utc(goods.launched),
        source_updated_at=to_utc(goods.launched),
        _at=pl.Series(goods.launched),
    )
    return add_versions(
        products, products.with_columns(is_active=pl.lit(value=False)), goods.dropped
    )


def write_rates(seed: int) -> pl.DataFrame:
    """Write the daily rates of the foreign currencies, known at nine in the morning."""
    days = np.arange(SPAN // DAY)
    blocks = [
        pl.DataFrame(
            {
                "currency": [currency] * len(days),
                "base_currency": ["CNY"] * len(days),
                "rate": pl.Series(rates).cast(pl.Decimal(18, 8)),
                "rate_date": to_day(days * DAY),
                "_at": days * DAY + 9 * 3600,
            }
        )
        for currency, rates in draw_rates(seed).items()
    ]
    rates = pl.concat(blocks).with_columns(
        id="fx-" + pl.col("currency") + "-" + pl.col("rate_date").dt.strftime("%Y%m%d")
    )
    return rates.with_columns(source_created_at=to_utc(rates["_at"].to_numpy()))


def write_daily_web(customers: int, seed: int) -> pl.DataFrame:
    """Write how often each page event happened a day, by device: totals that name nobody."""
    chance = draw(seed, 0, "totals")
    demand = season_of_days()
    each = len(DAILY_EVENTS) * 2
    day = np.repeat(np.arange(len(demand)), each)
    event, phone = (
        np.tile(np.arange(each) // 2, len(demand)),
        np.tile(np.arange(each) % 2, len(demand)),
    )
    size = (
        customers * demand[day] * np.array([0.09, 0.03, 0.05])[event] * np.where(phone, 0.68, 0.32)
    )
    at = day * DAY + DAY - 1
    return pl.DataFrame(
        {
            "id": pl.select(
                pl.lit("day-") + pl.Series(np.arange(len(day))).cast(pl.String).str.zfill(6)
            ).to_series(),
            "grain": ["daily"] * len(day),
            "event_name": pick(DAILY_EVENTS, event),
            "event_at": to_utc(day * DAY),
            "event_count": chance.poisson(size),
            "device_category": pick(("desktop", "mobile"), phone),
            "country": ["CN"] * len(day),
            "_at": at,
        }
    ).filter(pl.col("event_count") > 0)


def write_posts(customers: int, seed: int) -> pl.DataFrame:
    """Write likes and views per post, three days after it appeared."""
    chance = draw(seed, 1, "totals")
    posts = np.arange(SPAN // DAY // POST_DAYS)
    post = np.repeat(posts, len(words.PLATFORMS) * 2)
    platform = pick(
        words.PLATFORMS, np.tile(np.repeat(np.arange(len(words.PLATFORMS)), 2), len(posts))
    )
    views = np.tile([0, 1], len(posts) * len(words.PLATFORMS)) == 1
    count = len(post)
    size = np.exp(chance.normal(np.log(customers * 0.02 + 10), 0.8, count)) * np.where(views, 25, 1)
    at = (post + 1) * POST_DAYS * DAY - 60
    return pl.DataFrame(
        {
            "id": pl.select(
                pl.lit("post-") + pl.Series(np.arange(count)).cast(pl.String).str.zfill(6)
            ).to_series(),
            "platform": platform,
            "own_account_id": "brand_" + platform,
            "grain": ["post"] * count,
            "post_id": platform + "-" + pl.Series(post).cast(pl.String).str.zfill(5),
            "engagement_type": pick(("like", "view"), views.astype(np.int64)),
            "metric_value": np.round(size),
            "engaged_at": to_utc(at),
            "_at": at,
        }
    )


def write_overheads(customers: int, seed: int) -> pl.DataFrame:
    """Write the monthly costs that are shared out by rule, and the cost of each mailing."""
    chance = draw(seed, 2, "totals")
    starts = [
        second_of(date(y, m, 1)) for y in range(ORIGIN.year, HORIZON.year + 1) for m in range(1, 13)
    ]
    ends = np.array([*starts[1:], SPAN]) - 3600
    scale = customers / 20_000
    kinds = (
        ("logistics", "per_order", None, 16_000),
        ("account_manager", "per_customer", "A", 30_000),
        ("account_manager", "per_customer", "B", 18_000),
        ("ad", "by_revenue", None, 25_000),
        ("points", "by_revenue", None, 2_500),
        ("gift", "per_customer", "A", 3_000),
    )
    months = len(ends)
    blocks = [
        pl.DataFrame(
            {
                "cost_type": [cost] * months,
                "allocation_method": [method] * months,
                "tier_scope": pl.Series([tier] * months, dtype=pl.String),
                "campaign_id": pl.Series([None] * months, dtype=pl.String),
                "amount": to_money(
                    np.round(amount * scale * 100 * chance.uniform(0.8, 1.2, months))
                ),
                "_at": ends,
            }
        )
        for cost, method, tier, amount in kinds
    ]
    ids, _, times = campaign_times()
    mailings = pl.DataFrame(
        {
            "cost_type": ["campaign"] * len(ids),
            "allocation_method": ["per_customer"] * len(ids),
            "tier_scope": pl.Series([None] * len(ids), dtype=pl.String),
            "campaign_id": ids,
            "amount": to_money(
                np.round(80_000 + 600_000 * scale * chance.uniform(0.2, 0.6, len(ids)))
            ),
            "_at": times + DAY,
        }
    )
    costs = pl.concat([*blocks, mailings]).sort("_at", "cost_type", "tier_scope", nulls_last=True)
    numbers = pl.Series(np.arange(costs.height)).cast(pl.String).str.zfill(6)
    return costs.with_columns(
        id="cost-" + numbers, currency=pl.lit("CNY"), incurred_at=to_utc(costs["_at"].to_numpy())
    ).filter(pl.col("_at") < NEVER)
