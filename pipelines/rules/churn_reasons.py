"""The frozen schema of `churn_reasons.yml`: churn reasons in words."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Name, Rules, refuse_repeats


class ChurnReason(Rules):
    """Features that say one thing, and the sentence for it.

    In the texts `{value}` is the customer's own number and `{typical}` the median of the base.
    """

    reason: Name
    features: tuple[Name, ...] = Field(min_length=1)
    value: Name = Field(description="The column that is told; the first known feature if absent.")
    told_when: Literal["above", "below"] = Field(
        description="The side of the median on which the sentence is a reason."
    )
    shown_as: Literal["number", "decimal", "percent"] = "number"
    text_en: str
    text_zh: str

    @model_validator(mode="after")
    def _texts_can_be_filled(self) -> Self:
        for text in (self.text_en, self.text_zh):
            try:
                text.format(value="", typical="")
            except (KeyError, IndexError, ValueError):
                raise ValueError(
                    f"{text!r} may hold {{value}} and {{typical}} and no other braces"
                ) from None
        return self


class PlainReason(Rules):
    """What is told of who is at risk like everybody: `{value}` the risk, `{typical}` the mean."""

    reason: Name
    text_en: str
    text_zh: str


class ChurnReasons(Rules):
    """`churn_reasons.yml`: every feature of the churn model belongs to one reason."""

    reasons: tuple[ChurnReason, ...]
    otherwise: PlainReason = Field(
        description="Told of who is not at low risk where nothing stands out."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeats("reason", (reason.reason for reason in self.reasons))
        refuse_repeats("feature", (name for reason in self.reasons for name in reason.features))
        return self
