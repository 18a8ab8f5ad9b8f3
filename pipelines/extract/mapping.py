"""Maps one record of an API onto the columns of a landing table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from babel import Locale

Record = dict[str, Any]
Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]  # landing table and row
Fields = dict[str, str]  # landing column: path of the field in the record, parted by dots

# What the Unicode tables write in full, people write short.
SHORT_NAMES = {
    "usa": "US",
    "uk": "GB",
    "prc": "CN",
    "hong kong": "HK",
    "macau": "MO",
    "korea": "KR",
}
NOTHING: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, eq=False)
class Mapping:
    """How the records of one stream become rows.

    `tables`: the landing tables, the main one first. `fields`: landing column, and the path of the
    vendor's field. `constants`: what the vendor need not say. `also`: fields
    that code reads itself.
    """

    tables: tuple[str, ...]
    fields: Fields
    constants: dict[str, str]
    also: tuple[str, ...]

    def row(self, record: Record, own: Fields | None = None) -> Row:
        """The landing columns of a record; fields that nothing maps are kept under `extra`.

        `own` is the company's mapping, which goes before the connector's.
        """
        paths, used = self._paths(tuple((own or {}).items()))
        row: Row = dict(self.constants)
        for column, keys in paths:
            if (value := _at(record, keys)) is not None:
                row[column] = value
        extra = {k: v for k, v in record.items() if k not in used and v not in NOTHING}
        return row | {"extra": extra} if extra else row

    @cache  # noqa: B019 - a mapping lives as long as the program
    def _paths(
        self, own: tuple[tuple[str, str], ...]
    ) -> tuple[list[tuple[str, list[str]]], frozenset[str]]:
        """Columns with the keys that lead to their value, and the fields that are not extra."""
        fields = {**self.fields, **dict(own)}
        paths = [(column, path.split(".")) for column, path in fields.items()]
        return paths, frozenset([*(keys[0] for _, keys in paths), *self.also])

    def source_fields(self, own: Fields | None = None) -> list[str]:
        """The vendor's fields that must be asked for."""
        paths = [*{**self.fields, **(own or {})}.values(), *self.also]
        return sorted({path.split(".", 1)[0] for path in paths if not path.startswith("$")})


def load_mappings(system: str) -> dict[str, Mapping]:
    """The mappings of a system's streams, from the YAML file beside its connector."""
    path = Path(__file__).parent / "apis" / f"{system}.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        stream: Mapping(
            tables=tuple(entry["tables"]),
            fields=entry["fields"],
            constants=entry.get("constants", {}),
            also=tuple(entry.get("also", ())),
        )
        for stream, entry in content["streams"].items()
    }


def value_at(record: Record, path: str) -> Any:
    """The value at a path such as `Account_Name.id`; a lookup may also be the bare id itself."""
    return _at(record, path.split("."))


def _at(record: Record, keys: list[str]) -> Any:
    value: Any = record
    for key in keys:
        if not isinstance(value, dict):
            return value
        value = value.get(key)
    return value


def from_epoch(value: Any, per_second: int = 1000) -> str | None:
    """A count of (milli)seconds since 1970 as an ISO 8601 time in UTC; other text is left as is."""
    if value in NOTHING:
        return None
    text = str(value)
    if not text.lstrip("-").isdigit():
        return text
    try:
        return datetime.fromtimestamp(int(text) / per_second, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return text  # out of any calendar: land says so


def as_text(value: Any) -> str | None:
    """A value as land reads it: text; lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)


def parse_time(text: str | None) -> datetime | None:
    """A time of an API as an instant; None if it is none."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def country_code(name: Any) -> str | None:
    """ISO 3166-1 alpha-2 of a country as people write it, in English, Chinese or as the code."""
    return _countries().get(str(name).strip().casefold()) if name else None


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for language in ("en", "zh"):
        territories = Locale(language).territories
        names |= {str(name).casefold(): code for code, name in territories.items()}
    names |= SHORT_NAMES | {code.casefold(): code for code in names.values()}
    return {name: code for name, code in names.items() if len(code) == 2 and code.isalpha()}
