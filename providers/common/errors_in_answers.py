"""Errors that come inside an answer, where no status says what they are. Those with a status: ``_errors``."""

from __future__ import annotations

from collections.abc import Mapping

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.calls import NOTHING
from providers.common.errors import Reported, refusal
from providers.common.public_text import public


def in_answer(status: int, said: Reported, headers: Mapping[str, str] = NOTHING) -> GatewayError:
    """The error for an error object in a stream or in a 200; ``status`` and ``headers`` are what it stands for."""
    error = refusal(status, headers, said)
    error.phase = "body"
    return error


def broken_off(message: str) -> UpstreamError:
    """The upstream says itself that its answer is of no use."""
    return UpstreamError(public(message), phase="body", kind="event")


def not_an_answer(body: bytes, cause: Exception) -> UpstreamError:
    """A 200 whose body is not what was asked for: a login page, nothing at all, another dialect."""
    what = f"something that is no answer of its API: {cause}" if body.strip() else "an empty body"
    return UpstreamError(f"the upstream answered with {what}", phase="body", kind="content_type")
