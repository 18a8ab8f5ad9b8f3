"""The breakers of lists: what trips keeps its last released file, and all other lists go out.

That file is not sent again as it was: whoever may not be written to tonight, at the address that
stands there, is taken off. Nothing of tonight's list goes into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import polars as pl

from pipelines.breakers.judge import TRIPPED, Accepted, Breaker, Memory, judge
from pipelines.breakers.lists import Part, find_audience, read_list
from pipelines.release import Release
from pipelines.rules.breakers import ListBreakers
from pipelines.rules.segments import NO_CHANNEL, Segment, Segments
from pipelines.segments.condition import Condition
from pipelines.segments.cut import Cut, write_rows
from pipelines.segments.funnel import HOLDOUT, KEY, ON_LIST, Members, Night, decide_list

NEVER = "never"  # no list of this version has gone out yet that could be kept: it stays empty
GONE = "gone"  # who is no customer any more, or is part of another one that is listed


@dataclass(frozen=True)
class Last:
    """The lists of the last release; `release` is None on the first night."""

    release: Release | None
    history: pl.DataFrame | None  # `list_history` and `list_decisions`
    decisions: pl.DataFrame | None
    merged: pl.DataFrame  # alias_id, customer_id

    def rows(self, segment: Segment, tonight: pl.DataFrame) -> pl.DataFrame:
        """The rows of a list as it was released, under the customer ids of tonight.

        None, in the columns of `tonight`, where it never was.
        """
        if self.release is None or self.kept_from(segment) == NEVER:
            return tonight.clear()
        rows = pl.read_parquet(self.release.path / "lists" / f"{segment.name}.parquet")
        return self._renamed(rows).unique(KEY, keep="first", maintain_order=True)

    def audience(self, segment: Segment) -> pl.DataFrame | None:
        """customer_id of those whom a list was for; None if none of this version has gone out."""
        if self.decisions is None or self.kept_from(segment) == NEVER:
            return None
        mine = find_audience(self.decisions.filter(pl.col("list") == segment.name))
        return self._renamed(mine).unique()

    def _renamed(self, rows: pl.DataFrame) -> pl.DataFrame:
        now = self.merged.select(customer_id="alias_id", now="customer_id")
        return rows.join(now, on=KEY, how="left", maintain_order="left").select(
            pl.coalesce("now", "customer_id").alias("customer_id"), *rows.columns[1:]
        )

    def kept_from(self, segment: Segment) -> str:
        """The night that the last list is of, which a breaker may have kept for longer."""
        told = self.lists.get((segment.name, segment.version))
        if self.release is None or told is None:
            return NEVER
        night: str = told.get("kept_from", self.release.as_of)
        return night

    @cached_property
    def lists(self) -> dict[tuple[str, int], dict[str, Any]]:
        """What the last release tells of its lists, by name and version."""
        told = self.release.manifest.get("lists", ()) if self.release else ()
        return {(entry["name"], entry["version"]): entry for entry in told}


@dataclass
class Watch:
    """Judges each list in turn, as it is decided, and remembers what came of it."""

    night: Night
    conditions: Mapping[str, Condition]
    segments: Segments
    contacts: pl.DataFrame | None
    last: Last
    rules: ListBreakers
    memory: Memory
    accepted: Accepted
    rows: dict[str, pl.DataFrame] = field(default_factory=dict)
    verdicts: list[pl.DataFrame] = field(default_factory=list)
    kept: dict[str, pl.DataFrame] = field(default_factory=dict)

    def keep(self, segment: Segment, decided: pl.DataFrame) -> pl.DataFrame | None:
        """Who stands in the last list if tonight's may not go out; else None."""
        listed = decided.filter(pl.col("decision") == ON_LIST).select(KEY)
        rows = write_rows(self.night.audience, segment, listed, self.contacts)
        shares = self._change(segment, decided) | self._consent(segment)
        size = find_audience(self._as_refreshed(segment, decided)).height
        limits = self.rules.of(segment.name)
        readings = read_list(rows, size, shares, segment, limits, self.memory)
        verdicts = judge(readings, "lists", self.night.as_of, self.accepted)
        self.verdicts.append(verdicts)
        if TRIPPED not in verdicts["outcome"].to_list():
            self.rows[segment.name] = rows
            return None
        self.kept[segment.name] = self.last.rows(segment, rows)
        return find_writable(self.kept[segment.name], segment, self.contacts)

    def _as_refreshed(self, segment: Segment, decided: pl.DataFrame) -> pl.DataFrame:
        """Decisions as if the list took new customers in each night, so that nights compare."""
        if segment.refresh == "nightly":
            return decided
        anew = replace(self.night, members=Members())
        return decide_list(anew, segment, self.conditions[segment.name], self.segments)

    def _change(self, segment: Segment, decided: pl.DataFrame) -> dict[Breaker, Part]:
        """Who is new, and who is gone since the last release.

        Of a list that is not made anew each night, the last release knows only who was on it. One
        that was for nobody is nobody's change: so it is on the first night that has scores.
        """
        for_whom = find_audience(decided)
        if segment.refresh == "nightly":
            before, came = self.last.audience(segment), for_whom
        else:
            is_known = (segment.name, segment.version) in self.night.members.lists
            before = self.night.members.of(segment) if is_known else None
            came = decided.filter(pl.col("decision").is_in([ON_LIST, HOLDOUT])).select(KEY)
        if before is None or before.is_empty():
            return {}
        new, gone = came.join(before, on=KEY, how="anti"), before.join(for_whom, on=KEY, how="anti")
        return {"entered": (new.height, came.height), "left": (gone.height, before.height)}

    def _consent(self, segment: Segment) -> dict[Breaker, Part]:
        """How many the condition is true for, and how many of them may be written to."""
        if self.night.allowed is None or segment.channel == NO_CHANNEL:
            return {}
        found = self.conditions[segment.name].match(self.night.audience).select(KEY)
        here = (pl.col("channel") == segment.channel) & (pl.col("purpose") == segment.purpose)
        allowed = self.night.allowed.filter(here)
        return {"consent": (found.join(allowed, on=KEY, how="semi").height, found.height)}

    def cut(self, segment: Segment, mine: pl.DataFrame) -> Cut:
        """The list that goes out, by the last word on everybody."""
        left_out = mine.filter(~pl.col("is_on_list"))["decision"].value_counts().sort("decision")
        counts = dict(left_out.rows())
        listed = mine.filter("is_on_list").select(KEY)
        refreshed_on = self.night.members.refreshed_on(segment, self.night.as_of)
        if segment.name not in self.kept:
            rows = self.rows.get(segment.name)
            if rows is None or not rows.select(KEY).equals(listed):  # the last word counts
                rows = write_rows(self.night.audience, segment, listed, self.contacts)
            return Cut(rows, mine.height, counts, refreshed_on)
        before = self.kept[segment.name]
        rows = before.join(listed, on=KEY, how="semi", maintain_order="left")
        off = before.join(listed, on=KEY, how="anti").join(mine, on=KEY, how="left")
        reasons = off["decision"].fill_null(GONE).value_counts().sort("decision")
        return Cut(
            rows, mine.height, counts,
            refreshed_on=self.night.members.lists.get(
                (segment.name, segment.version), refreshed_on
            ),
            kept_from=self.last.kept_from(segment),
            taken_off=dict(reasons.rows()),
        )  # fmt: skip


def find_writable(
    rows: pl.DataFrame, segment: Segment, contacts: pl.DataFrame | None
) -> pl.DataFrame:
    """Whether each row of a list holds a contact point that consent allows tonight.

    Returns:
        customer_id, may_write. Of a row without any, consent for the channel alone decides; with
        one, nobody may be written to where no source states consents, or the list has no channel.
    """
    if "contact" not in rows.columns:
        return rows.select(*KEY, may_write=pl.lit(value=True))
    if contacts is None or segment.channel == NO_CHANNEL:
        return rows.select(*KEY, may_write=pl.lit(value=False))
    here = (pl.col("channel") == segment.channel) & (pl.col("purpose") == segment.purpose)
    allowed = contacts.filter(here).select(
        *KEY, contact="contact_value", may_write=pl.lit(value=True)
    )
    told = rows.select(*KEY, "contact").join(
        allowed.unique(), on=[*KEY, "contact"], how="left", maintain_order="left"
    )
    return told.select(*KEY, pl.col("may_write").fill_null(value=False))
