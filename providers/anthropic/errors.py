"""Anthropic's errors (docs.anthropic.com/en/api/errors): ``{"type": "error", "error": {"type", "message"}}``.

In a stream they come without a status; the type stands for one. A 403 with ``permission_error`` says that the key may
not use the resource, so it is about the gateway's key, as is 401.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import GatewayError, UpstreamAuth
from providers.common.errors import Reported, from_body, refusal, reported
from providers.common.errors_in_answers import in_answer
from providers.common.json_objects import Malformed, loads_object, obj
from providers.common.public_text import public

#: How many details, and entries of each, are worth telling.
_MOST = 20

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
#: Our code and the parameter at fault, by the vendor's type.
_CODES = {
    "invalid_request_error": ("invalid_request", None),
    "billing_error": ("billing_error", None),
    "not_found_error": ("model_not_found", "model"),
    "request_too_large": ("request_too_large", None),
}


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """The error of an answer with ``status``; its body may be cut or no JSON at all."""
    said = from_body(body)
    return refusal(_meant(status, said.type), headers, _coded(said))


def with_details(error: GatewayError, body: bytes) -> GatewayError:
    """``error`` with the details of ``body``, an error of this API, for a client that speaks it: as far as they are texts
    and lists of texts, as a client may see them."""
    try:
        told = obj(obj(loads_object(body), "error"), "details")
    except Malformed:
        return error
    if isinstance(error, UpstreamAuth):
        return error  # what the vendor has to say about our key is not for the client
    shown = {name: _shown(value) for name, value in list(told.items())[:_MOST] if public(name) == name}
    error.details = {name: value for name, value in shown.items() if value is not None} or None
    return error


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return public(value)
    return (
        [_shown(item) for item in value[:_MOST] if isinstance(item, str)] if isinstance(value, list) else None
    )


def from_object(value: Mapping[str, Any]) -> GatewayError:
    """The error object of a stream, or of an answer with status 200. Raises ``Malformed`` if it is none."""
    if not isinstance(value.get("error"), dict | str):
        raise Malformed("no error object")
    said = reported(dict(value))
    return in_answer(_meant(_STATUS.get(said.type, 500), said.type), _coded(said))


def _meant(status: int, kind: str) -> int:
    return 401 if status == 403 and kind == "permission_error" else status


def _coded(said: Reported) -> Reported:
    code, param = _CODES.get(said.type, ("", None))
    return Reported(said.message, said.type, code, param)
