"""Hosts as they stand in a ``Host`` field, in an origin, in a setting: one spelling for each.

Laws: pure; what means the same is equal afterwards (case, the dot at the end, brackets, forms of an address, RFC 3986
section 6.2.2); nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self

#: A name of DNS has 253 characters; with brackets, port and a dot at the end no host is longer.
LONGEST = 300
#: Names of this machine that nobody else can have.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([0-9]{0,5})")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def address(text: str) -> str | None:
    """``text``, if it is an IP address, as everybody writes it; an IPv4 address in an IPv6 one is an IPv4 address."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def host_name(text: str) -> str:
    """A name or address without brackets, in small letters, without the dot at the end."""
    name = text.lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return address(name) or name.removesuffix(".")


def host_and_port(text: str) -> tuple[str, int | None]:
    """The parts of ``host[:port]``; what is neither is a name that nobody has."""
    found = _WITH_PORT.fullmatch(text)
    if found is None:
        return host_name(text), None
    return host_name(found[1]), int(found[2]) if found[2] else None


@dataclass(frozen=True, slots=True)
class HostRule:
    """Which hosts may be asked for: ``names``, what ends with one of ``ends``, or ``anybody``."""

    names: frozenset[str] = frozenset()
    ends: tuple[str, ...] = ()
    anybody: bool = False

    @classmethod
    def of(cls, allowed: Iterable[str], own: Iterable[str] = ()) -> Self:
        """``allowed`` as ``read_host`` gives them, and names that need no star."""
        listed = tuple(allowed)
        return cls(
            frozenset(map(host_name, own)) | {name for name in listed if not name.startswith("*")},
            tuple(name[1:] for name in listed if name.startswith("*.")),
            "*" in listed,
        )

    def allows(self, name: str) -> bool:
        """Whether ``name`` (see ``host_name``) is one of them."""
        return self.anybody or name in self.names or bool(self.ends and name.endswith(self.ends))


def read_host(text: str) -> str:
    """One host of a setting: a name, an address, ``*.domain`` or ``*``; a port says nothing. Raises ``ValueError`` in words
    for whoever wrote it."""
    if text == "*":
        return text
    if "/" in text:
        raise ValueError("is a URL or a network, not a host name")
    star = "*." if text.startswith("*.") else ""
    name = address(text.strip("[]")) or host_and_port(text.removeprefix(star))[0]
    if not (_NAME.fullmatch(name) or (address(name) and not star)):
        raise ValueError("is no host name")
    return star + name
