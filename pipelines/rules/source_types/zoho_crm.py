"""The schema of a `zoho_crm` source: its data centre, modules and the company's own fields."""

from typing import ClassVar, Literal

from pydantic import Field, HttpUrl, SecretStr

from pipelines.rules.model import Name, OwnFields, SecretsOf, Source


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
    consent: bool = Field(
        default=True,
        description="Read what people consented to; what a record leaves open counts as unknown. "
        "False where consent is kept elsewhere.",
    )
    bulk_from: int = Field(default=20_000, ge=1, description="First load by bulk read from here.")
    api_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")
    login_url: HttpUrl | None = Field(default=None, description="Instead of the data centre's.")
