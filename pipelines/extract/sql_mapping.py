"""Checks a table of `sources.yml` against the landing contract and the real table."""

import difflib
from collections.abc import Collection, Iterable, Mapping

from pipelines.catalogue import Dataset
from pipelines.errors import AccessRefusedError, C360Error
from pipelines.extract.sql_database import Database
from pipelines.extract.sql_plan import ID, OP, UPDATED, Plan
from pipelines.extract.sql_server import Column, Kind, Relation
from pipelines.rules.sql_source import SqlSource, SqlTable

ENVELOPE = {
    ID, OP, UPDATED, "source_created_at", "source", "source_account_id", "extracted_at",
    "record_hash", "schema_version", "extra",
}  # fmt: skip
MENDING = "Mend the table's entry in sources.yml."


def check_mapping(source: SqlSource, landing: Mapping[str, Dataset]) -> None:
    """Check what can be checked without the database.

    Raises:
        C360Error: a table goes to no landing table, or to a column that it does not have.
    """
    for table in source.tables:
        if table.to not in landing:
            raise _error(
                source, table, f"there is no landing table {table.to}{_alike(table.to, landing)}"
            )
        known = _own_columns(landing[table.to])
        for name in (*table.columns, *table.constants, *table.values):
            if name in ENVELOPE:
                raise _error(
                    source, table, f"{name} is not mapped like other columns; see id, updated_at, "
                    "created_at, deleted_at and account"
                )  # fmt: skip
            if name not in known:
                raise _error(source, table, f"{table.to} has no column {name}{_alike(name, known)}")


def plan_table(database: Database, table: SqlTable, landing: Mapping[str, Dataset]) -> Plan:
    """How a table is read.

    Raises:
        C360Error: the table or a column is not there, or cannot be what it is mapped to.
        AccessRefusedError: a column may not be read.
    """
    source, dataset = database.source, landing[table.to]
    relation = database.relation(*table.relation)
    real = {column.name: column for column in database.columns(relation)}
    if not real:
        raise _no_table(database, table, relation)
    _refuse_missing(source, table, real)
    mapped = _mapped(table, dataset, real)
    plan = Plan(
        table=table,
        relation=relation,
        server=database.server,
        zone=source.time_zone,
        ids=tuple(real[name] for name in table.id),
        updated_at=real[table.updated_at] if table.updated_at else None,
        created_at=real[table.created_at] if table.created_at else None,
        deleted_at=real[table.deleted_at] if table.deleted_at else None,
        mapped=mapped,
        dtypes=dataset.schema,
    )
    _refuse_unreadable(database, plan)
    _refuse_misfits(source, plan)
    _refuse_unmapped(source, table, dataset, mapped)
    return plan


def _own_columns(dataset: Dataset) -> list[str]:
    return [name for name in dataset.schema if name not in ENVELOPE]


def _mapped(table: SqlTable, dataset: Dataset, real: Mapping[str, Column]) -> dict[str, Column]:
    """The real column of each landing column: the one that is named, else that of its name."""
    by_name = {name.lower(): column for name, column in real.items()} | dict(real)
    mapped = {}
    for name in _own_columns(dataset):
        said = table.columns.get(name, name)
        if said in by_name and name not in table.constants:
            mapped[name] = by_name[said]
    return mapped


def _named(table: SqlTable) -> dict[str, str]:
    """The real columns that the entry names, and what for."""
    named = dict.fromkeys(table.id, "id")
    for key in ("updated_at", "created_at", "deleted_at"):
        if name := getattr(table, key):
            named[name] = key
    return named | {name: landing for landing, name in table.columns.items() if name}


def _refuse_missing(source: SqlSource, table: SqlTable, real: Mapping[str, Column]) -> None:
    missing = [
        f"{name} (for {use}){_alike(name, real)}"
        for name, use in _named(table).items()
        if name not in real
    ]
    if missing:
        raise _error(source, table, f"the table has no column {'; '.join(missing)}")


def _refuse_unreadable(database: Database, plan: Plan) -> None:
    shut = sorted({column.name for column in _read(plan) if not column.may_read})
    if shut:
        login = database.secrets.login
        raise AccessRefusedError(
            f"Source {database.source.name}: {login} may not read {', '.join(shut)} of "
            f"{plan.label}.",
            "Grant the login SELECT on the table or on these columns; "
            f"c360 sources check {database.source.name} tries it.",
        )


def _refuse_misfits(source: SqlSource, plan: Plan) -> None:
    """Columns whose type cannot be what they are mapped to."""
    for column in _read(plan):
        if column.kind is Kind.bytes:
            raise _error(
                source, plan.table, f"{column.name} is {column.type}, bytes without a meaning. "
                "Leave it out (columns: {<landing column>: }), or read a view that makes text of it"
            )  # fmt: skip
    changed, deleted = plan.updated_at, plan.deleted_at
    if changed and not changed.kind.is_time:
        raise _error(
            source, plan.table, f"updated_at is {changed.name}, {changed.type}; "
            "it must be a time, or be left out to compare the whole table"
        )  # fmt: skip
    if plan.created_at and not (plan.created_at.kind.is_time or plan.created_at.kind is Kind.date):
        raise _error(
            source, plan.table, f"created_at is {plan.created_at.name}, "
            f"{plan.created_at.type}; it must be a time or a date"
        )  # fmt: skip
    if deleted and deleted.kind in (Kind.text, Kind.list):
        raise _error(
            source, plan.table, f"deleted_at is {deleted.name}, {deleted.type}; "
            "it must be a time, a truth value or a number"
        )  # fmt: skip


def _refuse_unmapped(
    source: SqlSource, table: SqlTable, dataset: Dataset, mapped: Collection[str]
) -> None:
    given = {*mapped, *table.constants, *ENVELOPE}
    if missing := [name for name in dataset.required if name not in given]:
        raise _error(
            source, table, f"{table.to} needs {', '.join(missing)}, and no column of the table "
            "is called so. Name it under columns, or a fixed value under constants"
        )  # fmt: skip


def _read(plan: Plan) -> list[Column]:
    special = (plan.updated_at, plan.created_at, plan.deleted_at)
    return [*plan.ids, *filter(None, special), *plan.mapped.values()]


def _no_table(database: Database, table: SqlTable, relation: Relation) -> C360Error:
    label = ".".join(relation)
    alike = _alike(label, database.tables())
    return _error(
        database.source, table, f"the database has no table {label}, or none that "
        f"{database.secrets.login} may know of{alike}"
    )  # fmt: skip


def _error(source: SqlSource, table: SqlTable, what: str) -> C360Error:
    named = table.from_ if isinstance(table.from_, str) else ".".join(table.from_)
    return C360Error(f"Source {source.name}, table {named}: {what}.", MENDING)


def _alike(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""
