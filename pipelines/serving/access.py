"""Who sees what, as statements of PostgreSQL: pure text, from `serving.yml` and the catalogue.

    <schema>                the tables, of <schema>_owner, which nobody reads
    <schema>_<role>         the views of a role, of <schema>_<role>_owner; a role reads its own

A view masks columns, and shows the release that the pointer names. Which rows of a table its owner
may read says a policy of the table, so that no view shows more, whatever it says. No owner may log
in or is above policies.
"""

# ruff: noqa: S608 - every name and text is quoted

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipelines.catalogue import Column
from pipelines.rules.serving import BY_LOGIN, Role, Serving
from pipelines.serving.database import name, text
from pipelines.serving.tables import RELEASE, Table, row_column, type_of

MASK = "***"
INFO = "current_release"
INFO_COLUMNS = {
    "name": "text",
    "as_of": "date",
    "loaded_at": "timestamp with time zone",
}
OF_ALL = ("pointer", "releases", "logins")  # tables that every view's owner reads
Shape = dict[str, str]  # columns of a view or table, and their types
Place = tuple[str, str]  # schema, and name in it


@dataclass(frozen=True)
class View:
    """What one role sees of one table."""

    role: str
    name: str
    columns: Shape
    shown: dict[str, str]  # by column, what is selected
    source: str
    comments: tuple[tuple[str, str], ...] = ()

    def query(self, first: Iterable[str] = ()) -> str:
        """Its select, with some columns before the others."""
        listed = ", ".join(self.shown[column] for column in dict.fromkeys([*first, *self.shown]))
        return f"select {listed} from {self.source}"


@dataclass(frozen=True)
class Access:
    """All roles of an installation."""

    schema: str
    serving: Serving
    tables: tuple[Table, ...]

    @property
    def owner(self) -> str:
        """Who owns the tables."""
        return f"{self.schema}_owner"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that people are given."""
        return tuple(self.reader(role) for role in self.serving.roles)

    def digest_of(self, table: Table) -> str:
        """Equal as long as neither a mart's columns nor anybody's rights on it have changed."""
        views = [(view.query(), view.columns, view.comments) for view in self.views_of(table)]
        told = repr([self.schema, table.columns, views, *self.policies_of(table)])
        return hashlib.sha256(told.encode()).hexdigest()

    def reader(self, role: str) -> str:
        """The role of the database for a role of `serving.yml`; its schema has the same name."""
        return f"{self.schema}_{role}"

    def views_owner(self, role: str) -> str:
        """Who owns the views of a role."""
        return f"{self.reader(role)}_owner"

    def sees(self, table: Table) -> Iterator[tuple[str, Role]]:
        """The roles that see a mart."""
        for role_name, role in self.serving.roles.items():
            if self.serving.marts_of(role, (table.name,)):
                yield role_name, role

    def views_of(self, table: Table) -> list[View]:
        """The views of a mart, one for each role that sees it."""
        return [self._view(role_name, role, table) for role_name, role in self.sees(table)]

    def info_view(self, role: str) -> View:
        """What every role sees beside its marts: which release is shown."""
        shown = {column: column for column in INFO_COLUMNS}
        source = f"{self.at('releases')} join {self.at('pointer')} using (number)"
        return View(role, INFO, INFO_COLUMNS, shown, source)

    def policies_of(self, table: Table) -> list[str]:
        """Statements that let the owners of a mart's views read their rows of it."""
        return [
            f"create policy {name(role_name)} on {self.at(table.name)} for select to "
            f"{name(self.views_owner(role_name))} using ({self._condition(role, table)})"
            for role_name, role in self.sees(table)
        ]

    def granted(self) -> Iterator[tuple[str, str, str]]:
        """Login, column and value: whose rows a login sees."""
        for login, columns in self.serving.logins.items():
            for column, values in columns.items():
                yield from ((login, column, value) for value in values)

    def at(self, table: str) -> str:
        """A table of ours, in full."""
        return f"{name(self.schema)}.{name(table)}"

    def release_schema(self, number: int) -> str:
        """Where the rows of a release are."""
        return f"{self.schema}_r{number}"

    @property
    def as_owner(self) -> str:
        """A statement: what follows in the transaction is done as the tables' owner."""
        return f"set local role {name(self.owner)}"

    def _view(self, role_name: str, role: Role, table: Table) -> View:
        columns = table.dataset.columns
        return View(
            role_name,
            table.name,
            {column.name: type_of(column) for column in columns},
            {column.name: _shown(column, role) for column in columns},
            f"{self.at(table.name)} where {RELEASE} = (select number from {self.at('pointer')})",
            (
                ("", table.dataset.description),
                *((column.name, column.description) for column in columns),
            ),
        )

    def _condition(self, role: Role, table: Table) -> str:
        limits = role.rows if table.has_customer else {}
        told = [self._limit(column, values) for column, values in limits.items()]
        return " and ".join(told) or "true"

    def _limit(self, column: str, values: tuple[bool | str, ...] | str) -> str:
        if values == BY_LOGIN:
            # As one array, it is asked for once a query.
            return (
                f"{name(row_column(column))} = any (array(select value from {self.at('logins')} "
                f"where login = current_user and column_name = {text(column)}))"
            )
        listed = ", ".join(_literal(value) for value in values)
        return f"{name(row_column(column))} in ({listed})"


def _shown(column: Column, role: Role) -> str:
    """A column as a role sees it: as it is, or there and yet not told."""
    quoted = name(column.name)
    if column.pii is None or column.pii in role.clear:
        return quoted
    if type_of(column) == "text":
        return f"case when {quoted} is not null then {text(MASK)} end as {quoted}"
    return f"null::{type_of(column)} as {quoted}"


def _literal(value: bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else text(value)


def make_roles(access: Access) -> Iterator[str]:
    """Statements that make whatever role there is not; whoever runs them may act as the owners."""
    owners = [access.owner, *(access.views_owner(role) for role in access.serving.roles)]
    for role in (*owners, *access.roles):
        yield (
            f"if not exists (select from pg_roles where rolname = {text(role)}) then "
            f"create role {name(role)} nologin; "
            + (f"grant {name(role)} to session_user; " if role in owners else "")
            + "end if"
        )
    for role in access.serving.roles:
        owner = access.views_owner(role)
        yield (
            f"create schema if not exists {name(access.reader(role))} authorization {name(owner)}"
        )


def allow_roles(access: Access, roles: list[str]) -> Iterator[str]:
    """Statements that give roles what they have beside their marts."""
    yield access.as_owner
    for role in roles:
        yield f"grant usage on schema {name(access.schema)} to {name(access.views_owner(role))}"
        listed = ", ".join(access.at(table) for table in OF_ALL)
        yield f"grant select on {listed} to {name(access.views_owner(role))}"
    for role in roles:
        yield f"set local role {name(access.views_owner(role))}"
        yield f"grant usage on schema {name(access.reader(role))} to {name(access.reader(role))}"
        yield from make_views(access, [access.info_view(role)], {})


def allow_mart(access: Access, table: Table) -> Iterator[str]:
    """Statements of the tables' owner: what the owners of a mart's views may read, and of whom."""
    place, owners = access.at(table.name), [access.views_owner(r) for r in access.serving.roles]
    yield f"revoke all on {place} from {', '.join(map(name, owners))}"
    for role_name, _ in access.sees(table):
        yield f"grant select on {place} to {name(access.views_owner(role_name))}"
    yield from access.policies_of(table)


def lock_views(access: Access, table: Table, there: dict[Place, Shape]) -> Iterator[str]:
    """Statements of the views' owners, after which nobody reads a mart; those go that cannot stay.

    A view is replaced where that can be, so that what others have built on it stays. One whose
    columns have gone or have changed their type is dropped and made anew.
    """
    wanted = {access.reader(view.role): view for view in access.views_of(table)}
    for (schema, view), before in there.items():
        kept = wanted[schema].columns if schema in wanted else {}
        stays = all(kept.get(column) == kind for column, kind in before.items())
        place = f"{name(schema)}.{name(view)}"
        yield f"set local role {name(f'{schema}_owner')}"
        yield f"alter view {place} set (security_barrier)" if stays else f"drop view {place}"


def make_views(access: Access, views: list[View], there: dict[Place, Shape]) -> Iterator[str]:
    """Statements of the views' owners; `there` are those that are, perhaps with fewer columns."""
    for view in views:
        schema = access.reader(view.role)
        place = f"{name(schema)}.{name(view.name)}"
        query = view.query(there.get((schema, view.name), ()))
        yield f"set local role {name(access.views_owner(view.role))}"
        yield f"create or replace view {place} with (security_barrier) as {query}"
        yield f"grant select on {place} to {name(schema)}"
        for column, told in view.comments:
            what = f"column {place}.{name(column)}" if column else f"view {place}"
            yield f"comment on {what} is {text(told)}"


def take_away(access: Access, role: str) -> Iterator[str]:
    """Statements that leave a role, which `serving.yml` has no more, nothing to see.

    Its views are gone by now. The role itself stays: people were given it, perhaps elsewhere too.
    """
    owner = name(access.views_owner(role))
    yield f"set local role {owner}"
    yield f"drop schema if exists {name(access.reader(role))} cascade"
    yield access.as_owner
    yield f"revoke all on all tables in schema {name(access.schema)} from {owner}"
    yield f"revoke all on schema {name(access.schema)} from {owner}"
    yield f"delete from {access.at('roles')} where role = {text(role)}"
