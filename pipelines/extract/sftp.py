"""SFTP through fsspec, to a server that is known: fsspec's own driver talks to whoever answers."""

from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem


class UnknownServerError(PermissionError):
    """Whoever answers does not show the key that the server is known by."""


class _KnownOnly(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    def missing_host_key(self, client: object, hostname: str, key: object) -> None:
        raise UnknownServerError


class KnownSftp(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's driver, that refuses a server whose key is not among the known hosts."""

    cachable = False

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        told = dict(self.ssh_kwargs)
        known_hosts = told.pop("known_hosts", None)
        self.client.load_system_host_keys(known_hosts)
        self.client.set_missing_host_key_policy(_KnownOnly())
        login: dict[str, Any] = {"timeout": 15, "banner_timeout": 15, "allow_agent": False} | told
        self.client.connect(self.host, **login)
        self.ftp = self.client.open_sftp()
