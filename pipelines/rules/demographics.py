"""`demographics.yml`: how persons are put into groups, and what the groups are called."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Rules, refuse_repeats

Dimension = Literal[
    "kind", "gender", "age_band", "country", "city", "language", "income_band", "occupation",
    "industry", "household_size", "order_channel", "contact_channel",
]  # fmt: skip


class SegmentLabel(Labelled):
    """What a group is called; one without a label is called as the sources say."""

    dimension: Dimension
    segment: str = Field(description="The value, in lower case.")


class Demographics(Rules):
    """`demographics.yml`: how persons are put into groups, and what the groups are called."""

    age_bands: tuple[Annotated[int, Field(ge=1, le=120)], ...] = Field(
        min_length=1, description="The age at which each band begins; younger is the first."
    )
    household_size_bands: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (2,), min_length=1, description="Persons with which each band begins."
    )
    labels: tuple[SegmentLabel, ...] = ()

    @model_validator(mode="after")
    def _bands_rise(self) -> Self:
        for name, bands in (
            ("age_bands", self.age_bands),
            ("household_size_bands", self.household_size_bands),
        ):
            if list(bands) != sorted(set(bands)):
                raise ValueError(f"{name} must rise")
        if self.household_size_bands[0] != 2:
            raise ValueError("household_size_bands must begin with 2: a household has two persons")
        return self

    @model_validator(mode="after")
    def _each_segment_once(self) -> Self:
        refuse_repeats("label of", (f"{one.dimension} {one.segment}" for one in self.labels))
        if loud := [one.segment for one in self.labels if one.segment != one.segment.lower()]:
            raise ValueError(f"write the segment {loud[0]!r} in lower case")
        return self
