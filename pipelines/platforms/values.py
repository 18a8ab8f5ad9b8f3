"""Values of people as several platforms spell them; each takes the country that a number is of."""

import re
import unicodedata

from pipelines.identity.normalise import normalise_phone

COUNTRY = re.compile(r"[A-Z]{2}")


def email_without_spaces(text: str, country: str | None = None) -> str | None:
    """An address in small letters without any space, also inner ones; None if it is none."""
    address = "".join(text.split()).lower()
    local, _, domain = address.rpartition("@")
    return address if local and domain and "@" not in local else None


def phone_with_plus(text: str, country: str | None) -> str | None:
    """A number in E.164: `+18005550100`; None if there can be no such number."""
    return normalise_phone(text, country)


def phone_in_digits(text: str, country: str | None) -> str | None:
    """A number with its country code, without + and leading zeros: `18005550100`."""
    number = normalise_phone(text, country)
    return number.lstrip("+") if number else None


def as_it_is(text: str, country: str | None = None) -> str | None:
    """Without spaces around it."""
    return text.strip() or None


def country_code(text: str, country: str | None = None) -> str | None:
    """An ISO 3166 code of two capital letters; None for anything else."""
    code = text.strip().upper()
    return code if COUNTRY.fullmatch(code) else None


def letters_of_any_script(text: str, country: str | None = None) -> str | None:
    """Small letters and digits of whatever script, without spaces and punctuation.

    Chinese and accented letters stay, in their composed form: who keeps a to z only hashes 王芳 as
    nothing, and José as jos.
    """
    small = unicodedata.normalize("NFC", text).lower()
    return "".join(c for c in small if unicodedata.category(c)[0] in "LMN") or None
