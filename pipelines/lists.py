"""Lists of a run: reads what the night and the last release know, and writes lists and their marts.

Names and contact points are joined to a list at the last moment, when it is decided who is on it;
no mart of lists holds any.
"""

from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from pipelines.aliases import find_forgotten, newest_aliases
from pipelines.breakers.judge import NOBODY_ACCEPTED, Accepted, judge
from pipelines.catalogue import Catalogue
from pipelines.gate_breakers import recall_breakers, write_verdicts
from pipelines.lake import Run, write_table
from pipelines.list_breakers import NEVER, Last, Watch
from pipelines.list_files import Files, write_list
from pipelines.release import Release, recall
from pipelines.rules.schemas import RuleBook
from pipelines.rules.segments import PROGRAMME, Segments
from pipelines.rules.sources import country_of
from pipelines.segments.caps import find_capped, find_contacts
from pipelines.segments.condition import Condition, read_conditions
from pipelines.segments.cut import Cut
from pipelines.segments.effects import measure_effects
from pipelines.segments.funnel import (
    HOLDOUT,
    KEY,
    ON_LIST,
    SUPPRESSING,
    Members,
    Night,
    decide_lists,
)
from pipelines.segments.holdout import STRATA, Drawn, global_salt, is_drawn, measure_balance
from pipelines.segments.membership import carry_membership, find_members
from pipelines.segments.prepare import prepare_audience, read_events
from pipelines.segments.reasons import named_columns
from pipelines.segments.tally import count_lists

ASKED = ["customer_id", "channel", "purpose"]
EVENT_DAYS = "int_events_summed_to_customer_days"


@dataclass(frozen=True)
class Lists:
    """Tonight's lists by name, their conditions, and whether any source states consents."""

    cuts: dict[str, Cut]
    conditions: dict[str, Condition]
    has_consents: bool


@dataclass(frozen=True)
class _Memory:
    """What the last release knows of lists; frames are None if it is of an older make."""

    history: pl.DataFrame | None = None
    decisions: pl.DataFrame | None = None
    members: Members = field(default_factory=Members)


def make_lists(
    run: Run,
    catalogue: Catalogue,
    book: RuleBook,
    before: Release | None,
    accepted: Accepted = NOBODY_ACCEPTED,
) -> Lists:
    """Decide who is on which list; write the lists and what is told of them.

    A list that trips a breaker, unless its numbers are `accepted`, stays as it was last released.
    Writes `lists/` below the release, and list_decisions, list_history, list_effectiveness,
    holdout_balance, list_summary and lists_breakers of the run.
    """
    rules = book.segments
    scanned = run.scan("models", "audience", "publish")
    conditions = read_conditions(rules.segments, scanned.collect_schema())
    audience = _audience(run, scanned, rules, conditions)
    contacts = _contacts(run)
    aliases = run.scan("pipeline", "customer_aliases", "publish").collect()
    forgotten = find_forgotten(_requests(run), aliases)
    merged = _merged(aliases, forgotten)
    last = Last(before, *_recall_lists(before, catalogue), merged)
    memory = _memory(last)
    night = Night(
        as_of=run.as_of,
        audience=audience,
        allowed=None if contacts is None else contacts.select(ASKED),
        refused=_refusals(run),
        capped=_capped(run, memory, rules),
        members=memory.members,
    )
    numbers = recall_breakers(before, catalogue, "lists", book.breakers)
    watch = Watch(night, conditions, rules, contacts, last, book.breakers.lists, numbers, accepted)
    decisions = decide_lists(night, rules, watch.keep)
    living = audience.select(KEY).join(forgotten, on=KEY, how="anti")
    history = carry_membership(
        memory.history, decisions, memory.decisions, rules, living, merged, run.as_of
    )
    files = Files(
        folder=run.release / "lists",
        columns=book.list_columns,
        granted=_granted(run),
        default_country=book.identity.default_country or country_of(book.sources.time_zone),
        as_of=run.as_of,
    )
    cuts = {}
    for segment in rules.segments:
        mine = decisions.filter(pl.col("list") == segment.name)
        cuts[segment.name] = watch.cut(segment, mine)
        write_list(cuts[segment.name].rows, segment, files)
    told = {
        "list_decisions": decisions,
        "list_history": history,
        "list_effectiveness": measure_effects(
            history, _order_days(run), merged, run.as_of, rules.effect
        ),
        "holdout_balance": measure_balance(_draws(decisions, audience, living, rules)),
        "list_summary": count_lists(
            {name: cut.rows for name, cut in cuts.items()},
            audience,
            contacts,
            memory.history,
            rules,
        ),
    }
    for name, frame in told.items():
        dataset = catalogue["pipeline", name]
        write_table(dataset.conform(frame.lazy()), run.table("pipeline", name))
    verdicts = pl.concat([judge((), "lists", run.as_of), *watch.verdicts])
    write_verdicts(verdicts, "lists", run, catalogue)
    return Lists(cuts, conditions, contacts is not None)


def _audience(
    run: Run, audience: pl.LazyFrame, rules: Segments, conditions: dict[str, Condition]
) -> pl.DataFrame:
    """The columns of the audience that some list, or what is told of lists, reads; prepared."""
    read = {*KEY, *SUPPRESSING, *STRATA.values()}
    for segment in rules.segments:
        read |= conditions[segment.name].columns | named_columns(segment)
    known = audience.collect_schema().names()
    plain = audience.select(name for name in known if name in read).sort(KEY).collect()
    events = read_events(
        run.scan("models", EVENT_DAYS, "publish"), run.scan("models", "int_event_kinds", "publish")
    )
    return prepare_audience(plain, conditions, events, run.as_of)


def _recall_lists(
    before: Release | None, catalogue: Catalogue
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """History and decisions of the last release; None where it has not both."""
    history, decisions = (
        recall(before, f"marts/{name}", catalogue["pipeline", name].schema)
        for name in ("list_history", "list_decisions")
    )
    return (None, None) if history is None or decisions is None else (history, decisions)


def _memory(last: Last) -> _Memory:
    if last.release is None or last.history is None or last.decisions is None:
        return _Memory()
    # A list that has never gone out is made as on its first night.
    out = {key: told for key, told in last.lists.items() if told.get("kept_from") != NEVER}
    lists = {
        key: date.fromisoformat(
            told.get("refreshed_on", last.release.as_of)  # an older version did not tell
        )
        for key, told in out.items()
    }
    kept = {
        name: date.fromisoformat(told["kept_from"])
        for (name, _), told in out.items()
        if "kept_from" in told
    }
    released_on = date.fromisoformat(last.release.as_of)
    members = find_members(last.history, last.decisions, last.merged, released_on, lists)
    return _Memory(last.history, last.decisions, replace(members, kept_from=kept))


def _contacts(run: Run) -> pl.DataFrame | None:
    """The contact points that consent allows; None if no source states any consent."""
    present = run.scan("models", "int_sources_present", "publish").collect()
    if not present["has_consents"].item():
        return None
    contacts = run.scan("models", "customer_contacts", "publish")
    return contacts.select(*ASKED, "full_name", "contact_value").collect()


def _refusals(run: Run) -> pl.DataFrame:
    """Who refused what on record.

    Returns:
        customer_id, channel, purpose; channel may be `any`.
    """
    persons = run.scan("models", "int_consent_statements", "publish").filter(
        pl.col("customer_id").is_not_null() & pl.col("status").is_in(["denied", "withdrawn"])
    )
    points = run.scan("models", "int_contact_permissions", "publish").filter(
        pl.col("status").is_in(["denied", "withdrawn"])
    )
    return pl.concat([persons.select(ASKED), points.select(ASKED)]).unique().collect()


def _granted(run: Run) -> pl.DataFrame:
    """Who may be told of to advertising platforms."""
    customers = run.scan("models", "customer_360", "publish")
    return customers.select("customer_id", "is_ads_matching_granted").collect()


def _requests(run: Run) -> pl.DataFrame:
    """customer_id of those who asked to be forgotten."""
    customers = run.scan("models", "customer_360", "publish")
    return customers.filter("is_erasure_requested").select("customer_id").collect()


def _merged(aliases: pl.DataFrame, forgotten: pl.DataFrame) -> pl.DataFrame:
    """Ids that are part of another customer tonight: alias_id, customer_id."""
    is_part = pl.col("customer_id") != pl.col("alias_id")
    merged = newest_aliases(aliases).filter(is_part).select("alias_id", "customer_id")
    return merged.join(forgotten, left_on="alias_id", right_on="customer_id", how="anti")


def _capped(run: Run, memory: _Memory, rules: Segments) -> pl.DataFrame:
    told = run.scan("models", "int_contacts_counted_to_days", "publish").collect()
    own = told.clear()
    if memory.history is not None:
        days = max((cap.days for cap in rules.caps), default=1)
        own = find_contacts(memory.history, rules.segments, run.as_of, days)
    return find_capped(told, own, rules.caps, run.as_of)


def _order_days(run: Run) -> pl.DataFrame:
    days = run.scan("models", "int_orders_summed_to_customer_days", "publish")
    return days.select("customer_id", "ordered_on", "order_count", "net_margin_amount").collect()


def _draws(
    decisions: pl.DataFrame, audience: pl.DataFrame, living: pl.DataFrame, rules: Segments
) -> list[Drawn]:
    """Who was drawn for which holdout, with what their balance is told by."""
    told = audience.select(*KEY, "grade", "lifecycle_stage")
    everybody = told.join(living, on=KEY, how="semi")
    out = is_drawn(everybody["customer_id"], global_salt(rules.holdout), rules.holdout.global_rate)
    draws = [
        Drawn(
            PROGRAMME, rules.holdout.global_version, rules.holdout.global_rate,
            everybody.with_columns(is_held_out=out),
        )
    ]  # fmt: skip
    is_own = pl.col("decision").is_in([ON_LIST, HOLDOUT]) & ~(
        pl.col("detail").eq_missing(pl.lit("global"))
    )
    for segment in rules.segments:
        mine = decisions.filter(is_own & (pl.col("list") == segment.name))
        customers = mine.select(*KEY, is_held_out=~pl.col("is_on_list")).join(told, on=KEY)
        draws.append(Drawn(segment.name, segment.version, rules.holdout_rate(segment), customers))
    return draws
