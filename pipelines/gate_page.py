"""What people read of the gates: an expectation in words, and one page for all gates of a run."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.lake import read_json, write_text
from pipelines.wording import count_of

ORDER = ("landing", "profile", "scores", "marts", "lists")
FEW = 10  # pages tell no smaller number of persons

RANGE_OF = {
    "expect_column_values_to_be_between": "{column}",
    "expect_column_mean_to_be_between": "the mean of {column}",
    "expect_column_median_to_be_between": "the median of {column}",
    "expect_column_min_to_be_between": "the least {column}",
    "expect_column_max_to_be_between": "the greatest {column}",
    "expect_column_sum_to_be_between": "the sum of {column}",
    "expect_column_stdev_to_be_between": "the standard deviation of {column}",
    "expect_column_unique_value_count_to_be_between": "the number of different {column}",
    "expect_column_proportion_of_unique_values_to_be_between": "the share of different {column}",
    "expect_column_proportion_of_non_null_values_to_be_between": "the share of known {column}",
    "expect_column_value_lengths_to_be_between": "the length of {column}",
    "expect_table_row_count_to_be_between": "the number of rows",
}
SENTENCES = {
    "expect_table_columns_to_match_ordered_list": "it has the catalogue's columns and types",
    "expect_table_row_count_to_equal": "the number of rows is {value}",
    "expect_column_values_to_not_be_null": "{column} is never missing",
    "expect_column_values_to_be_null": "{column} is always missing",
    "expect_column_values_to_be_in_set": "{column} is one of {value_set}",
    "expect_column_values_to_not_be_in_set": "{column} is none of {value_set}",
    "expect_column_values_to_be_unique": "no {column} is repeated",
    "expect_column_values_to_match_regex": "{column} looks like {regex}",
    "expect_column_pair_values_to_be_equal": "{column_A} equals {column_B}",
    "expect_compound_columns_to_be_unique": "no {column_list} is repeated",
    "expect_multicolumn_values_to_be_equal": "{column_list} are equal",
}


def in_words(expectation: str, settings: Mapping[str, Any], rows_of: str | None) -> str:
    """An expectation as the middle of a sentence."""
    texts = {key: _text(value) for key, value in settings.items()}
    if rows_of:
        texts["value"] = f"that of {rows_of}"
    if expectation in RANGE_OF:
        said = f"{RANGE_OF[expectation].format(**texts)} is {_range(settings, texts)}"
    elif expectation == "expect_column_pair_values_a_to_be_greater_than_b":
        relation = "at least" if settings.get("or_equal") else "greater than"
        said = f"{texts['column_A']} is {relation} {texts['column_B']}"
    elif expectation in SENTENCES:
        said = SENTENCES[expectation].format(**texts)
    else:
        details = ", ".join(f"{key} {text}" for key, text in texts.items())
        said = f"{expectation.replace('_', ' ')} ({details})"
    mostly = settings.get("mostly", 1)
    return said if mostly == 1 else f"{said} in at least {mostly:.6g} of the rows"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "nothing"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _range(settings: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    low, high = settings.get("min_value"), settings.get("max_value")
    above = "greater than" if settings.get("strict_min") else "at least"
    below = "less than" if settings.get("strict_max") else "at most"
    parts = [f"{above} {texts['min_value']}"] if low is not None else []
    parts += [f"{below} {texts['max_value']}"] if high is not None else []
    return " and ".join(parts)


def render_page(folder: Path) -> Path:
    """Write the page of all gates whose results are in a folder; returns its path."""
    written = [folder / f"{stage}.json" for stage in ORDER]
    gates = [read_json(path) for path in written if path.exists()]
    environment = Environment(
        loader=PackageLoader("pipelines"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "count_of": count_of}
    page = folder / "index.html"
    write_text(environment.get_template("gates.html.j2").render(gates=gates), page)
    return page


def _count(number: int) -> str:
    return f"{number:,}" if number == 0 or number >= FEW else f"fewer than {FEW}"
