"""Tencent Ads (腾讯广告 DMP): a text file of mobile numbers' digests, one a line, without a header.

Rules as read on 2026-11-22 at developers.e.qq.com, custom_audience_files/add: one kind of id in a
file, so there is a platform for each of the two digests; a number is eleven plain digits, without
+86. Only mobile numbers of mainland China can be matched. Removals are a file of their own, with
operation_type REDUCE.
"""

import re
from datetime import date

from pipelines.identity.normalise import normalise_phone
from pipelines.platforms.layout import Column, Platform

RULE_READ_ON = date(2026, 11, 22)
SOURCES = ("https://developers.e.qq.com/v3.0/docs/api/custom_audience_files/add",)
CHINESE_MOBILE = re.compile(r"\+86(1[3-9]\d{9})")


def spell_phone(text: str, country: str | None) -> str | None:
    """Eleven digits of a Chinese mobile number; None for any other."""
    found = CHINESE_MOBILE.fullmatch(normalise_phone(text, country or "CN") or "")
    return found[1] if found else None


SHA256 = Platform(
    name="tencent",
    label="Tencent Ads, SHA256_MOBILE_PHONE",
    columns=(Column("SHA256_MOBILE_PHONE", "phone", spell_phone, "sha256"),),
    rule_read_on=RULE_READ_ON,
    sources=SOURCES,
    needs=("phone",),
    has_header=False,
    ending="txt",
)
MD5 = Platform(
    name="tencent_md5",
    label="Tencent Ads, HASH_MOBILE_PHONE",
    columns=(Column("HASH_MOBILE_PHONE", "phone", spell_phone, "md5"),),
    rule_read_on=RULE_READ_ON,
    sources=SOURCES,
    needs=("phone",),
    has_header=False,
    ending="txt",
)
