"""What is wrong or doubtful in the lists, so that it is seen before the night and not after it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import polars as pl

from pipelines.catalogue import Column
from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments import language as words
from pipelines.segments.check import check_columns
from pipelines.segments.condition import Condition, read_conditions
from pipelines.segments.judgements import PROFILING
from pipelines.segments.language import walk, write_condition, write_value
from pipelines.segments.parse import parse_condition
from pipelines.segments.prepare import Events
from pipelines.segments.preview import find_members
from pipelines.segments.reasons import named_columns
from pipelines.segments.refusals import nearest
from pipelines.segments.trace import weigh_parts

SAME = 0.9  # of two lists together: so many in both, and they are one list


@dataclass(frozen=True)
class Finding:
    """One fault (`error`) or doubt (`warning`) of a list."""

    name: str
    severity: Literal["error", "warning"]
    told: str


def find_faults(segments: Sequence[Segment], columns: Mapping[str, Column]) -> list[Finding]:
    """What can be said of lists without data: all faults, not only the first.

    Args:
        segments: the lists.
        columns: the audience, as the catalogue describes it.
    """
    schema = pl.Schema({name: column.dtype for name, column in columns.items()})
    found = []
    sound = []
    for segment in segments:
        try:
            check_columns(segment, schema)
            tree = parse_condition(f"Segment {segment.name}", segment.where, schema)
        except C360Error as error:
            found.append(Finding(segment.name, "error", _without_name(error, segment.name)))
            continue
        sound.append(segment)
        found.extend(_values_that_are_none(segment, tree, columns))
        found.extend(_personal(segment, columns))
    if len(sound) == len(segments):
        try:
            read_conditions(segments, schema)
        except C360Error as error:
            name = error.message.split(":")[0].removeprefix("Segment ")
            found.append(Finding(name, "error", _without_name(error, name)))
    return found


def refuse_faults(segments: Sequence[Segment], columns: Mapping[str, Column]) -> None:
    """Refuse lists with faults: `c360 rules check` and a night ask what `c360 segment lint` does.

    Raises:
        C360Error: with one sentence per fault.
    """
    faults = [f for f in find_faults(segments, columns) if f.severity == "error"]
    if faults:
        raise C360Error(
            "segments.yml has faults:\n  " + "\n  ".join(f"{f.name}: {f.told}" for f in faults),
            "Mend the lists; docs/segments.md is their whole language.",
        )


def _without_name(error: C360Error, name: str) -> str:
    return error.message.removeprefix(f"Segment {name}: ").removeprefix(f"Segment {name} ")


def _values_that_are_none(
    segment: Segment, tree: words.Node, columns: Mapping[str, Column]
) -> Iterator[Finding]:
    """A text that the column never holds, by its own description."""
    for node in walk(tree):
        match node:
            case words.Compare(_, words.Column(name, "text"), words.Value(value)):
                compared = [value]
            case words.In(words.Column(name, "text"), values):
                compared = [value.value for value in values]
            case _:
                continue
        allowed = columns[name].values
        for value in compared:
            if allowed and value not in allowed:
                near = nearest(str(value), allowed).removesuffix("?")
                told = f"{name} is never {write_value(value)}{near}; it is {', '.join(allowed)}."
                yield Finding(segment.name, "error", told)


def _personal(segment: Segment, columns: Mapping[str, Column]) -> Iterator[Finding]:
    """What a list shows of a person; names and contacts join it at the last moment, elsewhere."""
    for name in sorted(named_columns(segment)):
        if columns[name].pii == "direct":
            yield Finding(segment.name, "error", f"{name} names a person; no list shows it.")
        elif columns[name].pii and name in segment.columns:
            told = f"{name} helps to tell who somebody is; leave it out unless it is needed."
            yield Finding(segment.name, "warning", told)


def find_doubts(
    segments: Sequence[Segment],
    conditions: Mapping[str, Condition],
    prepared: pl.DataFrame,
    events: Events,
) -> list[Finding]:
    """What a night's customers say of lists: empty or everybody, dead parts, twins, refusals.

    Args:
        segments: the lists.
        conditions: theirs.
        prepared: an audience prepared for them, with `is_profiling_refused`.
        events: what its customers did.
    """
    members = find_members(conditions, prepared)
    found: list[Finding] = []
    for segment in segments:
        condition = conditions[segment.name]
        told = [
            *_size(members[segment.name], prepared.height),
            *_dead_parts(condition, prepared),
            *_events_of_nobody(condition, events),
            *_refusals(segment, condition, prepared.filter(members[segment.name])),
        ]
        found.extend(Finding(segment.name, "warning", one) for one in told)
    found.extend(_twins(segments, members))
    return found


def _size(is_in: pl.Series, customers: int) -> Iterator[str]:
    if not is_in.any():
        yield "nobody is on it tonight."
    elif int(is_in.sum()) == customers:
        yield "everybody is on it tonight."


def _dead_parts(condition: Condition, prepared: pl.DataFrame) -> Iterator[str]:
    """Parts of the outermost `and` that decide nothing, or everything."""
    parts = weigh_parts(condition.tree, prepared)
    for part in parts.iter_rows(named=True):
        text = part["predicate"]
        if part["unknown_count"] == prepared.height:
            yield f"`{text}` is unknown for everybody tonight."
        elif not part["true_count"]:
            yield f"`{text}` is true for nobody tonight."
        elif part["true_count"] == prepared.height and parts.height > 1:
            yield f"`{text}` is true for everybody tonight: it changes nothing."
        elif not part["stopped_alone_count"] and parts.height > 1:
            yield f"`{text}` keeps nobody off that the other parts do not: it changes nothing."


def _events_of_nobody(condition: Condition, events: Events) -> Iterator[str]:
    """Kinds without a source, and categories that no event has."""
    for event in condition.events:
        if event.event not in events.known:
            text = write_condition(event)
            yield f"`{text}` is unknown: no source tells of {event.event} tonight."
        elif event.category is not None:
            of_kind = events.days.filter(pl.col("kind") == event.event)
            seen = of_kind.select(pl.col("category").drop_nulls().unique().sort()).collect()
            if event.category not in seen["category"]:
                near = nearest(event.category, seen["category"])
                near = near or f"; there are {', '.join(seen['category'].head(10))}."
                yield f"no {event.event} has the category {event.category!r}{near}"


def _refusals(segment: Segment, condition: Condition, matched: pl.DataFrame) -> Iterator[str]:
    """Who refuses profiling, and is left out though the list might do without judging people."""
    refused = matched.filter("is_profiling_refused").height
    shown = sorted(named_columns(segment) & PROFILING)
    judged = sorted(condition.columns & PROFILING)
    if not refused:
        return
    left_out = f"{refused} of {matched.height} customers refuse profiling and are left out"
    if segment.purpose == "service" and judged:
        yield f"{left_out} of a list for service, because its condition reads {_some(judged)}."
    elif shown and not judged:
        yield f"{left_out}, only because the list shows or is sorted by {_some(shown)}."


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _twins(segments: Sequence[Segment], members: pl.DataFrame) -> Iterator[Finding]:
    """Lists of one channel with nearly the same people."""
    for one, other in combinations(segments, 2):
        both = int((members[one.name] & members[other.name]).sum())
        either = int((members[one.name] | members[other.name]).sum())
        if one.channel == other.channel and either and both / either > SAME:
            told = f"{both} of {either} people are on {other.name}, too: is that one list?"
            yield Finding(one.name, "warning", told)
