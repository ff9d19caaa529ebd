"""Errors as Google's APIs tell them: google.rpc.Status in JSON (cloud.google.com/apis/design/errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import GatewayError

#: Google's word for each status; those that are not here have the word of their class.
_WORDS: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}
_TYPE = "type.googleapis.com/google.rpc."


def gemini_error(error: GatewayError, request_id: str) -> dict[str, Any]:
    """``{"error": {"code", "message", "status", "details"}}``; the details say our own code, the first problems
    with their paths and how many more there are, when to come back, and the request's id."""
    word = _WORDS.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "UNAVAILABLE")
    info = {"@type": _TYPE + "ErrorInfo", "reason": error.code.upper(), "domain": "llm-proxy-api"}
    details: list[dict[str, Any]] = [info]
    if error.beside is not None:
        details[0]["metadata"] = dict(error.beside)
    if error.problems:
        violations = [{"field": p.path, "description": p.message} for p in error.problems]
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": violations})
    if error.retry_after and error.retry_after.isascii() and error.retry_after.isdigit():
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": error.retry_after + "s"})
    details.append({"@type": _TYPE + "RequestInfo", "requestId": request_id})
    return {"error": {"code": error.status, "message": error.message, "status": word, "details": details}}
