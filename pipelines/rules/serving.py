"""`serving.yml`: the marts in PostgreSQL, and who sees which of their columns and rows."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from pipelines.rules.deliveries import Variable
from pipelines.rules.model import SHORT_NAME, Name, Rules, SecretsOf
from pipelines.rules.source_types.sql import SqlSecrets

ALL = "all"
BY_LOGIN = "by_login"
# Whatever is made of it, such as <schema>_<role>_owner, fits into the 63 bytes of a name.
ShortName = Annotated[str, Field(pattern=SHORT_NAME)]
Login = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Values = Annotated[tuple[bool | str, ...], Field(min_length=1)]


class PostgresServing(Rules):
    """The database that BI tools ask."""

    secrets: ClassVar[type[SecretsOf]] = SqlSecrets
    name: ClassVar[str] = "serving.yml"
    title: ClassVar[str] = "PostgreSQL of serving.yml"

    schema_: ShortName = Field(
        default="c360", alias="schema", description="Of our tables; names of roles begin with it."
    )
    keep_releases: int = Field(
        default=2, ge=2, description="The current one, and so many before it as make this number."
    )
    variable: Variable = Field(
        default="C360_SERVE_POSTGRES",
        alias="secrets_variable",
        description="Environment variable that holds the login as a JSON object.",
    )


class Role(Rules):
    """What one role of the database sees."""

    marts: tuple[Name, ...] = Field(min_length=1, description="Groups, marts, or all.")
    clear: tuple[Literal["direct", "quasi", "key"], ...] = Field(
        default=(), description="Kinds of personal columns that are shown as they are."
    )
    rows: dict[Name, Literal["by_login"] | Values] = Field(
        default={}, description="By column of customer_360: the values that are seen, or by_login."
    )


class Serving(Rules):
    """`serving.yml`."""

    postgres: PostgresServing | None = Field(default=None, description="Without it, nothing runs.")
    groups: dict[Name, tuple[Name, ...]] = Field(default={}, description="Marts by group.")
    roles: dict[ShortName, Role] = Field(default={}, description="Roles of the database.")
    logins: dict[Login, dict[Name, tuple[str, ...]]] = Field(
        default={}, description="By login and column of customer_360: the values that it sees."
    )

    @field_validator("roles")
    @classmethod
    def _names_are_free(cls, roles: dict[str, Role]) -> dict[str, Role]:
        """<schema>_owner and <schema>_<role>_owner own what is there; <schema>_r7 is a release."""
        if taken := [name for name in roles if re.fullmatch(r"(.*_)?owner|r[0-9]+", name)]:
            raise ValueError(f"{', '.join(taken)} is a name that we need ourselves")
        return roles

    def marts_of(self, role: Role, known: tuple[str, ...]) -> tuple[str, ...]:
        """The marts that a role sees, in the order of those that there are."""
        named = {mart for name in role.marts for mart in self.groups.get(name, (name,))}
        return tuple(mart for mart in known if mart in named or ALL in role.marts)
