"""How a login gets from Airflow to the command that needs it, and nowhere else.

It is looked up when the task runs, goes into one environment variable of the command, and is
covered with *** in whatever the command prints.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any
from urllib.parse import quote

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret

FIELDS = ("host", "port", "login", "password", "schema")
NOT_SECRET = ("host", "port", "login", "schema", "database", "sslmode")
SHORTEST_SECRET = 5  # as Airflow has it: *** for a shorter one would be all over the log


class LoggedIn(BashOperator):
    """Runs a command, handing it in one variable the login that Airflow keeps as a connection."""

    def __init__(self, *, connection: str, variable: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection, self.variable = connection, variable

    @cached_property
    def subprocess_hook(self) -> "CoveringHook":
        """What runs the command and logs its output."""
        return CoveringHook()

    def get_env(self, context: Any) -> dict[str, str]:
        """The command's environment. Not the field `env`: Airflow stores and shows that one."""
        env: dict[str, str] = super().get_env(context)
        # What is set in the environment wins; in containers it would in any case (BASH_ENV).
        if not env.get(self.variable) and (login := login_of(self.connection)):
            env[self.variable] = json.dumps(login)
        secrets = secrets_in(env.get(self.variable, ""))
        mask_secret(list(secrets))  # a tuple it would pass over without a word
        self.subprocess_hook.secrets = secrets
        return env


class CoveringHook(SubprocessHook):
    """Logs what a command prints, with *** for each secret.

    Airflow's own masker covers the log file of a task, but neither the copy that the scheduler
    prints (LocalExecutor) nor `airflow dags test`.
    """

    secrets: tuple[str, ...] = ()

    @property
    def log(self) -> "CoveringLog":
        """The logger of the hook, with a cover."""
        return CoveringLog(super().log, self.secrets)


class CoveringLog:
    """The one method of a logger that the hook calls."""

    def __init__(self, log: Any, secrets: tuple[str, ...]) -> None:
        self._log, self._secrets = log, secrets

    def info(self, message: str, *values: Any) -> None:
        """Log a line, without the secrets."""
        line = message % values
        for secret in self._secrets:
            line = line.replace(secret, "***")
        self._log.info("%s", line)


def login_of(name: str) -> dict[str, Any]:
    """What the Airflow connection of that name holds; nothing if there is none."""
    try:
        connection = Connection.get(name)
    except AirflowNotFoundException:
        return {}
    fields = {name: getattr(connection, name) for name in FIELDS}
    return {name: value for name, value in fields.items() if value} | _extra_of(connection)


def _extra_of(connection: Any) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None  # raised below, where no traceback has the text at hand
    if not isinstance(extra, dict):
        raise AirflowFailException(
            f"the extra of the Airflow connection {connection.conn_id} is not a JSON object"
        )
    return extra


def secrets_in(login: str) -> tuple[str, ...]:
    """Each secret of a login in each spelling a log may show, the longest first."""
    try:
        values = json.loads(login)
    except ValueError:
        values = login
    if isinstance(values, dict):
        values = [value for name, value in values.items() if name not in NOT_SECRET]
    spellings = {
        spelling
        for text in _texts(values)
        for spelling in (text, json.dumps(text)[1:-1], quote(text, safe=""), *text.splitlines())
        if len(spelling) >= SHORTEST_SECRET
    }
    return tuple(sorted(spellings, key=len, reverse=True))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
