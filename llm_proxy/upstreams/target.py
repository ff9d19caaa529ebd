"""A request as bytes: its URL taken apart, its head written, and the key of the connections that may carry it.

Laws: pure; nothing that a caller passes can add a line to the head (CR, LF and NUL are a ``ValueError``, so is any
character in a URL that would have to be escaped); the framing headers are ours alone. A server on a Unix socket has the
socket's path in the place of the host, in ``http+unix://%2Frun%2Fvllm.sock/v1`` percent-encoded, and is ``localhost`` in
the Host header. This module refuses to know about sockets.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tornado.httputil import encode_username_password

from llm_proxy import __version__

#: The scheme of a server on a Unix socket.
UNIX = "http+unix"
USER_AGENT = f"llm-proxy-api/{__version__}"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts: ``host`` without brackets, ``netloc`` as the Host header has it, ``path`` with the query."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    user: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether ``host`` is the path of a Unix socket."""
        return self.host.startswith("/")


class ProxyRoute(NamedTuple):
    """The proxy in front of a host, reached by ``scheme`` (http, https, socks5, socks5h). ``authorization`` is the value of
    ``Proxy-Authorization`` or empty; ``login``, user and password for SOCKS."""

    host: str
    port: int
    authorization: str = ""
    scheme: str = "http"
    login: tuple[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"ProxyRoute({self.host!r}, {self.port}, {self.scheme!r})"

    @property
    def is_http(self) -> bool:
        """Whether it takes requests itself; SOCKS makes tunnels only."""
        return self.scheme in ("http", "https")


class Route(NamedTuple):
    """Requests with equal routes may share a connection. ``tls`` identifies the TLS settings (None for http)."""

    scheme: str
    host: str
    port: int
    tls: Any = None
    proxy: ProxyRoute | None = None
    source: str | None = None
    ipv6: bool = True

    @property
    def where(self) -> str:
        """``host:port`` for messages."""
        return f"{self.host}:{self.port}" if self.port else self.host

    @property
    def peer(self) -> str:
        """The host to which the connection itself is made."""
        return self.proxy.host if self.proxy is not None else self.host


def split_url(url: str) -> Target:
    """Take ``url`` apart. Raises ``ValueError``, without quoting the URL (it may hold a key), when we cannot send it."""
    if not _VISIBLE.fullmatch(url):
        raise ValueError("the URL is empty or contains a character that must be percent-encoded")
    parts = urlsplit(url)
    if parts.scheme == UNIX:
        socket = unquote(parts.netloc)
        if not socket.startswith("/"):
            raise ValueError("the URL has no path of a Unix socket in the place of the host")
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return Target("http", socket, 0, "localhost", path)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"Unsupported url scheme: {parts.scheme or 'none'}")
    host = parts.hostname
    if not host:
        raise ValueError("the URL has no host")
    port = parts.port  # raises ValueError when it is not a port
    user = None
    if parts.username is not None:
        user = (unquote(parts.username), unquote(parts.password or ""))
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    default = 443 if parts.scheme == "https" else 80
    netloc = parts.netloc.rpartition("@")[2]
    return Target(parts.scheme, host, default if port is None else port, netloc, path, user)


def basic_auth(user: str, password: str) -> str:
    """The value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(encode_username_password(user, password)).decode("ascii")


def request_head(method: str, path: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """The request line and ``fields`` as bytes, empty line included. Raises ``ValueError`` on anything unsendable."""
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"not a header name: {name[:40]!r}")
        lines.append(f"{name}: {value}")
    if not _TOKEN.fullmatch(method):
        raise ValueError("the method is not a token")
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError("a header contains CR, LF or NUL")
    try:
        return text.encode("latin-1") + b"\r\n\r\n"
    except UnicodeEncodeError:
        # "from None": the original quotes the whole head, keys included.
        raise ValueError("a header contains a character outside Latin-1") from None
