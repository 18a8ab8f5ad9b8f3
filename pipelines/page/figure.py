"""What a page is made of: texts in two languages, columns, figures, sections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
# How the values of a column are written.
Kind = Literal[
    "label",
    "text",
    "code",
    "day",
    "link",
    "persons",
    "count",
    "change",
    "rate",
    "money",
    "number",
    "written",  # as text already, each row in its own unit
]
TEXTUAL: frozenset[Kind] = frozenset({"label", "text", "code", "day", "link"})
WIDE = 10  # columns, from which a figure takes the whole width
Option = dict[str, Any]


class Text(NamedTuple):
    """A text in English and Chinese."""

    en: str
    zh: str

    def in_language(self, language: Language) -> str:
        """The text in one of the languages."""
        return self.en if language == "en" else self.zh


@dataclass(frozen=True)
class Column:
    """A column of a figure: `name` in its frame (and `<name>_zh`, if it is a label)."""

    name: str
    kind: Kind
    title: Text


@dataclass(frozen=True)
class Chart:
    """An ECharts option in each language, and how its values are written."""

    options: Mapping[Language, Option]
    kind: Kind
    height: int


@dataclass(frozen=True)
class Tile:
    """One number at the top of a section."""

    title: Text
    value: Text


@dataclass(frozen=True)
class Figure:
    """A chart and the table under it, or a table alone. Its name is a key of `texts.yml`."""

    name: str
    columns: tuple[Column, ...]
    rows: pl.DataFrame
    chart: Chart | None = None

    @property
    def has_sentences(self) -> bool:
        """Whether its table tells in sentences: on a phone its rows are read as blocks."""
        return any(
            column.kind in ("code", "link") or column.name in ("reason", "sentence")
            for column in self.columns
        )

    @property
    def is_wide(self) -> bool:
        """Whether it needs the whole width of the page."""
        return self.has_sentences or len(self.columns) > WIDE


@dataclass(frozen=True)
class Section:
    """A part of the page. Its name is a key of `texts.yml`."""

    name: str
    figures: tuple[Figure, ...]
    tiles: tuple[Tile, ...] = ()
