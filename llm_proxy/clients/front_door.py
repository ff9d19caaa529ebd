"""Who may ask at all: which hosts, which pages, and whose word about the client is taken. Decided from the head alone.

A browser lets the page of a stranger send requests to any address, this machine's own among them; only the reading of
answers is withheld (that is CORS). So a request that says it comes from such a page is refused before anything is done,
as Ollama does it (its issues 2425, 6021), and Go's ``net/http.CrossOriginProtection``.

Laws: pure; programs, which say nothing of pages, pay one look. A page is refused if the browser calls it foreign
(``Sec-Fetch-Site``), or if its ``Origin`` is neither the place that was asked nor one that the operator named; what he
named is told so by CORS (fetch.spec.whatwg.org), credentials only to an origin that he named in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_proxy.errors import GatewayError, HostNotAllowed, OriginNotAllowed
from llm_proxy.wire.forwarded import FIELDS, Asked, Proxies
from llm_proxy.wire.host import LOOPBACK, HostRule, host_and_port
from llm_proxy.wire.origin import PROGRAMS, Origin, OriginRule

Pairs = tuple[tuple[str, str], ...]

_PAGE = frozenset({"origin", "sec-fetch-site"})
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
#: What scripts may read of an answer besides what they always may; relayed answers may have more.
_EXPOSED = (
    "X-Request-Id, X-Trace-Id, Request-Id, X-Config-Generation, X-LLM-Provider, X-LLM-Model, X-LLM-Attempts, "
    "X-LLM-Fallback, X-LLM-Continuation, X-Prompt, X-Dropped-Params, X-Token-Count, "
    "Retry-After, Retry-After-Ms, X-Should-Retry, Allow, ETag, Location, Content-Length, Content-Disposition, Accept-Encoding, "
    "X-RateLimit-Limit-Requests, X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Requests, X-RateLimit-Remaining-Tokens, "
    "X-RateLimit-Reset-Requests, X-RateLimit-Reset-Tokens, OpenAI-Processing-Ms, OpenAI-Version, OpenAI-Organization"
)
#: Chromium takes no longer time than this (in seconds), Firefox a day.
_MAX_AGE = "7200"
_TOKENS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}(\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}){0,63}")
#: Characters of an origin that are shown.
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came in. ``headers``: fields by name in small letters, those of one name joined by commas; ``host``:
    as it was asked for; ``peer``: the address at the other end; ``linkable``: whether it is a page that others may link to;
    ``secure``: whether the connection itself is TLS."""

    method: str
    headers: Mapping[str, str]
    host: str
    peer: str
    linkable: bool = False
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """``cors``: fields for the answer, whatever it will be; ``preflight``: whether that is all that is asked."""

    asked: Asked
    cors: Pairs = ()
    preflight: bool = False
    refusal: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """``hosts`` is None where any will do; ``listed``: whether the operator has named some."""

    hosts: HostRule | None = None
    listed: bool = False
    origins: OriginRule = field(default_factory=OriginRule)
    proxies: Proxies = field(default_factory=Proxies)
    #: Fields that make a request worth a look.
    watched: frozenset[str] = _PAGE
    #: Fields for every answer.
    always: Pairs = ()

    @classmethod
    def of(
        cls,
        hosts: HostRule | None = None,
        listed: bool = False,
        origins: tuple[str, ...] = (),
        proxies: tuple[str, ...] = (),
    ) -> FrontDoor:
        """``origins``, ``proxies``: see the settings."""
        return cls(
            hosts,
            listed,
            OriginRule.of((*origins, *PROGRAMS)),
            Proxies(proxies),
            _PAGE | FIELDS if proxies else _PAGE,
            (("Vary", "Origin"),) if origins else (),
        )

    def serves(self, name: str) -> bool:
        """Whether a host (see ``wire.host.host_name``) may be asked for."""
        return self.hosts is None or self.hosts.allows(name)

    def judge(self, arrival: Arrival) -> Verdict:
        """About a request that has one of the fields that are ``watched``."""
        asked = self.proxies.asked(arrival.headers, arrival.peer) if self.proxies else Asked(arrival.peer)
        if asked.host and self.listed and self.hosts and not self.hosts.allows(host_and_port(asked.host)[0]):
            text = "this X-Forwarded-Host is not served here; see LLM_PROXY_API_ALLOWED_HOSTS"
            return Verdict(asked, refusal=HostNotAllowed(text))
        given = arrival.headers.get("origin")
        if given is None:
            return Verdict(asked, self.always, refusal=self._refused_site(arrival))
        origin = Origin.of(given)
        if self.origins.allows(origin):
            preflight = arrival.method == "OPTIONS" and "access-control-request-method" in arrival.headers
            cors = self._cors(given, origin)
            return Verdict(asked, cors + _preflight(arrival.headers) if preflight else cors, preflight)
        site = arrival.headers.get("sec-fetch-site")
        if site in (None, "", "same-origin", "none") and _is_ours(origin, arrival, asked, site):
            return Verdict(asked, self.always)
        return Verdict(asked, (("Vary", "Origin"),), refusal=_refusal(given))

    def _refused_site(self, arrival: Arrival) -> OriginNotAllowed | None:
        """What the browser says, where there is no ``Origin``: links, images, frames, forms that only read."""
        headers = arrival.headers
        site = headers.get("sec-fetch-site") or "none"
        if site in ("same-origin", "none") or self.origins.anybody:
            return None
        follows = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        if follows and arrival.linkable and arrival.method in ("GET", "HEAD"):
            return None
        return _refusal("")

    def _cors(self, given: str, origin: Origin | None) -> Pairs:
        """What tells the browser that a page may read the answer."""
        if origin in self.origins.named:
            who: Pairs = (
                ("Access-Control-Allow-Origin", given),
                ("Access-Control-Allow-Credentials", "true"),
            )
        elif self.origins.anybody:
            who = (("Access-Control-Allow-Origin", "*"),)
        else:
            who = (("Access-Control-Allow-Origin", given),)
        return (*who, ("Access-Control-Expose-Headers", _EXPOSED), ("Vary", "Origin"))


def _is_ours(origin: Origin | None, arrival: Arrival, asked: Asked, site: str | None) -> bool:
    """Whether a page of ``origin`` came from the place that was asked."""
    host = asked.host or arrival.host
    if origin is None or not (origin.is_at(host) or origin.is_at(_other_name(origin, host))):
        return False
    scheme = asked.scheme or ("https" if arrival.secure else "http")
    # A browser that says so has seen the scheme; we may stand behind something that ends TLS without a word.
    return origin.scheme == scheme or (
        site == "same-origin" and origin.scheme == "https" and not asked.scheme
    )


def _other_name(origin: Origin, host: str) -> str:
    """``host``, which is one of this machine's own names, by that one of them which ``origin`` has: no other program can have
    the port."""
    name, port = host_and_port(host)
    if not {name, origin.host} <= LOOPBACK:
        return host
    shown = f"[{origin.host}]" if ":" in origin.host else origin.host
    return shown if port is None else f"{shown}:{port}"


def _preflight(headers: Mapping[str, str]) -> Pairs:
    wanted = headers.get("access-control-request-headers", "")
    found = [
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Max-Age", _MAX_AGE),
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    if _TOKENS.fullmatch(wanted):
        found.append(("Access-Control-Allow-Headers", wanted))
    if headers.get("access-control-request-private-network") == "true":
        found.append(("Access-Control-Allow-Private-Network", "true"))
    return tuple(found)


def _refusal(origin: str) -> OriginNotAllowed:
    shown = origin if origin.isascii() and origin.isprintable() else "?"
    page = f"a page of the origin {shown[:_SHOWN]}" if origin else "a page of another site"
    return OriginNotAllowed(
        f"{page} may not ask this gateway; LLM_PROXY_API_ALLOWED_ORIGINS names the origins that may"
    )
