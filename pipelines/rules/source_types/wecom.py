"""The schema of a WeCom source."""

from typing import ClassVar, Literal

from pydantic import Field, HttpUrl, SecretStr

from pipelines.rules.model import Name, OwnFields, SecretsOf, Source


class WecomSecrets(SecretsOf):
    """The corp, and the secret of its customer contact or of an app that may call it."""

    corp_id: str
    secret: SecretStr


class WecomSource(Source):
    """WeCom (企业微信): customer contact."""

    secrets: ClassVar = WecomSecrets

    type: Literal["wecom"]
    streams: tuple[Name, ...] = Field(default=(), description="Empty: all of them.")
    fields: OwnFields = Field(
        default={}, description="Own fields, by stream: landing column, and the field's path."
    )
    days_back: int = Field(
        default=28, ge=1, description="Moments of so many days are read again each night."
    )
    api_url: HttpUrl | None = Field(default=None, description="Instead of qyapi.weixin.qq.com.")
