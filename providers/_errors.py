"""What an upstream's error means to our client: by status first, then by machine-readable code, never by prose.

Laws: a message that is passed on is one bounded, printable line without addresses and without anything that looks
like a key; the gateway's own rejected key is never the client's fault. Bodies come in every shape: an object, a
string, a list of one, ``detail``, a web page, nothing, or JSON that was cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused

MAX_MESSAGE = 500
#: An upstream that asks for more than an hour of patience is asking for less: SDKs would sleep that long.
MAX_RETRY_AFTER = 3600

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_HOST_PORT = re.compile(
    r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|[a-z0-9.-]+\.[a-z0-9-]+|\[[0-9a-f:]+\])(?::\d{2,5})\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|hf|xai|key|api|AIza)[-_][A-Za-z0-9+/=_*.-]{6,}|\bAIza[A-Za-z0-9_-]{10,}|\bBearer\s+\S+",
    re.IGNORECASE,
)

#: Codes and types that vendors use for one thing, and ours for it.
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_AUTH = frozenset(
    {"invalid_api_key", "authentication_error", "invalid_authentication", "unauthenticated", "unauthorized"}
)
_RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limit", "resource_exhausted", "429"})


@dataclass(frozen=True, slots=True)
class Reported:
    """What an error body says; every field may be empty."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None

    @property
    def words(self) -> frozenset[str]:
        """Its machine-readable names, in lower case."""
        return frozenset({self.type.lower(), self.code.lower()} - {""})


def reported(value: Any) -> Reported:
    """What the JSON ``value`` of an error body, or of an error event, says."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return Reported(value)
    if not isinstance(value, dict):
        return Reported()
    error = value.get("error")
    if isinstance(error, dict):
        value = error
    elif isinstance(error, str):
        return Reported(error, code=_text(value.get("code")))
    message = value.get("message") or value.get("detail") or value.get("msg") or ""
    param = value.get("param")
    return Reported(
        message if isinstance(message, str) else json.dumps(message, ensure_ascii=True),
        _text(value.get("type") or value.get("status")),
        _text(value.get("code")),
        param if isinstance(param, str) else None,
    )


def from_body(body: bytes) -> Reported:
    """What an error body says; a web page or anything else that is not JSON says nothing that we would repeat."""
    try:
        return reported(json.loads(body))
    except (ValueError, RecursionError):
        pass
    try:
        words = body.decode()
    except UnicodeDecodeError:
        return Reported()
    looks_cut = words.lstrip().startswith(("{", "[", "<"))
    return Reported() if looks_cut else Reported(words[: 4 * MAX_MESSAGE])


def refusal(status: int, headers: Mapping[str, str], said: Reported) -> GatewayError:
    """The error for an answer with ``status`` >= 300; ``headers`` have lower-case names."""
    message = public(said.message)
    if status == 401 or (status == 403 and said.words & _AUTH):
        return UpstreamAuth(
            "the upstream rejects the gateway's credentials; tell the operator", detail=message
        )
    if status == 429:
        text = message or "the upstream asks for fewer requests"
        code = "insufficient_quota" if "insufficient_quota" in said.words else None
        return RateLimited(text, code=code, param=said.param, retry_after=retry_after(headers))
    if 400 <= status < 500:
        code = "context_length_exceeded" if said.words & _CONTEXT else public(said.code) or "upstream_error"
        status = 400 if code == "context_length_exceeded" else status
        kind = "permission_error" if status == 403 else None
        text = message or f"the upstream refused the request (status {status})"
        return UpstreamRefused(
            text, status=status, type=kind, code=code, param=said.param, retry_after=retry_after(headers)
        )
    if status < 400:
        return UpstreamError(
            "the upstream answered with a redirect, which is not followed", phase="head", kind="redirect"
        )
    text = message or f"the upstream failed (status {status})"
    kept = 502 if status == 500 or status > 599 else status
    return UpstreamError(text, status=kept, phase="head", kind="5xx", retry_after=retry_after(headers))


def in_stream(said: Reported) -> GatewayError:
    """The error for an error object in a 200: the same classes, found by code alone."""
    message = public(said.message) or "the upstream reported an error"
    if said.words & _RATE:
        return RateLimited(message, phase="body", kind="429")
    if said.words & _AUTH or said.code == "401":
        return UpstreamAuth(
            "the upstream rejects the gateway's credentials; tell the operator", detail=message
        )
    if said.words & _CONTEXT:
        return UpstreamRefused(
            message, code="context_length_exceeded", param=said.param, phase="body", kind="event"
        )
    return UpstreamError(message, phase="body", kind="event")


def public(text: str) -> str:
    """``text`` of an upstream, fit for a client: one printable line, no address, no key."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_MESSAGE])
    for pattern, instead in (
        (_URL, "[address]"),
        (_KEY, "[key]"),
        (_HOST_PORT, "[address]"),
        (_ADDRESS, "[address]"),
    ):
        line = pattern.sub(instead, line)
    line = " ".join(line.split())
    return line if len(line) <= MAX_MESSAGE else line[:MAX_MESSAGE] + "..."


def retry_after(headers: Mapping[str, str]) -> str | None:
    """The upstream's ``Retry-After`` in seconds, bounded; None if it has none or one that makes no sense."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return str(min(int(value[:12]), MAX_RETRY_AFTER))
    if not value:
        return None
    try:
        then, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        seconds = (then - now).total_seconds()
    except (ValueError, TypeError, IndexError):
        return None
    return str(max(0, min(int(seconds), MAX_RETRY_AFTER)))


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
