"""The schema of `postgres` and `mysql` sources: which table becomes which landing table."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from pipelines.rules.model import Name, Rules, SecretsOf, Source, TimeZone, refuse_repeats

ColumnName = Annotated[str, Field(min_length=1)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SqlSecrets(SecretsOf):
    """A login with the right to read; an Airflow Connection of type Postgres or MySQL holds it."""

    host: str = Field(min_length=1, description="Or the folder (MySQL: the file) of a socket.")
    port: int | None = Field(default=None, ge=1, le=65_535)
    login: str = Field(min_length=1)
    password: SecretStr = SecretStr("")
    database: str = Field(min_length=1, validation_alias=AliasChoices("schema", "database"))
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    sslrootcert: str | None = Field(default=None, description="File with the authority's key.")


class SqlTable(Rules):
    """One table or view of the database, and the landing table that its rows belong to.

    Columns that are neither named here nor called as a landing column are not read.
    """

    # Status 3 of a shop stands in YAML as a number.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    from_: ColumnName | tuple[ColumnName, ColumnName] = Field(
        alias="from", description="schema.table; as a list if a name has a dot in it."
    )
    to: Name
    name: Name | None = Field(
        default=None, description="A name for each of two tables that go to one: orders_2025."
    )
    id: Annotated[tuple[ColumnName, ...], BeforeValidator(_as_list), Field(min_length=1)] = ("id",)
    updated_at: ColumnName | None = Field(
        default=None, description="Without it the whole table is read and compared each night."
    )
    created_at: ColumnName | None = None
    deleted_at: ColumnName | None = Field(
        default=None, description="A time, or a mark that is true or above 0: the row was deleted."
    )
    deletes: Literal["compare"] | None = Field(
        default=None, description="Compare the ids each night: those that are gone were deleted."
    )
    account: str = Field(default="", description="Shop or tenant, where ids of several may meet.")
    columns: dict[Name, ColumnName | None] = Field(
        default={}, description="Landing column, and the table's; empty: not read."
    )
    constants: dict[Name, str] = Field(
        default={}, description="By landing column: the value of every row."
    )
    values: dict[Name, dict[str, str]] = Field(
        default={}, description="By landing column: a value of the table, and what it means."
    )

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if not f"{self.stream}_".startswith(f"{self.to}_"):
            raise ValueError(f"name must begin with {self.to}, the landing table")
        if twice := sorted(self.columns.keys() & self.constants.keys()):
            raise ValueError(f"{', '.join(twice)} is under columns and under constants")
        return self

    @property
    def stream(self) -> str:
        """What its parts are called; a new name reads the table anew."""
        return self.name or self.to

    @property
    def relation(self) -> tuple[str | None, str]:
        """Schema, if one is named, and table."""
        if isinstance(self.from_, tuple):
            return self.from_
        schema, dot, table = self.from_.partition(".")
        return (schema, table) if dot else (None, schema)


class SqlSource(Source):
    """A database that is read by a keyset of time and id."""

    secrets: ClassVar = SqlSecrets

    type: Literal["postgres", "mysql"]
    time_zone: TimeZone = Field(default="UTC", description="Of times that are stored without one.")
    safety_lag_minutes: int = Field(
        default=5, ge=0, description="What changed later waits: a neighbour may be uncommitted."
    )
    tables: tuple[SqlTable, ...] = Field(
        min_length=1,
        description="Columns take names of columns; for expressions, read a view.",
        examples=[
            [
                {
                    "from": "public.orders",
                    "to": "orders",
                    "id": "id",
                    "updated_at": "updated_at",
                    "columns": {"order_number": "number", "customer_source_id": "customer_id"},
                    "constants": {"currency": "CNY"},
                }
            ]
        ],
    )

    @model_validator(mode="after")
    def _each_table_once(self) -> Self:
        refuse_repeats("table", (table.stream for table in self.tables))
        return self
