"""Where files lie: a local folder or a bucket, and what opens it."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr

from pipelines.rules.model import SecretsOf, Source

PASSWORD_IN_URL = re.compile(r"[a-z0-9+.-]+://[^/@]*:[^/@]*@", re.IGNORECASE)


def _path_or_url(value: object) -> object:
    if not isinstance(value, str) or "://" not in value:
        return Path(value) if isinstance(value, str) else value
    if PASSWORD_IN_URL.match(value):
        raise ValueError("a password has no place in a rules file; give it as a secret")
    return value


FolderPath = Annotated[Path | str, BeforeValidator(_path_or_url)]


class FilesSecrets(SecretsOf):
    """A key of an S3-compatible bucket, and where it is if that is not Amazon; or a login to SFTP.

    A local folder needs none of it; nor does a machine whose role may read the bucket.
    """

    key: str | None = None
    secret: SecretStr | None = None
    endpoint_url: str | None = None
    region: str | None = None
    login: str | None = None
    password: SecretStr | None = None
    key_file: str | None = Field(default=None, description="Private key for SFTP.")
    known_hosts: str | None = Field(
        default=None, description="File with the SFTP server's key; default ~/.ssh/known_hosts."
    )

    @property
    def sftp_login(self) -> dict[str, str]:
        """What an SFTP server is told, as far as it is known."""
        told = {
            "username": self.login,
            "password": self.password.get_secret_value() if self.password else None,
            "key_filename": self.key_file,
            "known_hosts": self.known_hosts,
        }
        return {name: value for name, value in told.items() if value}


class FilesSource(Source):
    """A drop folder, or a bucket's prefix, of files named after landing tables."""

    secrets: ClassVar = FilesSecrets

    type: Literal["files"]
    path: FolderPath = Field(examples=["/data/drop/shop"])
