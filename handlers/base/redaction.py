"""What a client may neither decide nor learn: where its request goes, and with whose key.

Laws: only the configuration says so. Fields by which other gateways are told are taken out of a request and named; none
of them reaches an upstream, least of all a client's key. Upstreams that repeat their address or our key in an error are
not quoted there; ``providers`` replace what looks like either, here it is known what it looks like. Pure.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from llm_proxy.errors import GatewayError
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest

#: LiteLLM's names and those of the official clients' constructors, which end up in bodies by mistake.
ADDRESSES = frozenset(
    "api_base api_host api_key api_token api_type api_version base_url custom_llm_provider organization".split()
)

_Request = TypeVar("_Request", ChatRequest, EmbeddingsRequest, NativeRequest, ChatRequest | NativeRequest)


def without_addresses(request: _Request) -> tuple[_Request, tuple[str, ...]]:
    """``request`` without such fields, and the names of those that it had."""
    if ADDRESSES.isdisjoint(request.sent):
        return request, ()
    found = tuple(sorted(ADDRESSES & request.sent.keys()))
    kept = {name: value for name, value in request.sent.items() if name not in found}
    if isinstance(request, NativeRequest):
        return replace(request, sent=kept), found
    return type(request).of(kept), found


#: Shorter ones are no secrets (vLLM's customary "EMPTY"), and would tear words apart.
_SHORTEST_KEY = 6


def conceal(error: GatewayError, deployment: Deployment) -> None:
    """Take the address of ``deployment`` and its credentials out of what ``error`` tells a client, and the credentials
    out of what it tells the log."""
    keys = _any_of(_keys(deployment), r"{}")
    addresses = _any_of(_addresses(deployment.api_host), r"(?<![\w.-]){}(?![\w-])")

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            return addresses.sub("[address]", keys.sub("[key]", value))
        if isinstance(value, dict):
            return {shown(name): shown(item) for name, item in value.items()}
        return [shown(item) for item in value] if isinstance(value, list) else value

    error.message, error.code, error.param = shown(error.message), shown(error.code), shown(error.param)
    error.details = shown(error.details)
    error.detail = keys.sub("[key]", error.detail)


def _keys(deployment: Deployment) -> set[str]:
    """Its credentials, with what stands before them ("Bearer ...") and without."""
    secrets = [secret.reveal() for secret in (deployment.token, *deployment.headers.values()) if secret]
    words = {word for secret in secrets for word in (secret, *secret.split()[-1:])}
    return {word for word in words if len(word) >= _SHORTEST_KEY}


def _addresses(api_host: str) -> set[str]:
    """The URL itself, and host and port of it; a host alone only if no word looks so."""
    parts = urlsplit(api_host)
    if parts.scheme == "http+unix":
        return {api_host, unquote(parts.netloc)}
    where = parts.netloc.rpartition("@")[2]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = where.removesuffix(f":{port}")
    return {api_host, f"{host}:{port}", *({host} if "." in host else ())} - {""}


def _any_of(texts: set[str], pattern: str) -> re.Pattern[str]:
    """Finds any of ``texts``, the longest first, in either case; if there are none, nothing."""
    found = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    return re.compile(pattern.format(f"(?:{found})") if found else r"(?!)", re.IGNORECASE)
