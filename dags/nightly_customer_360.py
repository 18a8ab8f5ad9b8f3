"""# The night: one governed customer 360, graded, scored and listed.

**What.** Collects yesterday from every source, builds the customer 360 and the lists, and moves
`published/current` to them, once, at the very end. Each task is a command that you can run yourself
in the project folder: `gate_landing` is `c360 gate landing --date 2026-06-30`.

**From where.** One task per source of `sources.yml`, side by side, each in the pool of its system
and with the login of the Airflow Connection of its name. The file is read twice a minute.

**When.** 02:00 in `C360_TIME_ZONE`, for the business day that ended at midnight. Two nights never
run together.

**Who waits for it.** Marketing pulls `published/current/lists` in the morning; BI tools read
`published/current/marts`; other DAGs may be scheduled on the assets `customer_360_marts` and
`customer_360_lists`.

**When it stops**, yesterday's release stays current and nobody outside sees half a night. The last
lines of the failed task's log name the step, the reason, what to do and the log to read; the same
text goes to `C360_ALERT_COMMAND` if that is set. `docs/operations.md` has more on each.

| stopped at | usually | do |
|---|---|---|
| `check_sources` | `sources.yml` is empty or wrong | `c360 rules check`; clear it a minute later |
| `extract_<name>` | the source is down, or refused the login | repair, clear that one task |
| `land` | a file changed its shape; too many bad rows | `c360 quarantine list`, ask the owner |
| `gate_landing` | broken rows, or far fewer or more than usual | have them sent again, or accept |
| `transform_signals` | the SQL of the signals or its tests failed | read the named log |
| `resolve` | no customer is known by that day | check the date and the data |
| `transform_profile` | the SQL of the profile or its tests failed | read the named log |
| `gate_profile` | a fact is missing or out of range | read the gate's page |
| `score` | too little memory or history | read the named log |
| `gate_scores` | a score is out of range | read the gate's page |
| `transform_marts` | the SQL of the marts or its tests failed | read the named log |
| `gate_marts` | grades or stages do not add up, or a breaker | look for a changed rule, or accept |
| `publish` | the disk is full; `segments.yml` is wrong | free space; `c360 rules check` |
| `gate_lists` | a list holds who must not be on it | read the gate's page |
| `release` | a gate is not green, or a newer day is current | rerun from that gate; or nothing |
| `serve_postgres` | PostgreSQL is down, or a reader does not end | clear it; see the hint |
| `deliver` | a far side is down or refuses; far too many removals | clear it; see the hint |

**When a list trips** a circuit breaker (`breakers.yml`), the night goes on: its last released file
stays, less whoever may no longer be written to, and all else goes out. The log of `release` names
the list and the number, and `C360_ALERT_COMMAND` gets the same. If tonight's is right:
`c360 accept LIST --run 2026-06-30 --because "..."`, then clear the task that it names with all
after it.

`deliver` is there only if `deliveries.yml` names a destination. When it stops, the night is
released all the same; what was sent is known, and the task goes on from there.

`serve_postgres`, beside it, is there only if `serving.yml` names a database. When it stops, BI goes
on seeing the release that it saw.

**Rerun** a night: clear the failed task with everything downstream, or trigger the DAG with
`{"date": "2026-06-30"}`. It replaces only its own run folder. Without a date, a triggered run takes
the day before; today can only be asked for by name, since it has not ended.

**Backfill**, oldest first and one at a time, since each night reads the release before it:
`airflow backfill create --dag-id nightly_customer_360 --from-date 2026-06-01 --to-date 2026-07-01
--max-active-runs 1` runs 1 to 30 June (add `--reprocess-behavior completed` to redo nights).

**Roll back**: `c360 rollback` points `published/current` at the release before.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from _deliveries import has_deliveries
from _serving import serve_postgres
from _sources import check_sources, extract_each, read_sources
from _step import DATE_PARAM, TIME_ZONE, business_day, gate, report_failure, report_kept, step
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, chain

RELEASED = [
    Asset(name="customer_360_marts", uri="c360://published/marts"),
    Asset(name="customer_360_lists", uri="c360://published/lists"),
]

with DAG(
    "nightly_customer_360",
    # The interval's start carries the day's date, so a scheduled run is *for* the day that ended.
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone=TIME_ZONE),
    start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(TIME_ZONE)),
    catchup=False,
    max_active_runs=1,
    params={"date": DATE_PARAM},
    user_defined_macros={"business_day": business_day},
    default_args={
        "owner": "data-engineering",
        "retries": 2,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": 2.0,  # a factor since Airflow 3: True would mean 1, no growth
        "max_retry_delay": timedelta(minutes=20),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": report_failure,
    },
    tags=["customer-360", "schedule/nightly", "impact/tier_1"],
    doc_md=__doc__,
):
    types, fault = read_sources()
    line = [
        check_sources(fault),
        extract_each(types),
        step("land"),
        gate("landing"),
        step("transform signals"),
        step("resolve"),
        step("transform profile"),
        gate("profile"),
        step("score"),
        gate("scores"),
        step("transform marts"),
        gate("marts"),
        step("publish"),
        gate("lists"),
        step("release", outlets=RELEASED, on_success_callback=report_kept),
    ]
    # Neither waits for the other: lists go out while PostgreSQL is down.
    after = [
        *serve_postgres(),
        *([step("deliver", execution_timeout=timedelta(hours=2))] if has_deliveries() else []),
    ]
    # An empty list, of a sources.yml that cannot be read, would cut the chain: `land` would start.
    chain(*(part for part in [*line, after] if part))
