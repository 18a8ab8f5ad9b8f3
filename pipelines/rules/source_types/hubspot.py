"""The schema of a `hubspot` source."""

from typing import ClassVar, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from pipelines.rules.model import Name, OwnFields, SecretsOf, Source


class HubspotSecrets(SecretsOf):
    """A service key, or the token of a private app; neither expires by itself."""

    access_token: SecretStr


class HubspotSource(Source):
    """HubSpot CRM, API 2026-09."""

    secrets: ClassVar = HubspotSecrets

    type: Literal["hubspot"]
    streams: tuple[Name, ...] = Field(default=(), description="Empty: all of them.")
    fields: OwnFields = Field(
        default={},
        description=(
            "Own fields, by stream: landing column, and the property's internal name. Under "
            "`subscriptions`: purpose, and the ids of the subscription types that it is granted "
            "by, parted by commas. Without it no e-mail consent is read, which needs Marketing "
            "Hub Enterprise."
        ),
    )
    seconds_between_calls: float = Field(
        default=0.2, ge=0, description="Search takes 5 calls a second, of all apps of the account."
    )
    api_url: HttpUrl | None = Field(default=None, description="Instead of HubSpot's.")

    @model_validator(mode="after")
    def _subscriptions_have_purposes(self) -> Self:
        if "subscriptions" in self.streams and not self.fields.get("subscriptions"):
            raise ValueError(
                "the stream subscriptions needs the purposes of the subscription types, such as "
                'fields: {subscriptions: {marketing: "123"}}'
            )
        return self
