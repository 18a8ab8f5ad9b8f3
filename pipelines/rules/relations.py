"""The frozen schema of `relations.yml`: households, and the ties between customers."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from pipelines.rules.model import Rules, refuse_repeats

Relation = Literal[
    "household", "family", "partner", "friend", "colleague", "account", "referral",
    "parent_company",
]  # fmt: skip


class Households(Rules):
    """What is still a home."""

    max_persons: int = Field(ge=2, description="A home of more persons is no household.")
    max_families: int = Field(ge=1, description="A home of more family names is no household.")


class RelationKind(Rules):
    """A kind of tie, in English and Chinese."""

    relation: Relation
    label: str
    label_zh: str


class Relations(Rules):
    """`relations.yml`: who belongs together."""

    households: Households
    max_ties_passed: int = Field(
        ge=1, description="Through a customer with more ties no second degree leads."
    )
    relations: tuple[RelationKind, ...] = Field(description="Kinds of tie, the closest first.")

    @model_validator(mode="after")
    def _each_relation_once(self) -> Self:
        named = [kind.relation for kind in self.relations]
        refuse_repeats("relation", named)
        if missing := sorted(set(get_args(Relation)) - set(named)):
            raise ValueError(f"relation {', '.join(missing)} is not listed")
        return self
