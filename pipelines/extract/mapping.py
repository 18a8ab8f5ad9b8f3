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


@dataclass(frozen=True)
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
        fields = {**self.fields, **(own or {})}
        row: Row = {column: value_at(record, path) for column, path in fields.items()}
        used = {path.split(".", 1)[0] for path in fields.values()} | set(self.also)
        extra = {k: v for k, v in record.items() if k not in used and v not in NOTHING}
        return {**self.constants, **row, "extra": extra}

    def source_fields(self, own: Fields | None = None) -> list[str]:
        """The vendor's fields that must be asked for."""
        paths = [*{**self.fields, **(own or {})}.values(), *self.also]
        return sorted({path.split(".", 1)[0] for path in paths if not path.startswith("$")})


def load_mappings(system: str) -> dict[str, Mapping]:
    """The mappings of a system's streams, from the YAML file beside its connector."""
    path = Path(__file__).with_name(f"{system}.yml")
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
    value: Any = record
    for key in path.split("."):
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
    codes = [code for code in Locale("en").territories if len(code) == 2 and code.isalpha()]
    names = {
        str(Locale(language).territories[code]).casefold(): code
        for language in ("en", "zh")
        for code in codes
    }
    return {**names, **SHORT_NAMES, **{code.casefold(): code for code in codes}}
