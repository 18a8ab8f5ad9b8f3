"""Shows a release: one transaction, which readers see wholly or not at all.

On most nights it changes one row, so that whoever reads in a transaction of their own sees one
release throughout. (To rename schemas would show them empty tables.) Only where columns or rights
have changed are there views and policies to be made anew, and readers wait a moment.
"""

# ruff: noqa: S608 - every name and text is quoted

import time
from collections.abc import Iterator

from pipelines.serving.access import (
    Access,
    Place,
    Shape,
    allow_owners,
    drop_views,
    make_views,
    take_away,
)
from pipelines.serving.database import BusyError, Database, block, name, text
from pipelines.serving.readers import wait_for_readers
from pipelines.serving.tables import RELEASE

LOCK_SECONDS = 0.5  # below a second, at which the server stops one of two who wait for each other
PATIENCE_SECONDS = 60.0
PLANNING_SECONDS = 60.0  # no query is planned for longer; one that runs longer may run on


def shown(database: Database, access: Access) -> int | None:
    """The number of the release that readers see."""
    rows = database.ask(f"select number from {access.at('pointer')}", "its pointer")
    return rows[0][0] if rows else None


def show(database: Database, access: Access, number: int) -> bool:
    """Point every view at a loaded release, and let roles see what they may now.

    Returns:
        Whether anything was to be changed.

    Raises:
        BusyError: columns or rights have changed, and somebody would not stop reading.
    """
    is_new = not database.ask(
        f"select 1 from {access.at('rights')} where digest = {text(access.digest)}",
        "its rights",
    )
    if not is_new and shown(database, access) == number:
        return False
    if not is_new:
        _attach_first(database, access, number)
    database.run(f"set lock_timeout = '{LOCK_SECONDS}s'", "its settings")
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with database.transaction():
                _show(database, access, number, is_new)
        except BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(LOCK_SECONDS)
        else:
            return True


def _attach_first(database: Database, access: Access, number: int) -> None:
    """Make the release's tables partitions before anybody is pointed at them.

    A query is planned, and then takes its snapshot. One that was planned without the partitions and
    ran with the new pointer would find nothing; so whoever may be in between is waited for. Where
    views change nobody can be: they are locked.
    """
    if steps := list(_attach(database, access, number)):
        with database.transaction():
            database.run(block((access.as_owner, *steps)), "its partitions")
        wait_for_readers(database, access, PLANNING_SECONDS)


def _show(database: Database, access: Access, number: int, is_new: bool) -> None:
    if is_new:
        _change(database, access, number)
    steps = (
        access.as_owner,
        *_attach(database, access, number),
        f"delete from {access.at('pointer')}",
        f"insert into {access.at('pointer')} values ({number})",
        f"update {access.at('releases')} set shown_at = clock_timestamp() where number = {number}",
    )
    database.run(block(steps), "its pointer")


def _change(database: Database, access: Access, number: int) -> None:
    """Make tables, policies and views what the catalogue and `serving.yml` say now."""
    known = database.ask(f"select unnest(roles) from {access.at('rights')}", "its rights")
    gone = [role for (role,) in known if role not in access.serving.roles]
    taken = [step for role in gone for step in take_away(access, role)]
    database.run(block(taken), "the views of roles that are gone")
    database.run(block([*drop_views(access, _views(database, access))]), "the views")
    roles = ", ".join(map(text, access.serving.roles))
    steps = (
        access.as_owner,
        *_drop_policies(database, access),
        *_evolve(database, access, number),
        *allow_owners(access),
        f"delete from {access.at('rights')}",
        f"insert into {access.at('rights')} values ({text(access.digest)}, array[{roles}]::text[])",
    )
    database.run(block(steps), "the tables")
    database.run(block([*make_views(access, _views(database, access))]), "the views")


def _evolve(database: Database, access: Access, number: int) -> Iterator[str]:
    """Give each table its columns; one of another type begins anew, empty in older releases."""
    there = _shapes(database, [access.schema], "p")
    for table in access.tables:
        place = access.at(table.name)
        before = there.get((access.schema, table.name))
        wanted = table.columns
        if before is None:
            columns = ", ".join(f"{name(column)} {kind}" for column, kind in wanted.items())
            yield f"create table {place} ({columns}) partition by list ({RELEASE})"
            yield f"alter table {place} alter {RELEASE} set not null"
            yield f"alter table {place} enable row level security"
            yield f"alter table {place} force row level security"
            continue
        stay = {column for column, kind in before.items() if wanted.get(column) == kind}
        for column in (column for column in before if column not in stay):
            yield f"alter table {place} drop column {name(column)}"
            # What was loaded before has lost it for good, and is no more as it was loaded.
            yield f"update {access.at('releases')} set layout = '' where number <> {number}"
        yield from (
            f"alter table {place} add column {name(column)} {kind}"
            for column, kind in wanted.items()
            if column not in stay
        )


def _attach(database: Database, access: Access, number: int) -> Iterator[str]:
    """The tables of a release become partitions, if they are not yet."""
    schema = access.release_schema(number)
    rows = database.ask(
        "select relname::text from pg_class "
        f"where relnamespace = {text(name(schema))}::regnamespace and relkind = 'r' "
        "and not relispartition order by 1",
        "its partitions",
    )
    for (table,) in rows:
        yield (
            f"alter table {access.at(table)} attach partition {name(schema)}.{name(table)} "
            f"for values in ({number})"
        )


def _drop_policies(database: Database, access: Access) -> Iterator[str]:
    rows = database.ask(
        "select tablename::text, policyname::text from pg_policies "
        f"where schemaname = {text(access.schema)} order by 1, 2",
        "its policies",
    )
    yield from (f"drop policy {name(policy)} on {access.at(table)}" for table, policy in rows)


def _views(database: Database, access: Access) -> dict[Place, Shape]:
    """The views that the roles have now."""
    return _shapes(database, list(access.roles), "v")


def _shapes(database: Database, schemas: list[str], kind: str) -> dict[Place, Shape]:
    """Columns and types of each table or view of some schemas, in their order."""
    if not schemas:
        return {}
    rows = database.ask(
        "select nspname::text, relname::text, attname::text, format_type(atttypid, atttypmod) "
        "from pg_attribute join pg_class on pg_class.oid = attrelid "
        "join pg_namespace on pg_namespace.oid = relnamespace "
        f"where nspname in ({', '.join(map(text, schemas))}) and relkind = {text(kind)} "
        "and attnum > 0 and not attisdropped order by 1, 2, attnum",
        "its columns",
    )
    shapes: dict[Place, Shape] = {}
    for schema, relation, column, type_name in rows:
        shapes.setdefault((schema, relation), {})[column] = type_name
    return shapes
