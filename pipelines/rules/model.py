"""What every schema of a rules file is built from."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME, CURRENCY, COUNTRY = r"^[a-z][a-z0-9_]{0,62}$", r"^[A-Z]{3}$", r"^[A-Z]{2}$"
FILE_NAME, ORDER, DIGITS = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", r"^[a-z0-9_]+( desc)?$", r"^\d+$"
INPUT_TABLE = r"^([a-z][a-z0-9_]{0,62}\.)?[a-z][a-z0-9_]{0,62}$"
VARIABLE, SHORT_NAME = r"^[A-Z][A-Z0-9_]{0,127}$", r"^[a-z][a-z0-9_]{0,23}$"
FIELD_NAME, TABLE_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,99}$", r"^[a-z_][a-z0-9_]{0,62}$"
FAR_NAME, LIST_ID, PROPERTY_ID = r"^[^\s/\\][^\n\r/\\]*$", r"^[a-z0-9]+$", r"^[0-9]{1,18}$"
WORD, TAG = r"[^*\s]", r"^[^%_,]+$"
# What a text of each pattern is, for who wrote another one.
PATTERNS = {
    NAME: "small letters, digits and _, a letter first",
    CURRENCY: "three capital letters, such as EUR",
    COUNTRY: "two capital letters, such as GB",
    FILE_NAME: "letters, digits, dots, _ and -, a letter or digit first",
    ORDER: "a column, or a column and desc",
    DIGITS: "digits only",
    INPUT_TABLE: "source.table or table, in small letters, digits and _",
    VARIABLE: "capital letters, digits and _, a letter first",
    SHORT_NAME: "at most 24 small letters, digits and _, a letter first",
    FIELD_NAME: "letters, digits and _, a letter first",
    TABLE_NAME: "small letters, digits and _, no digit first",
    FAR_NAME: "one line without / and \\, and no space first",
    LIST_ID: "small letters and digits",
    PROPERTY_ID: "at most 18 digits",
    WORD: "more than * and spaces",
    TAG: "without comma, % and _, and not empty",
}

Name = Annotated[str, Field(pattern=NAME)]
Currency = Annotated[str, Field(pattern=CURRENCY)]
Country = Annotated[str, Field(pattern=COUNTRY)]
FileName = Annotated[str, Field(pattern=FILE_NAME)]
OwnFields = dict[Name, dict[Name, str]]  # by stream: landing column, and the vendor's field
Share = Annotated[float, Field(ge=0, le=1)]


def _known_zone(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError(f"{zone!r} is not a time zone; write one such as Europe/London or UTC")
    return zone


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Rules(BaseModel):
    """Every rules file refuses keys it does not know and cannot change once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refuse_repeats(what: str, names: Iterable[str]) -> None:
    """Rows joined on a name that stands twice would count twice."""
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ValueError(f"{what} {', '.join(repeated)} is listed twice")


class SecretsOf(BaseModel):
    """Secrets of a source; never in a rules file, only in the environment.

    What an Airflow Connection says beside them is passed over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Source(Rules):
    """What every source may say."""

    secrets: ClassVar[type[SecretsOf] | None] = None

    name: Name
    part_of: Name | None = Field(
        default=None,
        description="The source whose records these are, such as files sent by a CRM's people: "
        "ids mean the same, and rows land under that name.",
    )
    one_record_per_person: bool = Field(
        default=False,
        description="A person has one record here at most, as a shop's log-in: two are two people.",
    )
    when_down: Literal["stop", "go_on"] = Field(
        default="stop", description="Whether the night goes on with older data when it is down."
    )
    max_stale_days: int = Field(
        default=3, ge=1, description="With `go_on`: after so many nights without it, stop."
    )
    max_vanished_share: Share = Field(
        default=0.5, description="Of a list that is read whole: if more are gone at once, stop."
    )


class Labelled(Rules):
    """A business word in English and Chinese."""

    label: str
    label_zh: str
