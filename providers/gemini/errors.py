"""Gemini's errors (google.rpc.Status in JSON): ``{"error": {"code", "message", "status", "details"}}``, or a list of one.

A wrong key is a 400 here, told apart by the reason in ``details``; so is the time to wait. 403 means that the key may not
do something, so it is about the gateway's key, as is 401.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.errors import GatewayError
from providers.common.errors import Reported, from_body, refusal
from providers.common.errors_in_answers import in_answer
from providers.common.json_objects import Malformed, loads

#: cloud.google.com/apis/design/errors: the HTTP status of each word.
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
#: Our code and the parameter at fault, by the vendor's status.
_CODES = {
    "INVALID_ARGUMENT": ("invalid_request", None),
    "FAILED_PRECONDITION": ("failed_precondition", None),
    "OUT_OF_RANGE": ("invalid_request", None),
    "NOT_FOUND": ("model_not_found", "model"),
}
#: google.api.ErrorReason: all that say that the key is wrong, expired or not meant for this.
_KEY_REASON = re.compile(r"API_KEY_\w+|ACCESS_TOKEN_\w+|CREDENTIALS_MISSING|ACCOUNT_STATE_INVALID")
#: google.protobuf.Duration in JSON.
_DURATION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?s")


def error_of(value: Any) -> dict[str, Any] | None:
    """The inner error object of ``value``, which may be a list of one; None if ``value`` is no error."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or not value.get("error"):
        return None
    error = value["error"]
    return error if isinstance(error, dict) else {"message": str(error)}


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """The error of an answer with ``status``; its body may be cut or no JSON at all."""
    try:
        error = error_of(loads(body))
    except Malformed:
        error = None
    if error is None:
        return refusal(status, headers, from_body(body) if body else Reported())
    return refusal(_meant(status, error), {**_wait(error), **headers}, _said(error))


def from_error(error: Mapping[str, Any]) -> GatewayError:
    """The error for an error object (see ``error_of``) in a stream, or in an answer with status 200."""
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else _STATUS.get(_word(error), 500)
    return in_answer(_meant(status, error), _said(error), _wait(error))


def _meant(status: int, error: Mapping[str, Any]) -> int:
    reasons = [detail.get("reason") for detail in _details(error)]
    about_key = any(isinstance(reason, str) and _KEY_REASON.fullmatch(reason) for reason in reasons)
    return 401 if status == 403 or about_key else status


def _said(error: Mapping[str, Any]) -> Reported:
    message, word = error.get("message"), _word(error)
    code, param = _CODES.get(word, ("", None))
    return Reported(message if isinstance(message, str) else "", word, code, param)


def _word(error: Mapping[str, Any]) -> str:
    word = error.get("status")
    return word if isinstance(word, str) else ""


def _wait(error: Mapping[str, Any]) -> dict[str, str]:
    """``retryDelay`` of google.rpc.RetryInfo as the header that this API does not send."""
    for detail in _details(error):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and _DURATION.fullmatch(delay):
            return {"retry-after": str(math.ceil(float(delay[:-1])))}
    return {}


def _details(error: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    details = error.get("details")
    return (detail for detail in (details if isinstance(details, list) else []) if isinstance(detail, dict))
