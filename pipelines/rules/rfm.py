"""`rfm.yml`: the recency x frequency-monetary grid, and how long its edges are remembered."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Name, Rules

Score = Annotated[int, Field(ge=1, le=5)]


class RfmGroup(Labelled):
    """A named cell of the recency x frequency-monetary grid."""

    name: Name
    cells: tuple[tuple[Score, Score], ...]
    single_order_only: bool = False


class Rfm(Rules):
    """`rfm.yml`: the 25 cells of the grid, each with a name."""

    drift_days: int = Field(ge=1, description="How far back edges are compared, in days.")
    drift_min_customers: int = Field(ge=1, description="Among fewer, no share that moved.")
    kept_days: int = Field(ge=1, description="For so many days edges are kept.")
    groups: tuple[RfmGroup, ...]

    @model_validator(mode="after")
    def _what_is_compared_is_kept(self) -> Self:
        if self.kept_days < self.drift_days:
            raise ValueError("kept_days must not be less than drift_days")
        return self

    @model_validator(mode="after")
    def _every_cell_named(self) -> Self:
        cells = {
            cell for group in self.groups if not group.single_order_only for cell in group.cells
        }
        if missing := {(r, fm) for r in range(1, 6) for fm in range(1, 6)} - cells:
            raise ValueError(f"cells {sorted(missing)} have no name that any order count may have")
        return self
