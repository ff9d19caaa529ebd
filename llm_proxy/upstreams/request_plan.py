"""From Tornado's request object to what will be sent, and where.

Laws: pure, and everything that is wrong with a request is a ``ValueError`` (an unknown method a ``KeyError``, an
impossible option a ``NotImplementedError``, both as in Tornado) before anything was sent. The caller's object is not
changed. The rules are those that ``tornado.httpclient.HTTPRequest`` documents; where we differ, it says so here:
``identity`` is asked for unless the caller wants compression, and the ``RelayedRequest-Encoding`` is ours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.netutil import is_valid_ip

from llm_proxy.net.tls import tls_settings
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.target import (
    USER_AGENT,
    ProxyRoute,
    Route,
    Target,
    basic_auth,
    request_head,
    split_url,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

Producer = Callable[..., Any]


@dataclass(slots=True)
class Plan:
    """One request, ready to be sent. ``length`` is what the head declares for ``producer``'s output (None: chunked)."""

    url: str
    method: str
    target: Target
    route: Route
    head: bytes
    body: bytes | None
    producer: Producer | None
    length: int | None
    wait_for_continue: bool


class Options:
    """A request's attributes, with the client's defaults for those that are None."""

    __slots__ = ("_defaults", "request")

    def __init__(self, request: HTTPRequest, defaults: dict[str, Any]) -> None:
        self.request = request
        self._defaults = defaults

    def of(self, request: HTTPRequest) -> Options:
        """The same defaults for another request."""
        return Options(request, self._defaults)

    def get(self, name: str) -> Any:
        """The value of attribute ``name``."""
        value = getattr(self.request, name)
        return self._defaults.get(name) if value is None else value


def make_plan(options: Options, proxies: Proxies) -> Plan:
    """Decide what to send for a request. See the module for what it raises."""
    request, get = options.request, options.get
    target = split_url(request.url)
    method = request.method
    body: bytes | None = request.body  # Tornado types it as bytes, and means bytes or None
    producer: Producer | None = request.body_producer
    _check(method, body is not None, producer is not None, get("allow_nonstandard_methods"))
    route = _route(options, target, proxies)
    wait = bool(get("expect_100_continue")) and (body is not None or producer is not None)
    fields, length = _fields(options, target, body, wait)
    path = target.path
    if route.proxy is not None and route.proxy.is_http and target.scheme == "http":
        path = f"http://{target.netloc}{path}"  # RFC 9112, section 3.2.2: the absolute form
        if route.proxy.authorization:
            fields.append(("Proxy-Authorization", route.proxy.authorization))
    head = request_head(method, path, fields)
    return Plan(request.url, method, target, route, head, body, producer, length, wait)


def _check(method: str, body: bool, producer: bool, anything_goes: bool) -> None:
    """The sanity checks, most of which ``allow_nonstandard_methods`` switches off."""
    if body and producer:
        raise ValueError("body and body_producer exclude each other")
    if anything_goes:
        return
    if method not in _METHODS:
        raise KeyError(f"unknown method {method}")
    expected = method in _WITH_BODY
    if expected is not (body or producer):
        raise ValueError(
            f"Body must {'not ' if expected else ''}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )


def _route(options: Options, target: Target, proxies: Proxies) -> Route:
    """The key of the connections that may carry the request."""
    request, get = options.request, options.get
    source = get("network_interface")
    if source and not is_valid_ip(source):
        raise ValueError(f"Unrecognized IPv4 or IPv6 address for network_interface, got {source!r}")
    tls: Hashable = None
    if target.scheme == "https":
        given = request.ssl_options
        if given is None:
            tls = tls_settings(get("validate_cert"), get("ca_certs"), get("client_cert"), get("client_key"))
        else:
            tls = tuple(sorted(given.items())) if isinstance(given, dict) else given
    host, port = get("proxy_host"), get("proxy_port")
    if host and port:
        if get("proxy_auth_mode") not in (None, "basic"):
            raise ValueError(f"unsupported proxy_auth_mode {get('proxy_auth_mode')}")
        user = get("proxy_username")
        proxy: ProxyRoute | None = ProxyRoute(
            host, port, basic_auth(user, get("proxy_password") or "") if user else ""
        )
    else:
        proxy = proxies.choose(target)
    if target.is_local:
        proxy = None
    ipv6 = get("allow_ipv6") is not False
    return Route(target.scheme, target.host, target.port, tls, proxy, source or None, ipv6)


def _fields(
    options: Options, target: Target, body: bytes | None, wait: bool
) -> tuple[list[tuple[str, str]], int | None]:
    """The header fields, and the length that they declare for a ``body_producer`` (None: chunked)."""
    request, get = options.request, options.get
    given = request.headers  # made HTTPHeaders by AsyncHTTPClient.fetch
    ours: dict[str, str] = {}
    if (authorization := _authorization(options, target)) is not None:
        ours["authorization"] = authorization
    if agent := get("user_agent"):
        ours["user-agent"] = agent
    if get("decompress_response"):
        ours["accept-encoding"] = "gzip"
    if body is not None:
        ours["content-length"] = str(len(body))
    fields: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for name, value in given.get_all():
        low = name.lower()
        if low in ours or low == "transfer-encoding" or (low == "expect" and wait):
            continue
        seen[low] = value
        fields.append((name, value))
    if "host" not in seen:
        fields.insert(0, ("Host", target.netloc))
    if "user-agent" not in seen:
        fields.append(("User-Agent", ours.get("user-agent", USER_AGENT)))
    if "accept-encoding" not in seen:
        fields.append(("Accept-Encoding", ours.get("accept-encoding", "identity")))
    if authorization is not None:
        fields.append(("Authorization", authorization))
    if request.method == "POST" and "content-type" not in seen:
        fields.append(("Content-Type", "application/x-www-form-urlencoded"))
    if wait:
        fields.append(("Expect", "100-continue"))
    return fields, _declare_length(request, body, fields, seen.get("content-length"))


def _declare_length(
    request: HTTPRequest, body: bytes | None, fields: list[tuple[str, str]], given: str | None
) -> int | None:
    """Append the field that frames the request's body."""
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    elif request.body_producer is None:
        if given is not None and given != "0":
            raise ValueError("Content-Length without a body")
        if given is None and request.method in _WITH_BODY:
            fields.append(("Content-Length", "0"))
    elif given is None:
        fields.append(("Transfer-Encoding", "chunked"))
    elif not (given.isascii() and given.isdigit()):
        raise ValueError("bad Content-Length")
    else:
        return int(given)
    return None


def _authorization(options: Options, target: Target) -> str | None:
    """Basic credentials from the URL or the request."""
    get = options.get
    user, password = target.user or (get("auth_username"), get("auth_password"))
    if user is None:
        return None
    if get("auth_mode") not in (None, "basic"):
        raise ValueError(f"unsupported auth_mode {get('auth_mode')}")
    return basic_auth(user, password or "")
