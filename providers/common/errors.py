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
from typing import Any

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from llm_proxy.wire.retry_after import delay_in, wait_in
from providers.common.public_text import MAX_MESSAGE, public

#: How much of a text body is read as its message.
_MAX_TEXT = 4 * MAX_MESSAGE

#: What passes as a code: a word, not a status repeated as a number (vLLM, llama.cpp) and not a sentence.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

#: Codes and types that vendors use for one thing, and ours for it.
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_AUTH = frozenset(
    {"invalid_api_key", "authentication_error", "invalid_authentication", "unauthenticated", "unauthorized"}
)
_RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limit", "resource_exhausted", "429"})
_QUOTA = frozenset({"insufficient_quota"})
_OVERLOADED = frozenset({"overloaded", "overloaded_error", "engine_overloaded_error"})
#: A code that is a status of HTTP (vLLM, llama.cpp, OpenRouter).
_STATUS = re.compile(r"[45][0-9]{2}")

#: Statuses that say: not now.
_WAITS = frozenset({429, 503, 529})

_OUR_KEY = "the upstream rejects the gateway's credentials; tell the operator"


@dataclass(frozen=True, slots=True)
class Reported:
    """What an error body says; every field may be empty."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    #: How long to wait, as Google says it (``google.rpc.RetryInfo``).
    delay: str = ""

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
        delay_in(value.get("details")),
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
    # What is left of a limit is told with every answer; only these mean that one should wait for it.
    told = headers if status in _WAITS else {k: headers[k] for k in ("retry-after", "date") if k in headers}
    error = _refusal(status, retry_after(told, said.delay), said)
    error.wait = wait_in(told, said.delay)
    return error


def retry_after(headers: Mapping[str, str], delay: str = "") -> str | None:
    """How long the upstream asks us to wait, in whole seconds; None if it says nothing that makes sense."""
    seconds = wait_in(headers, delay)
    return None if seconds is None else str(math.ceil(seconds))


def _refusal(status: int, wait: str | None, said: Reported) -> GatewayError:
    message = public(said.message)
    if status == 401 or (status == 403 and said.words & _AUTH):
        return UpstreamAuth(_OUR_KEY, detail=message)
    if status == 429:
        return _rate_limited(message, said, wait)
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
            retry_after=wait,
        )
    if status < 400:
        return UpstreamError(
            "the upstream answered with a redirect, which is not followed", phase="head", kind="redirect"
        )
    text = message or f"the upstream failed (status {status})"
    kept = 502 if status == 500 or status > 599 else status
    return UpstreamError(text, status=kept, phase="head", kind="5xx", retry_after=wait)


def in_stream(said: Reported) -> GatewayError:
    """The error for an error object in a 200: the same classes, found by code alone, which may be the number of a status."""
    status = _status_in(said)
    if status:
        error = _refusal(status, retry_after({}, said.delay), said)
        error.wait = wait_in({}, said.delay)
    elif said.words & _CONTEXT:
        text = public(said.message) or "the request is too long for the model"
        error = UpstreamRefused(text, code="context_length_exceeded", param=said.shown_param)
    else:
        error = UpstreamError(public(said.message) or "the upstream reported an error")
    error.phase = "body"
    if type(error) in (UpstreamError, UpstreamRefused):  # the others have one of their own
        error.kind = "event"
    return error


def _status_in(said: Reported) -> int:
    """The status that an error without one stands for; 0 if it does not say."""
    if said.words & (_RATE | _QUOTA):
        return 429
    if said.words & _AUTH:
        return 401
    if said.words & _CONTEXT:
        return 0
    if said.words & _OVERLOADED:
        return 503
    return int(said.code) if _STATUS.fullmatch(said.code) else 0


def _rate_limited(message: str, said: Reported, wait: str | None) -> RateLimited:
    """Too many requests, or a quota that is used up: only the latter has a code of its own, as no wait helps."""
    code = "insufficient_quota" if said.words & _QUOTA else None
    text = message or "the upstream asks for fewer requests"
    return RateLimited(text, code=code, param=said.shown_param, retry_after=wait)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
