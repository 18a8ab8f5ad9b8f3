"""The sources of `sources.yml` as Airflow tasks: one each, in the pool of its system.

What a source means is for ``c360`` to say. Here only its name and its type are read: one names the
task, the Airflow connection and the variable that carries the login, the other the pool.
"""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from _login import LoggedIn
from _step import DEFAULTS, PROJECT, command
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
MOST_BYTES = 256 * 1024  # Airflow reads the file twice a minute; a real one has a few thousand


def read_sources() -> tuple[dict[str, str], str | None]:
    """The type of each source by its name; or none at all, and what is wrong with the file."""
    path = Path("sources.yml")
    try:
        path = rules_file("sources.yml")
        return _types_by_name(read_rules(path)), None
    except Exception as error:
        # Whatever it is: an import error would take the DAG away, and every alert with it.
        return {}, f"{path} {_what_is_wrong(error)}"


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    if mark := getattr(error, "problem_mark", None):
        return f"is not YAML, see line {mark.line + 1}"
    return str(error) if isinstance(error, ValueError) else f"is not YAML: {type(error).__name__}"


def rules_file(name: str) -> Path:
    """The company's own file, else the packaged one, as `c360` takes it."""
    folders = filter(None, [os.environ.get("C360_RULES_DIR"), "pipelines/rules"])
    files = [PROJECT / folder / name for folder in folders]
    return next((file for file in files if file.is_file()), files[-1])


def read_rules(path: Path) -> Any:
    """The content of a rules file."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 1024} KB")
    return yaml.safe_load(content)


def _types_by_name(rules: Any) -> dict[str, str]:
    sources = rules.get("sources") if isinstance(rules, dict) else None
    if not isinstance(sources, list) or not sources:
        raise ValueError("names no source")
    pairs = [_name_and_type(number, source) for number, source in enumerate(sources, start=1)]
    if len(dict(pairs)) < len(pairs):
        raise ValueError("names a source twice")
    return dict(pairs)


def _name_and_type(number: int, source: Any) -> tuple[str, str]:
    words = (source.get("name"), source.get("type")) if isinstance(source, dict) else ("", "")
    if not all(isinstance(word, str) and NAME.fullmatch(word) for word in words):
        raise ValueError(f"gives source {number} no name or no type of small letters, digits, _")
    return words


class CheckSources(BashOperator):
    """Passes if `c360` finds `sources.yml` sound and this run has a task for each source.

    A run is made from what Airflow read last, up to a minute ago; without this, a source added or
    a file mended since would be left out of a night that is called a success.
    """

    def __init__(self, *, fault: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fault = fault

    def execute(self, context: Any) -> None:
        """Stop with a sentence, and for good: a file does not heal by waiting."""
        try:
            listed = json.loads(super().execute(context))
        except AirflowException:
            what = self.fault or "sources.yml cannot be used"
            raise AirflowFailException(f"{what}; c360 rules check says why") from None
        if self.fault:
            raise AirflowFailException(self.fault)
        if missing := sorted({f"extract_{name}" for name in listed} - _tasks_of(context["ti"])):
            raise AirflowFailException(
                f"this run has no {', '.join(missing)}, as Airflow has not read the present "
                "sources.yml yet; wait a minute, then clear check_sources and all downstream"
            )


def _tasks_of(ti: Any) -> set[str]:
    """The tasks of the run as the scheduler knows them."""
    return set(ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id])


def check_sources(fault: str | None) -> CheckSources:
    """The first task of the night; `fault` is what reading `sources.yml` here has found."""
    return CheckSources(
        fault=fault,
        task_id="check_sources",
        # Captured, so that a warning on stderr goes to the log and cannot become the last line.
        bash_command='sources=$(c360 extract --list) && printf "%s\\n" "$sources"',
        retries=0,
        **DEFAULTS,
    )


def extract_each(types: dict[str, str]) -> list[LoggedIn]:
    """One task per source, side by side as far as the pool of its system allows."""
    return [
        LoggedIn(
            connection=name,
            variable=f"C360_SOURCE_{name.upper()}",
            task_id=f"extract_{name}",
            bash_command=command(f"extract {name}"),
            pool=system,
            execution_timeout=timedelta(hours=2),
            **DEFAULTS,
        )
        for name, system in types.items()
    ]
