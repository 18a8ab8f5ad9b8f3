"""`segments.yml`: the lists that marketing pulls, and how often somebody may be written to."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import ORDER, FileName, Labelled, Name, Rules, Share, refuse_repeats

Channel = Literal["email", "sms", "phone", "wechat"]
Purpose = Literal["marketing", "service", "survey"]
PlatformName = Literal[
    "google_customer_match", "meta", "tiktok", "tencent", "tencent_md5", "mailchimp_import",
    "hubspot_import", "zoho_import",
]  # fmt: skip
Refresh = Literal["nightly", "weekly", "monthly"]
NO_CHANNEL = "none"
PROGRAMME = "programme"  # all lists together, in what tells of holdouts

EVENT_DAYS = 730  # how far back a condition may count events, and the night keeps them for it


class Segment(Labelled):
    """One list that marketing pulls."""

    name: Name
    owner: str
    purpose: Purpose
    channel: Channel | Literal["none"] = Field(
        description="none: nobody is contacted, such as a list of whom to leave alone."
    )
    where: str
    order_by: str = Field(pattern=ORDER)
    reason: str
    reason_zh: str
    columns: tuple[str, ...]
    version: int = Field(
        1, ge=1, description="Raise it when the rule or its holdout means something new."
    )
    priority: int = Field(
        0, description="Of two lists of one channel, a customer is on that of the higher number."
    )
    holdout_rate: Share | None = Field(
        None, description="Share that is held out; by default that of `holdout` for marketing."
    )
    min_size: int = Field(0, ge=0, description="A list of fewer customers stays empty.")
    limit: int | None = Field(default=None, ge=1, description="The most places on the list.")
    refresh: Refresh = Field(
        "nightly", description="How often new customers come in and those who no longer match go."
    )
    sent: Literal["on_entry", "on_refresh"] = Field(
        "on_entry",
        description="When a customer on the list is contacted: once, on coming in, or each time "
        "that the list is refreshed.",
    )

    platforms: dict[PlatformName, FileName] = Field(
        default={},
        description="Files in a platform's own form, with the name that the list has there: for "
        "an advertising platform a neutral one, such as seg_017.",
    )

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name == PROGRAMME:
            raise ValueError(f"{PROGRAMME!r} stands for all lists together; choose another name")
        return self


class Holdout(Rules):
    """Who gets nothing, so that there is something to compare with."""

    global_rate: Share = Field(0.05, description="Of all customers: no marketing at all.")
    global_version: int = Field(1, ge=1, description="Raise it to draw them anew, as once a year.")
    list_rate: Share = Field(0.10, description="Of a marketing list: not this campaign.")


class Cap(Rules):
    """The most contacts of one channel in so many days."""

    contacts: int = Field(ge=1)
    days: int = Field(ge=1)


class Effect(Rules):
    """How what a list brought is measured."""

    windows_days: tuple[int, ...] = Field((30, 90), description="Days after coming onto the list.")
    min_customers: int = Field(
        30, ge=2, description="With fewer customers listed or held out, no number is told."
    )


DEFAULT_CAPS = (Cap(contacts=1, days=1), Cap(contacts=3, days=7), Cap(contacts=8, days=30))


class Segments(Rules):
    """`segments.yml`: the lists, in the order they are shown."""

    segments: tuple[Segment, ...]
    holdout: Holdout = Holdout()
    caps: tuple[Cap, ...] = DEFAULT_CAPS
    effect: Effect = Effect()

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        refuse_repeats("segment", (segment.name for segment in self.segments))
        return self

    @property
    def by_priority(self) -> list[Segment]:
        """The highest number first; of two equals, the one that stands first."""
        return sorted(self.segments, key=lambda segment: -segment.priority)

    def holdout_rate(self, segment: Segment) -> float:
        """The share of a list that is held out."""
        if segment.holdout_rate is not None:
            return segment.holdout_rate
        return self.holdout.list_rate if segment.purpose == "marketing" else 0.0
