"""The frozen schema of `breakers.yml`: how much may change in a night unseen."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from pipelines.rules.model import INPUT_TABLE, Name, Rules, Share

Severity = Literal["critical", "warning"]
Table = Annotated[str, Field(pattern=INPUT_TABLE)]


class Limits(Rules):
    """What every kind of breaker has; null turns a limit off."""

    severity: Severity = Field(
        "critical", description="critical: it trips; warning: it is told, and let through."
    )
    min_nights: int = Field(
        3, ge=1, description="Nothing is usual before so many nights have been seen."
    )
    least_of_usual: float | None = Field(
        0.5, ge=0, lt=1, description="Trips at this part of the usual size, or less."
    )
    most_of_usual: float | None = Field(
        2.0, gt=1, description="Trips at so many times the usual size, or more."
    )


AnyLimits = TypeVar("AnyLimits", bound=Limits)


class ListLimits(Limits):
    """What one list may do in a night."""

    min_customers: int = Field(
        50, ge=1, description="Of fewer customers a share says nothing: it is not judged."
    )
    max_entered_share: Share | None = Field(
        0.5, description="Of tonight's customers, who were not on the list last night."
    )
    max_left_share: Share | None = Field(
        0.5, description="Of last night's customers, who are not on the list tonight."
    )
    max_consent_change: Share | None = Field(
        0.15,
        description="How far the share of those who may be written to may be from the usual one.",
    )
    max_null_rise: Share | None = Field(
        0.2, description="How far a column's share of missing values may be above the usual one."
    )
    max_repeated_contacts_share: Share | None = Field(
        0.1, description="Rows whose contact point another customer's row has too."
    )


class MartLimits(Limits):
    """What one mart may do in a night; the last four say something of one mart each."""

    severity: Severity = "warning"
    least_of_usual: float | None = Field(0.8, ge=0, lt=1)
    most_of_usual: float | None = Field(1.5, gt=1)
    min_rows: int = Field(100, ge=1, description="Of fewer rows a share says nothing.")
    max_null_rise: Share | None = Field(
        0.3, description="How far a column's share of missing values may be above the usual one."
    )
    max_grade_changes_share: Share | None = Field(
        None, description="Of `customer_grades`: customers whose grade changed tonight."
    )
    max_drift: float | None = Field(
        None,
        gt=0,
        description="Of `customer_scores`: PSI against the last release.",
    )
    drift_columns: tuple[Name, ...] = Field(
        ("churn_risk", "clv_365d_amount"), description="Of `model_drift`, that `max_drift` is for."
    )
    max_shared_rise: Share | None = Field(
        None,
        description="Of `customer_identifiers`: how far the share of identifiers that several "
        "customers have may be above the usual one.",
    )


class InputLimits(Limits):
    """How many rows of one landing table a source may bring in a night."""

    min_nights: int = Field(7, ge=1)
    most_of_usual: float | None = Field(3.0, gt=1)
    min_rows: int = Field(50, ge=1, description="A table that usually has fewer is not judged.")


class ListBreakers(Rules):
    """Limits of all lists, and what is different for some."""

    defaults: ListLimits = ListLimits()
    lists: dict[Name, ListLimits] = Field(default={})

    def of(self, name: str) -> ListLimits:
        """The limits of a list."""
        return merge_limits(self.defaults, self.lists.get(name))

    @model_validator(mode="after")
    def _each_is_sound(self) -> Self:
        for name in self.lists:
            self.of(name)
        return self


class MartBreakers(Rules):
    """Which marts are watched, and their limits."""

    defaults: MartLimits = MartLimits()
    marts: dict[Name, MartLimits] = Field(default={})

    def of(self, name: str) -> MartLimits:
        """The limits of a mart."""
        return merge_limits(self.defaults, self.marts[name])

    @model_validator(mode="after")
    def _each_is_sound(self) -> Self:
        for name in self.marts:
            self.of(name)
        return self


class InputBreakers(Rules):
    """Limits of all landing tables, and what is different for some.

    A table is named as `source.table`, or as `table` whatever source it is of.
    """

    defaults: InputLimits = InputLimits()
    tables: dict[Table, InputLimits] = Field(default={})

    def of(self, name: str) -> InputLimits:
        """The limits of a source's table, given as `source.table`."""
        of_all = merge_limits(self.defaults, self.tables.get(name.partition(".")[2]))
        return merge_limits(of_all, self.tables.get(name))

    @model_validator(mode="after")
    def _each_is_sound(self) -> Self:
        for name in self.tables:
            self.of(name)
        return self


class Breakers(Rules):
    """`breakers.yml`: a breaker trips where a number reaches its limit."""

    nights: int = Field(
        14, ge=2, description="What is usual is the median of the last so many releases."
    )
    inputs: InputBreakers = InputBreakers()
    marts: MartBreakers = MartBreakers()
    lists: ListBreakers = ListBreakers()


def merge_limits(defaults: AnyLimits, own: AnyLimits | None) -> AnyLimits:
    """The defaults, with what is said otherwise."""
    if own is None:
        return defaults
    said = own.model_dump(include=own.model_fields_set)
    return type(defaults).model_validate(defaults.model_dump() | said)
