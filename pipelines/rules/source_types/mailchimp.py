"""The schema of a `mailchimp` source."""

import re
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, HttpUrl, SecretStr, field_validator

from pipelines.rules.model import LIST_ID, OwnFields, SecretsOf, Source

StreamName = Literal["members", "sent", "activity", "unsubscribed"]
ListId = Annotated[str, Field(pattern=LIST_ID)]


class MailchimpSecrets(SecretsOf):
    """An API key of an account; it does not expire."""

    api_key: SecretStr

    @field_validator("api_key")
    @classmethod
    def _names_its_data_centre(cls, key: SecretStr) -> SecretStr:
        """What stands behind the dash becomes a part of the host's name."""
        if not re.fullmatch(r"[^\s-]+-[a-z]{2,4}\d{1,4}", key.get_secret_value()):
            raise ValueError("an API key ends in its data centre, such as -us6")
        return key


class MailchimpSource(Source):
    """Mailchimp, Marketing API 3.0."""

    secrets: ClassVar = MailchimpSecrets

    type: Literal["mailchimp"]
    lists: tuple[ListId, ...] = Field(default=(), description="Audience ids; empty: all of them.")
    streams: tuple[StreamName, ...] = Field(default=(), description="Empty: all of them.")
    fields: OwnFields = Field(
        default={}, description="Own fields, by stream: landing column, and merge_fields.<TAG>."
    )
    report_days: int = Field(
        default=30, ge=1, description="So long after it was sent a campaign's reports are read."
    )
    campaigns_from: date | None = Field(
        default=None, description="Reports of campaigns sent before this day are never read."
    )
    find_deleted: bool = Field(
        default=False,
        description="Read all members each night, so that the permanently deleted are noticed.",
    )
    page_size: int = Field(
        default=1000, ge=2, le=1000, description="Fewer where calls last longer than 120 seconds."
    )
    api_url: HttpUrl | None = Field(default=None, description="Instead of the key's data centre.")
