"""`tiers.yml`: grades A-D, VIP bands, how customers move between them, and the second tier."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Rules, Share, refuse_repeats

Grade = Literal["A", "B", "C", "D"]
VipBand = Literal["diamond", "gold", "regular"]
PERCENTILE: Literal["percentile"] = "percentile"


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


class Cut(Labelled):
    """Where a grade or band begins: at a percentile of the score, or at a value."""

    min_percentile: Share | None = None
    min_value: float | None = Field(None, ge=0)


class GradeCut(Cut):
    """A grade begins at a percentile of the value score, or at a value of what `cut_by` names."""

    grade: Grade


class VipCut(Cut):
    """A VIP band begins at a percentile or value of the VIP score within the grades of VIPs."""

    band: VipBand


class Policy(Rules):
    """How customers move: up as soon as it is earned, down one step at a time, after a warning."""

    review_months: Literal[1, 2, 3, 4, 6, 12] = Field(
        3, description="Reviews are on the first day of each calendar period of so many months."
    )
    review_below: Share = Field(
        1.0, gt=0, description="A review warns below this share of the own cut-off."
    )
    band: Share = Field(
        0.9, gt=0, description="Between reviews only below this share of it days are counted."
    )
    below_days: int = Field(90, ge=0, description="So many days below the band: a warning.")
    grace_days: int = Field(30, ge=0, description="Days from the warning to the step down.")
    hold_days: int = Field(90, ge=0, description="Days after an upgrade without any warning.")
    upgrade_steps: Literal["all", "one"] = Field(
        "all", description="Straight to what is earned, or a step at a time, each of them held."
    )
    regrow: float = Field(
        2.0, gt=1, description="Edges are taken anew at so many times the customers."
    )

    @model_validator(mode="after")
    def _band_is_below_the_review(self) -> Self:
        if self.band > self.review_below:
            raise ValueError("band must not be greater than review_below")
        return self

    def period_of(self, day: date) -> date:
        """First day of the review period that a day is in."""
        months = self.review_months
        return date(day.year, (day.month - 1) // months * months + 1, 1)

    def next_review(self, day: date) -> date:
        """The first review after a day."""
        begun = self.period_of(day)
        month = begun.month + self.review_months
        return date(begun.year + (month > 12), (month - 1) % 12 + 1, 1)


class SecondTier(Rules):
    """Who counts as second tier by potential."""

    grades: tuple[Grade, ...]
    min_clv_percentile: Share


class Tiers(Rules):
    """`tiers.yml`: grades A-D, VIP bands, how customers move, and the second tier."""

    weights: Weights
    cut_by: Literal["percentile", "value_score", "net_margin_365d", "order_count_365d"] = PERCENTILE
    grades: tuple[GradeCut, ...]
    policy: Policy = Field(default_factory=Policy)
    vip_grades: tuple[Grade, ...] = ("A", "B")
    vip_weights: VipWeights
    vip_cut_by: Literal["percentile", "vip_score"] = PERCENTILE
    vip_bands: tuple[VipCut, ...]
    second_tier: SecondTier
    upgrade_gap: Share = Field(description="Percentiles below the next cut that make a candidate.")
    max_gap_orders: int = Field(12, ge=1, description="More orders are not told as missing.")
    movement_days: int = Field(90, ge=1, description="Days that movements and migration look back.")

    @model_validator(mode="after")
    def _cuts_fall(self) -> Self:
        if [cut.grade for cut in self.grades] != ["A", "B", "C", "D"]:
            raise ValueError("list the grades A, B, C and D, in this order")
        cuts = _limits(self.grades[:-1], self.cut_by, "grades")
        last = self.grades[-1].min_percentile or self.grades[-1].min_value or 0
        if cuts != sorted(cuts, reverse=True) or last != 0:
            raise ValueError(
                "min_percentile (or min_value) must fall from grade A down to D, which starts at 0"
            )
        bands = _limits(self.vip_bands, self.vip_cut_by, "vip_bands")
        if bands != sorted(bands, reverse=True):
            raise ValueError("list the VIP bands from the highest down")
        refuse_repeats("VIP band", (cut.band for cut in self.vip_bands))
        refuse_repeats("vip_grades grade", self.vip_grades)
        refuse_repeats("second_tier grade", self.second_tier.grades)
        for weights in (self.weights, self.vip_weights):
            if not any(weight for _, weight in weights):
                raise ValueError("of weights and of vip_weights at least one must be above 0")
        return self


def _limits(cuts: Sequence[Cut], cut_by: str, where: str) -> list[float]:
    wanted, other = ("min_percentile", "min_value")
    if cut_by != PERCENTILE:
        wanted, other = other, wanted
    limits: list[float] = []
    for cut in cuts:
        limit = getattr(cut, wanted)
        if limit is None or getattr(cut, other) is not None:
            raise ValueError(
                f"with a cut by {cut_by} every line of {where} has {wanted}, and no {other}"
            )
        limits.append(limit)
    return limits
