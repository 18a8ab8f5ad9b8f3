"""Tries every table of a database before a night does."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.catalogue import Dataset
from pipelines.errors import C360Error
from pipelines.extract.sql.database import Database
from pipelines.extract.sql.mapping import check_mapping, plan_table
from pipelines.extract.sql.plan import Plan
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource


@dataclass(frozen=True)
class Checked:
    """What a look at one table found."""

    table: str
    ok: bool
    told: str


def check_sql(
    source: SqlSource, secrets: SqlSecrets, landing: Mapping[str, Dataset]
) -> list[Checked]:
    """Try every table: is it there, may it be read, does an index lead to what has changed?

    Raises:
        SourceDownError: the database cannot be reached.
        AccessRefusedError: it refuses the login.
        C360Error: the mapping does not fit the landing contract.
    """
    check_mapping(source, landing)
    checked = []
    for table in source.tables:
        with Database(source, secrets) as database:  # a failure ends its transaction
            try:
                told = _look_at(database, plan_table(database, table, landing))
                checked.append(Checked(table.stream, True, told))
            except C360Error as error:
                checked.append(Checked(table.stream, False, str(error)))
    return checked


def _look_at(database: Database, plan: Plan) -> str:
    _, rows = database.read(*plan.first(database.now()), plan.label)
    is_empty = not sum(map(len, rows))
    told = f"{plan.label} can be read{' and is empty' if is_empty else ''}"
    if not plan.updated_at:
        return f"{told}; it has no updated_at, so each night reads all of it"
    changed = plan.updated_at.name
    if indexes := database.indexes(plan.relation, changed):
        return f"{told}; changes are found by index {indexes[0]}"
    wanted = ", ".join([changed, *plan.table.id])
    return (
        f"{told}; no index begins with {changed}, so each night searches all of it; "
        f"one on ({wanted}) would help if it is large"
    )
