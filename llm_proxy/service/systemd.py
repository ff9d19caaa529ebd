"""What a service manager and we say to each other: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

Laws: what the variables mean is decided apart from what is done; they are meant for this process alone and are taken out
of the environment; nobody waits for a manager that does not listen, and without one nothing is done. When what is told is
not known here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from llm_proxy.clients.http_server import StartError

VARIABLES = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"),
)
#: The number of the first passed descriptor, and more of them than anybody passes.
FIRST, _MOST = 3, 4096
#: Characters of what is told in one line.
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Given:
    """``notify``: the address of the manager's socket; ``watchdog``: seconds in which it wants to hear of us; ``names``:
    those of the passed sockets."""

    notify: str | None = None
    watchdog: float | None = None
    names: tuple[str, ...] = ()


def read(env: Mapping[str, str], pid: int) -> Given:
    """What is meant for the process ``pid``. Raises ``ValueError`` for what cannot be understood."""
    return Given(
        _address(env.get("NOTIFY_SOCKET", "")),
        _watchdog(env, pid),
        _names(env, pid),
    )


def _address(text: str) -> str | None:
    """A path, or ``@`` and a name without a file; other families (``vsock:``) are for machines, not for processes."""
    if text.startswith("@") and len(text) > 1:
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog(env: Mapping[str, str], pid: int) -> float | None:
    micros = _number(env.get("WATCHDOG_USEC", ""))
    if not micros or env.get("WATCHDOG_PID", "") not in ("", str(pid)):
        return None
    return micros / 1e6


def _names(env: Mapping[str, str], pid: int) -> tuple[str, ...]:
    if not env.get("LISTEN_FDS") or env.get("LISTEN_PID", "") != str(pid):
        return ()
    count = _number(env["LISTEN_FDS"])
    if count is None or count > _MOST:
        raise ValueError(f"LISTEN_FDS must be a number up to {_MOST}")
    given = env.get("LISTEN_FDNAMES")
    names = ("unknown",) * count if given is None else tuple(given.split(":")) if count else ()
    if len(names) != count:
        raise ValueError(f"LISTEN_FDNAMES has {len(names)} names for {count} sockets")
    return names


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


@dataclass(frozen=True, slots=True)
class Passed:
    """A socket that listens already."""

    name: str
    listening: socket.socket


@dataclass(frozen=True, slots=True)
class Manager:
    """Who has started us, if it is one that wants to hear of us."""

    notify: str | None = None
    watchdog: float | None = None
    passed: tuple[Passed, ...] = ()

    @classmethod
    def of(cls, env: MutableMapping[str, str]) -> Manager:
        """Take what is there, and its variables out of ``env``. Raises ``StartError``."""
        try:
            given = read(env, os.getpid())
        except ValueError as error:
            raise StartError(str(error)) from error
        for name in VARIABLES:
            env.pop(name, None)
        passed = tuple(Passed(name, adopt(FIRST + n, name)) for n, name in enumerate(given.names))
        return cls(given.notify, given.watchdog, passed)

    def tell(self, *lines: str) -> None:
        """Say each ``NAME=value``; in vain, if nobody listens."""
        if self.notify is None:
            return
        text = "\n".join(line.replace("\n", " ")[:_LONGEST] for line in lines)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(text.encode("utf-8", "replace"), self.notify)


def adopt(number: int, name: str, variable: str = "LISTEN_FDS") -> socket.socket:
    """A passed descriptor as a socket that listens. Raises ``StartError``."""
    what = f"{variable}: descriptor {number} ({name[:100]!r})"
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise StartError(f"{what} is no socket")
        found = socket.socket(fileno=number)
    except OSError as error:
        raise StartError(f"{what}: {error.strerror}") from error
    if (
        found.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        or found.type != socket.SOCK_STREAM
        or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        found.detach()
        raise StartError(f"{what} is no listening stream socket (Accept=no, ListenStream=)")
    found.setblocking(False)
    found.set_inheritable(False)
    return found
