"""`recommendation.yml`: what is recommended next, and what never is."""

from pydantic import Field

from pipelines.rules.model import Rules, Share


class ItemRules(Rules):
    """How one kind of item, products or categories, is recommended."""

    top_count: int = Field(10, ge=1, le=100, description="Items recommended to a customer.")
    history_days: int = Field(730, ge=1, description="Older purchases say nothing any more.")
    history_items: int = Field(
        200, ge=1, le=1_000, description="Of a customer's items only so many, the latest, are read."
    )
    related_items: int = Field(
        50, ge=1, le=500, description="Of what goes with an item only so many, the closest, count."
    )
    shrinkage_votes: float = Field(
        1.0, ge=0, description="Weight of doubt, in customers: ties of rarely bought items weaken."
    )
    rest_days: int = Field(30, ge=0, description="What was bought within these days rests.")
    min_rebuy_rate: Share = Field(
        0.1, description="Bought already: recommended again only if this share of buyers came back."
    )
    returned_days: int = Field(
        365, ge=0, description="What was returned within these days is not recommended."
    )
    popular_days: int = Field(90, ge=1, description="Popular is what most bought in these days.")
    min_segment_customers: int = Field(
        50, ge=1, description="A segment with fewer recent buyers takes what is popular with all."
    )
    backtest_days: int = Field(60, ge=1, description="The last days, kept back to judge by.")
    min_backtest_customers: int = Field(
        100, ge=1, description="With fewer customers to judge by, the popular items are given."
    )


class Recommendation(Rules):
    """`recommendation.yml`: the next products and the next categories."""

    products: ItemRules = Field(default_factory=ItemRules)
    categories: ItemRules = Field(default_factory=ItemRules)
