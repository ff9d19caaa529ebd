"""Errors without a status of their own, and how long an upstream asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from providers.common.errors import in_stream, reported, retry_after


@pytest.mark.parametrize(
    ("said", "kind", "status", "code"),
    [
        ({"code": 429}, RateLimited, 429, "rate_limit"),
        ({"type": "rate_limit_error"}, RateLimited, 429, "rate_limit"),
        ({"code": "rate_limit"}, RateLimited, 429, "rate_limit"),
        ({"code": "rate_limit_exceeded"}, RateLimited, 429, "rate_limit"),
        ({"status": "RESOURCE_EXHAUSTED"}, RateLimited, 429, "rate_limit"),
        (
            {"type": "insufficient_quota", "code": "insufficient_quota"},
            RateLimited,
            429,
            "insufficient_quota",
        ),
        ({"code": "invalid_api_key"}, UpstreamAuth, 502, "upstream_auth"),
        ({"code": 401}, UpstreamAuth, 502, "upstream_auth"),
        ({"type": "authentication_error"}, UpstreamAuth, 502, "upstream_auth"),
        ({"code": "invalid_authentication"}, UpstreamAuth, 502, "upstream_auth"),
        ({"status": "UNAUTHENTICATED"}, UpstreamAuth, 502, "upstream_auth"),
        ({"code": "Unauthorized"}, UpstreamAuth, 502, "upstream_auth"),
        ({"type": "exceed_context_size_error"}, UpstreamRefused, 400, "context_length_exceeded"),
        ({"code": "context_length_exceeded"}, UpstreamRefused, 400, "context_length_exceeded"),
        ({"code": "string_above_max_length"}, UpstreamRefused, 400, "context_length_exceeded"),
        ({"code": 500}, UpstreamError, 502, "upstream_error"),
        ({"code": 503}, UpstreamError, 503, "upstream_error"),
        ({"type": "overloaded_error"}, UpstreamError, 503, "upstream_error"),
        ({"code": 400}, UpstreamRefused, 400, "upstream_error"),
        ({"code": 1004}, UpstreamError, 502, "upstream_error"),
        ({}, UpstreamError, 502, "upstream_error"),
    ],
)
@pytest.mark.parametrize("message", ["it broke", ""])
def test_an_error_inside_an_answer(
    said: dict[str, Any], kind: type[GatewayError], status: int, code: str, message: str
) -> None:
    """There the status is 200, so the code alone tells what it is; it happened in the body."""
    found = in_stream(reported({"error": {"message": message, **said}}))

    assert (type(found), found.status, found.code, found.phase) == (kind, status, code, "body")
    assert found.message
    if message and kind is not UpstreamAuth:
        assert found.message == message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", "7"),
        (" 0 ", "0"),
        ("1.2", "2"),
        ("1000000000", "3600"),
        ("9" * 5000, "3600"),
        ("0." + "0" * 400, "3600"),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "30"),
        ("Wed, 21 Oct 2026 09:28:30 +0200", "30"),
        ("Wed, 21 Oct 2026 07:28:30 -0000", "30"),
        ("Wed, 21 Oct 2020 07:28:30 GMT", "0"),
        ("Wed, 21 Oct 2090 07:28:30 GMT", "3600"),
        ("Wed, 99 Oct 2026 07:28:30 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: str | None) -> None:
    """Seconds or a date by the upstream's own clock, at most an hour; what makes no sense is dropped."""
    assert retry_after({"retry-after": value, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}) == seconds


def test_retry_after_as_a_date_without_a_date_header() -> None:
    """Then it is our clock that counts."""
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    found = retry_after({"retry-after": then})

    assert found is not None
    assert 0 < int(found) <= 100


def test_a_text_beside_its_code() -> None:
    """As some proxies write it."""
    assert in_stream(reported({"error": "slow down", "code": 429})).code == "rate_limit"


def test_kinds_for_the_metrics() -> None:
    """What happened, by class."""
    said = [{"code": 429}, {"code": 401}, {"code": "context_length_exceeded"}, {"message": "x"}]

    assert [in_stream(reported({"error": one})).kind for one in said] == ["429", "auth", "event", "event"]


def test_an_error_that_says_nothing() -> None:
    """We say what we know."""
    said = [{"code": 429}, {"code": "context_length_exceeded"}, {"code": 500}]

    assert [in_stream(reported({"error": one})).message for one in said] == [
        "the upstream asks for fewer requests",
        "the request is too long for the model",
        "the upstream failed (status 500)",
    ]


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimited), (503, UpstreamError)])
def test_a_wait_in_words(code: int, kind: type[GatewayError]) -> None:
    """Google's ``RetryInfo`` counts in an event as it does in a body of its own."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14.5s"}
    found = in_stream(reported({"error": {"code": code, "details": [info]}}))

    assert (type(found), found.wait, found.retry_after) == (kind, 14.5, "15")
