"""`segments.yml`: the lists that marketing pulls."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Name, Rules, refuse_repeats

Channel = Literal["email", "sms", "phone", "wechat"]
Purpose = Literal["marketing", "service", "survey"]

EVENT_DAYS = 730  # how far back a condition may count events, and the night keeps them for it


class Segment(Labelled):
    """One list that marketing pulls."""

    name: Name
    owner: str
    purpose: Purpose
    channel: Channel
    where: str
    order_by: str = Field(pattern=r"^[a-z0-9_]+( desc)?$")
    reason: str
    reason_zh: str
    columns: tuple[str, ...]
    limit: int | None = Field(default=None, ge=1)


class Segments(Rules):
    """`segments.yml`: the lists, in the order they are shown."""

    segments: tuple[Segment, ...]

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        refuse_repeats("segment", (segment.name for segment in self.segments))
        return self
