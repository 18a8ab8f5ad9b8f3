"""What must not be read at rest: columns of Parquet files, and whole files as received.

A table's personal columns are encrypted by Parquet's own modular encryption (AES-256-GCM); its
footer and all other columns stay readable by any reader. A file whose shape is not ours is
encrypted as a whole (AES-256-GCM):

    C360ENC1 | length of the key's name | the key's name | nonce, 12 bytes | content | tag, 16 bytes

Each says which key it needs. Keys come from `C360_ENCRYPTION_KEYS`, and without any nothing is
encrypted.
"""

import base64
import binascii
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.disk import sync
from pipelines.errors import C360Error
from pipelines.settings import Settings

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
KEY_NOTE = b"c360.key"  # in a Parquet file's metadata: the name of the key that it needs
MAGIC = b"C360ENC1"
BLOCK_BYTES, BATCH_ROWS = 1 << 20, 100_000


@dataclass(frozen=True)
class Keyring:
    """The keys of an installation, by name; `current` is of what is written now."""

    keys: Mapping[str, bytes]
    current: str | None

    def key(self, name: str) -> bytes:
        """The key of a name.

        Raises:
            C360Error: it is not there.
        """
        if name not in self.keys:
            raise C360Error(
                f"This needs the encryption key {name}, which is not in C360_ENCRYPTION_KEYS.",
                "Add it there as name:key, after the current one; see docs/operations.md, Keys.",
            )
        return self.keys[name]


def load_keyring() -> Keyring:
    """The keys in the environment."""
    return _read_keyring(Settings().encryption_keys.get_secret_value())


@cache
def _read_keyring(text: str) -> Keyring:
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, text.replace(",", " ").split()), start=1):
        name, _, written = entry.partition(":")
        try:
            key = base64.b64decode(written, altchars=b"-_", validate=True)
        except binascii.Error:
            key = b""
        if not name.isidentifier() or len(key) != KEY_BYTES or name in keys:
            raise C360Error(
                f"Entry {number} of C360_ENCRYPTION_KEYS is no key of its own name.",
                "Write name:key,name:key, the current one first; c360 keys new makes one.",
            )
        keys[name] = key
    return Keyring(keys, next(iter(keys), None))


def make_key() -> str:
    """A new key, as it is written in the environment."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


class _OwnKeys(pe.KmsClient):  # type: ignore[misc]  # pyarrow is untyped
    """Wraps the keys of a file's columns with the installation's."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__()
        self._keyring = keyring

    def wrap_key(self, key: bytes, name: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._keyring.key(name)).encrypt(nonce, key, name.encode())
        return base64.b64encode(nonce + sealed)

    def unwrap_key(self, wrapped: bytes, name: str) -> bytes:
        content = base64.b64decode(wrapped)
        nonce, sealed = content[:NONCE_BYTES], content[NONCE_BYTES:]
        try:
            return AESGCM(self._keyring.key(name)).decrypt(nonce, sealed, name.encode())
        except InvalidTag:
            raise C360Error(
                f"A table was encrypted under another key of the name {name}.",
                "Bring back the key that it was written with; see docs/operations.md, Keys.",
            ) from None


def key_of_table(path: Path) -> str | None:
    """The name of the key that a Parquet file needs; None if all of it can be read."""
    name = (pq.read_metadata(path).metadata or {}).get(KEY_NOTE)
    return name.decode() if name else None


def open_parquet(source: Path | IO[bytes]) -> pq.ParquetFile:
    """Open a Parquet file, also one with encrypted columns."""
    with pq.ParquetFile(source) as file:
        name = (file.metadata.metadata or {}).get(KEY_NOTE)
    if not isinstance(source, Path):
        source.seek(0)
    return pq.ParquetFile(source, decryption_properties=_decryption(name) if name else None)


def read_arrow(source: Path | IO[bytes], columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, also one with encrypted columns, with what is noted in it.

    Raises:
        C360Error: its key is not there, or is another one of the same name.
    """
    with open_parquet(source) as file:
        return file.read(columns).replace_schema_metadata(_noted(file))


def write_arrow(table: pa.Table, target: Path | IO[bytes], secret: Collection[str] = ()) -> None:
    """Write a Parquet file; if there is a key, nobody reads the secret columns without it.

    Args:
        table: with what is to be noted in the file, as its schema's metadata.
        target: where to.
        secret: names of columns; those that the table does not have are passed over.
    """
    with _writer(table.schema, target, secret) as writer:
        writer.write_table(table)


def encrypt_columns(path: Path, secret: Collection[str]) -> None:
    """Write a table anew in its place, under the current key; it need not fit into memory."""
    scratch = path.with_name(f".{path.name}.part")
    with open_parquet(path) as file:
        schema = file.schema_arrow.with_metadata(_noted(file))
        with _writer(schema, scratch, secret) as writer:
            for batch in file.iter_batches(BATCH_ROWS):
                writer.write_batch(batch)
    _put_in_place(scratch, path)


def _writer(
    schema: pa.Schema, target: Path | IO[bytes], secret: Collection[str]
) -> pq.ParquetWriter:
    keyring = load_keyring()
    leaves = [_leaf(field) for field in schema if field.name in secret]
    if keyring.current is None or not leaves:
        return pq.ParquetWriter(target, schema, compression="zstd")
    configuration = pe.EncryptionConfiguration(
        footer_key=keyring.current,
        column_keys={keyring.current: leaves},
        plaintext_footer=True,
        data_key_length_bits=8 * KEY_BYTES,
        cache_lifetime=timedelta(0),
    )
    factory = pe.CryptoFactory(lambda _: _OwnKeys(keyring))
    encryption = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)
    noted = {**(schema.metadata or {}), KEY_NOTE: keyring.current.encode()}
    return pq.ParquetWriter(
        target, schema.with_metadata(noted), compression="zstd", encryption_properties=encryption
    )


def _noted(file: pq.ParquetFile) -> dict[bytes, bytes]:
    """What is noted in a file, such as where a stream goes on."""
    noted = dict(file.metadata.metadata or {})
    for ours in (b"ARROW:schema", KEY_NOTE):
        noted.pop(ours, None)
    return noted


def _leaf(field: pa.Field) -> str:
    """What Parquet calls the column that holds a field's values."""
    return f"{field.name}.list.element" if pa.types.is_nested(field.type) else str(field.name)


def _decryption(name: bytes) -> Any:
    keyring = load_keyring()
    keyring.key(name.decode())
    factory = pe.CryptoFactory(lambda _: _OwnKeys(keyring))
    return factory.file_decryption_properties(pe.KmsConnectionConfig())


def key_of_file(path: Path) -> str | None:
    """The name of the key that a file as received needs; None if it is not encrypted."""
    with path.open("rb") as file:
        return _read_head(file)[0]


def open_received(path: Path) -> IO[bytes]:
    """Open a file as received, also an encrypted one.

    What was encrypted is read from a file without a name, which is gone once it is closed, even if
    the process is killed.

    Raises:
        C360Error: its key is not there, or a byte of it is another than was written.
    """
    file = path.open("rb")
    name, head = _read_head(file)
    if name is None:
        file.seek(0)
        return file
    with file:
        key = load_keyring().key(name)
        clear = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - the caller closes it
        _decrypt(file, clear, key, head, path)
    clear.seek(0)
    return clear


def keep_received(content: IO[bytes], target: Path) -> None:
    """Write a file as received, on disk and whole or not at all; encrypted if there is a key.

    A file of no bytes stays one.
    """
    keyring, scratch = load_keyring(), target.with_name(f".{target.name}.part")
    with scratch.open("wb") as file:
        block = content.read(BLOCK_BYTES)
        if keyring.current is None or not block:
            while block:
                file.write(block)
                block = content.read(BLOCK_BYTES)
        else:
            name = keyring.current.encode()
            head = MAGIC + bytes([len(name)]) + name + os.urandom(NONCE_BYTES)
            cipher = Cipher(
                algorithms.AES(keyring.key(keyring.current)), modes.GCM(head[-NONCE_BYTES:])
            ).encryptor()
            cipher.authenticate_additional_data(head)
            file.write(head)
            while block:
                file.write(cipher.update(block))
                block = content.read(BLOCK_BYTES)
            file.write(cipher.finalize() + cipher.tag)
    _put_in_place(scratch, target)


def _put_in_place(scratch: Path, target: Path) -> None:
    """Let a whole file take another's place, on disk before the other is gone."""
    if target.exists():
        shutil.copymode(target, scratch)
    sync(scratch)
    scratch.replace(target)
    sync(target.parent)


def _read_head(file: IO[bytes]) -> tuple[str | None, bytes]:
    """The name of the key, and all bytes before the content."""
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        return None, b""
    length = file.read(1)
    name = file.read(length[0] if length else 0)
    return name.decode(errors="replace"), magic + length + name + file.read(NONCE_BYTES)


def _decrypt(file: IO[bytes], clear: IO[bytes], key: bytes, head: bytes, path: Path) -> None:
    end = max(len(head), path.stat().st_size - TAG_BYTES)
    file.seek(end)
    tag = file.read(TAG_BYTES).ljust(TAG_BYTES, b"\0")  # what is cut off does not verify
    file.seek(len(head))
    cipher = Cipher(algorithms.AES(key), modes.GCM(head[-NONCE_BYTES:], tag)).decryptor()
    cipher.authenticate_additional_data(head)
    left = end - len(head)
    while left > 0:
        block = file.read(min(BLOCK_BYTES, left))
        left -= len(block)
        clear.write(cipher.update(block))
    try:
        clear.write(cipher.finalize())
    except InvalidTag:
        clear.close()
        raise C360Error(
            f"{path} was damaged, or encrypted under another key of the same name.",
            "Bring the file back from a backup, or the key that it was written with.",
        ) from None
