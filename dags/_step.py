"""How a step of the line becomes an Airflow task.

A step is a command, ``c360 <step> --date D``; its task runs exactly what a person would type in the
project folder. Nothing here knows what a step does.
"""

import json
import logging
import os
import re
import shlex
import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowFailException

TIME_ZONE = os.environ.get("C360_TIME_ZONE", "UTC")
PROJECT = Path(__file__).resolve().parent.parent

log = logging.getLogger(__name__)


def business_day(chosen: str | None, dag_run: Any) -> str:
    """The day a run is for: the one chosen, else its logical date's, else the day just ended.

    Airflow's own ``ds`` will not do: it is the UTC day, which at 02:00 in Shanghai is the day
    before, and a run triggered without a logical date has none.
    """
    if chosen:
        return chosen
    run_day = _local_day(dag_run.run_after)
    day = _local_day(dag_run.logical_date) if dag_run.logical_date else run_day
    # The trigger form fills in "now" as the logical date: today has not ended, yesterday has.
    return (run_day - timedelta(days=1) if day == run_day else day).isoformat()


def _local_day(moment: datetime) -> date:
    utc = moment.astimezone(ZoneInfo("UTC"))
    # A date typed without an hour arrives as midnight UTC; west of Greenwich that is still the
    # evening before. (02:00 local is midnight UTC only where both fall on the same day.)
    typed_as_a_date = (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0)
    return utc.date() if typed_as_a_date else moment.astimezone(ZoneInfo(TIME_ZONE)).date()


class RetryIfItHeals(RetryPolicy):
    """Retries as the task says, unless the step's own report says that waiting heals nothing."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Fail at once what a person has to mend: a refused login, a quota spent for the day."""
        report = own_report(context)
        if report and report.get("retry") is False:
            return RetryDecision.fail(f"it does not heal by waiting: {report['reason']}")
        return RetryDecision.default()


DATE_PARAM = Param(
    None,
    type=["null", "string"],
    format="date",
    pattern=r"^\d{4}-\d{2}-\d{2}$",
    title="Business day",
    description="YYYY-MM-DD; empty means the run's logical date, or else the day before",
)
DEFAULTS: dict[str, Any] = {
    "append_env": True,
    "env": {"BUSINESS_DAY": "{{ business_day(params.date, dag_run) }}"},
    # As at a terminal in the project folder, so that relative paths mean the same; Airflow's
    # default is a temporary folder that is gone after the task.
    "cwd": str(PROJECT),
    "do_xcom_push": False,
    # Only success is success: by default 99 would mark the task, and all after it, skipped.
    "skip_on_exit_code": None,
    "retry_policy": RetryIfItHeals(),
}


def command(step: str) -> str:
    """The shell line of a step; the date comes by environment, never pasted into the line."""
    return f'c360 {step} --date "$BUSINESS_DAY"'


def step(name: str, **kwargs: Any) -> BashOperator:
    """A step of the line, retried: a network or a busy disk may heal by waiting."""
    return BashOperator(
        task_id=name.replace(" ", "_"), bash_command=command(name), **{**DEFAULTS, **kwargs}
    )


def gate(stage: str) -> BashOperator:
    """A gate, asked once: data does not heal by waiting."""
    return step(f"gate {stage}", retries=0)


def report_failure(context: Any) -> None:
    """Say in one message which step stopped, why, and where to look; pass it on if asked to."""
    message = failure_message(context)
    log.error(message)
    _pass_on(message)


def report_kept(context: Any) -> None:
    """Say which lists a circuit breaker held back in a night that is released; pass it on."""
    day = business_day(context["params"]["date"], context["dag_run"])
    if message := kept_message(day):
        log.warning(message)
        _pass_on(message)


def kept_message(day: str) -> str | None:
    """The lists that are not tonight's, from the report of `publish`; None if there are none."""
    try:
        report = json.loads((_steps(day) / "publish.json").read_text(encoding="utf-8"))
        kept = [told["name"] for told in report["facts"]["lists"] if told.get("kept_from")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not kept:
        return None
    about = [note for note in report["notes"] if note.startswith(tuple(f"List {n} " for n in kept))]
    return "\n".join([f"customer 360 of {day} is released; held back: {', '.join(kept)}", *about])


def _pass_on(message: str) -> None:
    alert = os.environ.get("C360_ALERT_COMMAND")
    if not alert:
        return
    try:
        # The line is the operator's own, from the environment; no shell reads it.
        subprocess.run(shlex.split(alert), input=f"{message}\n", text=True, check=True, timeout=60)  # noqa: S603 - no shell; the operator names the program
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.error("The alert was not delivered, C360_ALERT_COMMAND failed: %s", error)


def failure_message(context: Any) -> str:
    """Tell the story of a failed task from the report its step left in the run folder."""
    ti, day = context["ti"], business_day(context["params"]["date"], context["dag_run"])
    report = own_report(context) or _why_there_is_none(context)
    return "\n".join(
        [
            f"customer 360 of {day} stopped at: {_step_name(ti)}",
            f"reason: {report['reason']}",
            f"to do: {report.get('hint') or 'see docs/operations.md'}",
            f"log: {report.get('log') or 'see the task log'}",
            f"task log: {getattr(ti, 'log_url', 'unknown')}",
            f"published: {_what_is_current(ti)}",
        ]
    )


def _what_is_current(ti: Any) -> str:
    if ti.dag_id == "privacy_requests":
        return "the last release that was put in place stays current"
    if _step_name(ti) in ("deliver", "serve postgres"):  # the only steps after the release
        return "the release of this run is current"
    return "the release before this run stays current"


def own_report(context: Any) -> dict[str, Any] | None:
    """What the step said of its failure in this very attempt, if it came to say anything."""
    return _read_report(_report_path(context), since=getattr(context["ti"], "start_date", None))


def _why_there_is_none(context: Any) -> dict[str, str]:
    # Raised by the task itself, so it is a sentence; of anything else the log knows more.
    if isinstance(error := context.get("exception"), AirflowFailException):
        return {"reason": str(error)}
    return {
        "reason": f"unknown: the step left no report of a failure at {_report_path(context)}",
        "hint": "it was killed, timed out or never began; the task log has its last words",
    }


def _report_path(context: Any) -> Path:
    day = business_day(context["params"]["date"], context["dag_run"])
    name = _step_name(context["ti"]).replace(" ", "_")
    return _steps(day) / f"{name}.json"


def _steps(day: str) -> Path:
    return home_dir() / "runs" / day / "steps"


def _read_report(path: Path, since: datetime | None) -> dict[str, Any] | None:
    """The step's own report, unless it is missing, of a success, or of an earlier attempt."""
    try:
        if since and path.stat().st_mtime < since.timestamp():
            return None
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and report.get("reason") else None


def _step_name(ti: Any) -> str:
    """The words of the command; a task's id has lost which of its _ was a space."""
    line = getattr(ti.task, "bash_command", None)
    found = re.match(r"c360 (.+) --date ", line) if isinstance(line, str) else None
    return found[1] if found else ti.task_id.replace("_", " ")


def home_dir() -> Path:
    """The data root, as the commands see it."""
    return PROJECT / os.environ.get("C360_HOME", "data")
