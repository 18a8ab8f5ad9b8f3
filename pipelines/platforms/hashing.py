"""Digests of contact points, as platforms match people by them.

A plain digest of an address is still personal data: whoever knows the address knows the digest, and
phone numbers are few enough to try them all. So it is made here, at the last moment, for the file
of one platform, and is a key of nothing else.
"""

import hashlib
import re
from typing import Literal

Digest = Literal["sha256", "md5"]

HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


def hash_text(text: str | None, digest: Digest) -> str | None:
    """The digest in small hex; None of nothing, since the digest of an empty text matches nobody.

    What connectors send for people without an address is e3b0c442…, the digest of nothing at all.
    """
    if not text:
        return None
    return hashlib.new(digest, text.encode(), usedforsecurity=False).hexdigest()


def read_hash(text: str, digest: Digest) -> str | None:
    """The value in small hex if it is such a digest already: hashed twice it matches nobody."""
    plain = text.strip().lower()
    return plain if HEX[digest].fullmatch(plain) else None
