"""What the people buy: when, and which goods at which price.

Orders come by a Pareto/NBD process on the seasonal clock: each buyer has a rate of his own, and one
day, unseen, stops. Baskets are gamma-gamma: each buyer has a usual spend, for which goods of a
fitting price are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Catalogue,
    Chunk,
    Flags,
    Floats,
    Ints,
    choose,
    demand_at,
    draw,
    draw_hours,
    make_ids,
    number_within,
    repeat_rows,
    second_at,
    set_hours,
)

CURRENCIES = ("CNY", "USD", "HKD")
CURRENCY_FEN = np.array(
    [100, 700, 90]
)  # list prices abroad: a dollar price is the yuan price by 7, and so on
STATUSES = ("completed", "cancelled", "pending")
CHANNELS = ("web", "app", "store", "wechat")
MOST_ORDERS = 300
DISCOUNTS = np.array([10, 5, 12, 15, 8, 20])  # percent, in the order of words.COUPONS
ORDER_SHAPE = 6.0


@dataclass(frozen=True)
class Orders:
    """The orders of a chunk as arrays, oldest first.

    Money is in hundredths of the order's currency.
    """

    ids: pl.Series
    person: Ints  # row number in the chunk
    at: Ints
    place: Ints  # 0 for the person's first order
    guest: Flags
    test: Flags
    status: Ints
    cancelled: Ints
    channel: Ints
    currency: Ints
    coupon: Ints  # -1 for none
    subtotal: Ints
    discount: Ints
    shipping: Ints
    cost: Ints
    total: Ints

    @property
    def completed(self) -> Flags:
        """True for the orders that count."""
        done: Flags = (self.status == 0) & ~self.test
        return done


@dataclass(frozen=True)
class Lines:
    """The lines of the orders, in the order of their orders."""

    order: Ints
    number: Ints
    product: Ints
    quantity: Ints
    price: Ints
    cost: Ints
    discount: Ints


def draw_times(people: pl.DataFrame, chance: np.random.Generator) -> tuple[Ints, Ints]:
    """Return the buyer (row) and the second of each order, oldest first."""
    buyers = np.flatnonzero(people["buyer"].to_numpy())
    acquired, ends = people["acquired"].to_numpy()[buyers], people["ends"].to_numpy()[buyers]
    start, stop = demand_at(acquired), demand_at(np.minimum(ends, SPAN))
    counts = chance.poisson(people["rate"].to_numpy()[buyers] / DAY * (stop - start))
    parent = repeat_rows(np.minimum(counts, MOST_ORDERS))
    later = second_at(start[parent] + chance.random(len(parent)) * (stop - start)[parent])
    usual = chance.random(len(parent)) < 0.5
    hours = np.where(
        usual, people["hour"].to_numpy()[buyers][parent], draw_hours(chance, len(parent))
    )
    later = np.maximum(set_hours(chance, later, hours), acquired[parent] + 600)
    person = np.concatenate((buyers, buyers[parent]))
    at = np.concatenate((acquired, later))
    inside = at < SPAN
    order = np.lexsort((person[inside], at[inside]))
    return person[inside][order], at[inside][order]


def draw_orders(
    people: pl.DataFrame, goods: Catalogue, seed: int, chunk: Chunk
) -> tuple[Orders, Lines]:
    """Draw every order of a chunk up to the horizon."""
    chance = draw(seed, chunk.number, "orders")
    person, at = draw_times(people, chance)
    count = len(at)
    by_person = np.argsort(person, kind="stable")
    place = np.empty(count, dtype=np.int64)
    place[by_person] = number_within(person[by_person])
    guest = at < people["shop"].to_numpy()[person]
    country = people["country"].to_numpy()[person]
    local = chance.random(count) < 0.72
    currency = np.where((country == "US") & local, 1, np.where((country == "HK") & local, 2, 0))
    status = choose(chance, (962, 30, 8), count)
    wait = (3600 * (1 + chance.exponential(12, count))).astype(np.int64)
    coupon = draw_coupons(people, person, at, place, chance)
    value: Floats = (
        chance.gamma(ORDER_SHAPE, 1 / ORDER_SHAPE, count) * people["spend"].to_numpy()[person]
    )
    lines = draw_lines(people, goods, person, at, value, currency, coupon, chance)

    def summed(amounts: Ints) -> Ints:
        return np.bincount(lines.order, weights=amounts, minlength=count).astype(np.int64)

    subtotal, discount = summed(lines.price * lines.quantity), summed(lines.discount)
    channel = np.where(
        guest, choose(chance, (60, 5, 5, 30), count), choose(chance, (35, 33, 15, 17), count)
    )
    shipping = (
        np.where((subtotal - discount >= 19_900) | (channel == 2), 0, 1_200)
        * 100
        // CURRENCY_FEN[currency]
    )
    orders = Orders(
        ids=make_ids("O", chunk.number, count),
        person=person,
        at=at,
        place=place,
        guest=guest,
        test=chance.random(count) < 0.002,
        status=status,
        cancelled=np.where(status == 1, at + wait, NEVER),
        channel=channel,
        currency=currency,
        coupon=coupon,
        subtotal=subtotal,
        discount=discount,
        shipping=shipping,
        cost=np.where(chance.random(count) < 0.92, summed(lines.cost * lines.quantity), -1),
        total=subtotal - discount + shipping,
    )
    return orders, lines


def draw_coupons(
    people: pl.DataFrame, person: Ints, at: Ints, place: Ints, chance: np.random.Generator
) -> Ints:
    """Draw the coupon of each order.

    The thrifty use them more, sales have their own, a friend's comes first.
    """
    count = len(at)
    month = ((at // DAY) % 365) // 30.44
    usual = np.where(
        month == 5, 2, np.where(month == 10, 3, np.where(chance.random(count) < 0.5, 1, 4))
    )
    coupon = np.where(chance.random(count) < 0.75 * people["thrift"].to_numpy()[person], usual, -1)
    coupon = np.where((place == 0) & (chance.random(count) < 0.35), 0, coupon)
    return np.where((place == 0) & (people["referrer"].to_numpy()[person] >= 0), 5, coupon)


def draw_lines(
    people: pl.DataFrame,
    goods: Catalogue,
    person: Ints,
    at: Ints,
    value: Floats,
    currency: Ints,
    coupon: Ints,
    chance: np.random.Generator,
) -> Lines:
    """Draw the lines.

    Mostly the person's favourite category, goods whose price fits what is left to spend.
    """
    counts = 1 + np.minimum(chance.poisson(0.85, len(at)), 6)
    order = repeat_rows(counts)
    count = len(order)
    share = (value / counts)[order] * chance.uniform(0.5, 1.5, count) * 100
    favourite = chance.random(count) < 0.6
    any_category = choose(chance, [c[5] for c in words.CATEGORIES], count)
    category = np.where(favourite, people["taste"].to_numpy()[person][order], any_category)
    per = len(words.PRODUCT_STYLES)
    style = np.zeros(count, dtype=np.int64)
    aim = share * chance.uniform(0.4, 1.05, count)
    for c in range(len(words.CATEGORIES)):
        here = category == c
        style[here] = np.searchsorted(goods.prices[c * per : (c + 1) * per], aim[here]) - 1
    product = category * per + np.clip(style, 0, per - 1)
    on_sale = (goods.launched[product] <= at[order]) & (goods.dropped[product] > at[order])
    product = np.where(
        on_sale, product, product - product % 2
    )  # the even neighbour is always on sale
    quantity = np.clip(np.round(share / goods.prices[product]), 1, 9).astype(np.int64)
    number = number_within(order)
    price = goods.prices[product] * 100 // CURRENCY_FEN[currency[order]]
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))[order]
    swapped = (number > 0) & (chance.random(count) < 0.003) & (price < price[first])
    quantity = np.where(
        swapped, -1, quantity
    )  # an old piece handed in: a negative quantity is legal
    percent = np.where(coupon >= 0, DISCOUNTS[coupon], 0)[order]
    discount = np.maximum(price * quantity, 0) * percent // 100
    return Lines(
        order,
        number,
        product,
        quantity,
        price,
        goods.costs[product] * 100 // CURRENCY_FEN[currency[order]],
        discount,
    )
