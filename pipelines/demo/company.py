"""The made-up company: drop folders in the landing contract, with the truth beside them.

    write_company(Path("data/demo"), customers=20_000, seed=1, until=date(2026, 6, 30))

A customer's whole life, up to the end of 2027, is drawn from the seed; a call writes the part of
it that falls into its window. So a second call with `after` set to the day of the first writes
the next days only, and days written one by one say the same as one call over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import yaml

from pipelines.demo import ledger, mail, organisations, records, service, totals, voices, web
from pipelines.demo.orders import Lines, Orders, draw_orders
from pipelines.demo.people import draw_people
from pipelines.demo.receipts import write_items, write_orders, write_refunds
from pipelines.demo.truth import name_people, tell_customers
from pipelines.demo.world import (
    DAY,
    HORIZON,
    KNOWN_BY,
    ORIGIN,
    Catalogue,
    Chunk,
    Window,
    make_catalogue,
    plan_chunks,
    second_of,
    to_utc,
)
from pipelines.demo.writing import DIRT_SCHEMA, write_table

SOURCES = ("crm", "shop", "web", "social", "mail")
NAMED_TABLES = (
    ("crm", "crm_contacts"),
    ("crm", "crm_accounts"),
    ("shop", "crm_contacts"),
    ("shop", "orders"),
    ("social", "crm_contacts"),
)
# What stand-ins of a CRM and of a shop's database can serve.
SERVED = (
    *(("crm", f"crm_{kind}") for kind in ("contacts", "accounts", "activities", "cases", "deals")),
    ("shop", "crm_contacts"),
    *(("shop", table) for table in ("orders", "order_items", "refunds", "products", "fx_rates")),
    *(("shop", table) for table in ("loyalty_entries", "referrals")),
)
Table = tuple[str, str, pl.DataFrame]


@dataclass(frozen=True)
class CompanySummary:
    """What one call wrote.

    `rows` counts the good rows by "source.table"; faulty and repeated rows come beside them;
    `persons` are those known by then; `files` does not count the small parts of faulty rows.
    """

    rows: dict[str, int]
    faulty_rows: int
    repeated_rows: int
    persons: int
    files: int


@dataclass(frozen=True)
class History:
    """Everything that ever happens to one chunk of the population."""

    chunk: Chunk
    people: pl.DataFrame
    accounts: pl.DataFrame
    orders: Orders
    lines: Lines


def write_company(
    root: Path,
    *,
    customers: int,
    seed: int,
    until: date,
    after: date | None = None,
    served: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CompanySummary:
    """Write what the systems deliver up to the end of `until`, or only what is new since `after`.

    Days end at midnight in China. `customers` is the number of persons acquired by 2026-06-30,
    the default date; others keep coming at the same pace until the end of 2027. Memory depends on
    the chunk, not on `customers`. With `served`, the tables of SERVED go to `systems/` instead, for
    stand-ins of a CRM and a database to serve, each row with the time of its last change.
    """
    check_window(customers, until, after)
    window = (second_of(after) + DAY if after else 0, second_of(until) + DAY)
    goods = make_catalogue(seed)
    chunks = [c for c in plan_chunks(customers) if not c.late or until > KNOWN_BY]
    dirt: list[dict[str, object]] = []
    rows: dict[str, int] = {}
    files = persons = 0
    (root / "truth").mkdir(parents=True, exist_ok=True)
    truths: dict[str, pq.ParquetWriter] = {}
    try:
        for done, chunk in enumerate(chunks, start=1):
            history = draw_history(seed, chunk, goods)
            named: list[Table] = []
            for source, table, frame in tell_tables(history, goods, customers, seed, window):
                if (source, table) in NAMED_TABLES and "_person" in frame.columns:
                    named.append((source, table, frame.select("id", "_person", "_at")))
                system = root / "systems" if served and (source, table) in SERVED else None
                if system:
                    frame = frame.with_columns(updated_at=to_utc(frame["_at"].to_numpy()))
                part = cut_window(frame, window)
                if part.is_empty():
                    continue
                name = f"{until}-{part_number(chunk, frame)}"
                dirt += write_table(part, root / "drop", source, table, name, system)
                rows[f"{source}.{table}"] = rows.get(f"{source}.{table}", 0) + part.height
                files += 1
            truth = {
                "people": name_people(named, window[1]),
                "customers": tell_customers(
                    history.people, history.accounts, history.orders, window[1]
                ),
            }
            persons += truth["customers"].filter(pl.col("kind") == "person").height
            append_truth(root, truths, truth)
            if progress:
                progress(done, len(chunks))
    finally:
        for writer in truths.values():
            writer.close()
    write_dirt(root / "truth" / "dirty_rows.parquet", dirt, keep=after is not None)
    counts = (
        pl.DataFrame(dirt, schema=DIRT_SCHEMA).group_by("is_rejected").agg(pl.col("count").sum())
    )
    wrong = {bool(rejected): int(count) for rejected, count in counts.rows()}
    return CompanySummary(rows, wrong.get(True, 0), wrong.get(False, 0), persons, files)


def sources_yaml(root: Path, time_zone: str = "Asia/Shanghai", base_currency: str = "CNY") -> str:
    """Return the text of a sources.yml that reads the drop folders below `root`."""
    sources = [
        {"name": name, "type": "files", "path": str((root / "drop" / name).resolve())}
        | ({"one_record_per_person": True} if name == "shop" else {})
        for name in SOURCES
    ]
    content = {"base_currency": base_currency, "time_zone": time_zone, "sources": sources}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def check_window(customers: int, until: date, after: date | None) -> None:
    """Refuse a company without customers, or days outside its world."""
    if customers < 1:
        raise ValueError(f"The demo company needs at least one customer, not {customers}.")
    if not ORIGIN <= until <= HORIZON:
        raise ValueError(f"The demo company lives from {ORIGIN} to {HORIZON}; {until} is outside.")
    if after is not None and after >= until:
        raise ValueError(
            f"There is nothing after {after} and up to {until}: give an earlier `after`."
        )


def draw_history(seed: int, chunk: Chunk, goods: Catalogue) -> History:
    """Draw the lives of a chunk."""
    people = draw_people(seed, chunk)
    orders, lines = draw_orders(people, goods, seed, chunk)
    return History(chunk, people, organisations.write_accounts(seed, chunk), orders, lines)


def tell_tables(
    history: History, goods: Catalogue, customers: int, seed: int, window: Window
) -> Iterator[Table]:
    """Tell the history of a chunk as (source, table, rows).

    One table at a time, so that not all of them are in memory.
    """
    chunk, people, accounts, orders, lines = (
        history.chunk,
        history.people,
        history.accounts,
        history.orders,
        history.lines,
    )
    if chunk.number == 0:
        yield from tell_totals(goods, customers, seed)
    yield "crm", "crm_accounts", accounts
    yield "crm", "crm_contacts", records.write_crm_contacts(people, accounts, seed, chunk)
    yield "shop", "crm_contacts", records.write_shop_accounts(people, seed, chunk)
    yield "social", "crm_contacts", records.write_wecom_contacts(people, seed, chunk)
    points, earned, redeemed = ledger.draw_points(orders, people, seed, chunk)
    yield "shop", "loyalty_entries", points
    yield "shop", "orders", write_orders(orders, people, earned, redeemed, seed, chunk)
    items = write_items(orders, lines, goods, chunk)
    yield "shop", "refunds", write_refunds(orders, lines, items["id"], people, seed, chunk)
    yield "shop", "order_items", items
    yield "shop", "referrals", ledger.write_referrals(orders, people, seed, chunk)
    yield "web", "web_events", web.write_web_events(people, orders, seed, chunk, window)
    yield "web", "identity_links", web.write_identity_links(people, seed, chunk)
    yield "mail", "campaign_events", mail.write_campaign_events(people, seed, chunk, window)
    yield "social", "social_engagements", voices.write_engagements(people, seed, chunk)
    cases = service.write_cases(people, orders, seed, chunk)
    yield "crm", "crm_cases", cases
    yield "mail", "survey_answers", voices.write_answers(people, orders, cases, seed, chunk)
    activities = service.write_activities(people, accounts, seed, chunk)
    yield "crm", "crm_activities", activities
    yield "crm", "service_costs", service.write_costs(cases, activities, chunk)
    deals, won = organisations.write_deals(accounts, seed, chunk)
    yield "crm", "crm_deals", deals
    yield "crm", "orders", won
    yield "crm", "consents", service.write_consents(people, seed, chunk)


def tell_totals(goods: Catalogue, customers: int, seed: int) -> Iterator[Table]:
    """Tell what exists once for the whole company; `_once` marks it."""
    once = pl.lit(value=True).alias("_once")
    yield "shop", "products", totals.write_products(goods).with_columns(once)
    yield "shop", "fx_rates", totals.write_rates(seed).with_columns(once)
    yield "web", "web_events", totals.write_daily_web(customers, seed).with_columns(once)
    yield "social", "social_engagements", totals.write_posts(customers, seed).with_columns(once)
    yield "crm", "service_costs", totals.write_overheads(customers, seed).with_columns(once)


def part_number(chunk: Chunk, frame: pl.DataFrame) -> str:
    """Return the number in a file's name.

    What exists once gets the number after the last possible chunk.
    """
    return "9999" if "_once" in frame.columns else f"{chunk.number:04d}"


def cut_window(frame: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Keep what was said inside the window, the newest version of each record, oldest first."""
    start, stop = window
    inside = frame.filter((pl.col("_at") >= start) & (pl.col("_at") < stop)).sort(
        "_at", maintain_order=True
    )
    if "_versions" in frame.columns:
        inside = inside.unique("id", keep="last", maintain_order=True)
    return inside.select("id", pl.exclude("id", "^_.*$"))


def append_truth(
    root: Path, writers: dict[str, pq.ParquetWriter], truth: dict[str, pl.DataFrame]
) -> None:
    """Append a chunk's truth to the files of this call, which replace those of an earlier one."""
    for name, frame in truth.items():
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if name not in writers:
            writers[name] = pq.ParquetWriter(
                root / "truth" / f"{name}.parquet", table.schema, compression="zstd"
            )
        writers[name].write_table(table.cast(writers[name].schema))


def write_dirt(path: Path, dirt: list[dict[str, object]], *, keep: bool) -> None:
    """Write what is wrong with which file; a call for later days keeps what earlier ones wrote."""
    frame = pl.DataFrame(dirt, schema=DIRT_SCHEMA)
    if keep and path.exists():
        earlier = pl.read_parquet(path).join(
            frame, on=["source", "file"], how="anti", maintain_order="left"
        )
        frame = pl.concat([earlier, frame])
    frame.write_parquet(path, compression="zstd")
