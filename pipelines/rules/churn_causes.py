"""The frozen schema of `churn_causes.yml`: what customers said and did last before they left."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Rules, Share, refuse_repeats


class ChurnCause(Labelled):
    """A kind of evidence; one that is not listed is not told."""

    cause: Literal[
        "complaint",
        "low_rating",
        "return",
        "price_rise",
        "discount_stopped",
        "rival",
        "price_words",
    ]


class ChurnCauses(Rules):
    """`churn_causes.yml`: evidence of why a customer left, the first listed first."""

    days_before: int = Field(ge=0, description="So long before the last order evidence may be.")
    low_rating: Share = Field(description="Scores up to this share of their scale are low.")
    price_rise: float = Field(gt=0, description="Goods of the last order cost so much more by now.")
    min_discounted_orders: int = Field(ge=1, description="With fewer, no discount is missed.")
    discounted_share: Share = Field(description="Share of earlier orders that had a discount.")
    causes: tuple[ChurnCause, ...]

    @model_validator(mode="after")
    def _each_cause_once(self) -> Self:
        refuse_repeats("cause", [cause.cause for cause in self.causes])
        return self
