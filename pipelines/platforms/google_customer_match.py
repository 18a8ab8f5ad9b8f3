"""Google Customer Match: a CSV of digests for the upload in Google Ads.

Rules as read on 2026-11-22 at support.google.com/google-ads/answer/7659867, 7475964 and 7476159,
and the formatting page of the Data Manager API: UTF-8, English headers as they are; addresses in
small letters without any space, and of gmail.com and googlemail.com (no other domain) without dots
and without what follows a + in the local part; numbers in E.164 with their +; names in small
letters without titles; country and postal code not hashed. Older pages do not have the rule of the
+, and that of DV360 has none for Gmail at all: hence the date.
"""

import re
from datetime import date

from pipelines.platforms.layout import Column, Platform
from pipelines.platforms.values import (
    as_it_is,
    country_code,
    email_without_spaces,
    phone_with_plus,
)

RULE_READ_ON = date(2026, 11, 22)
SOURCES = (
    "https://support.google.com/google-ads/answer/7659867",
    "https://support.google.com/google-ads/answer/7475964",
    "https://developers.google.com/data-manager/api/devguides/concepts/formatting",
)
GMAIL = ("gmail.com", "googlemail.com")
TITLES = re.compile(r"^(mr|mrs|ms|miss|mx|dr|prof)\.?\s+|,?\s+(jr|sr|ii|iii|iv|phd|md)\.?$")


def spell_email(text: str, country: str | None = None) -> str | None:
    """An address as Google hashes it."""
    address = email_without_spaces(text)
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    if domain not in GMAIL:
        return address
    local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local else None


def spell_name(text: str, country: str | None = None) -> str | None:
    """A name in small letters, without Mrs. before it or Jr. after it."""
    return TITLES.sub("", " ".join(text.lower().split())).strip() or None


PLATFORM = Platform(
    name="google_customer_match",
    label="Google Customer Match",
    columns=(
        Column("Email", "email", spell_email, "sha256"),
        Column("Phone", "phone", phone_with_plus, "sha256"),
        Column("First Name", "first_name", spell_name, "sha256"),
        Column("Last Name", "last_name", spell_name, "sha256"),
        Column("Country", "country_code", country_code),
        Column("Zip", "postal_code", as_it_is),
    ),
    rule_read_on=RULE_READ_ON,
    sources=SOURCES,
)
