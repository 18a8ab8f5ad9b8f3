"""What follows from orders: points, and the ties of referral and family."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo.orders import Orders
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    Ints,
    draw,
    keep_where,
    make_ids,
    pick,
    to_money,
    to_utc,
)

POINTS_LAST = 730 * DAY
GIFT = 200  # points for joining
TIERS = ("silver", "gold", "platinum")
TIER_FROM = np.array([2_000, 8_000])
EARN, REDEEM, EXPIRE, ADJUST = range(4)
ENTRY_TYPES = ("earn", "redeem", "expire", "adjust", "tier_change")
FEN_PER_POINT = np.array([100, 14, 110])  # one point per yuan, whatever currency it came in


def draw_points(
    orders: Orders, people: pl.DataFrame, seed: int, chunk: Chunk
) -> tuple[pl.DataFrame, Ints, Ints]:
    """Draw the ledger of the members; return it, and the points earned and redeemed per order.

    Points are used up oldest first. So what is used up so far is the greatest of what each
    redemption (all full hundreds) and each lapse (all earned two years ago) has called for: one
    running maximum per member.
    """
    chance = draw(seed, chunk.number, "points")
    joined = people["member"].to_numpy()
    counts = orders.completed & (orders.at >= joined[orders.person]) & (orders.total > 0)
    earning = np.flatnonzero(counts)
    points = orders.total[earning] // FEN_PER_POINT[orders.currency[earning]]
    redeems = earning[chance.random(len(earning)) < 0.14]
    members = np.flatnonzero(joined < NEVER)
    gifts = joined[members]
    person = np.concatenate((members, orders.person[earning], orders.person[redeems]))
    at = np.concatenate((gifts, orders.at[earning], orders.at[redeems]))
    order = np.concatenate((np.full(len(members), -1), earning, redeems))
    kind = np.repeat([ADJUST, EARN, REDEEM], [len(members), len(earning), len(redeems)])
    gain = np.concatenate(
        (np.full(len(members), GIFT), points, np.zeros(len(redeems), dtype=np.int64))
    )
    # Each gain lapses after two years: by then everything earned up to it must be used.
    gained = gain > 0
    person, order = np.concatenate((person, person[gained])), np.concatenate((order, order[gained]))
    kind = np.concatenate((kind, np.full(int(gained.sum()), EXPIRE)))
    gain = np.concatenate((gain, np.zeros(int(gained.sum()), dtype=np.int64)))
    at = np.concatenate((at, at[gained] + POINTS_LAST))
    ledger = (
        pl.DataFrame(
            {
                "person": person,
                "at": at,
                "kind": kind,
                "order": order,
                "gain": gain,
                "redeems": kind == REDEEM,
            }
        )
        # A redemption is settled before the points of its own order come in.
        .sort("person", "at", ~pl.col("redeems"), "kind", "order")
        .with_columns(earned=pl.col("gain").cum_sum().over("person"))
        .with_columns(old=pl.when(kind_is(EXPIRE)).then(earned_before("earned")).otherwise(0))
        .with_columns(
            calls=pl.when(kind_is(REDEEM))
            .then(pl.col("earned") // 100 * 100)
            .when(kind_is(EXPIRE))
            .then("old")
            .otherwise(0)
        )
        .with_columns(used=pl.col("calls").cum_max().over("person"))
        .with_columns(
            delta=pl.col("gain")
            - (pl.col("used") - pl.col("used").shift(1, fill_value=0).over("person")),
            balance=pl.col("earned") - pl.col("used"),
        )
        .filter((pl.col("delta") != 0) & (pl.col("at") < SPAN))
    )
    earned, redeemed = (
        np.zeros(len(orders.at), dtype=np.int64),
        np.zeros(len(orders.at), dtype=np.int64),
    )
    earned[earning] = points
    spent = ledger.filter(kind_is(REDEEM))
    redeemed[spent["order"].to_numpy()] = -spent["delta"].to_numpy()
    return write_ledger(ledger, orders, people, chunk), earned, redeemed


def kind_is(kind: int) -> pl.Expr:
    """Return whether a ledger line is of a kind."""
    return pl.col("kind") == kind


def earned_before(column: str) -> pl.Expr:
    """Return, for the n-th lapse of a member, the sum earned up to the n-th gain.

    Lapses come in the order of gains.
    """
    gain_sums = pl.col(column).filter(pl.col("gain") > 0)
    place = kind_is(EXPIRE).cum_sum() - 1
    return gain_sums.gather(
        pl.when(kind_is(EXPIRE)).then(place).otherwise(0), null_on_oob=True
    ).over("person")


def write_ledger(
    ledger: pl.DataFrame, orders: Orders, people: pl.DataFrame, chunk: Chunk
) -> pl.DataFrame:
    """Write the ledger lines, with a line of its own when a member reaches a tier."""
    tier = np.searchsorted(TIER_FROM, ledger["earned"].to_numpy(), side="right")
    before = np.searchsorted(
        TIER_FROM, (ledger["earned"] - ledger["gain"]).to_numpy(), side="right"
    )
    rises = pl.Series(tier > before)
    ledger = ledger.with_columns(
        tier=pl.Series(tier), before=pl.Series(before), level=pl.lit(value=False)
    ).with_row_index("place")
    raised = ledger.filter(rises).with_columns(
        kind=pl.lit(4), delta=pl.lit(0), level=pl.lit(value=True)
    )
    full = pl.concat([ledger, raised], how="vertical_relaxed").sort("at", "place", "level")
    at, kind, order = (full[c].to_numpy() for c in ("at", "kind", "order"))
    level = full["level"].to_numpy()
    shop_id = people["shop_id"].gather(full["person"].to_numpy())
    gains = (kind == EARN) | (kind == ADJUST)
    return pl.DataFrame(
        {
            "id": make_ids("Y", chunk.number, full.height),
            "program_id": pl.repeat("club", full.height, eager=True),
            "member_id": "M" + shop_id.str.tail(8),
            "contact_source_id": shop_id,
            "entry_type": pick(ENTRY_TYPES, kind),
            "points_delta": full["delta"].cast(pl.Float64),
            "balance_after": full["balance"].cast(pl.Float64),
            "tier_before": keep_where(pick(TIERS, full["before"].to_numpy()), level),
            "tier_after": keep_where(pick(TIERS, full["tier"].to_numpy()), level),
            "order_source_id": keep_where(
                orders.ids.gather(np.maximum(order, 0)), (order >= 0) & (kind != EXPIRE)
            ),
            "reason_code": pick(("order", "reward", "lapsed", "joined", "tier"), kind),
            "occurred_at": to_utc(at),
            "expires_at": to_utc(np.where(gains, at + POINTS_LAST, NEVER)),
            "source_created_at": to_utc(at),
            "_at": at,
        }
    )


def write_referrals(orders: Orders, people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write who brought whom, and ties of family and friendship as stated.

    Some invitations came to nothing: their referee is an address that nobody has.
    """
    chance = draw(seed, chunk.number, "referrals")
    brought = first_orders(orders, people.height)
    referee = np.flatnonzero(people["referrer"].to_numpy() >= 0)
    referrer = people["referrer"].to_numpy()[referee]
    shop = people["shop"].to_numpy()
    bought = brought[referee]
    first_at = np.where(bought >= 0, orders.at[np.maximum(bought, 0)], NEVER)
    invited = np.maximum(
        people["acquired"].to_numpy()[referee] - chance.integers(3_600, 20 * DAY, len(referee)),
        shop[referrer],
    )
    settled = np.maximum(np.minimum(first_at + 7 * DAY, NEVER), shop[referee])
    done = settled < SPAN
    made = write_ties(
        people, referrer, referee, "referral", np.where(done, settled, shop[referee]), invited
    ).with_columns(
        status=pick(("registered", "rewarded"), done.astype(np.int64)),
        order_source_id=keep_where(orders.ids.gather(np.maximum(bought, 0)), done),
        reward_amount=keep_where(to_money(np.full(len(referee), 2_000)), done),
        fraud_flag=pl.Series(chance.random(len(referee)) < 0.01),
        converted_at=to_utc(np.where(done, first_at, NEVER)),
    )
    advocates = np.unique(referrer)
    host = (
        advocates[chance.integers(0, max(len(advocates), 1), len(referee))]
        if len(advocates)
        else advocates
    )
    sent = shop[host] + (chance.exponential(200, len(host)) * DAY).astype(np.int64)
    lost = write_ties(
        people, host, host, "referral", np.where(sent < SPAN, sent, NEVER), sent
    ).with_columns(
        status=pick(("invited", "clicked"), chance.integers(0, 2, len(host))),
        referee_contact_source_id=pl.lit(None, dtype=pl.String),
        referee_key="friend"
        + pl.Series(chance.integers(10**6, 10**9, len(host))).cast(pl.String)
        + "@example.org",
    )
    local = people["local"].to_numpy()
    kin = np.flatnonzero(
        (people["head"] != people["person"]).to_numpy() & (chance.random(people.height) < 0.5)
    )
    friend = np.flatnonzero(chance.random(people.height) < 0.01)
    friend = friend[friend > 0]
    stated = []
    for relation, one, other in (
        ("family", kin - 1, local[kin]),
        ("friend", chance.integers(0, np.maximum(friend, 1)), friend),
    ):
        at = np.maximum(shop[one], shop[other]) + chance.integers(DAY, 200 * DAY, len(one))
        stated.append(
            write_ties(
                people, one, other, relation, np.where(at < SPAN, at, NEVER), at
            ).with_columns(status=pl.lit("stated"))
        )
    ties = (
        pl.concat([made, lost, *stated], how="diagonal")
        .filter(pl.col("_at") < NEVER)
        .sort("_at", "referrer_key", "referee_key")
    )
    return ties.with_columns(id=make_ids("T", chunk.number, ties.height)).select(
        "id", pl.exclude("id")
    )


def write_ties(
    people: pl.DataFrame, one: Ints, other: Ints, relation: str, at: Ints, invited: Ints
) -> pl.DataFrame:
    """Write ties between two account holders."""
    first, second = people["shop_id"].gather(one), people["shop_id"].gather(other)
    code = "R" + first if relation == "referral" else pl.Series([None] * len(one), dtype=pl.String)
    return pl.DataFrame(
        {
            "referrer_contact_source_id": first,
            "referrer_key": first,
            "referee_contact_source_id": second,
            "referee_key": second,
            "relation": pl.repeat(relation, len(one), eager=True),
            "referral_code": code,
            "channel": pl.repeat("wechat", len(one), eager=True),
            "currency": pl.repeat("CNY", len(one), eager=True),
            "invited_at": to_utc(invited),
            "source_created_at": to_utc(at),
            "_at": at,
        }
    )


def first_orders(orders: Orders, people: int) -> Ints:
    """Return the first completed order of each person, -1 for none."""
    first = np.full(people, -1, dtype=np.int64)
    done = np.flatnonzero(orders.completed)[::-1]
    first[orders.person[done]] = done  # assigned newest first, so that the oldest stays
    return first
