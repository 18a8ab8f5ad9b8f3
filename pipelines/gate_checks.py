"""What each gate asks: the catalogue's checks, and those of `expectations/<stage>.yml`.

A file of `expectations/` names the datasets of its stage, each with a list of what the catalogue
cannot say. A line is an expectation of Great Expectations with its settings, and may carry

    severity: warning        told, and let through (default: critical)
    because: why it is asked
    until: 2026-12-31        a waiver: up to this run date a failure is told, and let through
    rows_of: customer_360    for a row count: as many rows as that dataset has
"""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.catalogue import Catalogue, Dataset
from pipelines.errors import C360Error
from pipelines.gate_frames import IN_SET, NOT_NULL, typed_names
from pipelines.gate_page import in_words
from pipelines.yaml_files import read_yaml

COLUMNS = "expect_table_columns_to_match_ordered_list"
UNIQUE = "expect_column_values_to_be_unique"
UNIQUE_TOGETHER = "expect_compound_columns_to_be_unique"


class Check(BaseModel):
    """One expectation of one dataset: what Great Expectations is asked, and how much it matters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expectation: str = Field(pattern=r"^expect_[a-z0-9_]+$")
    settings: dict[str, Any] = Field(default_factory=dict)
    severity: Literal["critical", "warning"] = "critical"
    because: str | None = None
    until: date | None = None
    rows_of: str | None = None
    where: str = "the catalogue"

    @model_validator(mode="after")
    def _waiver_has_a_reason(self) -> Self:
        if self.until and not self.because:
            raise ValueError("a waiver (until) needs a reason (because)")
        return self

    @model_validator(mode="after")
    def _whole_columns_only(self) -> Self:
        # The frame of a check holds no other columns, so that it stays small.
        if "row_condition" in self.settings:
            raise ValueError("row_condition is not supported; add a column to the dataset instead")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values are looked at."""
        if self.expectation.startswith("expect_table_"):
            return ()
        named = [self.settings.get(key) for key in ("column", "column_A", "column_B")]
        several = self.settings.get("column_list") or []
        return tuple(name for name in [*named, *several] if isinstance(name, str))

    @property
    def sentence(self) -> str:
        """What is expected, in words."""
        return in_words(self.expectation, self.settings, self.rows_of)


OWN_KEYS = set(Check.model_fields) - {"expectation", "settings", "where"}


def read_suites(
    stage: str, project_dir: Path, catalogue: Catalogue
) -> list[tuple[Dataset, tuple[Check, ...]]]:
    """Read a stage's datasets and checks: the catalogue's, then those of `expectations/`.

    Raises:
        C360Error: naming the line that cannot be read.
    """
    path = project_dir / "expectations" / f"{stage}.yml"
    lines: dict[tuple[str, str], list[Check]] = defaultdict(list)
    for name, entries in _read_yaml(path).items():
        for dataset in named_datasets(name, catalogue, path.name):
            found = lines[dataset.group, dataset.name]
            for number, entry in enumerate(entries or [], start=1):
                check = _read_check(entry, f"{path.name}, {name}, line {number}")
                _refuse_unknown_columns(check, dataset)
                found.append(check)
    return [
        (dataset, _suite(dataset, own))
        for key, own in lines.items()
        for dataset in [catalogue[key]]
    ]


def basic_suite(dataset: Dataset) -> Iterator[Check]:
    """What the catalogue says of a dataset, as checks."""
    yield Check(expectation=COLUMNS, settings={"column_list": typed_names(dataset.schema)})
    for name in dataset.required:
        yield Check(expectation=NOT_NULL, settings={"column": name})
    for column in dataset.columns:
        if column.values:
            settings = {"column": column.name, "value_set": list(column.values)}
            yield Check(expectation=IN_SET, settings=settings)
    if len(dataset.key) == 1:
        yield Check(expectation=UNIQUE, settings={"column": dataset.key[0]})
    elif dataset.key:
        yield Check(expectation=UNIQUE_TOGETHER, settings={"column_list": list(dataset.key)})


def _suite(dataset: Dataset, own: list[Check]) -> tuple[Check, ...]:
    """A waiver stands in for the check of the catalogue that it waives."""
    waived = {(check.expectation, check.columns) for check in own if check.until}
    basic = [
        check for check in basic_suite(dataset) if (check.expectation, check.columns) not in waived
    ]
    return (*basic, *own)


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise C360Error(
            f"There is no gate {path.stem}.", f"Gates are the files of {path.parent}/<gate>.yml."
        )
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(
        isinstance(entries, list | None) for entries in content.values()
    ):
        raise malformed(path.name, "needs datasets as keys, each with a list of expectations")
    return content


def named_datasets(name: str, catalogue: Catalogue, where: str) -> list[Dataset]:
    """The dataset of a name, or all of `group.*`.

    Raises:
        C360Error: there is none, or more than one.
    """
    if name.endswith(".*"):
        found = list(catalogue.group(name.removesuffix(".*")).values())
    else:
        found = [dataset for (_, own), dataset in catalogue.datasets.items() if own == name]
        if len(found) > 1:
            groups = [dataset.group for dataset in found]
            raise malformed(where, f"names {name}, which {groups} all have")
    if not found:
        known = [own for _, own in catalogue.datasets]
        raise malformed(where, f"names {name}, which no dataset is{near(name, known)}")
    return found


def _read_check(entry: Any, where: str) -> Check:
    if not (isinstance(entry, dict) and len(entry) == 1):
        raise malformed(where, "is not `expectation: {setting: value, ...}`")
    [(name, given)] = entry.items()
    if not isinstance(given, dict):
        raise malformed(where, f"has no {{setting: value}} after {name}")
    own = {key: value for key, value in given.items() if key in OWN_KEYS}
    settings = {key: as_bound(value) for key, value in given.items() if key not in OWN_KEYS}
    try:
        return Check(expectation=name, settings=settings, where=where, **own)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        reason = fault["msg"].removeprefix("Value error, ")
        raise malformed(where, f"({name}): {key + ': ' if key else ''}{reason}") from None


def as_bound(value: Any) -> Any:
    """A date as the midnight it begins with: pandas compares timestamps with nothing else."""
    return datetime.combine(value, time()) if type(value) is date else value


def _refuse_unknown_columns(check: Check, dataset: Dataset) -> None:
    for name in check.columns:
        if name not in dataset.schema:
            what = f"({check.expectation}) names {name}, which {dataset.name} does not have"
            what += near(name, dataset.schema.names())
            raise malformed(check.where, what)


def near(name: str, known: Iterable[str]) -> str:
    """What was meant by an unknown name, if something is close."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]}" if found else ""


def malformed(where: str, what: str) -> C360Error:
    """The error of a line that cannot be read."""
    return C360Error(f"expectations: {where} {what}.", "Mend the YAML in expectations/.")
