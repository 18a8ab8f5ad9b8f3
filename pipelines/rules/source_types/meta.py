"""The schema of a `meta` source."""

from typing import ClassVar, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from pipelines.rules.model import DIGITS, Name, OwnFields, SecretsOf, Source


class MetaSecrets(SecretsOf):
    """A token that does not expire: a page's own, or a system user's with a task on the page.

    The app's secret is needed where the app demands proof of it with every call.
    """

    access_token: SecretStr
    app_secret: SecretStr | None = None


class MetaSource(Source):
    """A Facebook page and the Instagram account that belongs to it, Graph API v25.0."""

    secrets: ClassVar = MetaSecrets

    type: Literal["meta"]
    page_id: str | None = Field(
        default=None, pattern=DIGITS, description="Facebook page.", examples=["102030405060708"]
    )
    instagram_id: str | None = Field(
        default=None, pattern=DIGITS, description="Instagram professional account."
    )
    streams: tuple[Name, ...] = Field(default=(), description="Empty: all of the accounts given.")
    fields: OwnFields = Field(
        default={}, description="Own fields, by stream: landing column, and the field's path."
    )
    days_back: int = Field(
        default=28, ge=1, description="Posts of so many days are read again each night."
    )
    page_metrics: tuple[str, ...] = Field(
        default=("page_media_view", "page_total_media_view_unique", "page_follows"),
        description="Daily insights of the page; one that Meta does not know is left out.",
    )
    post_metrics: tuple[str, ...] = Field(
        default=("post_media_view",), description="Lifetime insights of each post, likewise."
    )
    api_url: HttpUrl | None = Field(default=None, description="Instead of graph.facebook.com.")

    @model_validator(mode="after")
    def _has_an_account(self) -> Self:
        if not (self.page_id or self.instagram_id):
            raise ValueError("give page_id, instagram_id or both")
        return self
