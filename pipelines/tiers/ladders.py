"""The two ladders of `tiers.yml`: grades and VIP bands, each cut off by a score of its own."""

from dataclasses import dataclass

from pipelines.rules.tiers import PERCENTILE, Cut, Tiers
from pipelines.tiers.policy import Ladder

GRADE, VIP_BAND = "grade", "vip_band"


@dataclass(frozen=True)
class Track:
    """A ladder, and what its levels are cut off by.

    cuts: as the rules list them, from the highest level down; the lowest needs none.
    cut_by: percentile, or the column that min_value is of.
    score: that column; of percentiles, the score that they are of.
    """

    ladder: Ladder
    cuts: tuple[Cut, ...]
    cut_by: str
    score: str

    @property
    def name(self) -> str:
        """Name of the ladder."""
        return self.ladder.name


def tracks_of(tiers: Tiers) -> tuple[Track, Track]:
    """Grades and VIP bands. Below the last band there is none."""
    *above, lowest = tiers.grades
    by = "value_score" if tiers.cut_by == PERCENTILE else tiers.cut_by
    grades = Ladder(
        GRADE, (lowest.grade, *(cut.grade for cut in reversed(above))), unscored="no_order"
    )
    bands = Ladder(
        VIP_BAND, (None, *(cut.band for cut in reversed(tiers.vip_bands))),
        unscored="outside_grades",
    )  # fmt: skip
    return (
        Track(grades, tuple(above), tiers.cut_by, by),
        Track(bands, tiers.vip_bands, tiers.vip_cut_by, "vip_score"),
    )
