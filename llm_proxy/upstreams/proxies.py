"""Which proxy a request goes through.

Laws: the environment is consulted only when asked, once, at construction; what a request itself names wins. Credentials
are in no message. Proxies are HTTP (``http://``, also without scheme), the same under TLS (``https://``) and SOCKS5, where
names are looked up here (``socks5://``) or by the proxy (``socks5h://``). The variables are those of curl: ``http_proxy``,
``https_proxy`` and, for what has none of these, ``all_proxy``, with exceptions in ``no_proxy``; each in upper case,
too, but for ``HTTP_PROXY`` under CGI, where a client could set it by a header ``Proxy`` (httpoxy.org).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from llm_proxy.upstreams import no_proxy
from llm_proxy.upstreams.target import ProxyRoute, Target, basic_auth

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_WANTED = "a proxy must be [http://|https://|socks5://|socks5h://][user:password@]host[:port]"
_HOST = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_.])?|[0-9A-Fa-f:.]+(%[0-9A-Za-z_.-]+)?", re.ASCII)


class Proxies:
    """A choice by scheme. ``proxies``: ``{"http": url, "https": url, "no": exceptions}``, each optional."""

    def __init__(self, proxies: Mapping[str, str] | None = None, *, trust_env: bool = False) -> None:
        """Raises ``ValueError`` for what is no URL of a proxy."""
        found = from_environment(os.environ) if trust_env else {}
        found.update(proxies or {})
        self._exceptions = no_proxy.parse(found.get("no", ""))
        self._routes = {scheme: _parse(found[scheme]) for scheme in ("http", "https") if found.get(scheme)}

    @property
    def not_understood(self) -> tuple[str, ...]:
        """Entries of the exceptions that mean nothing."""
        return self._exceptions.unknown

    def choose(self, target: Target) -> ProxyRoute | None:
        """The proxy for ``target``, or None to go there directly."""
        route = self._routes.get(target.scheme)
        if route is None or target.is_local or self._exceptions.cover(target.host, target.port):
            return None
        return route


def from_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What ``Proxies`` takes. Raises ``ValueError`` that names the variable in which something else stands."""
    values: dict[str, str] = {}
    for scheme in ("http", "https", "all", "no"):
        lower = f"{scheme}_proxy"
        names = (lower,) if scheme == "http" and "REQUEST_METHOD" in env else (lower, lower.upper())
        name = next((name for name in names if env.get(name, "").strip()), None)
        if name is None:
            continue
        values[scheme] = env[name].strip()
        if scheme != "no":
            try:
                _parse(values[scheme])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    everywhere = values.pop("all", "")
    return {**({"http": everywhere, "https": everywhere} if everywhere else {}), **values}


def _parse(url: str) -> ProxyRoute:
    """Raises ``ValueError`` that says what is allowed, without anything of ``url``."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port, scheme = parts.hostname or "", parts.port, parts.scheme
    except ValueError:
        raise ValueError(_WANTED) from None
    usual = _PORTS.get(scheme)
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if usual is None or rest or port == 0 or not url.isprintable() or not _HOST.fullmatch(host):
        raise ValueError(_WANTED)
    port = port or usual
    if parts.username is None:
        return ProxyRoute(host, port, scheme=scheme)
    user, password = unquote(parts.username), unquote(parts.password or "")
    if not scheme.startswith("socks"):
        return ProxyRoute(host, port, basic_auth(user, password), scheme)
    login = (user.encode(), password.encode())
    if not all(1 <= len(part) <= 255 for part in login):  # RFC 1929, section 2
        raise ValueError("user and password of a SOCKS5 proxy must have 1 to 255 bytes each")
    return ProxyRoute(host, port, scheme=scheme, login=login)
