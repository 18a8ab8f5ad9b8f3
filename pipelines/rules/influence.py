"""`influence.yml`: how much of a following, of sharing and of referrals makes an influencer."""

from typing import Self

from pydantic import Field, model_validator

from pipelines.rules.model import Rules, Share


class Influence(Rules):
    """`influence.yml`: influence = what is said in public + what is brought, each log-scaled."""

    reach_weight: float = Field(ge=0, description="Points for ln(1 + followers).")
    share_weight: float = Field(ge=0, description="Points for ln(1 + shares in 365 days).")
    social_cap: float = Field(
        gt=0, description="Most that followers and shares add, as both can be bought."
    )
    brought_weight: float = Field(
        ge=0,
        description="Points for ln(1 + revenue brought in 365 days / that of an average customer).",
    )
    second_degree_share: Share = Field(
        description="Part of the revenue that counts where the referred brought in others."
    )
    cap: float = Field(gt=0, description="Influence beyond this counts no more.")

    @model_validator(mode="after")
    def _social_alone_is_not_enough(self) -> Self:
        if self.social_cap > self.cap:
            raise ValueError("social_cap must not be greater than cap")
        return self
