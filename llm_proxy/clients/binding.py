"""Addresses and paths made into listening sockets.

Laws: all of them or none; ``::`` takes IPv4 too, ``localhost`` is both loopbacks; with port 0 all get one port. A socket
file is made over only if nobody listens on it, and removed only if it is still the one that we have made. An error is one
sentence. What is served is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_proxy.clients.http_server import StartError
from llm_proxy.wire.listen_on import Target, needed

_BACKLOG = 1024
#: With port 0: how often another port is tried, when one that is free on the first address is not on another.
_TRIES = 20
#: This machine has no such address, or not this family at all.
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


class PortBusy(StartError):
    """Somebody else listens there. ``port``: the one that was asked for."""

    def __init__(self, message: str, port: int) -> None:
        super().__init__(message)
        self.port = port


class _Taken(Exception):
    """The port that the first address got is taken on another one."""


def listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """The listening sockets. Raises ``StartError`` if an address cannot be had."""
    targets = needed(target for host in hosts for target in _targets(host, port))
    for _ in range(_TRIES):
        with contextlib.suppress(_Taken):
            return _bind_all(targets, port)
    raise StartError(f"cannot listen on {', '.join(hosts)[:100]}: no port is free on all of them")


def _targets(host: str, port: int) -> Iterator[Target]:
    if host == "localhost":  # often only one of them stands in /etc/hosts, and clients take the other
        yield Target(host, "127.0.0.1", False, True)
        yield Target(host, "::1", True, True)
        return
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:  # ValueError: no name that the resolver could be asked for
        raise _refused(host, port, error) from error
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            name = str(address[0])
            scope = f"%{address[3]}" if len(address) > 3 and address[3] and "%" not in name else ""
            yield Target(host, name + scope, family == socket.AF_INET6, len(found) > 1, name == "::")


def _bind_all(targets: Sequence[Target], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: StartError | None = None
    with contextlib.ExitStack() as undo:
        for target in targets:
            wanted = port or (bound[0].getsockname()[1] if bound else 0)
            try:
                found = _bind(target, wanted)
            except OSError as error:
                if bound and port == 0 and error.errno == errno.EADDRINUSE:
                    raise _Taken from error
                absent = _refused(target.host, port, error)
                if not (target.optional and error.errno in _ABSENT):
                    raise absent from error
                continue
            bound.append(undo.enter_context(found))
        if absent is not None and not bound:
            raise absent
        undo.pop_all()
    return bound


def _bind(target: Target, port: int) -> socket.socket:
    try:
        return _bound(target.address, port, ipv6=target.ipv6, both=target.both)
    except OSError as error:
        if target.both and error.errno in _ABSENT:  # a machine without IPv6: what is left of "everywhere"
            return _bound("0.0.0.0", port, ipv6=False, both=False)  # noqa: S104
        raise


def _bound(address: str, port: int, *, ipv6: bool, both: bool) -> socket.socket:
    with contextlib.ExitStack() as undo:
        found = undo.enter_context(socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ipv6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        found.setblocking(False)
        found.bind((address, port))
        found.listen(_BACKLOG)
        undo.pop_all()
    return found


def _refused(host: str, port: int, error: Exception) -> StartError:
    reason = error.strerror if isinstance(error, OSError) else None
    shown = f"[{host}]" if ":" in host else host
    message = f"cannot listen on {shown[:100]}:{port}: {reason or 'not a host name'}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return PortBusy(message, port)
    return StartError(message)


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a Unix socket that we have made."""

    path: str
    device: int
    inode: int

    def remove(self) -> None:
        """Remove it, unless it is another's by now."""
        with contextlib.suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                os.unlink(self.path)


def listen_unix(path: str, mode: int) -> tuple[socket.socket, SocketFile]:
    """A listening Unix socket with the file mode ``mode``. Raises ``StartError``."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        _remove_stale(path)
        listening.setblocking(False)
        listening.bind(path)
        os.chmod(path, mode)  # nobody can connect before we listen
        listening.listen(_BACKLOG)
        found = os.lstat(path)
    except OSError as error:
        listening.close()
        raise StartError(f"cannot listen on unix:{path}: {error.strerror or error}") from error
    return listening, SocketFile(path, found.st_dev, found.st_ino)


def _remove_stale(path: str) -> None:
    """Remove a socket that a process has left which is no more."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # somebody listens, and is busy
            pass
    raise OSError(errno.EADDRINUSE, "somebody listens there")


def name_of(listening: socket.socket) -> str:
    """The address of a socket, as people write it."""
    found = listening.getsockname()
    if not isinstance(found, tuple):
        text = os.fsdecode(found)
        return "unix:" + ("@" + text[1:] if text.startswith("\0") else text)
    host, port = found[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(sockets: Sequence[socket.socket], prefix: str, *, secure: bool) -> str:
    """Where the service is reached, for the log: by a port, if there is one."""
    for listening in sockets:
        if listening.family != socket.AF_UNIX:
            return f"http{'s' if secure else ''}://{name_of(listening)}{prefix}"
    return name_of(sockets[0])
