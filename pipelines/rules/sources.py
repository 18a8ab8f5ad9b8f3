"""The schema of `sources.yml`: the systems that are read, and the company's money and clock."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.rules.model import (
    Currency,
    Rules,
    Share,
    TimeZone,
    refuse_repeats,
)
from pipelines.rules.source_types.files import FilesSource
from pipelines.rules.source_types.fxiaoke import FxiaokeSource
from pipelines.rules.source_types.ga4 import Ga4Source
from pipelines.rules.source_types.hubspot import HubspotSource
from pipelines.rules.source_types.mailchimp import MailchimpSource
from pipelines.rules.source_types.meta import MetaSource
from pipelines.rules.source_types.sql import SqlSource
from pipelines.rules.source_types.wecom import WecomSource
from pipelines.rules.source_types.zoho_crm import ZohoCrmSource

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
        names = [source.name for source in self.sources]
        refuse_repeats("source", names)
        for source in self.sources:
            if source.part_of and source.part_of not in names:
                raise ValueError(
                    f"source {source.name} is part_of {source.part_of}, and no source has that name"
                )
        return self


@cache
def country_of(time_zone: str) -> str | None:
    """The country that a time zone is the principal one of; None for UTC and the like.

    Source: `zone.tab` of the IANA time zone database, which names one country for each zone.
    """
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {zone: country for country, _, zone, *_ in rows}.get(time_zone)
