"""The frozen schema of `warnings.yml`: signs that a customer may be leaving."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Rules, refuse_repeats

Sign = Literal[
    "overdue", "orders_falling", "basket_shrinking", "engagement_falling", "detractor",
    "complaint_open", "points_expiring",
]  # fmt: skip


class EarlyWarning(Rules):
    """One sign, from where it counts, and who acts on it."""

    warning: Sign
    threshold: float = Field(gt=0, description="From this value on it warns; overdue: above it.")
    up_to: float | None = Field(
        None, gt=0, description="Above this value it is no early warning any more."
    )
    at_least: float = Field(0, ge=0, description="What there must have been before to lose.")
    severity: Literal["low", "medium", "high"]
    owner: str = Field(min_length=1, description="Role that acts on it.")
    down_to_grade: Literal["A", "B", "C", "D"] = Field(
        "D", description="Customers of lower grades are not warned of."
    )
    label: str
    label_zh: str


class EarlyWarnings(Rules):
    """`warnings.yml`: a sign that is not listed does not warn."""

    warnings: tuple[EarlyWarning, ...]

    @model_validator(mode="after")
    def _each_warning_once(self) -> Self:
        refuse_repeats("warning", [warning.warning for warning in self.warnings])
        return self
