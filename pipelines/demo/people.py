"""Who the people are: their names, places and contact points, and their buying lives.

One row per person. Times are seconds of the world (see `world`); NEVER stands for "not at all".
Telephone numbers are unique per person but for families. Chinese, British, Hong Kong and Singapore
mobiles merely look plausible; American ones are of the reserved 555-01xx kind for the first 14,500
person numbers (145 area codes, a hundred each), and only look plausible beyond.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.systems import add_ids, add_referrers, add_systems
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    Floats,
    Ints,
    choose,
    draw,
    draw_hours,
    draw_seasonal,
    pick,
    to_day,
)

MALE_FROM = len(words.GIVEN_CN) // 2
CN_PREFIXES = tuple(
    str(p)
    for p in (
        *range(130, 140),
        *range(150, 154),
        *range(155, 160),
        *range(170, 174),
        *range(175, 179),
        *range(180, 190),
        191,
        198,
        199,
    )
)
US_AREAS = tuple(
    str(a)
    for a in (
        *range(201, 211),
        *range(212, 221),
        *range(301, 311),
        *range(312, 322),
        *range(401, 411),
        *range(412, 420),
        *range(501, 511),
        *range(512, 521),
        *range(601, 611),
        *range(612, 617),
        *range(701, 710),
        *range(712, 721),
        *range(801, 811),
        *range(812, 819),
        *range(901, 911),
        *range(912, 921),
    )
)
DIAL_CODES = {"CN": "86", "HK": "852", "SG": "65", "GB": "44", "US": "1"}
HK_PREFIXES = ("61", "63", "64", "65", "69", "94", "96", "97")
SG_PREFIXES = ("81", "82", "83", "84", "85", "86", "87", "91", "92", "93", "94", "96", "97", "98")
RATE_SHAPE, MEAN_GAP_DAYS = 0.6, 140
DROPOUT_SHAPE, DROPOUT_DAYS = 0.6, 600
SPEND_SHAPE, SPEND_MEAN = 3.5, 260.0


def draw_people(seed: int, chunk: Chunk) -> pl.DataFrame:
    """Draw the persons of a chunk, one row each, with everything that is true of them."""
    chance = draw(seed, chunk.number, "people")
    numbers = np.arange(chunk.first, chunk.first + chunk.size)
    people = pl.DataFrame({"person": numbers}).with_columns(
        person_id="P" + pl.col("person").cast(pl.String).str.zfill(8)
    )
    people = share_households(add_places(add_names(people, chance), chance), chance)
    people = add_contact_points(people, chance)
    people = add_lives(people, chunk, chance)
    return add_referrers(add_ids(add_systems(people, chance)), chance)


def add_names(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Give names and a gender.

    `latin_name` is how a person with a Chinese name writes it in Latin letters.
    """
    count = people.height
    chinese = chance.random(count) < 0.78
    male = chance.random(count) < 0.45
    family_cn = choose(chance, 1.0 / np.arange(3, 3 + len(words.SURNAMES_CN)), count)
    one, two = (
        np.where(male, MALE_FROM, 0) + chance.integers(0, MALE_FROM, count),
        chance.integers(0, len(words.GIVEN_CN), count),
    )
    double = chance.random(count) < 0.7
    half = len(words.FIRST_EN) // 2
    first_en = np.where(male, half, 0) + chance.integers(0, half, count)
    family_en = chance.integers(0, len(words.SURNAMES_EN), count)
    columns = {
        "chinese": pl.Series(chinese),
        "double": pl.Series(double),
        "fc": pick([s[0] for s in words.SURNAMES_CN], family_cn),
        "fl": pick([s[1] for s in words.SURNAMES_CN], family_cn),
        "g1": pick([g[0] for g in words.GIVEN_CN], one),
        "g2": pick([g[0] for g in words.GIVEN_CN], two),
        "l1": pick([g[1] for g in words.GIVEN_CN], one),
        "l2": pick([g[1] for g in words.GIVEN_CN], two),
        "fe": pick(words.FIRST_EN, first_en),
        "se": pick(words.SURNAMES_EN, family_en),
    }
    return (
        people.with_columns(**columns, gender=pick(("female", "male"), male.astype(np.int64)))
        .with_columns(
            family=pl.when("chinese").then("fc").otherwise("se"),
            given=pl.when("chinese")
            .then(pl.col("g1") + pl.when("double").then("g2").otherwise(pl.lit("")))
            .otherwise("fe"),
            latin_family=pl.when("chinese").then("fl").otherwise("se"),
            latin_given=pl.when("chinese")
            .then(
                (
                    pl.col("l1") + pl.when("double").then("l2").otherwise(pl.lit(""))
                ).str.to_titlecase()
            )
            .otherwise("fe"),
        )
        .drop("double", "fc", "fl", "g1", "g2", "l1", "l2", "fe", "se")
    )


def add_places(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Give a home: city, street and postal code, Chinese or abroad after the name."""
    count = people.height
    chinese = people["chinese"].to_numpy()
    at_home = np.where(chinese, chance.random(count) < 0.96, chance.random(count) < 0.08)
    cn = choose(chance, [c[4] for c in words.CITIES_CN], count)
    abroad = choose(chance, [c[4] for c in words.CITIES_ABROAD], count)
    house = pl.Series(chance.integers(1, 1200, count)).cast(pl.String)
    room = pl.Series(chance.integers(101, 2899, count)).cast(pl.String)
    tail = pl.Series(chance.integers(0, 100, count)).cast(pl.String).str.zfill(2)
    columns = {
        "at_home": pl.Series(at_home),
        "cc": pick([c[0] for c in words.CITIES_CN], cn),
        "cs": pick([c[2] for c in words.CITIES_CN], cn),
        "cp": pick([c[3] for c in words.CITIES_CN], cn) + "0" + tail,
        "ac": pick([c[0] for c in words.CITIES_ABROAD], abroad),
        "as": pick([c[1] for c in words.CITIES_ABROAD], abroad),
        "ap": pick([c[2] for c in words.CITIES_ABROAD], abroad) + tail,
        "aa": pick([c[3] for c in words.CITIES_ABROAD], abroad),
        "sc": pick(words.STREETS_CN, chance.integers(0, len(words.STREETS_CN), count))
        + house
        + "号"
        + room
        + "室",
        "sa": house
        + " "
        + pick(words.STREETS_EN, chance.integers(0, len(words.STREETS_EN), count)),
    }
    home = pl.when("at_home")
    return (
        people.with_columns(**columns)
        .with_columns(
            city=home.then("cc").otherwise("ac"),
            state=home.then("cs").otherwise("as"),
            postal_code=home.then("cp").otherwise(pl.when(pl.col("aa") != "HK").then("ap")),
            country=home.then(pl.lit("CN")).otherwise("aa"),
            street=home.then("sc").otherwise("sa"),
        )
        .drop("at_home", "cc", "cs", "cp", "ac", "as", "ap", "aa", "sc", "sa")
    )


def share_households(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Let some persons live with the one before them, under the same family name.

    `head` is whose home it is.
    """
    joins = chance.random(people.height) < 0.06
    joins[0] = False
    joins[1:] &= ~joins[:-1]
    head = np.arange(people.height) - joins
    shared = (
        "chinese",
        "family",
        "latin_family",
        "city",
        "state",
        "postal_code",
        "country",
        "street",
    )
    return people.with_columns(
        *(people[c].gather(head) for c in shared),
        head=pl.Series(people["person"].to_numpy()[head]),
        given=pl.when(pl.Series(joins) & (people["chinese"] != people["chinese"].gather(head)))
        .then(pl.lit("小") + people["latin_given"])
        .otherwise("given"),
    )


def add_contact_points(people: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Give an e-mail address and a mobile number.

    The address is one's own; about half of the families share the number.
    """
    count = people.height
    shares = chance.random(count) < 0.5
    phone_of = np.where(shares, people["head"].to_numpy(), people["person"].to_numpy())
    domain = pick(words.DOMAINS, choose(chance, words.DOMAIN_WEIGHTS, count))
    local = pl.concat_str(
        pl.col("latin_given")
        .str.normalize("NFKD")
        .str.to_lowercase()
        .str.replace_all("[^a-z]", ""),
        pl.lit("."),
        pl.col("latin_family")
        .str.normalize("NFKD")
        .str.to_lowercase()
        .str.replace_all("[^a-z]", ""),
        # The person number in a scrambled order: unique, but not readable as a sequence.
        ((pl.col("person") * 7_654_321 + 1_234) % 100_000_007).cast(pl.String),
    )
    has_email, has_mobile = chance.random(count) < 0.9, chance.random(count) < 0.95
    return people.with_columns(
        email=pl.when(pl.Series(has_email | ~has_mobile)).then(local + "@" + domain),
        mobile=pl.when(pl.Series(has_mobile)).then(number_phones(phone_of, people["country"])),
        dial_code=pl.col("country").replace_strict(DIAL_CODES),
    )


def number_phones(persons: Ints, country: pl.Series) -> pl.Series:
    """Return the national mobile number that belongs to a person number.

    No two persons get the same.
    """
    scrambled = (persons * 48_271 + 9_137) % 100_000_000  # a bijection: 48271 is prime to 10^8
    million, prefix = persons % 1_000_000, persons // 1_000_000 + persons
    area, rest = persons % len(US_AREAS), persons // len(US_AREAS)
    reserved = rest < 100
    frame = pl.DataFrame(
        {
            "country": country,
            "CN": pick(CN_PREFIXES, persons % len(CN_PREFIXES))
            + pl.Series(scrambled).cast(pl.String).str.zfill(8),
            "GB": "74" + pl.Series(scrambled).cast(pl.String).str.zfill(8),
            "HK": pick(HK_PREFIXES, prefix % len(HK_PREFIXES))
            + pl.Series(million * 48_271 % 1_000_000).cast(pl.String).str.zfill(6),
            "SG": pick(SG_PREFIXES, prefix % len(SG_PREFIXES))
            + pl.Series(million * 48_271 % 1_000_000).cast(pl.String).str.zfill(6),
            "US": pick(US_AREAS, area)
            + pl.Series(np.where(reserved, 555_0100 + rest, 600_0000 + rest)).cast(pl.String),
        }
    )
    chosen = pl.coalesce(pl.when(pl.col("country") == c).then(c) for c in DIAL_CODES)
    return frame.select(mobile=chosen).to_series()


def add_lives(people: pl.DataFrame, chunk: Chunk, chance: np.random.Generator) -> pl.DataFrame:
    """Give each person a day of acquaintance and a buying life: a rate, a spend, an end."""
    count = people.height
    acquired = draw_seasonal(chance, chunk.begins, chunk.ends, count)
    if not chunk.late:
        # The shop was not new in 2023: some of its customers are as old as its records.
        old = chance.random(count) < 0.15
        acquired = np.where(old, draw_seasonal(chance, 0, 60 * DAY, count), acquired)
    buyer = chance.random(count) < 0.9
    rate = chance.gamma(RATE_SHAPE, 1 / (RATE_SHAPE * MEAN_GAP_DAYS), count)
    dropout = chance.gamma(DROPOUT_SHAPE, 1 / (DROPOUT_SHAPE * DROPOUT_DAYS), count)
    life = chance.exponential(1.0, count) / dropout * DAY
    ends = np.where(buyer, acquired + life, NEVER)
    spend: Floats = SPEND_MEAN * (SPEND_SHAPE - 1) / chance.gamma(SPEND_SHAPE, 1.0, count)
    born = -(18 + 55 * chance.beta(1.6, 2.4, count)) * 365.25 * DAY
    return people.with_columns(
        acquired=pl.Series(acquired),
        buyer=pl.Series(buyer),
        rate=pl.Series(np.where(buyer, rate, 0.0)),
        ends=pl.Series(np.where(ends < SPAN, ends, NEVER).astype(np.int64)),
        spend=pl.Series(spend),
        birth_date=to_day(born),
        hour=pl.Series(draw_hours(chance, count)),
        taste=pl.Series(choose(chance, [c[5] for c in words.CATEGORIES], count)),
        thrift=pl.Series(chance.beta(0.8, 1.9, count)),
        content=pl.Series(chance.beta(4, 1.6, count)),
    )
