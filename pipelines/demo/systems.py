"""Which systems know a person, since when, and by which ids; and who brought whom."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Floats,
    Ints,
    pick,
)


def add_systems(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Say since when each system knows the person; NEVER where it does not."""
    count = people.height
    acquired, buyer = people["acquired"].to_numpy(), people["buyer"].to_numpy()
    chinese, mailable = people["chinese"].to_numpy(), people["email"].is_not_null().to_numpy()

    def since(share: Floats | float, mean_days: float, start: Ints = acquired) -> Ints:
        at = start + (chance.exponential(mean_days, count) * DAY).astype(np.int64)
        return np.where((chance.random(count) < share) & (at < SPAN), at, NEVER)

    registers = chance.random(count) < np.where(buyer, 0.945, 0.6)
    guest_first = buyer & (chance.random(count) < 0.10)
    wait = np.where(guest_first, chance.exponential(60, count) * DAY, 0).astype(np.int64)
    shop = np.where(registers & (acquired + wait < SPAN), acquired + wait, NEVER)
    crm = since(np.where(shop < NEVER, 0.58, np.where(buyer, 0.5, 1.0)), 15)
    stays = (
        shop == NEVER
    ) & ~buyer  # a prospect without an account is known to the CRM or to nobody
    crm = np.where(stays, acquired, crm)
    twice = since(np.where(crm < NEVER, 0.15, 0.0), 90, np.minimum(crm, SPAN))
    web = np.where(chance.random(count) < 0.65, shop, NEVER)
    wecom = since(np.where(chinese, 0.25, 0.03), 40)
    mail = since(np.where(mailable, 0.58, 0.0), 5)
    handle = since(np.where(crm < NEVER, 0.2, 0.04), 30)
    member = np.where((chance.random(count) < 0.7) & (shop < NEVER), shop, NEVER)

    def leaves(mean_days: float) -> Ints:
        at = mail + (chance.exponential(mean_days, count) * DAY).astype(np.int64)
        return np.where((mail < NEVER) & (at < SPAN), at, NEVER)

    return people.with_columns(
        shop=pl.Series(shop),
        crm=pl.Series(crm),
        twice=pl.Series(twice),
        web=pl.Series(web),
        wecom=pl.Series(wecom),
        mail=pl.Series(mail),
        handle=pl.Series(handle),
        member=pl.Series(member),
        unsubscribed=pl.Series(leaves(4_000)),
        bounced=pl.Series(leaves(15_000)),
        complained=pl.Series(leaves(60_000)),
        platform=pick(
            words.PLATFORMS,
            np.where(chinese, chance.integers(0, 3, count), chance.integers(3, 5, count)),
        ),
        local=pl.Series(np.arange(count)),
    )


def add_ids(people: pl.DataFrame) -> pl.DataFrame:
    """Give the ids and handle by which each system knows the person; none tells the other's."""

    def number(factor: int, width: int = 8) -> pl.Expr:
        return ((pl.col("person") * factor + 4_321) % 99_999_989).cast(pl.String).str.zfill(width)

    return people.with_columns(
        shop_id="S" + number(611_953),
        crm_id="4876876" + number(7_340_033, 12),
        lead_id="4876878" + number(5_767_169, 12),
        web_id="u" + number(2_750_159),
        external_userid="wmJ7kQAA" + number(3_145_739, 12),
        unionid="oUpx0t" + number(1_572_869, 12),
        handle_name=pl.col("latin_given").str.to_lowercase().str.replace_all("[^a-z]", "")
        + "_"
        + number(6_291_469),
        actor_id=number(4_194_319, 10),
    )


def add_referrers(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Say who brought whom: some persons came through an advocate who had an account before.

    -1 for the others.
    """
    count = people.height
    shop, acquired = people["shop"].to_numpy(), people["acquired"].to_numpy()
    advocates = np.flatnonzero((chance.random(count) < 0.12) & (shop < NEVER))
    advocates = advocates[np.argsort(shop[advocates], kind="stable")]
    earlier = np.searchsorted(shop[advocates], acquired)
    brought = (chance.random(count) < 0.09) & (earlier > 0) & (shop < NEVER)
    place = np.minimum(
        (chance.random(count) * earlier).astype(np.int64), np.maximum(earlier - 1, 0)
    )
    referrer = np.where(brought, advocates[place] if len(advocates) else -1, -1)
    return people.with_columns(referrer=pl.Series(referrer))
