"""Shows a release: one row is changed, and every view shows another release whole.

So whoever reads in a transaction of their own sees one release throughout. (To rename schemas would
show them empty tables.) Where columns or rights have changed, views and policies are made anew
before that, mart by mart, and who reads that mart waits a moment.
"""

# ruff: noqa: S608 - every name and text is quoted

import time
from collections.abc import Iterable, Iterator

from pipelines.serving.access import (
    Access,
    Place,
    Shape,
    allow_mart,
    allow_roles,
    lock_views,
    make_views,
    take_away,
)
from pipelines.serving.database import BusyError, Database, block, name, text
from pipelines.serving.readers import wait_for_readers
from pipelines.serving.tables import RELEASE, Table

LOCK_SECONDS = 5.0  # of one try; whoever comes meanwhile waits behind it
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
PLANNING_SECONDS = 60.0  # no query is planned for longer; one that runs longer may run on


def shown(database: Database, access: Access) -> int | None:
    """The number of the release that readers see."""
    rows = database.ask(f"select number from {access.at('pointer')}", "its pointer")
    return rows[0][0] if rows else None


def show(database: Database, access: Access, number: int) -> bool:
    """Let roles see what they may now, and point every view at a loaded release.

    Returns:
        Whether anything was to be changed.

    Raises:
        BusyError: columns or rights have changed, and somebody would not stop reading.
    """
    database.run(f"set lock_timeout = '{LOCK_SECONDS}s'", "its settings")
    changed = [*_change_roles(database, access), *_change_marts(database, access, number)]
    logins = sorted(access.granted())
    known = f"select login, column_name, value from {access.at('logins')}"
    are_known = logins == sorted(database.ask(known, "its logins"))
    if not changed and are_known and shown(database, access) == number:
        return False
    _attach_first(database, access, number)
    rows = [", ".join(map(text, row)) for row in logins]
    steps = (
        access.as_owner,
        f"delete from {access.at('logins')}",
        *([f"insert into {access.at('logins')} values ({'), ('.join(rows)})"] if rows else []),
        f"delete from {access.at('pointer')}",
        f"insert into {access.at('pointer')} values ({number})",
        f"update {access.at('releases')} set shown_at = clock_timestamp() where number = {number}",
    )
    with database.transaction():
        database.run(block(steps), "its pointer")
    return True


def _patiently(database: Database, steps: Iterable[str], what: str) -> None:
    """One transaction, tried until the readers of what it changes have ended, and others queue.

    Each is about one mart and takes the views before the table, as readers do: so none of us ever
    waits for somebody who waits for us.
    """
    told, end = block([*steps]), time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with database.transaction():
                database.run(told, what)
        except BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _change_roles(database: Database, access: Access) -> Iterator[str]:
    """Give new roles what all have, and leave those that are gone nothing; yields their names."""
    asked = f"select role from {access.at('roles')}"
    known = {role for (role,) in database.ask(asked, "its roles")}
    roles = access.serving.roles.keys()
    for role in sorted(known - roles):
        schema = access.reader(role)
        for owner, view in _shapes(database, [schema], "v"):
            dropped = f"drop view {name(owner)}.{name(view)} cascade"
            as_owner = f"set local role {name(access.views_owner(role))}"
            _patiently(database, (as_owner, dropped), f"the views of {schema}")
        _patiently(database, take_away(access, role), f"the rights of {schema}")
        yield role
    if new := sorted(roles - known):
        listed = "), (".join(map(text, new))
        written = f"insert into {access.at('roles')} values ({listed})"
        _patiently(database, (*allow_roles(access, new), access.as_owner, written), "its roles")
        yield from new


def _change_marts(database: Database, access: Access, number: int) -> Iterator[str]:
    """Make tables, policies and views what the catalogue and `serving.yml` say now, one by one."""
    asked = f"select mart, digest from {access.at('rights')}"
    known = dict(database.ask(asked, "its rights"))
    changed = [t for t in access.tables if known.get(t.name) != access.digest_of(t)]
    unseen = known.keys() - {table.name for table in access.tables}
    if not (changed or unseen):
        return
    views = _shapes(database, list(access.roles), "v")
    tables = _shapes(database, [access.schema], "p")
    for mart in sorted(unseen):
        _patiently(database, _forget(access, mart, views), f"the views of {mart}")
        yield mart
    for table in changed:
        there = {place: shape for place, shape in views.items() if place[1] == table.name}
        before = tables.get((access.schema, table.name))
        steps = (
            *lock_views(access, table, there),
            access.as_owner,
            *_drop_policies(database, access, table),
            *_evolve(access, table, before, number),
            *allow_mart(access, table),
            *make_views(access, access.views_of(table), _left(access, table, there)),
            access.as_owner,
            f"delete from {access.at('rights')} where mart = {text(table.name)}",
            f"insert into {access.at('rights')} values "
            f"({text(table.name)}, {text(access.digest_of(table))})",
        )
        _patiently(database, steps, f"the views of {table.name}")
        yield table.name


def _forget(access: Access, mart: str, views: dict[Place, Shape]) -> Iterator[str]:
    """What nobody may see any more has no views; its rows go with their releases."""
    for schema, view in views:
        if view == mart:
            yield f"set local role {name(f'{schema}_owner')}"
            yield f"drop view {name(schema)}.{name(view)}"
    yield access.as_owner
    owners = [name(access.views_owner(role)) for role in access.serving.roles]
    yield f"revoke all on {access.at(mart)} from {', '.join(owners)}"
    yield f"delete from {access.at('rights')} where mart = {text(mart)}"


def _left(access: Access, table: Table, there: dict[Place, Shape]) -> dict[Place, Shape]:
    """The views that `lock_views` leaves in place."""
    wanted = {access.reader(view.role): view.columns for view in access.views_of(table)}
    return {
        place: before
        for place, before in there.items()
        if all(wanted.get(place[0], {}).get(column) == kind for column, kind in before.items())
    }


def _evolve(access: Access, table: Table, before: Shape | None, number: int) -> Iterator[str]:
    """Give a table its columns; one of another type begins anew, empty in older releases."""
    place, wanted = access.at(table.name), table.columns
    if before is None:
        columns = ", ".join(f"{name(column)} {kind}" for column, kind in wanted.items())
        yield f"create table {place} ({columns}) partition by list ({RELEASE})"
        yield f"alter table {place} alter {RELEASE} set not null"
        yield f"alter table {place} enable row level security"
        yield f"alter table {place} force row level security"
        return
    stay = {column for column, kind in before.items() if wanted.get(column) == kind}
    for column in (column for column in before if column not in stay):
        yield f"alter table {place} drop column {name(column)}"
        # What was loaded before has lost it for good, and is no more as it was loaded.
        yield f"update {access.at('releases')} set layout = '' where number <> {number}"
    for column in (column for column in wanted if column not in stay):
        yield f"alter table {place} add column {name(column)} {wanted[column]}"


def _attach_first(database: Database, access: Access, number: int) -> None:
    """Make the release's tables partitions before anybody is pointed at them.

    A query is planned, and then takes its snapshot. One that was planned without the partitions and
    ran with the new pointer would find nothing; so whoever may be in between is waited for.
    """
    if steps := list(_attach(database, access, number)):
        _patiently(database, (access.as_owner, *steps), "its partitions")
        wait_for_readers(database, access, PLANNING_SECONDS)


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


def _drop_policies(database: Database, access: Access, table: Table) -> Iterator[str]:
    rows = database.ask(
        f"select policyname::text from pg_policies where schemaname = {text(access.schema)} "
        f"and tablename = {text(table.name)} order by 1",
        "its policies",
    )
    yield from (f"drop policy {name(policy)} on {access.at(table.name)}" for (policy,) in rows)


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
