"""How the people are met on the web, and what their log-ins tell about who they are.

Events are cut to the window of the call before any text is made for them, for they are many.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.orders import CURRENCIES, Orders
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    Window,
    draw,
    draw_seasonal,
    draw_visits,
    inside,
    keep_where,
    number_ids,
    number_within,
    pick,
    repeat_rows,
    to_money,
    to_utc,
)

VIEW, SEARCH, CART, PURCHASE = range(4)
# Visits of a member that lead to no order, for each of its orders by any channel.
LOOKS_PER_ORDER = 8
WEB_EVENTS = ("view_item", "search", "add_to_cart", "purchase")


def write_web_events(
    people: pl.DataFrame, orders: Orders, seed: int, chunk: Chunk, window: Window
) -> pl.DataFrame:
    """Write visits.

    Those that led to an order, those of members looking around, those of nobody known.
    """
    chance = draw(seed, chunk.number, "web")
    web, ends = people["web"].to_numpy(), people["ends"].to_numpy()
    bought = np.flatnonzero(
        (orders.channel < 2)
        & (
            (orders.at >= web[orders.person])
            | (orders.guest & (chance.random(len(orders.at)) < 0.5))
        )
    )
    fades = np.minimum(ends, SPAN) + (chance.exponential(120, people.height) * DAY).astype(np.int64)
    looks = LOOKS_PER_ORDER * people["rate"].to_numpy() + 1 / 250
    looker, looked = draw_visits(web, fades, np.where(web < NEVER, looks, 0), chance)
    stranger = np.full(people.height // 2, -1)
    strange = draw_seasonal(chance, chunk.begins, SPAN, len(stranger))
    person = np.concatenate((orders.person[bought], looker, stranger))
    start = np.concatenate((orders.at[bought] - 900, looked, strange))
    order = np.concatenate((bought, np.full(len(looker) + len(stranger), -1)))
    sessions = len(person)
    signed_in = (
        (person >= 0)
        & (start + 900 >= web[person])
        & ((order >= 0) | (chance.random(sessions) < 0.7))
    )
    phone = chance.random(sessions) < 0.68
    views, searches = 1 + chance.poisson(0.6, sessions), chance.random(sessions) < 0.22
    carts = (order >= 0) | (chance.random(sessions) < 0.12)
    each = (views, searches.astype(np.int64), carts.astype(np.int64), (order >= 0).astype(np.int64))
    session = np.concatenate([repeat_rows(n) for n in each])
    kind = np.repeat(np.arange(4), [int(n.sum()) for n in each])
    step = np.where(
        kind == VIEW,
        number_within(session) * 90,
        np.where(kind == SEARCH, 60, np.where(kind == CART, 600, 900)),
    )
    at = start[session] + step
    sku, term, dwell = (
        chance.integers(0, len(words.CATEGORIES) * len(words.PRODUCT_STYLES), len(at)),
        chance.integers(0, len(words.SEARCH_TERMS), len(at)),
        chance.gamma(2, 12_000, len(at)),
    )
    chosen = np.flatnonzero(inside(at, window))
    chosen = chosen[np.argsort(at[chosen], kind="stable")]
    s, k = session[chosen], kind[chosen]
    who, which = person[s], order[s]
    paid = (k == PURCHASE) & (which >= 0)
    safe = np.maximum(which, 0)
    product = pl.select(
        pl.lit("SKU") + pl.Series(sku[chosen]).cast(pl.String).str.zfill(6)
    ).to_series()
    cookie = np.where(who >= 0, (chunk.first + who) * 2 + phone[s], 10**9 + chunk.first * 2 + s)
    home = people[["web_id", "country", "city"]][np.maximum(who, 0)]
    known = who >= 0
    seconds = to_utc(at[chosen])
    return pl.DataFrame(
        {
            "id": number_ids("E", chunk, chosen),
            "grain": pl.repeat("event", len(chosen), eager=True),
            "event_name": pick(WEB_EVENTS, k),
            "event_at": seconds,
            "event_count": np.ones(len(chosen), dtype=np.int64),
            "session_id": number_ids("V", chunk, s),
            "anonymous_id": "GA1." + pl.Series(cookie).cast(pl.String),
            "user_id": keep_where(home["web_id"], signed_in[s]),
            "page_path": pl.select(
                pl.when(pl.Series(k == VIEW))
                .then("/product/" + product)
                .when(pl.Series(k == SEARCH))
                .then(pl.lit("/search"))
                .otherwise(pl.lit("/checkout"))
            ).to_series(),
            "search_term": keep_where(pick(words.SEARCH_TERMS, term[chosen]), k == SEARCH),
            "device_category": pick(("desktop", "mobile"), phone[s].astype(np.int64)),
            "country": keep_where(home["country"], known),
            "city": keep_where(home["city"], known),
            "transaction_id": keep_where(orders.ids.gather(safe), paid),
            "value": keep_where(to_money(orders.total[safe]), paid),
            "currency": keep_where(pick(CURRENCIES, orders.currency[safe]), paid),
            "item_ids": pl.select(
                pl.when(pl.Series((k == VIEW) | (k == CART))).then(pl.concat_list(product))
            ).to_series(),
            "engagement_time_ms": dwell[chosen].astype(np.int64),
            "consent_analytics": np.ones(len(chosen), dtype=bool),
            "_at": at[chosen],
        }
    )


def write_identity_links(people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write the ties that log-ins and WeCom chats state.

    Login to e-mail or phone, WeCom contact to phone.
    """
    chance = draw(seed, chunk.number, "links")
    international = "+" + pl.col("dial_code") + pl.col("mobile")
    blocks = []
    for a, id_a, b, id_b, since, share in (
        ("user_id", "web_id", "email", pl.col("email"), "web", 0.85),
        ("user_id", "web_id", "phone", international, "web", 0.6),
        ("external_userid", "external_userid", "phone", international, "wecom", 0.35),
    ):
        told = pl.Series(chance.random(people.height) < share)
        tied = people.filter((pl.col(since) < NEVER) & told & id_b.is_not_null())
        blocks.append(
            tied.select(
                id_type_a=pl.lit(a),
                id_a=id_a,
                id_type_b=pl.lit(b),
                id_b=id_b,
                link_source=pl.lit("login" if a == "user_id" else "wecom"),
                confidence=pl.lit(1.0),
                observed_at=to_utc(tied[since].to_numpy() + 30),
                _at=pl.col(since) + 30,
            )
        )
    links = pl.concat(blocks)
    return links.with_columns(
        id=number_ids("K", chunk, np.arange(links.height)), source_created_at="observed_at"
    )
