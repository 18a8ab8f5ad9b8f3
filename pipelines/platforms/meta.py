"""Meta customer list: a CSV of digests for a custom audience.

Rules as read on 2026-11-22 at facebook.com/business/help/2082575038703844 (a mirror of it) and
developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences: addresses trimmed and
in small letters, with no rule for Gmail; numbers in digits with the country code, without + and
leading zeros (a number with a + "does not receive any matches"); names, city and state in small
letters without punctuation, in UTF-8; gender m or f and nothing else; country in two small letters.
`extern_id` is not hashed; none is written, as our ids stay here.
"""

from datetime import date

from pipelines.platforms.layout import Column, Platform
from pipelines.platforms.values import country_code, letters_of_any_script, phone_in_digits

RULE_READ_ON = date(2026, 11, 22)
SOURCES = (
    "https://www.facebook.com/business/help/2082575038703844",
    "https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences",
)
GENDERS = {"female": "f", "f": "f", "male": "m", "m": "m", "女": "f", "男": "m"}


def spell_email(text: str, country: str | None = None) -> str | None:
    """An address trimmed and in small letters; one with a space inside is none."""
    address = text.strip().lower()
    local, _, domain = address.rpartition("@")
    return address if local and domain and not set(" \t@") & set(local + domain) else None


def spell_gender(text: str, country: str | None = None) -> str | None:
    """`f` or `m`; of all who are neither, or of whom it is not known, nothing is said."""
    return GENDERS.get(text.strip().lower())


def spell_country(text: str, country: str | None = None) -> str | None:
    """Two small letters."""
    code = country_code(text)
    return code.lower() if code else None


def spell_postal_code(text: str, country: str | None = None) -> str | None:
    """Without spaces and dashes; of the United States the first five digits."""
    code = letters_of_any_script(text)
    return code[:5] if code and country == "US" else code


PLATFORM = Platform(
    name="meta",
    label="Meta custom audience",
    columns=(
        Column("email", "email", spell_email, "sha256"),
        Column("phone", "phone", phone_in_digits, "sha256"),
        Column("fn", "first_name", letters_of_any_script, "sha256"),
        Column("ln", "last_name", letters_of_any_script, "sha256"),
        Column("ct", "city", letters_of_any_script, "sha256"),
        Column("st", "state", letters_of_any_script, "sha256"),
        Column("zip", "postal_code", spell_postal_code, "sha256"),
        Column("country", "country_code", spell_country, "sha256"),
        Column("gen", "gender", spell_gender, "sha256"),
    ),
    rule_read_on=RULE_READ_ON,
    sources=SOURCES,
)
