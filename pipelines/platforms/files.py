"""From the rows of a list to the files of a platform."""

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.platforms import google_customer_match, mailing_tools, meta, tencent, tiktok
from pipelines.platforms.layout import Platform
from pipelines.segments.reasons import guard_formulas

PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        google_customer_match.PLATFORM,
        meta.PLATFORM,
        tiktok.PLATFORM,
        tencent.SHA256,
        tencent.MD5,
        mailing_tools.MAILCHIMP,
        mailing_tools.HUBSPOT,
        mailing_tools.ZOHO,
    )
}
CONTACTS = {"email": "email", "sms": "phone", "phone": "phone"}  # by channel; others have no file
NAMES_AND_CONTACTS = ("full_name", "contact", "channel")

Cells = tuple[str | None, ...]  # in the order of the platform's columns
Sheet = list[Cells]


def read_people(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a list with its contact as `email` or `phone`, whichever the channel says.

    Args:
        rows: rows of a released list; contact and channel, unless it has email or phone itself.
    """
    if "contact" not in rows.columns or "channel" not in rows.columns:
        return rows
    told = [
        pl.when(pl.col("channel").replace_strict(CONTACTS, default=None) == field)
        .then("contact")
        .alias(field)
        for field in ("email", "phone")
        if field not in rows.columns
    ]
    return rows.with_columns(told)


def header_of(platform: Platform, people: pl.DataFrame) -> list[str]:
    """The header: the platform's columns, and those of the list where it takes them."""
    return [column.header for column in platform.columns] + _own_columns(platform, people)


def platform_rows(
    people: pl.DataFrame, platform: Platform, default_country: str | None = None
) -> list[tuple[str, Cells]]:
    """The cells of each person who can be matched, beside the customer's id.

    Args:
        people: customer_id and whatever is known of email, phone, first_name, last_name, city,
            state, postal_code, country_code and gender.
        platform: whose rules hold.
        default_country: of numbers that name no country, where the person's is not known.
    """
    own = _own_columns(platform, people)
    needed = identifiers_of(platform)
    if platform.own_columns:
        people = guard_formulas(people)
    rows = []
    for row in people.iter_rows(named=True):
        country = row.get("country_code") or default_country
        cells = [
            column.cell(_text(row.get(column.field), platform), country)
            for column in platform.columns
        ]
        if any(cells[place] for place in needed):
            more = [_text(row[name], platform) for name in own]
            told = tuple(_cut(cell, platform) for cell in [*cells, *more])
            rows.append((row["customer_id"], told))
    return rows


def identifiers_of(platform: Platform) -> list[int]:
    """The places of the cells that a person is known by over there."""
    return [p for p, column in enumerate(platform.columns) if column.field in platform.needs]


def sort_sheet(rows: Iterable[Cells]) -> Sheet:
    """Each row once, in the order of the cells.

    The order of a list would tell the platform who is worth most.
    """
    return sorted(set(rows), key=lambda cells: tuple(cell or "" for cell in cells))


def write_sheet(sheet: Sheet, header: list[str], platform: Platform) -> list[bytes]:
    """The bytes of each file that a sheet fills; one with a header alone if it has no row."""
    size = platform.most_rows or max(len(sheet), 1)
    parts = [sheet[start : start + size] for start in range(0, len(sheet), size)] or [[]]
    return [_as_csv(part, header if platform.has_header else None) for part in parts]


def keep_granted(people: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Those who have granted to be told of to advertising platforms; silence is no grant.

    Args:
        people: rows of a list.
        customers: customer_id and is_ads_matching_granted, as in `customer_360`.
    """
    granted = customers.filter(pl.col("is_ads_matching_granted").fill_null(value=False))
    return people.join(granted.select("customer_id"), on="customer_id", how="semi")


def platform_files(
    rows: pl.DataFrame,
    platform: str,
    alias: str,
    customers: pl.DataFrame,
    default_country: str | None = None,
) -> dict[str, bytes]:
    """The files of a list for a platform, by name; the name tells the alias and nothing else.

    Args:
        rows: rows of a list.
        platform: a name of `PLATFORMS`.
        alias: the list's name outside; for an advertising platform a neutral one.
        customers: customer_id and is_ads_matching_granted: an advertising platform is told of
            nobody who has not granted it.
        default_country: of numbers that name no country.
    """
    layout, people = PLATFORMS[platform], read_people(rows)
    if layout.is_advertising:
        people = keep_granted(people, customers)
    sheet = sort_sheet(cells for _, cells in platform_rows(people, layout, default_country))
    parts = write_sheet(sheet, header_of(layout, people), layout)
    return name_parts(f"{alias}_{platform}", parts, layout)


def name_parts(stem: str, parts: list[bytes], platform: Platform) -> dict[str, bytes]:
    """The parts by their file names; numbered if there are several."""
    return {
        f"{stem}{f'_{place}' if len(parts) > 1 else ''}.{platform.ending}": content
        for place, content in enumerate(parts, start=1)
    }


def _own_columns(platform: Platform, people: pl.DataFrame) -> list[str]:
    if not platform.own_columns:
        return []
    taken = {column.field for column in platform.columns} | set(NAMES_AND_CONTACTS)
    return [name for name in people.columns if name not in taken]


def _text(value: Any, platform: Platform) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (date, datetime)):
        return value.strftime(platform.date_format)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(str(part) for part in value)
    return str(value)


def _cut(cell: str | None, platform: Platform) -> str | None:
    """No longer than the platform takes, and no letter cut in half."""
    if cell is None or platform.most_bytes_of_text is None:
        return cell
    return cell.encode()[: platform.most_bytes_of_text].decode(errors="ignore")


def _as_csv(rows: Iterable[Cells], header: list[str] | None) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()
