"""# Privacy requests: who asks to be forgotten is erased, and old copies go.

**What.** `erase_requested` erases every customer whom a request that landed by that night names:
raw files, landing, quarantine, run folders and all releases are written anew without them, and
tombstones keep their rows out from then on. `sweep` takes away copies older than `privacy.yml`
allows. Each task is a command that you can run yourself in the project folder:
`c360 erase --requested --date 2026-06-30`.

**From where.** The requests are rows of `erasure_requests`, from any source of `sources.yml`; the
night has found whom they name, and keeps them off every list already.

**When.** 06:00 in `C360_TIME_ZONE`, for the business day of the night before: it is over, and the
next has not begun. While an erasure is at work no step of a night runs, and the other way round.

Where `serving.yml` names a database, `serve_postgres` then takes the erased out of it.

**Who waits for it.** The person, and the law: a month in the EU, 45 days in California. The next
`deliver` of a night removes them from other systems.

**When it stops** nothing is lost: what was begun is gone on with by the next call. Who is not yet
erased is still suppressed everywhere.

| stopped at | usually | do |
|---|---|---|
| `erase_requested` | a night is still at work, or its release is not current | clear it later |
| `sweep` | the same; or a folder cannot be removed | clear it; read the log |
| `serve_postgres` | PostgreSQL is down, or a reader does not end | clear it: the erased are there |

**Rerun**: clear the task. Nobody is erased twice. There is no way back: only a backup has what was
erased, and the tombstones would keep its rows out.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from _serving import serve_postgres
from _step import DATE_PARAM, DEFAULTS, TIME_ZONE, business_day, report_failure
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

with DAG(
    "privacy_requests",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone=TIME_ZONE),
    start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(TIME_ZONE)),
    catchup=False,
    max_active_runs=1,
    params={"date": DATE_PARAM},
    user_defined_macros={"business_day": business_day},
    default_args={
        "owner": "data-engineering",
        "retries": 3,
        "retry_delay": timedelta(minutes=20),  # a night may be late
        "execution_timeout": timedelta(hours=3),
        "on_failure_callback": report_failure,
    },
    tags=["customer-360", "schedule/nightly", "impact/tier_2"],
    doc_md=__doc__,
):
    erase = BashOperator(
        task_id="erase_requested",
        bash_command='c360 erase --requested --date "$BUSINESS_DAY"',
        **DEFAULTS,
    )
    sweep = BashOperator(
        task_id="sweep", bash_command='c360 sweep --date "$BUSINESS_DAY"', **DEFAULTS
    )
    erase >> [sweep, *serve_postgres()]
