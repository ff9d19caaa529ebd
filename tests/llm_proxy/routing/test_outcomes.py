"""What failures mean for the next attempt."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import (
    ClientGone,
    Draining,
    GatewayError,
    InvalidRequest,
    NoUpstream,
    Overloaded,
    Problem,
    RateLimited,
    UpstreamAuth,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llm_proxy.routing.outcomes import judge
from providers.common.errors import from_body, refusal


def status(code: int, error_code: str = "", **headers: str) -> GatewayError:
    body = b'{"error": {"message": "m", "code": "%s"}}' % error_code.encode()
    return refusal(code, {name.replace("_", "-"): value for name, value in headers.items()}, from_body(body))


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 529])
def test_these_statuses_are_hidden(code: int) -> None:
    """Another upstream may be asked, and this one again."""
    outcome = judge(status(code))

    assert (outcome.hide, outcome.same) == (True, True)
    assert outcome.condition == ("rate_limit" if code == 429 else "unavailable")


@pytest.mark.parametrize("code", [400, 402, 403, 405, 409, 410, 413, 415, 422, 451, 501, 505, 507, 301])
def test_nothing_else_is(code: int) -> None:
    """A client's own mistake is not repeated, nor what every server would say."""
    assert not judge(status(code)).hide


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("m", phase="connect", kind="refused"),
        UpstreamUnreachable("m", phase="resolve", kind="nxdomain"),
        UpstreamUnreachable("m", phase="head", kind="reset"),
        UpstreamUnreachable("m", phase="head", kind="eof"),
        UpstreamTimeout.of("connect", 1),
        UpstreamTimeout.of("first_byte", 1),
        UpstreamTimeout.of("idle", 1),
        UpstreamError("m", phase="body", kind="truncated"),
        UpstreamError("m", phase="head", kind="framing"),
        UpstreamError("m", kind="event"),
    ],
)
def test_faults_of_the_network_are_hidden_and_count(error: GatewayError) -> None:
    """Refused, reset, closed, late, or broken before a byte was used."""
    outcome = judge(error)

    assert outcome.hide
    assert outcome.failure
    assert outcome.condition == "unavailable"


def test_what_counts_for_the_whole_server() -> None:
    """That nobody listens there; not that one answer failed."""
    connecting = [UpstreamUnreachable("m", phase="connect"), UpstreamTimeout.of("connect", 1)]

    assert all(judge(error).server for error in connecting)
    assert not judge(UpstreamUnreachable("m", phase="head", kind="reset")).server
    assert not judge(status(500)).server


def test_a_certificate_does_not_change_between_attempts() -> None:
    """Another upstream, but not this one again."""
    outcome = judge(UpstreamUnreachable("m", phase="tls", kind="verify"))

    assert (outcome.hide, outcome.same) == (True, False)


@pytest.mark.parametrize(("code", "said"), [(401, ""), (403, "invalid_api_key")])
def test_our_own_key(code: int, said: str) -> None:
    """Others may take theirs; this one would refuse it again."""
    error = status(code, said)
    assert isinstance(error, UpstreamAuth)
    outcome = judge(error)

    assert (outcome.hide, outcome.same, outcome.refused, outcome.condition) == (True, False, True, "auth")


def test_a_model_that_the_upstream_does_not_have() -> None:
    """Another upstream may have it; the operator is told."""
    outcome = judge(status(404, "model_not_found"))

    assert (outcome.hide, outcome.same, outcome.misnamed, outcome.failure) == (True, False, True, False)


@pytest.mark.parametrize(
    ("code", "condition"),
    [("context_length_exceeded", "context_length"), ("content_filter", "content_filter"), ("content_policy_violation", "content_filter")],
)  # fmt: skip
def test_refusals_that_another_model_may_answer(code: str, condition: str) -> None:
    """Not hidden by a retry, but named for ``fallbacks``."""
    outcome = judge(status(400, code))

    assert (outcome.hide, outcome.condition) == (False, condition)


@pytest.mark.parametrize(
    ("error", "sleep"),
    [
        (status(429, retry_after="7"), 7.0),
        (status(429, retry_after_ms="250"), 0.25),
        (status(429), 0.0),
        (status(503, retry_after="3"), 3.0),
        (status(529), 0.0),
        (status(500, retry_after="3"), None),
        (status(504), None),
    ],
)
def test_who_is_left_alone_and_for_how_long(error: GatewayError, sleep: float | None) -> None:
    """With 429, 503 and 529; 0 means for a while."""
    assert judge(error).sleep == sleep
    assert judge(error).limited == isinstance(error, RateLimited)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest.of([Problem("a", "b")]),
        Overloaded("m"),
        Draining("m"),
        ClientGone("m"),
        UpstreamTimeout.of("total", 1),
        GatewayError("m"),
    ],
)
def test_what_is_nobodys_fault_there(error: Any) -> None:
    """Not hidden, not counted, no fallback."""
    outcome = judge(error)

    assert outcome[:4] == (False, False, None, False)


def test_no_room_in_the_pool_is_no_failure() -> None:
    """Another upstream may have room; this one is not to blame."""
    outcome = judge(NoUpstream("too many requests wait for this upstream"))

    assert (outcome.hide, outcome.failure, outcome.condition) == (True, False, "unavailable")
