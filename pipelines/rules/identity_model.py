"""The schema of `identity_model.json`: what likeness is worth when records share no identifier."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from pipelines.rules.model import Name, Rules

Probability = Annotated[float, Field(gt=0, lt=1)]


class LevelWorth(Rules):
    """How often a level is met. Its weight is log2(m / u), in bits."""

    m: Probability = Field(description="Share of pairs of one person that are at this level.")
    u: Probability = Field(description="Share of pairs of two persons that are at this level.")


class PartyModel(Rules):
    """What persons, or organisations, are told apart by."""

    trained_on: date | None = Field(description="Run date of the training; null: as packaged.")
    record_count: int = Field(ge=1, description="Records that it was trained on.")
    duplicates_per_record: float = Field(
        gt=0, le=10, description="Other records of the same one that a record has, on average."
    )
    neighbours_per_record: float = Field(
        gt=0, le=10, description="Records of others of the same home or group that a record has."
    )
    comparisons: dict[Name, dict[Name, LevelWorth]] = Field(
        description="By comparison and level, from most to least alike."
    )


class IdentityModel(Rules):
    """`identity_model.json`: written by `c360 identity train`, never by hand."""

    version: Literal[1] = 1
    splink: str = Field(description="Version of Splink that it was trained with.")
    person: PartyModel
    organisation: PartyModel
