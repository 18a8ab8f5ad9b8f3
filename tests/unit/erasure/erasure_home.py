"""A home with landed rows and releases of three customers, made without dbt."""

import hashlib
import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import yaml
from factories import PROJECT, rows

from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.lake import Lake, sha256_of, with_parent, write_table, write_text
from pipelines.land import land_new_files
from pipelines.list_files import Files, write_list
from pipelines.release import release_run, write_manifest
from pipelines.rules import find_rules, load_rules
from pipelines.settings import Settings
from pipelines.tombstones import read_tombstones

DAYS = (date(2026, 6, 29), date(2026, 6, 30))
LI, WANG, CHEN = "licustomeridabcd", "wangcustomeridab", "chencustomeridab"
FORMER = "formeridoflixxxx"
CONTACTS = [
    "id,full_name,email,phone,referrer_source_id",
    "c77,李小龙,li.canary@example.com,13812345678,",
    "c78,王芳,wang@example.com,13912345678,c77",
    "c79,陈静,chen@example.com,13712345678,c78",
    "c80,torn li.canary@example.com",
]
ORDERS = [
    "id,customer_source_id,status,currency,total_amount,ordered_at",
    "order-li-1,c77,paid,CNY,10,2026-06-01",
    "order-wang-1,c78,paid,CNY,20,2026-06-02",
    "order-li-2,c77,paid,CNY,many,2026-06-03",
]
ITEMS = [
    "id,order_source_id,quantity,currency",
    "item-li-1,order-li-1,1,CNY",
    "item-w-1,order-wang-1,2,CNY",
]
# What a platform is told of Li: the SHA-256 of 8613812345678.
LI_TOLD = hashlib.sha256(b"8613812345678").hexdigest()
CANARY = {
    LI_TOLD,
    "c77", "li.canary@example.com", "13812345678", "李小龙", "order-li-1", "order-li-2",
    "item-li-1", LI, FORMER,
}  # fmt: skip


def settings_of(root: Path) -> Settings:
    rules = root / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    told = {"sources": [{"name": "crm", "type": "files", "path": str(root / "drop")}]}
    (rules / "sources.yml").write_text(yaml.safe_dump(told | {"time_zone": "Asia/Shanghai"}))
    return Settings(home=root / "home", rules_dir=rules, pseudonym_key="k", audit_key="a")


def drop(lake: Lake, day: date, name: str, lines: list[str]) -> Path:
    """Put a file into `raw/`, as extract does."""
    scratch = with_parent(lake.raw / "crm" / f".{name}")
    scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    target = lake.raw / "crm" / day.isoformat() / f"{sha256_of(scratch)[:16]}__{name}"
    return scratch.replace(with_parent(target))


def land(settings: Settings, day: date) -> int:
    lake, book = Lake(settings.home), configured_rules(settings)
    return land_new_files(
        lake, load_catalogue(PROJECT), book.sources, day, lambda _: None,
        read_tombstones(lake, book, settings.pseudonym),
    )  # fmt: skip


def make_home(root: Path, requested: frozenset[str] = frozenset()) -> Settings:
    """Two releases in which Li, Wang and Chen are customers, and the rows behind them.

    requested: those who asked to be forgotten, by a request that landed.
    """
    settings = settings_of(root)
    lake = Lake(settings.home)
    for name, lines in (
        ("crm_contacts.csv", CONTACTS),
        ("orders.csv", ORDERS),
        ("order_items.csv", ITEMS),
    ):
        drop(lake, DAYS[0], name, lines)
    land(settings, DAYS[0])
    before = None
    for day in DAYS:
        before = release(lake, day, before, requested)
    return settings


def release(
    lake: Lake, day: date, before: str | None, requested: frozenset[str] = frozenset()
) -> str:
    run, catalogue = lake.run(day), load_catalogue(PROJECT)
    keys = {LI: "c77", WANG: "c78", CHEN: "c79"}
    marts = {
        "customer_360": rows(
            "customer_360",
            *(
                {"customer_id": name, "as_of": day, "is_ads_matching_granted": True,
                 "is_erasure_requested": name in requested}
                for name in keys
            ),
            group="models",
        ),
        "customer_grades": rows(
            "customer_grades",
            {"customer_id": WANG, "network_customer_id": LI}, {"customer_id": LI}, group="models",
        ),
        "customer_aliases": rows(
            "customer_aliases",
            {"alias_id": FORMER, "customer_id": LI, "entity": "contact", "source": "crm",
             "source_account_id": "", "source_record_id": "c77"},
            group="pipeline",
        ),
    }  # fmt: skip
    for name, frame in marts.items():
        write_table(frame, run.release / "marts" / f"{name}.parquet")
    told = [
        {"entity": "contact", "source": "crm", "source_account_id": "", "source_record_id": record,
         "customer_id": name}
        for name, record in keys.items()
    ]  # fmt: skip
    state = rows("customer_keys", *told, group="pipeline")
    write_table(state, run.release / "state" / "customer_keys.parquet")
    by_hand = rows("grade_overrides", {"customer_id": LI, "reason": "c77 asked"}, group="pipeline")
    write_table(by_hand, run.release / "state" / "grade_overrides.parquet")
    listed = pl.DataFrame(
        {"customer_id": list(keys), "full_name": ["李小龙", "王芳", "陈静"], "channel": "sms",
         "contact": ["+8613812345678", "+8613912345678", "+8613712345678"]}
    )  # fmt: skip
    book = load_rules(find_rules(None))
    plain = next(one for one in book.segments.segments if one.name == "win_back")
    segment = plain.model_copy(
        update={"platforms": {"meta": "seg_017", "google_customer_match": "seg_018"}}
    )
    kept = {"segments": [segment.model_dump(mode="json")]}
    write_text(yaml.safe_dump(kept), run.release / "rules" / "segments.yml")
    write_text("columns: {}", run.release / "rules" / "list_columns.yml")
    granted = pl.DataFrame({"customer_id": list(keys), "is_ads_matching_granted": True})
    files = Files(run.release / "lists", book.list_columns, granted, None, day)
    write_list(listed, segment, files)
    write_table(marts["customer_360"], run.table("models", "customer_360"))
    assert catalogue
    facts = {
        "date": day.isoformat(), "customers": 3, "previous_release": before,
        "lists": [{"name": "win_back", "rows": 3}],
    }  # fmt: skip
    placed, _ = release_run(lake, run, write_manifest(run.release, facts))
    return placed.path.name


def copy_home(settings: Settings, root: Path) -> Settings:
    """The same home elsewhere."""
    shutil.copytree(settings.home, root / "home", symlinks=True, copy_function=os.link)
    return settings.model_copy(update={"home": root / "home"})
