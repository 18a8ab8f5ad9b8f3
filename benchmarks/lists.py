"""Time and memory of the lists: who is on which, histories, holdouts and effects.

    .venv/bin/python benchmarks/lists.py [CUSTOMERS]

Makes an audience with everything that the packaged lists read, contacts that consent allows, thirty
days of contacts made and six orders a customer, and runs the lists' part of `publish` on the first
night, on the night after it, and 31 nights later, when there is an effect to measure. A tenth of
the customers differ from one night to the next. Each is a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
from scale import PROJECT, usage

from pipelines.catalogue import load_catalogue
from pipelines.lake import Lake, Run, with_parent, write_json, write_table
from pipelines.lists import make_lists
from pipelines.release import Release
from pipelines.rules import find_rules, load_rules

FIRST = date(2026, 6, 30)
NIGHTS = (FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=31))
CHANNELS = ("email", "sms", "phone", "wechat")


def number(topic: str, below: int) -> str:
    """SQL of a whole number that is the same for a customer each night."""
    return f"(hash(i, '{topic}') % {below})::bigint"


def write_audience(run: Run, customers: int, night: int) -> None:
    """The audience mart; facts that no list reads are null."""
    schema = load_catalogue(PROJECT)["models", "audience"].schema
    moved = f"(hash(i, 'moves') % 10 = 0)::bigint * {night}"
    days = f"({number('days', 900)} + {moved} * 7)"
    told = {
        "customer_id": "'cust' || lpad(i::varchar, 12, '0')",
        "as_of": f"date '{run.as_of}'",
        "kind": "'person'",
        "grade": f"['A','B','B','B','C','C','C','C','C','C'][1 + {number('g', 20)}]",
        "grade_label": "'Grade'", "grade_label_zh": "'级'",
        "vip_band": f"['diamond','gold','regular'][1 + {number('vip', 15)}]",
        "lifecycle_stage": "['prospect','first_time','repeat','loyal','vip','at_risk','dormant',"
        f"'churned','won_back'][1 + {number('stage', 9)}]",
        "lifecycle_stage_label": "'Stage'", "lifecycle_stage_label_zh": "'阶段'",
        "account_manager_id": "'emp1'", "base_currency": "'GBP'", "language": "'en'",
        "value_score": f"{number('v', 10000)} / 100",
        "is_second_tier_potential": f"{number('p', 10)} = 0",
        "is_second_tier_network": f"{number('n', 30)} = 0",
        "network_customer_id": "'cust000000000001'", "network_relation_label": "'referral'",
        "is_upgrade_candidate": f"{number('u', 12)} = 0",
        "next_grade": "'B'", "next_grade_gap_places": number("gap", 900),
        "days_since_last_order": days, "rhythm_ratio": f"{days} / 90", "rhythm_days": "90",
        "order_count": number("o", 9), "order_count_365d": number("y", 5),
        "order_count_90d": number("q", 3), "order_count_previous_90d": number("q1", 3),
        "net_margin_365d_amount": number("m", 900), "net_margin_amount": number("m1", 900),
        "net_revenue_amount": number("r", 2000), "tenure_days": "900",
        "first_seen_on": "date '2025-01-01'", "clv_365d_amount": number("clv", 900),
        "churn_risk": f"{number('c', 100)} / 100",
        "churn_risk_band": f"['low','medium','high'][1 + {number('c', 3)}]",
        "warning_count": number("w", 2), "has_high_warning": "false",
        "next_order_in_days": number("no", 120), "recommended_item": "'A thing'",
        "recommended_category": "'Things'", "engagement_score": number("e", 20),
        "birthday_in_days": number("b", 365), "festival_in_days": "3",
        "next_festival_label": "'Festival'", "next_festival_label_zh": "'节'",
        "days_since_last_interaction": number("i", 900), "points_balance": number("pb", 900),
        "points_expiring_30d": f"greatest(0, {number('pe', 900)} - 850)",
        "nps_score": f"{number('nps', 11)}", "complaint_count_90d": "0",
        "open_complaint_count": "0", "social_share_count_365d": f"{number('s', 20)} // 19",
        "social_reach_count": number("sr", 600), "discounted_order_rate": f"{number('d', 10)} / 10",
        "suppressed_because": f"case when {number('sup', 50)} = 0 then 'under_age' end",
        "is_email_bounced": f"{number('bo', 50)} = 0", "is_email_complained": "false",
        "is_profiling_refused": f"{number('pr', 30)} = 0",
        "has_open_complaint": f"{number('oc', 50)} = 0", "is_guest": "false",
        "is_company_contact": "false", "is_first_tier": "false", "network_tie_count": "0",
    }  # fmt: skip
    columns = ", ".join(f'{told.get(name, "null")} as "{name}"' for name in schema)
    rows = duckdb.sql(f"select {columns} from range({customers}) t(i)").pl()
    write_table(rows.cast(dict(schema)), run.table("models", "audience"))


def write_night(run: Run, customers: int, night: int) -> None:
    """What the lists read beside the audience."""
    write_audience(run, customers, night)
    who = "'cust' || lpad(i::varchar, 12, '0') as customer_id"
    purposes = "['marketing','service','survey']"
    tables = {
        "customer_contacts": f"""select {who}, channel, purpose, 'Name ' || i as full_name,
            'contact' || i as contact_value
            from range({customers}) t(i), (select unnest({list(CHANNELS)}) as channel),
            (select unnest({purposes}) as purpose)
            where hash(i, channel, purpose) % 2 = 0""",
        "int_contact_permissions": f"""select {who}, 'email' as channel, 'marketing' as purpose,
            'withdrawn' as status from range({customers}) t(i) where hash(i, 'w') % 20 = 0""",
        "int_consent_statements": f"""select {who}, 'any' as channel, 'marketing' as purpose,
            'withdrawn' as status from range({customers}) t(i) where hash(i, 'w1') % 50 = 0""",
        "int_contacts_counted_to_days": f"""select {who}, 'email' as channel,
            date '{run.as_of}' - n::integer as contacted_on, 1::bigint as contact_count
            from range({customers}) t(i), range(30) d(n) where hash(i, n) % 10 = 0""",
        "int_orders_summed_to_customer_days": f"""select {who},
            date '{run.as_of}' - (hash(i, n) % 900)::integer as ordered_on,
            1::bigint as order_count, 40::decimal(18, 4) as net_margin_amount
            from range({customers}) t(i), range(6) d(n)""",
        "int_sources_present": "select true as has_consents",
        "customer_360": f"""select {who}, true as is_ads_matching_granted,
            false as is_erasure_requested from range({customers}) t(i)""",
        "int_events_summed_to_customer_days": f"""select {who}, 'order' as kind,
            null::varchar as category, date '{run.as_of}' as occurred_on, 1::bigint as event_count
            from range({customers}) t(i) where hash(i, 'ev') % 20 = 0""",
        "int_event_kinds": "select unnest(['order', 'view']) as kind, true as is_known",
    }
    for name, query in tables.items():
        path = with_parent(run.table("models", name))
        duckdb.sql(f"copy ({query}) to '{path}' (format parquet, compression zstd)")
    aliases = load_catalogue(PROJECT)["pipeline", "customer_aliases"]
    write_table(pl.DataFrame(schema=aliases.schema), run.table("pipeline", "customer_aliases"))


def release_of(run: Run) -> Release:
    """The run's list marts as a release that the next night reads."""
    path = run.path / f"{run.as_of}__bench"
    for name in ("list_history", "list_decisions"):
        target = with_parent(path / "marts" / f"{name}.parquet")
        if not target.exists():
            target.hardlink_to(run.table("pipeline", name))
    rules = load_rules(find_rules(None)).segments.segments
    lists = [
        {"name": one.name, "version": one.version, "refreshed_on": run.as_of.isoformat()}
        for one in rules
    ]
    write_json({"lists": lists}, path / "manifest.json")
    return Release(path)


def run_one(home: Path, night: int) -> None:
    """Make the lists of one night here, and print what it took."""
    lake, began = Lake(home), time.monotonic()
    run = lake.run(NIGHTS[night])
    before = release_of(lake.run(NIGHTS[night - 1])) if night else None
    made = make_lists(run, load_catalogue(PROJECT), load_rules(find_rules(None)), before)
    counts = {
        "matched": sum(cut.matched for cut in made.cuts.values()),
        "listed": sum(cut.rows.height for cut in made.cuts.values()),
    }
    print(json.dumps(counts | usage(began)))


def main() -> None:
    """Make three nights, each timed in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers", type=int, nargs="?", default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for night, day in enumerate(NIGHTS):
            write_night(Lake(home).run(day), asked.customers, night)
            code = (
                "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); "
                "import lists; lists.run_one(Path(sys.argv[2]), int(sys.argv[3]))"
            )
            arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(home)]
            done = subprocess.run(
                [*arguments, str(night)], check=True, capture_output=True, text=True, cwd=PROJECT
            )
            print(day, done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
