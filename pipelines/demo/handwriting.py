"""How people and staff write things down, and how a record changes."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Flags,
    Ints,
    choose,
    pick,
    to_utc,
)

OWNERS = tuple(f"emp{i:03d}" for i in range(1, 25))


def write_phone(people: pl.DataFrame, style: Ints) -> pl.Series:
    """Write mobile numbers as people type them.

    With or without country code, blanks, dashes, full-width digits.
    """
    n, code, s = pl.col("mobile"), pl.col("dial_code"), pl.col("_style")
    head, middle, tail = n.str.slice(0, 3), n.str.slice(3, 4), n.str.slice(7)
    wide = n.str.replace_many(list("0123456789"), list("０１２３４５６７８９"))
    written = (
        pl.when(s == 1)
        .then("+" + code + " " + head + "-" + middle + "-" + tail)
        .when(s == 2)
        .then("00" + code + n)
        .when(s == 3)
        .then(head + " " + middle + " " + tail)
        .when(s == 4)
        .then(wide)
        .when(s == 5)
        .then("(+" + code + ")" + n)
        .when(s == 6)
        .then("+" + code + n)
        .otherwise(n)
    )
    return (
        people.select("mobile", "dial_code", _style=pl.Series(style))
        .select(written.str.strip_chars("-"))
        .to_series()
    )


def write_email(people: pl.DataFrame, style: Ints) -> pl.Series:
    """Write e-mail addresses as people type them: upper case, a capital, a stray blank."""
    e, s = pl.col("email"), pl.col("_style")
    written = (
        pl.when(s == 1)
        .then(e.str.to_uppercase())
        .when(s == 2)
        .then(e.str.to_titlecase())
        .when(s == 3)
        .then(" " + e + " ")
        .otherwise(e)
    )
    return people.select("email", _style=pl.Series(style)).select(written).to_series()


def split_points(
    people: pl.DataFrame, chance: np.random.Generator, email: float, mobile: float
) -> tuple[Flags, Flags]:
    """Say which contact points a system got to know: at least one of those the person has."""
    has_email, has_mobile = (
        people["email"].is_not_null().to_numpy(),
        people["mobile"].is_not_null().to_numpy(),
    )
    gives_email = has_email & (chance.random(people.height) < email)
    gives_mobile = has_mobile & ((chance.random(people.height) < mobile) | ~gives_email)
    return gives_email | (has_email & ~gives_mobile), gives_mobile


def draw_tags(chance: np.random.Generator, count: int) -> pl.Series:
    """Return lists of none to two free tags."""
    one, two = (pick(words.TAGS, chance.integers(0, len(words.TAGS), count)) for _ in range(2))
    many = pl.Series(choose(chance, (60, 28, 12), count))
    frame = pl.DataFrame({"one": one, "two": two, "many": many})
    return frame.select(tags=pl.concat_list("one", "two").list.head("many")).to_series()


def change_times(created: Ints, chance: np.random.Generator, share: float) -> Ints:
    """Return when some records change, on average ten months after they were made."""
    at = created + DAY + (chance.exponential(300, len(created)) * DAY).astype(np.int64)
    return np.where((chance.random(len(created)) < share) & (at < SPAN), at, NEVER)


def move_home(contacts: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Return the contacts after a move within their town."""
    house = pl.Series(chance.integers(1, 900, contacts.height)).cast(pl.String)
    street = pick(words.STREETS_CN, chance.integers(0, len(words.STREETS_CN), contacts.height))
    return contacts.with_columns(
        street=pl.when((pl.col("country_code") == "CN") & pl.col("street").is_not_null())
        .then(street + house + "号")
        .otherwise("street")
    )


def add_versions(first: pl.DataFrame, later: pl.DataFrame, at: Ints) -> pl.DataFrame:
    """Put the later version of each record below the first, where there is one.

    There is none where `at` is NEVER. The column `_versions` marks tables that have versions.
    """
    changed = later.with_columns(source_updated_at=to_utc(at), _at=pl.Series(at)).filter(
        pl.col("_at") < NEVER
    )
    return pl.concat([first, changed], how="diagonal").with_columns(_versions=pl.lit(value=True))
