"""`texts.yml`: every word of the page that no mart brings along, in English and Chinese."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from pipelines.page.figure import Column, Kind, Text
from pipelines.yaml_files import read_yaml

FILE = Path(__file__).resolve().with_name("texts.yml")


class Heading(BaseModel):
    """A title, and one sentence: what it is and what to do with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text
    lead: Text


class Texts(BaseModel):
    """All texts, by kind and name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: dict[str, Text]
    sections: dict[str, Heading]
    figures: dict[str, Heading]
    tiles: dict[str, Text]
    columns: dict[str, Text]
    words: dict[str, dict[str, Text]]


@cache
def texts() -> Texts:
    """The texts of the page."""
    return Texts.model_validate(read_yaml(FILE))


def column(name: str, kind: Kind) -> Column:
    """A column whose title is among the texts."""
    return Column(name, kind, texts().columns[name])


def word(group: str, value: str) -> Text:
    """A value that marts hold as a code, in both languages; itself if it is not known."""
    return texts().words[group].get(value, Text(value, value))


def with_words(frame: pl.DataFrame, name: str, group: str) -> pl.DataFrame:
    """Replace a column of codes by their words, and add them in Chinese as `<name>_zh`."""
    words = [word(group, value) for value in frame[name].to_list()]
    return frame.with_columns(
        pl.Series(name, [text.en for text in words], dtype=pl.String),
        pl.Series(f"{name}_zh", [text.zh for text in words], dtype=pl.String),
    )


def labels(frame: pl.DataFrame, name: str) -> Sequence[Text]:
    """A column of labels in both languages."""
    english = frame[name].cast(pl.String).to_list()
    chinese = frame[f"{name}_zh"].to_list() if f"{name}_zh" in frame.columns else english
    return [Text(en, zh) for en, zh in zip(english, chinese, strict=True)]
