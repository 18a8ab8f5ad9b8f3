"""Whether released marts are shown in PostgreSQL: then a task brings it to the current release."""

from datetime import timedelta
from typing import Any

from _login import LoggedIn
from _sources import read_rules, rules_file
from _step import DEFAULTS, command

VARIABLE = "C360_SERVE_POSTGRES"


def serve_postgres() -> list[LoggedIn]:
    """The task, if `serving.yml` names a database or cannot be read: then the task says so."""
    postgres = _postgres()
    if postgres is None:
        return []
    variable = postgres.get("secrets_variable") if isinstance(postgres, dict) else None
    return [
        LoggedIn(
            connection="serve_postgres",
            variable=variable if isinstance(variable, str) else VARIABLE,
            task_id="serve_postgres",
            bash_command=command("serve postgres"),
            execution_timeout=timedelta(hours=2),
            **DEFAULTS,
        )
    ]


def _postgres() -> Any:
    try:
        rules = read_rules(rules_file("serving.yml"))
    except Exception as error:
        # Whatever it is: an import error would take the DAG away, and every alert with it.
        return str(error)
    return rules.get("postgres") if isinstance(rules, dict) else rules
