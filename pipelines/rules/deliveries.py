"""`deliveries.yml`: where released lists go by themselves. Empty, nothing leaves the house."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, HttpUrl, model_validator

from pipelines.rules.model import (
    FAR_NAME,
    FIELD_NAME,
    TABLE_NAME,
    VARIABLE,
    Country,
    Name,
    Rules,
    SecretsOf,
    Share,
    refuse_repeats,
)
from pipelines.rules.source_types.files import FilesSecrets, FolderPath
from pipelines.rules.source_types.hubspot import HubspotSecrets
from pipelines.rules.source_types.mailchimp import ListId, MailchimpSecrets
from pipelines.rules.source_types.sql import SqlSecrets
from pipelines.rules.source_types.zoho_crm import ZohoCrmSecrets

Variable = Annotated[str, Field(pattern=VARIABLE)]
FieldName = Annotated[str, Field(pattern=FIELD_NAME)]
FarName = Annotated[str, Field(min_length=1, max_length=100, pattern=FAR_NAME)]
TableName = Annotated[str, Field(pattern=TABLE_NAME)]
Format = Literal[
    "csv",
    "parquet",
    "xlsx",
    "google_customer_match",
    "meta",
    "tiktok",
    "tencent",
    "tencent_md5",
    "mailchimp_import",
    "hubspot_import",
    "zoho_import",
]


class Destination(Rules):
    """What every destination may say."""

    secrets: ClassVar[type[SecretsOf]]

    name: Name
    secrets_variable: Variable | None = Field(
        default=None,
        description="Environment variable that holds the login as a JSON object; that of a source "
        "may serve, such as C360_SOURCE_CRM. Default: C360_DESTINATION_<NAME>.",
    )
    max_removed_share: Share = Field(
        default=0.3, description="Of the rows that we sent: if more would go, nothing is sent."
    )
    few_removals: int = Field(default=20, ge=0, description="So many may always go.")

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"Destination {self.name}"

    @property
    def variable(self) -> str:
        """The environment variable of its login."""
        return self.secrets_variable or f"C360_DESTINATION_{self.name.upper()}"


class MailchimpDestination(Destination):
    """Tags of the members of one Mailchimp audience; nobody is subscribed by it."""

    secrets: ClassVar = MailchimpSecrets

    type: Literal["mailchimp"]
    audience: ListId = Field(description="Audience id.", examples=["57afe96172"])
    lists: dict[Name, FarName] = Field(
        min_length=1, description="List, and its tag.", examples=[{"win_back": "seg_017"}]
    )
    api_url: HttpUrl | None = Field(default=None, description="Instead of the key's data centre.")


class HubspotDestination(Destination):
    """Static lists of HubSpot contacts, which are known by the ids that we read."""

    secrets: ClassVar = HubspotSecrets

    type: Literal["hubspot"]
    source: Name = Field(description="The source of sources.yml that reads this account.")
    lists: dict[Name, FarName] = Field(
        min_length=1, description="List, and the static list's name; it is made if need be."
    )
    seconds_between_calls: float = Field(default=0.2, ge=0)
    api_url: HttpUrl | None = Field(default=None, description="Instead of HubSpot's.")


class ZohoCrmDestination(Destination):
    """Fields of Zoho CRM records, which are known by the ids that we read."""

    secrets: ClassVar = ZohoCrmSecrets

    type: Literal["zoho_crm"]
    source: Name = Field(description="The source of sources.yml that reads this organisation.")
    module: Literal["Contacts", "Leads"] = "Contacts"
    lists: dict[Name, FieldName] = Field(
        min_length=1, description="List, and the API name of a checkbox of the module."
    )
    fields: dict[FieldName, Name] = Field(
        default={}, description="API name of a field, and the list's column that goes there."
    )
    data_center: Literal["com", "eu", "in", "cn", "au", "jp", "ca", "sa"] = "com"
    api_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")
    login_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")


class PostgresDestination(Destination):
    """A table of a PostgreSQL database for each list, changed in one transaction."""

    secrets: ClassVar = SqlSecrets

    type: Literal["postgres"]
    schema_: TableName = Field(default="public", alias="schema")
    lists: dict[Name, TableName] = Field(
        min_length=1, description="List, and its table; it is made if need be."
    )


class FolderDestination(Destination):
    """Files in a local folder, a bucket or on an SFTP server."""

    secrets: ClassVar = FilesSecrets

    type: Literal["folder"]
    path: FolderPath = Field(examples=["s3://marketing/lists"])
    format: Format = "csv"
    lists: dict[Name, FarName] = Field(
        min_length=1, description="List, and what its files are called: for an advertising "
        "platform a neutral alias, such as seg_017.",
    )  # fmt: skip
    default_country: Country | None = Field(
        default=None, description="Of numbers that name no country."
    )

    @model_validator(mode="after")
    def _names_are_names_of_files(self) -> Self:
        for alias in self.lists.values():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", alias):
                raise ValueError(f"{alias!r} is no name of a file: use letters, digits, . _ -")
        return self


AnyDestination = Annotated[
    MailchimpDestination
    | HubspotDestination
    | ZohoCrmDestination
    | PostgresDestination
    | FolderDestination,
    Field(discriminator="type"),
]


class Deliveries(Rules):
    """`deliveries.yml`: where released lists go by themselves."""

    destinations: tuple[AnyDestination, ...] = ()

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        refuse_repeats("destination", (destination.name for destination in self.destinations))
        for destination in self.destinations:
            refuse_repeats(f"{destination.name}: the name", destination.lists.values())
        return self
