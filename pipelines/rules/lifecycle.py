"""`lifecycle.yml`: stages by each customer's own rhythm."""

import re
from itertools import product
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Rules
from pipelines.rules.tiers import VipBand

CHURNED = "churned"
PLACEHOLDER = re.compile(r"\{(\w*)\}")
# What a reason may name; the macro `filled_reason` of the SQL puts them in.
NAMED_IN_REASONS = (
    "order_count", "order_count_365d", "days_since_last_order", "rhythm_days", "rhythm_ratio",
    "returned_from_churn_on", "vip_band_label", "vip_band_label_zh", "rhythm_above", "rhythm_to",
)  # fmt: skip


class Case(NamedTuple):
    """What the rules look at of a customer."""

    orders: int
    orders_365d: int
    rhythm: float
    is_vip: bool
    is_won_back: bool


# What marts, gates, lists and key figures know; a name of one's own goes into the labels.
StageName = Literal[
    "prospect", "first_time", "repeat", "loyal", "vip", "at_risk", "dormant", "churned", "won_back",
]  # fmt: skip


class Stage(Labelled):
    """One rule of the life cycle; the first that fits a customer, in order, is the stage."""

    stage: StageName
    min_orders: int = 0
    max_orders: int | None = None
    min_orders_365d: int = 0
    rhythm_above: float = Field(default=-1, description="Days since last order / own rhythm, over.")
    rhythm_to: float | None = Field(default=None, description="The same, up to and including.")
    vip_only: bool = False
    won_back_only: bool = False
    reason: str = Field(description="Why a customer is in the stage; {word} is its number.")
    reason_zh: str

    @model_validator(mode="after")
    def _some_customer_fits(self) -> Self:
        if self.max_orders is not None and self.max_orders < self.min_orders:
            raise ValueError("max_orders must not be less than min_orders")
        if self.rhythm_to is not None and self.rhythm_to <= self.rhythm_above:
            raise ValueError("rhythm_to must be greater than rhythm_above")
        return self

    @model_validator(mode="after")
    def _reasons_name_what_is_known(self) -> Self:
        for reason in (self.reason, self.reason_zh):
            strange = set(PLACEHOLDER.findall(reason)) - set(NAMED_IN_REASONS)
            if strange or set("{}") & set(PLACEHOLDER.sub("", reason)):
                raise ValueError(
                    f"{reason!r} may hold {{word}} only for {', '.join(NAMED_IN_REASONS)}"
                )
        return self

    def fits(self, case: Case) -> bool:
        """Whether the rule fits a customer; the SQL of `customer_lifecycle` says the same."""
        return (
            self.min_orders <= case.orders
            and (self.max_orders is None or case.orders <= self.max_orders)
            and self.min_orders_365d <= case.orders_365d
            and self.rhythm_above < case.rhythm
            and (self.rhythm_to is None or case.rhythm <= self.rhythm_to)
            and (case.is_vip or not self.vip_only)
            and (case.is_won_back or not self.won_back_only)
        )


class Lifecycle(Rules):
    """`lifecycle.yml`: stages by each customer's own rhythm."""

    shrinkage_gaps: float = Field(gt=0, description="Weight of the base's median, in gaps.")
    min_rhythm_days: int = Field(ge=1)
    max_rhythm_days: int = Field(ge=1)
    won_back_days: int = Field(ge=1)
    vip_bands: tuple[VipBand, ...] = Field(
        default=("diamond", "gold"), description="Whom a stage with `vip_only` takes."
    )
    churned_above: float = Field(
        gt=0,
        description="Rhythm beyond which a customer has churned and an order is a win-back; the "
        "stage `churned` begins there, too.",
    )
    movement_days: int = Field(ge=1, description="Changes of stage so many days back are told.")
    stages: tuple[Stage, ...]

    @model_validator(mode="after")
    def _rhythms_are_ordered(self) -> Self:
        if self.min_rhythm_days > self.max_rhythm_days:
            raise ValueError("min_rhythm_days must not be greater than max_rhythm_days")
        return self

    @model_validator(mode="after")
    def _churn_is_told_once(self) -> Self:
        for stage in self.stages:
            if stage.stage == CHURNED and stage.rhythm_above != self.churned_above:
                raise ValueError(
                    f"the stage {CHURNED} has rhythm_above {stage.rhythm_above:g} and "
                    f"churned_above is {self.churned_above:g}; the stage goes by the one, key "
                    "figures and win-backs by the other: write the same number"
                )
        return self

    @model_validator(mode="after")
    def _every_customer_has_a_stage(self) -> Self:
        for case in _cases(self.stages):
            if not any(stage.fits(case) for stage in self.stages):
                raise ValueError(
                    f"no stage fits a customer with {case.orders} orders, {case.orders_365d} of "
                    f"them in 365 days, the last one {case.rhythm:g} rhythms ago; let the last "
                    "stages have fewer conditions"
                )
        return self


def _cases(stages: tuple[Stage, ...]) -> list[Case]:
    """A customer on each side of every limit, neither VIP nor won back: who has least to fit."""
    counts = {0, 1}
    for stage in stages:
        counts |= {stage.min_orders, stage.min_orders_365d}
        if stage.max_orders is not None:
            counts |= {stage.max_orders, stage.max_orders + 1}
    counts |= {count - 1 for count in counts if count > 0}
    limits = {limit for s in stages for limit in (s.rhythm_above, s.rhythm_to) if limit is not None}
    rhythms = {0.0} | {max(0.0, limit + step) for limit in limits for step in (0, 0.0001)}
    return [
        Case(orders, recent, rhythm, is_vip=False, is_won_back=False)
        for orders, recent, rhythm in product(sorted(counts), sorted(counts), sorted(rhythms))
        if recent <= orders and (orders or not rhythm)
    ]
