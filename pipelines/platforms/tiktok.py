"""TikTok customer file: a CSV of digests.

Rules as read on 2026-11-22 at ads.tiktok.com/help. Its pages disagree, from month to month and
language to language: "list of supported IDs" of August 2025 wants numbers in digits without +, and
addresses without what follows a +; the same page of June 2025 and the how-to of September 2025 want
E.164 with its +, and addresses as they are. A header may stand up to three times, so both spellings
are given: whichever is matched, the person is found. Neither page has a rule for dots, nor for
Gmail. TikTok's own example digest of a number is of none of its spellings; ours are not taken from
it.
"""

from datetime import date

from pipelines.platforms.layout import Column, Platform
from pipelines.platforms.values import email_without_spaces, phone_in_digits, phone_with_plus

RULE_READ_ON = date(2026, 11, 22)
SOURCES = (
    "https://ads.tiktok.com/help/article/list-of-supported-ids-and-formats-for-a-customer-file",
    "https://ads.tiktok.com/help/article/how-to-create-a-customer-file-audience",
)


def spell_email_without_suffix(text: str, country: str | None = None) -> str | None:
    """The second spelling of an address with a +; None where it would be the first again."""
    address = email_without_spaces(text)
    if address is None or "+" not in address:
        return None
    local, _, domain = address.rpartition("@")
    kept = local.partition("+")[0]
    return f"{kept}@{domain}" if kept else None


PLATFORM = Platform(
    name="tiktok",
    label="TikTok customer file",
    columns=(
        Column("Email_SHA256", "email", email_without_spaces, "sha256"),
        Column("Email_SHA256", "email", spell_email_without_suffix, "sha256"),
        Column("Phone_SHA256", "phone", phone_with_plus, "sha256"),
        Column("Phone_SHA256", "phone", phone_in_digits, "sha256"),
    ),
    rule_read_on=RULE_READ_ON,
    sources=SOURCES,
)
