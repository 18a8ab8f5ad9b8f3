"""`lifecycle.yml`: stages by each customer's own rhythm."""

from typing import Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Name, Rules


class Stage(Labelled):
    """One rule of the life cycle; the first that fits a customer, in order, is the stage."""

    stage: Name
    min_orders: int = 0
    max_orders: int | None = None
    min_orders_365d: int = 0
    rhythm_above: float = Field(default=-1, description="Days since last order / own rhythm, over.")
    rhythm_to: float | None = Field(default=None, description="The same, up to and including.")
    vip_only: bool = False
    won_back_only: bool = False

    @model_validator(mode="after")
    def _some_customer_fits(self) -> Self:
        if self.max_orders is not None and self.max_orders < self.min_orders:
            raise ValueError("max_orders must not be less than min_orders")
        if self.rhythm_to is not None and self.rhythm_to <= self.rhythm_above:
            raise ValueError("rhythm_to must be greater than rhythm_above")
        return self


class Lifecycle(Rules):
    """`lifecycle.yml`: stages by each customer's own rhythm."""

    shrinkage_gaps: float = Field(gt=0, description="Weight of the base's median, in gaps.")
    min_rhythm_days: int = Field(ge=1)
    max_rhythm_days: int = Field(ge=1)
    won_back_days: int = Field(ge=1)
    churned_above: float = Field(gt=0, description="Rhythm beyond which an order is a win-back.")
    stages: tuple[Stage, ...]

    @model_validator(mode="after")
    def _rhythms_are_ordered(self) -> Self:
        if self.min_rhythm_days > self.max_rhythm_days:
            raise ValueError("min_rhythm_days must not be greater than max_rhythm_days")
        return self
