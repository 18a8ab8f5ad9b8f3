"""How the shop writes down what was bought: orders, order lines and refunds."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.handwriting import add_versions, split_points, write_email, write_phone
from pipelines.demo.orders import CHANNELS, CURRENCIES, STATUSES, Lines, Orders
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Catalogue,
    Chunk,
    Ints,
    choose,
    draw,
    keep_where,
    make_ids,
    pick,
    to_money,
    to_utc,
)


def write_orders(
    orders: Orders, people: pl.DataFrame, earned: Ints, redeemed: Ints, seed: int, chunk: Chunk
) -> pl.DataFrame:
    """Write the orders; a cancelled one is pending first."""
    chance = draw(seed, chunk.number, "order_text")
    count = len(orders.at)
    buyer = people[["shop_id", "email", "mobile", "dial_code", "country", "city", "referrer"]][
        orders.person
    ]
    gives_email, gives_mobile = split_points(buyer, chance, 0.8, 0.75)
    tells = orders.guest | (chance.random(count) < 0.3)
    ids = orders.ids
    advocate = people["shop_id"].gather(np.maximum(buyer["referrer"].to_numpy(), 0))
    utm = (chance.random(count) < 0.35) & (orders.channel < 2)
    campaign = pick(("newsletter", "brand", "sale"), chance.integers(0, 3, count))
    seconds = chance.integers(20, 600, count)
    paid = np.where(orders.status == 0, orders.at + seconds, NEVER)
    written = pl.DataFrame(
        {
            "id": ids,
            "order_number": "NO" + to_utc(orders.at).dt.strftime("%y%m%d") + "-" + ids.str.tail(8),
            "customer_source_id": keep_where(buyer["shop_id"], ~orders.guest),
            "customer_email": keep_where(
                write_email(buyer, choose(chance, (88, 6, 6), count)), gives_email & tells
            ),
            "customer_phone": keep_where(
                write_phone(buyer, choose(chance, (75, 8, 2, 5, 0, 0, 10), count)),
                gives_mobile & tells,
            ),
            "store_id": keep_where(
                pick(("store-sh-01", "store-bj-01", "store-sz-01"), chance.integers(0, 3, count)),
                orders.channel == 2,
            ),
            "channel": pick(CHANNELS, orders.channel),
            "status": pick(STATUSES, np.where(orders.status == 1, 2, orders.status)),
            "is_test": orders.test,
            "currency": pick(CURRENCIES, orders.currency),
            "subtotal_amount": to_money(orders.subtotal),
            "discount_amount": to_money(orders.discount),
            "shipping_amount": to_money(orders.shipping),
            "tax_amount": to_money(np.zeros(count, dtype=np.int64)),
            "total_amount": to_money(orders.total),
            "cost_amount": keep_where(to_money(orders.cost), orders.cost >= 0),
            "payment_method": pick(
                ("alipay", "wechat_pay", "card", "cash"), choose(chance, (40, 38, 18, 4), count)
            ),
            "coupon_codes": pl.Series(
                [[]] + [[c] for c in words.COUPONS], dtype=pl.List(pl.String)
            ).gather(orders.coupon + 1),
            "points_earned": earned.astype(np.float64),
            "points_redeemed": redeemed.astype(np.float64),
            "referral_code": keep_where(
                "R" + advocate, (orders.place == 0) & (buyer["referrer"].to_numpy() >= 0)
            ),
            "utm_source": keep_where(
                pick(("baidu", "google", "wechat", "email"), chance.integers(0, 4, count)), utm
            ),
            "utm_medium": keep_where(
                pick(("cpc", "organic", "social", "email"), chance.integers(0, 4, count)), utm
            ),
            "utm_campaign": keep_where(campaign, utm),
            "ordered_at": to_utc(orders.at),
            "paid_at": to_utc(paid),
            "cancelled_at": to_utc(np.full(count, NEVER)),
            "cancel_reason": pl.Series([None] * count, dtype=pl.String),
            "ship_country": buyer["country"],
            "ship_city": buyer["city"],
            "source_created_at": to_utc(orders.at),
            "source_updated_at": to_utc(orders.at),
            "_at": orders.at,
            "_person": keep_where(people["person_id"].gather(orders.person), orders.guest),
        }
    )
    dropped = written.with_columns(
        status=pl.lit("cancelled"),
        cancelled_at=to_utc(orders.cancelled),
        cancel_reason=pick(
            words.CANCEL_REASONS, chance.integers(0, len(words.CANCEL_REASONS), count)
        ),
    )
    return add_versions(
        written, dropped, np.where(orders.cancelled < SPAN, orders.cancelled, NEVER)
    )


def write_items(orders: Orders, lines: Lines, goods: Catalogue, chunk: Chunk) -> pl.DataFrame:
    """Write the order lines."""
    products = goods.products[["id", "name", "category_path", "brand"]][lines.product]
    known_cost = orders.cost[lines.order] >= 0
    return pl.DataFrame(
        {
            "id": make_ids("L", chunk.number, len(lines.order)),
            "order_source_id": orders.ids.gather(lines.order),
            "line_no": lines.number + 1,
            "product_id": products["id"],
            "sku": products["id"],
            "product_name": products["name"],
            "category_path": products["category_path"],
            "brand": products["brand"],
            "quantity": to_money(lines.quantity * 100),
            "unit_price": to_money(lines.price),
            "discount_amount": to_money(lines.discount),
            "line_total": to_money(lines.price * lines.quantity - lines.discount),
            "unit_cost": keep_where(to_money(lines.cost), known_cost),
            "currency": pick(CURRENCIES, orders.currency[lines.order]),
            "source_created_at": to_utc(orders.at[lines.order]),
            "_at": orders.at[lines.order],
        }
    )


def write_refunds(
    orders: Orders, lines: Lines, item_ids: pl.Series, people: pl.DataFrame, seed: int, chunk: Chunk
) -> pl.DataFrame:
    """Write refunds of some completed orders, whole or of the first line.

    The discontented ask more often.
    """
    chance = draw(seed, chunk.number, "refunds")
    content = people["content"].to_numpy()[orders.person]
    asks = (
        orders.completed
        & (orders.total > 0)
        & (chance.random(len(orders.at)) < 0.05 * (1.72 - content))
    )
    chosen = np.flatnonzero(asks)
    count = len(chosen)
    first = np.searchsorted(lines.order, chosen)
    line_total = (lines.price * lines.quantity - lines.discount)[first]
    whole = (chance.random(count) < 0.55) | (line_total <= 0)
    requested = orders.at[chosen] + ((1 + chance.exponential(7, count)) * DAY).astype(np.int64)
    refunded = requested + ((0.5 + chance.exponential(2, count)) * DAY).astype(np.int64)
    reason = chance.integers(0, len(words.REFUND_REASONS), count)
    rejected = chance.random(count) < 0.04
    return pl.DataFrame(
        {
            "id": make_ids("F", chunk.number, count),
            "order_source_id": orders.ids.gather(chosen),
            "customer_source_id": keep_where(
                people["shop_id"].gather(orders.person[chosen]), ~orders.guest[chosen]
            ),
            "order_item_source_id": keep_where(item_ids.gather(first), ~whole),
            "refund_type": pick(
                ("refund", "return"), (chance.random(count) < 0.6).astype(np.int64)
            ),
            "status": pick(("completed", "rejected"), rejected.astype(np.int64)),
            "reason_code": pick([r[0] for r in words.REFUND_REASONS], reason),
            "reason_text": keep_where(
                pick([r[1] for r in words.REFUND_REASONS], reason), chance.random(count) < 0.6
            ),
            "quantity": keep_where(to_money(lines.quantity[first] * 100), ~whole),
            "amount": to_money(np.where(whole, orders.total[chosen], line_total)),
            "currency": pick(CURRENCIES, orders.currency[chosen]),
            "requested_at": to_utc(requested),
            "refunded_at": keep_where(to_utc(refunded), ~rejected),
            "source_created_at": to_utc(refunded),
            "_at": refunded,
        }
    )
