"""The schema of `sources.yml`: the systems that are read, and the company's money and clock."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from pipelines.rules.folder import FilesSecrets, FolderPath
from pipelines.rules.fxiaoke_source import FxiaokeSource
from pipelines.rules.ga4_source import Ga4Source
from pipelines.rules.hubspot_source import HubspotSource
from pipelines.rules.mailchimp_source import MailchimpSource
from pipelines.rules.meta_source import MetaSource
from pipelines.rules.model import (
    Currency,
    Name,
    OwnFields,
    Rules,
    SecretsOf,
    Share,
    Source,
    TimeZone,
    refuse_repeats,
)
from pipelines.rules.sql_source import SqlSource
from pipelines.rules.wecom_source import WecomSource


class FilesSource(Source):
    """A drop folder, or a bucket's prefix, of files named after landing tables."""

    secrets: ClassVar = FilesSecrets

    type: Literal["files"]
    path: FolderPath


class ZohoCrmSecrets(SecretsOf):
    """A self client of the Zoho API console; the refresh token does not change."""

    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr


class ZohoCrmSource(Source):
    """Zoho CRM, API v8."""

    secrets: ClassVar = ZohoCrmSecrets

    type: Literal["zoho_crm"]
    data_center: Literal["com", "eu", "in", "cn", "au", "jp", "ca", "sa"] = "com"
    streams: tuple[Name, ...] = Field(default=(), description="Empty: all of them.")
    fields: OwnFields = Field(
        default={}, description="Own fields, by stream: landing column, and the field's API name."
    )
    bulk_from: int = Field(default=20_000, ge=1, description="First load by bulk read from here.")
    api_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")
    login_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")


AnySource = Annotated[
    FilesSource
    | SqlSource
    | Ga4Source
    | ZohoCrmSource
    | FxiaokeSource
    | HubspotSource
    | MailchimpSource
    | MetaSource
    | WecomSource,
    Field(discriminator="type"),
]


class Sources(Rules):
    """`sources.yml`: where the data comes from, and the company's money and clock."""

    base_currency: Currency | None = Field(
        default=None, description="Currency of every amount in marts; if absent, the only one seen."
    )
    time_zone: TimeZone = "UTC"
    max_quarantined_share: Share = 0.05
    sources: tuple[AnySource, ...] = ()

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        refuse_repeats("source", (source.name for source in self.sources))
        return self
