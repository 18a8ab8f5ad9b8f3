"""`grade_overrides.yml`: grades that somebody has set by hand, with reason, owner and end."""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from pipelines.rules.identity import CUSTOMER_ID, RECORD_REF
from pipelines.rules.model import Rules, refuse_repeats
from pipelines.rules.tiers import Grade, VipBand


class GradeOverride(Rules):
    """A grade, a VIP band, or both, that one customer has until a day."""

    customer: str = Field(description="A customer id, or a record of the customer.")
    grade: Grade | None = None
    vip_band: VipBand | None = None
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    until: date = Field(description="The last day on which it holds.")

    @model_validator(mode="after")
    def _says_who_and_what(self) -> Self:
        if not CUSTOMER_ID.fullmatch(self.customer) and not RECORD_REF.fullmatch(self.customer):
            raise ValueError(
                f"{self.customer!r} is neither a customer id nor a record (source:id, "
                "source/account:id, account=source:id)"
            )
        if self.grade is None and self.vip_band is None:
            raise ValueError("name a grade, a vip_band, or both")
        return self


class GradeOverrides(Rules):
    """`grade_overrides.yml`. A line is taken back by deleting it."""

    overrides: tuple[GradeOverride, ...] = ()

    @model_validator(mode="after")
    def _each_customer_once(self) -> Self:
        refuse_repeats("customer", (override.customer for override in self.overrides))
        return self
