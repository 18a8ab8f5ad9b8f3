"""How each system writes the people down: shop accounts, CRM contacts and their doubles, WeCom.

Rows carry `_at`, the second of the world in which the system says this; a record that changes has
two rows, of which a window keeps the newer.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.handwriting import (
    OWNERS,
    add_versions,
    change_times,
    draw_tags,
    move_home,
    split_points,
    write_email,
    write_phone,
)
from pipelines.demo.world import (
    NEVER,
    Chunk,
    Flags,
    Ints,
    choose,
    draw,
    keep_where,
    pick,
    to_utc,
)


def write_shop_accounts(people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write the shop's registered buyers: mostly clean, as a form with checks gives them."""
    chance = draw(seed, chunk.number, "shop")
    known = people.filter(pl.col("shop") < NEVER)
    count = known.height
    gives_email, gives_mobile = split_points(known, chance, 0.88, 0.82)
    has_address = chance.random(count) < 0.8
    styles = np.where(chance.random(count) < 0.15, 6, 0)
    # Who is a WeChat contact mostly logs in to the shop with WeChat, which tells it the same id.
    logs_in = draw(seed, chunk.number, "wechat").random(count) < 0.85
    accounts = known.select(
        id="shop_id",
        kind=pl.lit("person"),
        full_name=pl.when("chinese")
        .then(pl.col("family") + pl.col("given"))
        .otherwise(pl.col("given") + " " + pl.col("family")),
        email=keep_where(
            write_email(known, np.where(chance.random(count) < 0.04, 2, 0)), gives_email
        ),
        mobile=keep_where(write_phone(known, styles), gives_mobile),
        unionid=keep_where(known["unionid"], logs_in & (known["wecom"] < NEVER).to_numpy()),
        gender=keep_where(known["gender"], chance.random(count) < 0.4),
        birth_date=keep_where(known["birth_date"], chance.random(count) < 0.35),
        street=keep_where(known["street"], has_address),
        city=keep_where(known["city"], has_address),
        state=keep_where(known["state"], has_address),
        postal_code=keep_where(known["postal_code"], has_address),
        country_code="country",
        language=pl.when("chinese").then(pl.lit("zh-CN")).otherwise(pl.lit("en")),
        source_created_at=to_utc(known["shop"].to_numpy()),
        source_updated_at=to_utc(known["shop"].to_numpy()),
        _at="shop",
        _person="person_id",
    )
    moved_at = change_times(known["shop"].to_numpy(), chance, 0.1)
    return add_versions(accounts, move_home(accounts, chance), moved_at)


def write_crm_contacts(
    people: pl.DataFrame, accounts: pl.DataFrame, seed: int, chunk: Chunk
) -> pl.DataFrame:
    """Write the CRM's contacts, typed by staff, and the leads that double some of them."""
    chance = draw(seed, chunk.number, "crm")
    mains = write_contacts(people.filter(pl.col("crm") < NEVER), people, accounts, chance)
    leads = write_leads(people.filter(pl.col("twice") < NEVER), chance)
    return pl.concat([mains, leads], how="diagonal")


def write_contacts(
    known: pl.DataFrame, people: pl.DataFrame, accounts: pl.DataFrame, chance: np.random.Generator
) -> pl.DataFrame:
    """Write the main CRM record of each person, in two versions where it changed."""
    count = known.height
    created = known["crm"].to_numpy()
    gives_email, gives_mobile = split_points(known, chance, 0.76, 0.82)
    latin, has_address, worded = (
        chance.random(count) < 0.12,
        chance.random(count) < 0.7,
        chance.random(count) < 0.3,
    )
    phone_style = choose(chance, (40, 18, 6, 14, 4, 4, 14), count)
    email_style = choose(chance, (78, 8, 8, 6), count)
    email = keep_where(write_email(known, email_style), gives_email)
    mobile = keep_where(write_phone(known, phone_style), gives_mobile)
    second = (
        known["latin_family"].str.to_lowercase().str.replace_all("[^a-zA-Z]", "")
        + known["person"].cast(pl.String)
        + "@work.example.com"
    )
    # The reception's address and a number typed to get past the form: many records, no one person.
    email = pl.select(
        pl.when(pl.Series(chance.random(count) < 0.0034))
        .then(pl.lit(words.COMMON_EMAIL))
        .otherwise(email)
    ).to_series()
    mobile = pl.select(
        pl.when(pl.Series(chance.random(count) < 0.005))
        .then(pl.lit(words.COMMON_PHONE))
        .otherwise(mobile)
    ).to_series()
    account, works = choose_accounts(accounts, created, chance)
    refers = known["referrer"].to_numpy()
    referrer_since = np.where(refers >= 0, people["crm"].to_numpy()[refers], NEVER)
    named = pl.when(pl.Series(latin)).then(pl.col("latin_given") + " " + pl.col("latin_family"))
    contacts = known.select(
        id="crm_id",
        account_source_id=account,
        owner_id=pick(OWNERS, chance.integers(0, len(OWNERS), count)),
        kind=pl.lit("person"),
        full_name=named.when("chinese")
        .then(pl.col("family") + pl.col("given"))
        .otherwise(pl.col("given") + " " + pl.col("family")),
        first_name=pl.when(pl.Series(latin)).then("latin_given").otherwise("given"),
        last_name=pl.when(pl.Series(latin)).then("latin_family").otherwise("family"),
        email=email,
        email_secondary=keep_where(second, works | (chance.random(count) < 0.06)),
        phone=keep_where(mobile, chance.random(count) < 0.1),
        mobile=mobile,
        external_userid=pl.when(
            (pl.col("wecom") <= pl.col("crm")) & pl.Series(chance.random(count) < 0.7)
        ).then("external_userid"),
        social_handle=pl.when(pl.col("handle") < NEVER).then("handle_name"),
        gender=keep_where(known["gender"], chance.random(count) < 0.75),
        birth_date=keep_where(known["birth_date"], chance.random(count) < 0.55),
        occupation=keep_where(
            pick(words.OCCUPATIONS, chance.integers(0, len(words.OCCUPATIONS), count)), worded
        ),
        income_band=keep_where(
            pick(words.INCOME_BANDS, choose(chance, (15, 35, 30, 15, 5), count)),
            chance.random(count) < 0.25,
        ),
        job_title=keep_where(
            pick(words.JOB_TITLES, chance.integers(0, len(words.JOB_TITLES), count)), works
        ),
        department=keep_where(
            pick(words.DEPARTMENTS, chance.integers(0, len(words.DEPARTMENTS), count)), works
        ),
        street=keep_where(known["street"], has_address),
        city=keep_where(known["city"], has_address),
        state=keep_where(known["state"], has_address),
        postal_code=keep_where(known["postal_code"], has_address),
        country_code=pl.when(pl.Series((phone_style != 1) | (chance.random(count) < 0.8))).then(
            "country"
        ),
        language=pl.when("chinese").then(pl.lit("zh-CN")).otherwise(pl.lit("en")),
        lead_source=pick(words.LEAD_SOURCES, choose(chance, (30, 8, 12, 20, 18, 7, 5), count)),
        lifecycle_stage=pl.when("buyer").then(pl.lit("customer")).otherwise(pl.lit("prospect")),
        source_tier=keep_where(
            pick("ABCD", choose(chance, (5, 15, 30, 50), count)), chance.random(count) < 0.4
        ),
        tags=draw_tags(chance, count),
        email_opt_out=pl.lit(value=False),
        do_not_call=pl.Series(chance.random(count) < 0.012),
        referrer_source_id=keep_where(
            people["crm_id"].gather(np.maximum(refers, 0)),
            (refers >= 0) & (referrer_since <= created),
        ),
        source_created_at=to_utc(created),
        source_updated_at=to_utc(created),
        _at="crm",
        _person="person_id",
    )
    leaves = known["unsubscribed"].to_numpy()
    heard = (leaves > created) & (chance.random(count) < 0.75)
    changed_at = np.where(heard, leaves, change_times(created, chance, 0.12))
    changed = move_home(contacts, chance).with_columns(
        email_opt_out=pl.Series(leaves <= changed_at) & pl.Series(leaves < NEVER)
    )
    return add_versions(contacts, changed, changed_at)


def choose_accounts(
    accounts: pl.DataFrame, created: Ints, chance: np.random.Generator
) -> tuple[pl.Series, Flags]:
    """Return the employer of some contacts, among the organisations that the CRM knew by then."""
    known = np.searchsorted(accounts["_at"].to_numpy(), created)
    works = (chance.random(len(created)) < 0.06) & (known > 0)
    place = np.minimum(
        (chance.random(len(created)) * known).astype(np.int64), np.maximum(known - 1, 0)
    )
    return keep_where(accounts["id"].gather(place), works), works


def write_leads(known: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Write the same persons once more, as leads with one contact point.

    Their names are in Latin letters, or with the family name first.
    """
    count = known.height
    gives_email, gives_mobile = split_points(known, chance, 0.45, 0.0)
    converted = chance.random(count) < 0.4
    created = known["twice"].to_numpy()
    latin = pl.Series(chance.random(count) < 0.35)
    leads = known.select(
        id="lead_id",
        owner_id=pick(OWNERS, chance.integers(0, len(OWNERS), count)),
        kind=pl.lit("lead"),
        full_name=pl.when(latin)
        .then(pl.col("latin_family") + " " + pl.col("latin_given"))
        .when("chinese")
        .then(pl.col("family") + pl.col("given"))
        .otherwise(pl.col("family") + ", " + pl.col("given")),
        email=keep_where(write_email(known, choose(chance, (60, 18, 12, 10), count)), gives_email),
        mobile=keep_where(
            write_phone(known, choose(chance, (30, 25, 8, 15, 5, 5, 12), count)), gives_mobile
        ),
        city=keep_where(known["city"], chance.random(count) < 0.5),
        country_code="country",
        language=pl.when("chinese").then(pl.lit("zh-CN")).otherwise(pl.lit("en")),
        lead_source=pick(words.LEAD_SOURCES, choose(chance, (50, 15, 5, 5, 10, 10, 5), count)),
        lead_status=pl.when(pl.Series(converted))
        .then(pl.lit("converted"))
        .otherwise(pl.lit("open")),
        is_converted=pl.Series(converted),
        source_created_at=to_utc(created),
        source_updated_at=to_utc(created),
        _at="twice",
        _person="person_id",
    )
    merged = leads.with_columns(merged_into_id=known["crm_id"])
    return add_versions(leads, merged, change_times(created, chance, 0.15))


def write_wecom_contacts(people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write the WeCom contacts: a nickname, the ids of WeChat, a mobile for some."""
    chance = draw(seed, chunk.number, "wecom")
    known = people.filter(pl.col("wecom") < NEVER)
    count = known.height
    nickname = pl.when("chinese").then(pl.lit("小") + pl.col("given")).otherwise("given")
    return known.select(
        id="external_userid",
        kind=pl.lit("person"),
        full_name=pl.when(pl.Series(chance.random(count) < 0.5))
        .then(pl.col("family") + pl.col("given"))
        .otherwise(nickname),
        mobile=keep_where(
            write_phone(known, np.zeros(count, dtype=np.int64)), chance.random(count) < 0.42
        ),
        external_userid="external_userid",
        unionid="unionid",
        gender=keep_where(known["gender"], chance.random(count) < 0.8),
        country_code="country",
        language=pl.lit("zh-CN"),
        lead_source=pl.lit("wechat"),
        tags=draw_tags(chance, count),
        owner_id=pick(OWNERS, chance.integers(0, len(OWNERS), count)),
        source_created_at=to_utc(known["wecom"].to_numpy()),
        source_updated_at=to_utc(known["wecom"].to_numpy()),
        _at="wecom",
        _person="person_id",
    )
