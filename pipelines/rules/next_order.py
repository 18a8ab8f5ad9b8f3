"""`next_order.yml`: the window of the next order, and the habits of weekday and hour."""

from typing import Self

from pydantic import Field, model_validator

from pipelines.rules.model import Rules, Share


class NextOrder(Rules):
    """`next_order.yml`: when to write to a customer."""

    window_from: Share = Field(
        0.25, description="Of the orders that will come, this share comes before the window."
    )
    window_to: Share = Field(0.75, description="And this share before the window ends.")
    within_days: int = Field(
        365, ge=1, le=3_650, description="Only an order within these days counts as the next."
    )
    min_probability: Share = Field(
        0.1, description="Whose order within these days is less probable than this has no window."
    )
    backtest_days: int = Field(90, ge=1, description="The last days, kept back to judge habits by.")
    min_backtest_customers: int = Field(
        100, ge=1, description="With fewer customers to judge by, all get the base's habit."
    )

    @model_validator(mode="after")
    def _window_is_ordered(self) -> Self:
        if self.window_from >= self.window_to:
            raise ValueError("window_from must be less than window_to")
        return self
