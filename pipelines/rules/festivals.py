"""`festivals.yml`: the calendar of festivals on which customers are greeted."""

from datetime import date
from typing import Any, Self

from pydantic import Field, model_validator

from pipelines.rules.model import Country, Labelled, Name, Rules, refuse_repeats

EVERYWHERE = "any"


class Festival(Labelled):
    """A festival, its days, and where it is kept; everywhere if no country is given."""

    name: Name
    countries: tuple[Country, ...] = Field((), description="ISO 3166-1 alpha-2.")
    days: tuple[date, ...] = Field(min_length=1)


class Festivals(Rules):
    """`festivals.yml`: dated, as many festivals follow the moon."""

    festivals: tuple[Festival, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeats("festival", (festival.name for festival in self.festivals))
        for festival in self.festivals:
            refuse_repeats(f"{festival.name}: day", (day.isoformat() for day in festival.days))
        return self

    def rows(self) -> list[dict[str, Any]]:
        """One row for each festival, day and country."""
        return [
            {
                "festival": festival.name,
                "label": festival.label,
                "label_zh": festival.label_zh,
                "celebrated_on": day,
                "country_code": country,
            }
            for festival in self.festivals
            for day in festival.days
            for country in festival.countries or (EVERYWHERE,)
        ]
