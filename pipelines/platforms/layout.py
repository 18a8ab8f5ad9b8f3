"""How a platform's file is laid out: which columns, spelt how, hashed how, how many rows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from pipelines.platforms.hashing import Digest, hash_text, read_hash

Spelling = Callable[[str, str | None], str | None]  # a value and its country, as it is matched


@dataclass(frozen=True)
class Column:
    """One column of a file: its header, the column of people that it is of, and its spelling.

    With a `digest` the spelling is hashed; what comes hashed already goes through as it is.
    """

    header: str
    field: str
    spell: Spelling
    digest: Digest | None = None

    def cell(self, value: str | None, country: str | None) -> str | None:
        """What stands in the file; None where there is nothing to say."""
        if value is None:
            return None
        if self.digest is None:
            return self.spell(value, country)
        return read_hash(value, self.digest) or hash_text(self.spell(value, country), self.digest)


@dataclass(frozen=True)
class Platform:
    """One platform's file, by rules as they were read on a day.

    `columns`: the first of them in order; `needs`: a person without any of these fields has no
    row. `is_advertising`: the file is of digests and has a neutral name. `most_rows`: more go into
    further files. `own_columns`: the list's other columns follow. `most_bytes_of_text`: longer
    texts are cut.
    """

    name: str
    label: str
    columns: tuple[Column, ...]
    rule_read_on: date
    sources: tuple[str, ...]
    needs: tuple[str, ...] = ("email", "phone")
    is_advertising: bool = True
    has_header: bool = True
    ending: str = "csv"
    most_rows: int | None = None
    own_columns: bool = False
    date_format: str = "%Y-%m-%d"
    most_bytes_of_text: int | None = None
