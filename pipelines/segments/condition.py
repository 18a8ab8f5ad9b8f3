"""The conditions of all lists together: what each reads, and in which order they are answered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from pipelines.errors import C360Error
from pipelines.rules.segments import Segment
from pipelines.segments.evaluate import as_expression
from pipelines.segments.language import (
    Column,
    DaysSince,
    EventCount,
    Node,
    OnList,
    walk,
)
from pipelines.segments.parse import parse_condition
from pipelines.segments.refusals import HINT, nearest

Asked = EventCount | DaysSince


@dataclass(frozen=True)
class Condition:
    """The condition of one list.

    columns: of the audience, that it reads itself or by way of lists that it names.
    events: counts of events, likewise.
    lists: that it names itself.
    """

    name: str
    tree: Node
    columns: frozenset[str]
    events: tuple[Asked, ...]
    lists: tuple[str, ...]

    @property
    def expression(self) -> pl.Expr:
        """True, false or null for each row of a prepared audience."""
        return as_expression(self.tree)

    def match(self, audience: pl.DataFrame) -> pl.DataFrame:
        """The rows of a prepared audience for which it is true: false and unknown are both out."""
        return audience.filter(self.expression)


def read_conditions(
    segments: Sequence[Segment], columns: Mapping[str, pl.DataType]
) -> dict[str, Condition]:
    """The condition of each list, each after those that it names with `on_list`.

    Args:
        segments: the lists.
        columns: the audience's schema.

    Raises:
        C360Error: one is no condition, names a list that there is not, or names itself by way of
            others; the sentence has the way.
    """
    trees = {
        segment.name: parse_condition(f"Segment {segment.name}", segment.where, columns)
        for segment in segments
    }
    done: dict[str, Condition] = {}
    for name in trees:
        _finish(name, trees, done, ())
    return done


def _finish(
    name: str, trees: Mapping[str, Node], done: dict[str, Condition], way: tuple[str, ...]
) -> None:
    if name in done:
        return
    if name in way:
        path = " → ".join((*way[way.index(name) :], name))
        raise C360Error(f"Segment {name}: on_list goes round in a circle: {path}.", HINT)
    tree = trees[name]
    named = tuple(dict.fromkeys(part.name for part in walk(tree) if isinstance(part, OnList)))
    for other in named:
        if other not in trees:
            raise C360Error(
                f"Segment {name}: on_list names {other!r}, and there is no such list"
                f"{nearest(other, trees).removesuffix('?')}.",
                HINT,
            )
        _finish(other, trees, done, (*way, name))
    inner = [done[other] for other in named]
    own = {part.name for part in walk(tree) if isinstance(part, Column)}
    events = [part for part in walk(tree) if isinstance(part, Asked)]
    done[name] = Condition(
        name=name,
        tree=tree,
        columns=frozenset(own).union(*(condition.columns for condition in inner)),
        events=tuple(dict.fromkeys([*events, *(e for c in inner for e in c.events)])),
        lists=named,
    )


def asked_events(conditions: Iterable[Condition]) -> tuple[Asked, ...]:
    """What conditions count, each once."""
    return tuple(dict.fromkeys(event for condition in conditions for event in condition.events))


def all_columns(conditions: Iterable[Condition]) -> frozenset[str]:
    """What conditions read of the audience."""
    empty: frozenset[str] = frozenset()
    return reduce(frozenset.union, (condition.columns for condition in conditions), empty)


def refuse_unknown(where: str, named: set[str], known: Iterable[str]) -> None:
    """Refuse names that are no columns of the audience."""
    if unknown := sorted(named - set(known)):
        raise C360Error(
            f"{where}: {', '.join(unknown)} is not a column of the audience.",
            "The columns are listed under `audience` in dbt_project/models/marts/_marts.yml.",
        )
