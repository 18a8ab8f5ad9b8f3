"""`tiers.yml`: grades A-D, VIP bands and the second tier."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Rules, Share, refuse_repeats

Grade = Literal["A", "B", "C", "D"]


class Weights(Rules):
    """Weights of the value score's measures; they need not sum to one."""

    net_margin_365d: float = Field(ge=0)
    order_count_365d: float = Field(ge=0)
    clv_365d: float = Field(ge=0)
    tenure: float = Field(ge=0)
    influence: float = Field(ge=0)


class VipWeights(Rules):
    """Weights of the VIP score's measures."""

    spend: float = Field(ge=0)
    frequency: float = Field(ge=0)
    tenure: float = Field(ge=0)
    advocacy: float = Field(ge=0)


class GradeCut(Labelled):
    """A grade begins at a percentile of the value score."""

    grade: Grade
    min_percentile: Share


class VipCut(Labelled):
    """A VIP band begins at a percentile of the VIP score within grades A and B."""

    band: Literal["diamond", "gold", "regular"]
    min_percentile: Share


class SecondTier(Rules):
    """Who counts as second tier by potential."""

    grades: tuple[Grade, ...]
    min_clv_percentile: Share


class Tiers(Rules):
    """`tiers.yml`: grades A-D, VIP bands and the second tier."""

    weights: Weights
    grades: tuple[GradeCut, ...]
    vip_weights: VipWeights
    vip_bands: tuple[VipCut, ...]
    second_tier: SecondTier
    upgrade_gap: Share = Field(description="Percentiles below the next cut that make a candidate.")

    @model_validator(mode="after")
    def _cuts_fall_to_zero(self) -> Self:
        cuts = [cut.min_percentile for cut in self.grades]
        if [cut.grade for cut in self.grades] != ["A", "B", "C", "D"]:
            raise ValueError("list the grades A, B, C and D, in this order")
        if cuts != sorted(cuts, reverse=True) or cuts[-1] != 0:
            raise ValueError("min_percentile must fall from grade A down to D, which starts at 0")
        refuse_repeats("VIP band", (cut.band for cut in self.vip_bands))
        refuse_repeats("second_tier grade", self.second_tier.grades)
        for weights in (self.weights, self.vip_weights):
            if not any(weight for _, weight in weights):
                raise ValueError("of weights and of vip_weights at least one must be above 0")
        return self
