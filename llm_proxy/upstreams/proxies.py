"""Which HTTP proxy a request goes through.

Laws: the environment is consulted only when asked (``trust_env``), once, at construction; what a request itself names
wins. ``NO_PROXY`` follows Python's standard library: host suffixes, with an optional port, or ``*``.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from llm_proxy.upstreams.target import ProxyRoute, Target, basic_auth

#: Undocumented, and therefore unknown to typeshed, but unchanged since Python 2.7 and what requests relies on, too.
_bypass: Callable[[str, Mapping[str, str]], bool] = vars(urllib.request)["proxy_bypass_environment"]


class Proxies:
    """A choice by scheme. ``proxies``: ``{"http": url, "https": url, "no": "suffix,suffix"}``, each optional."""

    def __init__(self, proxies: Mapping[str, str] | None = None, *, trust_env: bool = False) -> None:
        """Raises ``ValueError`` for a proxy URL that is not ``http://[user:password@]host[:port]``."""
        found = dict(urllib.request.getproxies_environment()) if trust_env else {}
        found.update(proxies or {})
        self._no = {"no": found.get("no", "")}
        self._routes = {scheme: _parse(found[scheme]) for scheme in ("http", "https") if found.get(scheme)}

    def choose(self, target: Target) -> ProxyRoute | None:
        """The proxy for ``target``, or None to go there directly."""
        route = self._routes.get(target.scheme)
        if route is None or not self._no["no"]:
            return route
        return None if _bypass(f"{target.host}:{target.port}", self._no) else route


def _parse(url: str) -> ProxyRoute:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy must be http://[user:password@]host[:port]")
    authorization = ""
    if parts.username is not None:
        authorization = basic_auth(unquote(parts.username), unquote(parts.password or ""))
    return ProxyRoute(parts.hostname, parts.port or 80, authorization)
