"""`psychographics.yml`: where a leaning is low, medium or high, and what must be known of it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Labelled, Name, Rules, refuse_repeats

TraitName = Literal["price_sensitivity", "novelty_seeking", "basket_size", "brand_loyalty"]


class TraitBand(Labelled):
    """A band begins at a value and ends where the next one begins."""

    band: Name
    from_value: float = Field(ge=0)


class Trait(Rules):
    """One leaning and its bands, lowest first."""

    trait: TraitName
    min_evidence: int = Field(ge=1, description="Known by fewer deeds: no band.")
    bands: tuple[TraitBand, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _bands_rise_from_nought(self) -> Self:
        begin = [band.from_value for band in self.bands]
        if begin != sorted(set(begin)) or begin[0] != 0:
            raise ValueError("from_value must begin with 0 and rise")
        refuse_repeats("band", (band.band for band in self.bands))
        return self


class Psychographics(Rules):
    """`psychographics.yml`: leanings that are put into bands."""

    traits: tuple[Trait, ...]

    @model_validator(mode="after")
    def _each_trait_once(self) -> Self:
        refuse_repeats("trait", (trait.trait for trait in self.traits))
        return self
