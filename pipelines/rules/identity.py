"""The frozen schemas of `identity.yml` and `identity_rules.yml`: who is one, and who says so."""

import re
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Country, Rules, Share, refuse_repeats

IdType = Literal[
    "email", "phone", "external_userid", "unionid", "social_handle", "user_id", "domain"
]
# source:id, source/account:id, and entity=source:id for what is not a contact.
RECORD_REF = re.compile(
    r"(?:(?P<entity>contact|account|guest_order)=)?"
    r"(?P<source>[a-z][a-z0-9_]*)(?:/(?P<account>[^:]*))?:(?P<record>.+)"
)
CUSTOMER_ID = re.compile(r"[a-z2-7]{16}")


class Signal(Rules):
    """What one type of identifier is worth, and how often it may be shared."""

    priority: int = Field(ge=1, description="1 is the strongest; the weakest of a breach goes.")
    max_people: int = Field(ge=1, description="Most people with an account that may share a value.")
    max_guest_orders: int = Field(ge=1, description="Most guest orders that may share a value.")
    max_per_customer: int | None = Field(
        default=None, ge=1, description="Most different values that one customer may have."
    )


class Fuzzy(Rules):
    """When records that share no identifier are compared by what they look like."""

    is_on: bool = True
    link_above: Share = Field(description="Probability from which two records are one customer.")
    review_above: Share = Field(description="Probability from which a person should look at it.")

    @model_validator(mode="after")
    def _band_is_ordered(self) -> Self:
        if self.review_above > self.link_above:
            raise ValueError("review_above must not be greater than link_above")
        return self


class Identity(Rules):
    """`identity.yml`: what ties records of one customer, and what does not."""

    default_country: Country | None = Field(
        None,
        description="Country of phone numbers that name none; that of the company's time zone, "
        "where this is left out.",
    )
    signals: dict[IdType, Signal]
    blocked: dict[IdType, tuple[str, ...]] = Field(description="Values that never tie, by type.")
    fuzzy: Fuzzy


class Decision(Rules):
    """Who decided something about identity, when and why."""

    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    date: date


class PairDecision(Decision):
    """Two records, or the customers named after them, that are one or must never be."""

    a: str
    b: str

    @model_validator(mode="after")
    def _names_two_records(self) -> Self:
        for ref in (self.a, self.b):
            if not CUSTOMER_ID.fullmatch(ref) and not RECORD_REF.fullmatch(ref):
                raise ValueError(
                    f"{ref!r} is neither a record (source:id, source/account:id, "
                    "account=source:id) nor a customer id"
                )
        if self.a == self.b:
            raise ValueError("a and b are the same")
        return self


class BlockedValue(Decision):
    """A value that never ties, and why."""

    id_type: IdType
    value: str = Field(min_length=1)


class IdentityRules(Rules):
    """`identity_rules.yml`: decisions of stewards. One line is taken back by deleting it."""

    must_link: tuple[PairDecision, ...] = ()
    cannot_link: tuple[PairDecision, ...] = ()
    blocked: tuple[BlockedValue, ...] = ()

    @model_validator(mode="after")
    def _no_pair_is_decided_twice(self) -> Self:
        pairs = [*self.must_link, *self.cannot_link]
        refuse_repeats("pair", (" and ".join(sorted((pair.a, pair.b))) for pair in pairs))
        return self
