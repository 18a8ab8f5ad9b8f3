"""The pseudonym keys that came before the current one, kept under the current one.

    privacy/former_keys.json   each wrapped (AES-256-GCM) under a key made of the current one

What was digested under a former key cannot be digested anew: the values of erased persons are
gone, and those of who was delivered somewhere are not here. So the former key is needed as long as
the digests are there, and whoever has the current one has it.
"""

import base64
import hmac
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.disk import sync
from pipelines.encryption import NONCE_BYTES
from pipelines.errors import C360Error
from pipelines.lake import Lake, read_json, write_json

PURPOSE = b"former pseudonym keys"


def pseudonym_keys(lake: Lake, pseudonym_key: bytes) -> tuple[bytes, ...]:
    """The current pseudonym key and all former ones, the newest first.

    Raises:
        C360Error: the former ones are kept under another key.
    """
    path = lake.privacy / "former_keys.json"
    entries = read_json(path)["keys"] if path.exists() else []
    try:
        return pseudonym_key, *(_unwrap(entry, pseudonym_key) for entry in entries)
    except InvalidTag:
        raise C360Error(
            "C360_PSEUDONYM_KEY is not the key that this installation was brought to.",
            "Set it to that one, or bring it to this: c360 keys rotate-pseudonyms --help.",
        ) from None


def keep_former_key(lake: Lake, former: bytes, current: bytes) -> int:
    """Keep a former key, and all that came before it, under the current one; returns how many.

    Raises:
        C360Error: the former key is not the one that the installation was brought to.
    """
    kept = pseudonym_keys(lake, former)
    path = lake.privacy / "former_keys.json"
    lake.privacy.mkdir(parents=True, exist_ok=True)
    write_json({"keys": [_wrap(key, current) for key in kept]}, path)
    sync(path)
    sync(lake.privacy)
    return len(kept)


def _wrap(key: bytes, current: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(current).encrypt(nonce, key, PURPOSE)).decode()


def _unwrap(entry: Any, current: bytes) -> bytes:
    content = base64.b64decode(entry)
    return _cipher(current).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], PURPOSE)


def _cipher(current: bytes) -> AESGCM:
    return AESGCM(hmac.digest(current, PURPOSE, "sha256"))
