"""The frozen schema of `survivorship.yml`: which of a customer's records each value comes from."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from pipelines.rules.model import Name, Rules, refuse_repeats

GoldenField = Literal[
    "full_name", "first_name", "last_name",
    "street", "city", "state", "postal_code", "country_code",
    "account_source_id", "job_title", "department",
    "kind", "gender", "birth_date", "language", "occupation", "income_band",
    "owner_id", "lead_source", "source_tier",
    "domain", "website", "industry", "employees", "annual_revenue_amount",
    "parent_account_source_id",
]  # fmt: skip
GOLDEN_FIELDS: tuple[str, ...] = get_args(GoldenField)
Strategy = Literal["recency", "frequency", "source_priority", "oldest"]
# Parts of one thing: of two records they would name a person or a place that there is not.
WHOLES = (
    {"full_name", "first_name", "last_name"},
    {"street", "city", "state", "postal_code", "country_code"},
)


class FieldGroup(Rules):
    """Fields that one record wins as a whole."""

    fields: tuple[GoldenField, ...] = Field(
        default=(), description="If absent: the one field of the group's name."
    )
    strategy: Strategy
    sources: tuple[Name, ...] = Field(
        default=(), description="With source_priority: the sources, best first."
    )

    @model_validator(mode="after")
    def _sources_are_for_source_priority(self) -> Self:
        if bool(self.sources) != (self.strategy == "source_priority"):
            raise ValueError("list `sources` with the strategy source_priority, and with no other")
        refuse_repeats("source", self.sources)
        return self


class Survivorship(Rules):
    """`survivorship.yml`: groups of fields, and what decides between records."""

    groups: dict[Name, FieldGroup]

    @property
    def fields_of(self) -> dict[str, tuple[str, ...]]:
        """The fields of each group."""
        return {name: group.fields or (name,) for name, group in self.groups.items()}

    @model_validator(mode="after")
    def _each_field_is_in_one_group(self) -> Self:
        grouped = [field for fields in self.fields_of.values() for field in fields]
        refuse_repeats("field", grouped)
        if unknown := sorted(set(grouped) - set(GOLDEN_FIELDS)):
            raise ValueError(
                f"group {', '.join(unknown)} has no fields, and there is no field of that name"
            )
        if missing := sorted(set(GOLDEN_FIELDS) - set(grouped)):
            raise ValueError(f"{', '.join(missing)} is in no group")
        for whole in WHOLES:
            if not any(whole <= set(fields) for fields in self.fields_of.values()):
                raise ValueError(f"{', '.join(sorted(whole))} belong into one group")
        return self
