"""Identifiers as they are compared. What is stored or shown is never changed by this."""

import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context

import phonenumbers
import polars as pl
from email_validator import EmailNotValidError, validate_email

POOL_FROM, CHUNK = 200_000, 20_000
PLAIN_LENGTH = 128
PLAIN_LOCAL = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*")


def normalise_email(text: str) -> str | None:
    """The address in lower case, its domain in ASCII; None if it is not an address."""
    plain = unicodedata.normalize("NFKC", text).strip()
    local, _, domain = plain.rpartition("@")
    # Of most addresses there is nothing to judge but the domain, and domains recur.
    if len(plain) <= PLAIN_LENGTH and PLAIN_LOCAL.fullmatch(local):
        known = _parsed_email(f"a@{domain}")
        return known and f"{local}{known[1:]}".lower()
    return _parse_email(plain)


def _parse_email(plain: str) -> str | None:
    try:
        address = validate_email(plain, check_deliverability=False)
    except EmailNotValidError:
        return None
    return f"{address.local_part}@{address.ascii_domain}".lower()


_parsed_email = lru_cache(maxsize=100_000)(_parse_email)


def normalise_phone(text: str, country: str | None) -> str | None:
    """The number in E.164, read as one of the country; None if no such number can exist.

    Without a country only a number that begins with + is one.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    try:
        number = phonenumbers.parse(plain, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_handle(text: str) -> str | None:
    """A handle in lower case without the leading @."""
    return unicodedata.normalize("NFKC", text).strip().lstrip("@").strip().lower() or None


def normalise_identifiers(identifiers: pl.DataFrame, default_country: str | None) -> pl.DataFrame:
    """Add `value`, the identifier as it is compared; null where it is not valid.

    Args:
        identifiers: id_type, raw_value, country_code; one row per distinct combination.
        default_country: ISO 3166 country of phone numbers that name none; without it only those
            that begin with + are valid.
    """
    normalisers: dict[str, Callable[[list[tuple[str, str | None]]], list[str | None]]] = {
        "email": _emails,
        "phone": _phones,
        "social_handle": _handles,
    }
    parts = []
    for (id_type,), group in identifiers.sort(identifiers.columns).group_by(
        ["id_type"], maintain_order=True
    ):
        countries = group["country_code"].to_list()
        known = [c if c in phonenumbers.SUPPORTED_REGIONS else default_country for c in countries]
        pairs = list(zip(group["raw_value"].to_list(), known, strict=True))
        values = _in_chunks(normalisers.get(str(id_type), _plain), pairs)
        parts.append(group.with_columns(pl.Series("value", values, dtype=pl.String)))
    return pl.concat(parts) if parts else identifiers.with_columns(pl.lit("").alias("value"))


def _in_chunks(
    normalise: Callable[[list[tuple[str, str | None]]], list[str | None]],
    pairs: list[tuple[str, str | None]],
) -> list[str | None]:
    """Spread phones, the slow ones, over the cores; `spawn`, as Polars does not survive a fork."""
    if len(pairs) < POOL_FROM or normalise is not _phones:
        return normalise(pairs)
    chunks = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return [value for part in pool.map(normalise, chunks) for value in part]


def _emails(pairs: list[tuple[str, str | None]]) -> list[str | None]:
    return [normalise_email(text) for text, _ in pairs]


def _phones(pairs: list[tuple[str, str | None]]) -> list[str | None]:
    return [normalise_phone(text, country) for text, country in pairs]


def _handles(pairs: list[tuple[str, str | None]]) -> list[str | None]:
    return [normalise_handle(text) for text, _ in pairs]


def _plain(pairs: list[tuple[str, str | None]]) -> list[str | None]:
    return [text.strip() or None for text, _ in pairs]
