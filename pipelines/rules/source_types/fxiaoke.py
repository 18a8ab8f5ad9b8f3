"""The schema of a `fxiaoke` source: which objects of the CRM are read, and as whom."""

from typing import Any, ClassVar, Literal

from pydantic import Field, HttpUrl, SecretStr, model_validator

from pipelines.rules.model import OwnFields, SecretsOf, Source

StreamName = Literal[
    "contacts", "accounts", "activities", "calls", "cases", "orders", "order_items", "refunds",
    "members", "points", "growth",
]  # fmt: skip
# Where accounts are persons, what names an account names a person.
OF_PERSONS = {
    "activities": {"contact_source_id": "account_id"},
    "calls": {"contact_source_id": "account_id"},
    "cases": {"contact_source_id": "account_id"},
    "orders": {"customer_source_id": "account_id"},
}


class FxiaokeSecrets(SecretsOf):
    """A self-built app of the company, as its page in the management console shows it."""

    app_id: str
    app_secret: SecretStr
    permanent_code: SecretStr


class FxiaokeSource(Source):
    """Fxiaoke (ShareCRM), Open API v2."""

    secrets: ClassVar = FxiaokeSecrets

    type: Literal["fxiaoke"]
    open_user_id: str = Field(
        min_length=1,
        description="The employee (FSUID_...) as whom we read; a CRM administrator sees all.",
        examples=["FSUID_0123456789"],
    )
    streams: tuple[StreamName, ...] = Field(default=(), description="Empty: all of them.")
    accounts_are: Literal["organisations", "persons"] = Field(
        default="organisations",
        description="With `persons` accounts become contacts, in a stream called persons.",
    )
    compare: tuple[StreamName, ...] = Field(
        default=(), description="Listed whole each night, to find what was deleted for good."
    )
    fields: OwnFields = Field(
        default={}, description="Own fields, by stream: landing column, and the field's API name."
    )
    page_size: int = Field(default=100, ge=1, le=2_000)
    seconds_between_calls: float = Field(
        default=0.2, ge=0, description="100 calls in 20 seconds are allowed; more can be bought."
    )
    api_url: HttpUrl | None = Field(
        default=None, description="Of another cloud, such as https://open-hwcloud.fxiaoke.com."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_persons(cls, told: Any) -> Any:
        """Say of what names an account that it names a person; the company's own fields stand."""
        if not isinstance(told, dict) or told.get("accounts_are") != "persons":
            return told
        own = told.get("fields") or {}
        if not isinstance(own, dict) or not all(isinstance(own.get(s, {}), dict) for s in own):
            return told  # refused as it is
        persons = {stream: {**OF_PERSONS[stream], **own.get(stream, {})} for stream in OF_PERSONS}
        return {**told, "fields": {**own, **persons}}
