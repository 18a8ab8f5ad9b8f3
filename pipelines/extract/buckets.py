"""Files of a local folder, a bucket or an SFTP server, through fsspec: one way for all.

fsspec brings a driver for each kind of place (`s3://` and local folders are ours, as is `sftp://`,
which knows whom it talks to; `gs://`, `abfs://` and others need theirs installed), and each raises
what it likes. Here they become sentences.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsspec import register_implementation
from fsspec.core import split_protocol, url_to_fs

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.lake import with_parent
from pipelines.rules.source_types.files import FilesSecrets

S3 = ("s3", "s3a")
SFTP = ("sftp", "ssh")
# Drivers name the same thing differently. An entity tag says more than any clock.
TAGS = ("ETag", "etag", "md5Hash")
CLOCKS = ("LastModified", "last_modified", "updated", "mtime", "created", "ino")
for protocol in SFTP:
    register_implementation(
        protocol, "pipelines.extract.sftp.KnownSftp", clobber=True, errtxt="paramiko is missing"
    )
REFUSED_CODES = ("SignatureDoesNotMatch", "InvalidToken", "RequestTimeTooSkewed", "401", "403")


@dataclass(frozen=True)
class File:
    """A file of a folder, and what tells without reading it whether it has changed.

    An empty `stamp` says that the place tells nothing of the kind.
    """

    name: str
    size: int
    stamp: str


class Folder:
    """A folder or a bucket's prefix, without what lies in folders below it."""

    def __init__(self, source: str, path: Path | str, secrets: FilesSecrets | None = None) -> None:
        """Find the driver.

        Raises:
            C360Error: there is none for this kind of place, or it cannot log in.
        """
        self.source, self.path = source, str(path)
        protocol = split_protocol(self.path)[0]
        options = _options(protocol, secrets or FilesSecrets())
        with self._telling(self.path):  # some drivers log in here
            try:
                self._fs, self._root = url_to_fs(self.path, **options)
            except (ImportError, ValueError) as error:
                raise C360Error(
                    f"Source {source}: {path} cannot be opened: {error}.",
                    f"Install the fsspec driver of {protocol}:// here, or give a folder.",
                ) from None
        self._root = self._root.rstrip("/") or "/"

    def files(self) -> list[File]:
        """The files that are not hidden, by name.

        Raises:
            SourceDownError: there is no such folder or bucket, or it does not answer.
            AccessRefusedError: it refuses the login.
        """
        with self._telling(f"the drop folder {self.path}"):
            entries = self._entries()
        if [entry["name"] for entry in entries] == [self._root]:
            raise SourceDownError(
                f"Source {self.source}: {self.path} is a file, no folder.",
                "Give the folder that holds it.",
            )
        files = [_file(entry) for entry in entries if entry["type"] == "file"]
        visible = [file for file in files if file.name and not file.name.startswith(".")]
        return sorted(visible, key=lambda file: file.name)

    def fetch(self, file: File, target: Path) -> Path:
        """Copy a file as it was listed; returns the target.

        Raises:
            C360Error: it changed while it was copied.
            SourceDownError: it is gone, or the place does not answer.
            AccessRefusedError: it may not be read.
        """
        path = self._path(file.name)
        shown = f"{self.path.rstrip('/')}/{file.name}"
        with self._telling(shown):
            self._fs.get_file(path, str(with_parent(target)))
            after = [_file(entry) for entry in self._fs.ls(path, detail=True)]
        if target.stat().st_size != file.size or after != [file]:
            target.unlink()
            raise C360Error(
                f"{shown} changed while it was copied.", "Try again once it is complete."
            )
        return target

    def put(self, name: str, content: bytes) -> None:
        """Write a file of this folder, whole or not at all; one of that name is replaced.

        Raises:
            SourceDownError: the place does not answer.
            AccessRefusedError: it may not be written.
        """
        path = self._path(name)
        with self._telling(f"{self.path.rstrip('/')}/{name}", "written"):
            if split_protocol(self.path)[0] in S3:  # an object is there whole or not at all
                self._fs.pipe_file(path, content)
                return
            self._fs.makedirs(self._root, exist_ok=True)
            scratch = self._path(f".{name}.part")
            self._fs.pipe_file(scratch, content)
            self._fs.mv(scratch, path)

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name.

        Raises:
            SourceDownError: the place does not answer.
            AccessRefusedError: it may not be read.
        """
        with self._telling(f"{self.path.rstrip('/')}/{name}"):
            return bool(self._fs.exists(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _entries(self) -> list[dict[str, Any]]:
        try:
            entries = self._fs.ls(self._root, detail=True)
        except FileNotFoundError:
            # In a bucket there are no folders: one that is empty has never been.
            bucket = self._root.split("/")[0]
            if bucket and self._fs.exists(bucket):
                return []
            raise
        # A local link is listed as itself, and would seem never to change.
        return [self._fs.info(e["name"]) if e.get("islink") else e for e in entries if _leads(e)]

    @contextmanager
    def _telling(self, what: str, deed: str = "read") -> Iterator[None]:
        """Say in a sentence what a driver raises; never in its own words, which may hold keys."""
        try:
            yield
        except C360Error:
            raise
        except FileNotFoundError:
            raise SourceDownError(
                f"Source {self.source}: {what} does not exist.",
                "Check the path in sources.yml, and that whoever runs c360 sees it.",
            ) from None
        except Exception as error:  # each driver has errors of its own, of no common kind
            code = _code(error)
            if _is_refusal(error, code):
                raise AccessRefusedError(
                    f"Source {self.source}: {what} may not be {deed}: {code}.",
                    "Let whoever runs c360 do that; the key of a bucket belongs into the Airflow "
                    f"Connection {self.source} or C360_SOURCE_{self.source.upper()}.",
                ) from None
            raise SourceDownError(
                f"Source {self.source}: {what} does not answer: {code}.",
                "Run the step again once it does.",
            ) from None


def _options(protocol: str | None, secrets: FilesSecrets) -> dict[str, Any]:
    """What a driver is told; none may answer from memory."""
    fresh: dict[str, Any] = {"use_listings_cache": False}
    if protocol in SFTP:
        return {"skip_instance_cache": True} | secrets.sftp_login
    if protocol not in S3:
        return fresh
    return fresh | {
        "key": secrets.key,
        "secret": secrets.secret.get_secret_value() if secrets.secret else None,
        "endpoint_url": secrets.endpoint_url,
        "client_kwargs": {"region_name": secrets.region} if secrets.region else {},
        # The driver tries again by itself; its library need not do so within each try.
        "config_kwargs": {"connect_timeout": 15, "retries": {"max_attempts": 1}},
    }


def _leads(entry: dict[str, Any]) -> bool:
    """Whether an entry is there at all: a link may lead nowhere."""
    return not entry.get("islink") or Path(entry["name"]).exists()


def _file(entry: dict[str, Any]) -> File:
    told = next((str(entry[tag]) for tag in TAGS if entry.get(tag)), None)
    stamp = told or " ".join(str(entry[clock]) for clock in CLOCKS if entry.get(clock))
    return File(entry["name"].rsplit("/", 1)[-1], int(entry["size"] or 0), stamp)


def _code(error: Exception) -> str:
    """The vendor's code for what went wrong, or the kind of error."""
    response = getattr(error.__cause__ or error, "response", None)
    told = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(told or type(error).__name__)


def _is_refusal(error: Exception, code: str) -> bool:
    kind = type(error).__name__
    is_login = "Credentials" in kind or "Authentication" in kind or "HostKey" in kind
    return isinstance(error, PermissionError) or is_login or code in REFUSED_CODES
