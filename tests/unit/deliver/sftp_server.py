"""A real SFTP server on this machine, over a folder; knows one login."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

LOGIN, PASSWORD = "c360", "not so secret"


@dataclass
class Served:
    port: int
    known_hosts: str
    password: str = PASSWORD
    logins: list[str] = field(default_factory=list)


class _Server(paramiko.ServerInterface):
    def __init__(self, served: Served) -> None:
        self.served = served

    def check_auth_password(self, username: str, password: str) -> int:
        self.served.logins.append(username)
        right = (username, password) == (LOGIN, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _folder(root: Path) -> type[paramiko.SFTPServerInterface]:
    def told(work):
        def answer(self, path, *rest):
            try:
                return work(root / path.lstrip("/"), *rest)
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)

        return answer

    def attributes(path: Path):
        return paramiko.SFTPAttributes.from_stat(path.stat(), path.name)

    def open_file(path: Path, flags: int, attr: object):
        handle = _Handle(flags)
        mode = "wb" if flags & os.O_WRONLY else "rb"
        opened = os.fdopen(os.open(path, flags, 0o600), mode)
        handle.readfile = handle.writefile = opened
        return handle

    def make(path: Path, attr: object) -> int:
        path.mkdir()
        return paramiko.SFTP_OK

    class Folder(paramiko.SFTPServerInterface):
        list_folder = told(lambda path: [attributes(one) for one in path.iterdir()])
        stat = told(attributes)
        lstat = told(attributes)
        open = told(open_file)
        mkdir = told(make)

        def posix_rename(self, old: str, new: str) -> int:
            (root / old.lstrip("/")).replace(root / new.lstrip("/"))
            return paramiko.SFTP_OK

        rename = posix_rename

    return Folder


@contextmanager
def serving_sftp(root: Path) -> Iterator[Served]:
    """Serve a folder."""
    root.mkdir()
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    known = root.with_name(f"{root.name}_known_hosts")
    known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    served = Served(port, str(known))
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _folder(root))
            try:
                transport.start_server(server=_Server(served))
            except (paramiko.SSHException, EOFError):
                transport.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for transport in transports:
            transport.close()
