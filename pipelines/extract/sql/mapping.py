"""Checks a table of `sources.yml` against the landing contract and the real table."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from pipelines.catalogue import Dataset
from pipelines.errors import AccessRefusedError, C360Error
from pipelines.extract.sql.database import Database
from pipelines.extract.sql.plan import ID, OP, UPDATED, Plan
from pipelines.extract.sql.server import Column, Kind, Relation
from pipelines.rules.source_types.sql import SqlSource, SqlTable

ENVELOPE = {
    ID, OP, UPDATED, "source_created_at", "source", "source_account_id", "extracted_at",
    "record_hash", "schema_version", "extra",
}  # fmt: skip
ENVELOPE_KEYS = "id, updated_at, created_at, deleted_at and account"


def check_mapping(source: SqlSource, landing: Mapping[str, Dataset]) -> None:
    """Check what can be checked without the database.

    Raises:
        C360Error: a table goes to no landing table, or to a column that it does not have.
    """
    for table in source.tables:
        _refuse(source, table, _faults_of_entry(table, landing))


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
        _refuse(source, table, [_no_table(database, relation)])
    _refuse(source, table, _missing(table, real))
    plan = Plan(
        table=table,
        relation=relation,
        server=database.server,
        zone=source.time_zone,
        ids=tuple(real[name] for name in table.id),
        updated_at=real[table.updated_at] if table.updated_at else None,
        created_at=real[table.created_at] if table.created_at else None,
        deleted_at=real[table.deleted_at] if table.deleted_at else None,
        mapped=_mapped(table, dataset, real),
        dtypes=dataset.schema,
    )
    _refuse_unreadable(database, plan)
    _refuse(source, table, _misfits(plan, dataset))
    return plan


def _refuse(source: SqlSource, table: SqlTable, faults: Iterable[str]) -> None:
    """Say the first fault, if there is any."""
    named = table.from_ if isinstance(table.from_, str) else ".".join(table.from_)
    for fault in faults:
        raise C360Error(
            f"Source {source.name}, table {named}: {fault}.",
            "Mend the table's entry in sources.yml.",
        )


def _faults_of_entry(table: SqlTable, landing: Mapping[str, Dataset]) -> Iterator[str]:
    if table.to not in landing:
        yield f"there is no landing table {table.to}{_alike(table.to, landing)}"
        return
    known = _own_columns(landing[table.to])
    for name in (*table.columns, *table.constants, *table.values):
        if name in ENVELOPE:
            yield f"{name} is not mapped like other columns; {ENVELOPE_KEYS} say it"
        if name not in known:
            yield f"{table.to} has no column {name}{_alike(name, known)}"


def _missing(table: SqlTable, real: Mapping[str, Column]) -> Iterator[str]:
    for name, use in _named(table).items():
        if name not in real:
            yield f"it has no column {name} (for {use}){_alike(name, real)}"


def _misfits(plan: Plan, dataset: Dataset) -> Iterator[str]:
    """What a column cannot be by its type, and what no column is."""
    changed, created, deleted = plan.updated_at, plan.created_at, plan.deleted_at
    if changed and not changed.kind.is_time:
        yield (
            f"updated_at is {changed.name}, {changed.type}; it must be a time, "
            "or be left out to compare the whole table"
        )
    if created and not (created.kind.is_time or created.kind is Kind.date):
        yield f"created_at is {created.name}, {created.type}; it must be a time or a date"
    if deleted and deleted.kind in (Kind.text, Kind.list):
        yield (
            f"deleted_at is {deleted.name}, {deleted.type}; "
            "it must be a time, a truth value or a number"
        )
    for column in _read(plan):
        if column.kind is Kind.bytes:
            yield (
                f"{column.name} is {column.type}, bytes without a meaning; leave it out "
                "(columns: {<landing column>: }), or read a view that makes text of it"
            )
    given = {*plan.mapped, *plan.table.constants, *ENVELOPE}
    if missing := [name for name in dataset.required if name not in given]:
        yield (
            f"{dataset.name} needs {', '.join(missing)}, and no column is called so; "
            "name it under columns, or a fixed value under constants"
        )


def _refuse_unreadable(database: Database, plan: Plan) -> None:
    shut = sorted({column.name for column in _read(plan) if not column.may_read})
    if shut:
        name, login = database.source.name, database.secrets.login
        raise AccessRefusedError(
            f"Source {name}: {login} may not read {', '.join(shut)} of {plan.label}.",
            "Grant the login SELECT on the table or on these columns; "
            f"c360 sources check {name} tries it.",
        )


def _no_table(database: Database, relation: Relation) -> str:
    label, login = ".".join(relation), database.secrets.login
    alike = _alike(label, database.tables())
    return f"there is no table {label}, or none that {login} may know of{alike}"


def _read(plan: Plan) -> list[Column]:
    special = (plan.updated_at, plan.created_at, plan.deleted_at)
    return [*plan.ids, *filter(None, special), *plan.mapped.values()]


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


def _alike(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""
