"""What an upstream's error means to our client: by status first, then by machine-readable code, never by prose.

Laws: a message that is passed on is one bounded, printable line without addresses and without anything that looks
like a key; the gateway's own rejected key is never the client's fault. Bodies come in every shape: an object, a
string, a list of one, ``detail``, a web page, nothing, or JSON that was cut off.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from providers.common.public_text import MAX_MESSAGE, public

#: An upstream that asks for more than an hour of patience is asking for less: SDKs would sleep that long.
MAX_RETRY_AFTER = 3600
#: How much of a text body is read as its message.
_MAX_TEXT = 4 * MAX_MESSAGE

#: What passes as a code: a word, not a status repeated as a number (vLLM, llama.cpp) and not a sentence.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
#: Whole or decimal seconds: vendors send both.
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")

#: Codes and types that vendors use for one thing, and ours for it.
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_AUTH = frozenset(
    {"invalid_api_key", "authentication_error", "invalid_authentication", "unauthenticated", "unauthorized"}
)
_RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limit", "resource_exhausted", "429"})
_QUOTA = frozenset({"insufficient_quota"})

_OUR_KEY = "the upstream rejects the gateway's credentials; tell the operator"


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

    @property
    def known_code(self) -> str:
        """Its code if that is a word that a client may be shown, else empty."""
        return self.code if _CODE.fullmatch(self.code) and public(self.code) == self.code else ""

    @property
    def shown_param(self) -> str | None:
        """The parameter that it names, as a client may see it."""
        return public(self.param) or None if self.param else None


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
    return Reported() if looks_cut else Reported(words[:_MAX_TEXT])


def refusal(status: int, headers: Mapping[str, str], said: Reported) -> GatewayError:
    """The error for an answer with ``status`` >= 300; ``headers`` have lower-case names."""
    message = public(said.message)
    if status == 401 or (status == 403 and said.words & _AUTH):
        return UpstreamAuth(_OUR_KEY, detail=message)
    if status == 429:
        return _rate_limited(message, said, retry_after(headers))
    if 400 <= status < 500:
        code = "context_length_exceeded" if said.words & _CONTEXT else said.known_code or "upstream_error"
        status = 400 if code == "context_length_exceeded" else status
        kind = "permission_error" if status == 403 else None
        text = message or f"the upstream refused the request (status {status})"
        return UpstreamRefused(
            text,
            status=status,
            type=kind,
            code=code,
            param=said.shown_param,
            retry_after=retry_after(headers),
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
    message = public(said.message)
    if said.words & (_RATE | _QUOTA):
        error: GatewayError = _rate_limited(message, said, None)
    elif said.words & _AUTH or said.code == "401":
        error = UpstreamAuth(_OUR_KEY, detail=message)
    elif said.words & _CONTEXT:
        text = message or "the request is too long for the model"
        error = UpstreamRefused(text, code="context_length_exceeded", param=said.shown_param, kind="event")
    else:
        error = UpstreamError(message or "the upstream reported an error", kind="event")
    error.phase = "body"
    return error


def _rate_limited(message: str, said: Reported, wait: str | None) -> RateLimited:
    """Too many requests, or a quota that is used up: only the latter has a code of its own, as no wait helps."""
    code = "insufficient_quota" if said.words & _QUOTA else None
    text = message or "the upstream asks for fewer requests"
    return RateLimited(text, code=code, param=said.shown_param, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> str | None:
    """The upstream's ``Retry-After`` in whole seconds, bounded; None if it has none or one that makes no sense."""
    value = headers.get("retry-after", "").strip()
    seconds: float | None
    if _SECONDS.fullmatch(value):
        # Longer ones are beyond the bound anyway, and perhaps beyond what a float can hold.
        seconds = math.ceil(float(value)) if len(value) < 20 else MAX_RETRY_AFTER
    else:
        seconds = _until(_date(value), _date(headers.get("date", "")))
    return None if seconds is None else str(max(0, min(int(seconds), MAX_RETRY_AFTER)))


def _until(then: datetime | None, now: datetime | None) -> float | None:
    """Seconds between two times of the upstream's clock; ours if it does not say what its own shows."""
    return None if then is None else (then - (now or datetime.now(UTC))).total_seconds()


def _date(value: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7); one without a zone is in GMT, as all should be."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
