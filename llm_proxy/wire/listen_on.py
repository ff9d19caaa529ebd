"""Where to listen, as an operator writes it: hosts and Unix sockets, with commas between.

Laws: pure; each item is a host without a port or ``unix:/path``; what is neither is told in words. Whether a name leads
anywhere is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

_UNIX = "unix:"
#: What fits into a ``sockaddr_un`` with the NUL at its end (unix(7)).
_LONGEST_PATH = 107
#: More places than anybody needs, and more characters of one than are shown.
_MOST, _SHOWN = 64, 100


@dataclass(frozen=True, slots=True)
class Places:
    """``hosts``: names and addresses, without brackets; ``paths``: of Unix sockets. Each once, in their order."""

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises ``ValueError`` in words for whoever wrote it."""
        items = [item.strip() for item in text.split(",")]
        items = [item for item in items if item]
        if not items:
            raise ValueError("names no host")
        if len(items) > _MOST:
            raise ValueError(f"has more than {_MOST} items")
        paths = dict.fromkeys(_path(item) for item in items if item.startswith(_UNIX))
        hosts = dict.fromkeys(_host(item) for item in items if not item.startswith(_UNIX))
        return cls(tuple(hosts), tuple(paths))


def _path(item: str) -> str:
    rest = item.removeprefix(_UNIX)
    if not rest.startswith("/") or rest.endswith("/"):
        raise ValueError(f"{_UNIX} must be followed by the absolute path of a socket")
    path = "/" + rest.lstrip("/")  # also unix:///path, as Docker writes it
    if not path.isprintable() or len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"the path of a socket has at most {_LONGEST_PATH} bytes, all printable")
    return path


def _host(item: str) -> str:
    shown = item[:_SHOWN]
    if not item.isprintable() or any(c in item for c in " \\?#@"):
        raise ValueError("has characters that are not allowed there")
    if "/" in item:
        raise ValueError(f"{shown} is a URL or a path; a host stands alone, a socket is unix:/path")
    name = item.lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif "[" in name or "]" in name or name.count(":") == 1:
        raise ValueError(f"{shown} has a port; that is a setting of its own")
    elif ":" not in name:
        return name
    if not _is_ipv6(name):
        raise ValueError(f"{shown} is no IPv6 address")
    return name


def _is_ipv6(name: str) -> bool:
    try:
        IPv6Address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """An address to bind. ``host``: as it was written; ``optional``: whether others will do, if this machine has no such
    address; ``both``: IPv6 and, on the same socket, IPv4."""

    host: str
    address: str
    ipv6: bool
    optional: bool = False
    both: bool = False


def needed(targets: Iterable[Target]) -> list[Target]:
    """``targets`` without those that others take in: every address is in ``::`` (as Go's servers read it), every one of
    IPv4 in ``0.0.0.0``."""
    once: dict[str, Target] = {}
    for target in targets:
        once.setdefault(target.address, target)
    found = list(once.values())
    for target in found:
        if target.both:
            return [target]
    if "0.0.0.0" in once:  # noqa: S104 (not ours: it is what the operator wrote)
        found = [target for target in found if target.ipv6 or target.address == "0.0.0.0"]  # noqa: S104
    return found
