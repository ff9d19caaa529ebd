"""Origins of web pages (RFC 6454), and which of them are welcome.

Laws: pure; an origin is a scheme, a host and a port, and is compared as such, never as text; one that cannot be read, and
``null`` (which a page of anybody can have), is the same as no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from llm_proxy.wire.host import address, host_and_port, host_name

_PORTS = {"http": 80, "https": 443}
_FORM = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,31})://([^/?#@\\\s,]{0,300})")
_LABELS = re.compile(r"[a-z0-9._~-]*")
_ANY_PORT = -1

#: Pages of installed programs that no web site can be: Ollama welcomes them too (envconfig/config.go, AllowedOrigins). Its
#: ``file://`` is not among them: such a page may have come by mail.
PROGRAMS = ("app://*", "tauri://*", "vscode-webview://*", "vscode-file://*")


@dataclass(frozen=True, slots=True)
class Origin:
    """``port`` is None where the scheme has none of its own and none was given."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, text: str) -> Self | None:
        """The origin in a header, if it is one."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        scheme = found[1].lower()
        host, port = host_and_port(found[2])
        return cls(scheme, host, _PORTS.get(scheme) if port is None else port)

    def is_at(self, host: str) -> bool:
        """Whether a page of it and ``host[:port]``, reached by its scheme, are the same place."""
        name, port = host_and_port(host)
        return bool(name) and (name, port or _PORTS.get(self.scheme)) == (self.host, self.port)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A ``host`` of ``*`` is any, one that begins with ``*.`` any name below it."""

    scheme: str
    host: str
    port: int | None

    def fits(self, origin: Origin) -> bool:
        if origin.scheme != self.scheme or self.port not in (_ANY_PORT, origin.port):
            return False
        return self.host in ("*", origin.host) or (
            self.host.startswith("*.") and origin.host.endswith(self.host[1:])
        )


@dataclass(frozen=True, slots=True)
class OriginRule:
    """Which pages may ask: ``named`` ones, those of a pattern, or those of ``anybody``."""

    named: frozenset[Origin] = frozenset()
    patterns: tuple[_Pattern, ...] = ()
    anybody: bool = False

    @classmethod
    def of(cls, allowed: Iterable[str]) -> Self:
        """``allowed`` as ``read_origin`` took them."""
        named: set[Origin] = set()
        patterns: list[_Pattern] = []
        listed = tuple(allowed)
        for text in listed:
            read = None if text == "*" else _pattern(text)
            if read and "*" not in read.host and read.port != _ANY_PORT:
                named.add(Origin(read.scheme, read.host, read.port))
            elif read:
                patterns.append(read)
        return cls(frozenset(named), tuple(patterns), "*" in listed)

    def allows(self, origin: Origin | None) -> bool:
        """Whether pages of ``origin`` are welcome."""
        if self.anybody:
            return True
        return origin is not None and (
            origin in self.named or any(pattern.fits(origin) for pattern in self.patterns)
        )


def read_origin(text: str) -> str:
    """One entry of a setting: an origin as browsers send it, with ``*`` for a host, for what stands before a domain, or for
    a port; or ``*`` alone. Raises ``ValueError`` in words for whoever wrote it."""
    if text != "*":
        _pattern(text)
    return text


def _pattern(text: str) -> _Pattern:
    if text.lower() == "null":
        raise ValueError("is what a page of anybody can have; * says that everybody may ask")
    scheme, colon, rest = text.partition("://")
    if not colon:
        raise ValueError("has no scheme; an origin is scheme://host or scheme://host:port")
    if any(c in rest for c in "/?#@"):
        raise ValueError(
            "has a path or more, even if only a slash; an origin is scheme://host or scheme://host:port"
        )
    found = _FORM.fullmatch(text.removesuffix(":*"))
    if found is None:
        raise ValueError("is no origin, which is scheme://host or scheme://host:port")
    scheme = scheme.lower()
    host, port = host_and_port(found[2])
    plain = host_name(host.removeprefix("*.") if host.startswith("*.") else "" if host == "*" else host)
    legal = address(plain) or _LABELS.fullmatch(plain)
    if not legal or (port or 0) > 65_535 or (not plain and host != "*" and scheme != "file"):
        raise ValueError(
            "has a host that is none; * stands for a whole host, or before a domain as in *.example.com"
        )
    if port is None:
        # A scheme that knows no ports is one place, whatever stands there.
        port = _ANY_PORT if text.endswith(":*") or host == "*" else _PORTS.get(scheme)
    return _Pattern(scheme, host, port)
