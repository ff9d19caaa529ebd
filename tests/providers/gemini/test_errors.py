"""What Gemini's errors become, by status and in a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from llm_proxy.wire.events import Failed
from providers.gemini.provider import GeminiProvider
from tests.support import recordings as rec
from tests.support.native_kit import ask, decoded, pieces, whole
from tests.support.recordings import ErrorRecording

PROVIDER = GeminiProvider()
#: Recording: class, our status, our code.
EXPECTED: dict[str, tuple[type[GatewayError], int, str]] = {
    "400-invalid-argument": (UpstreamRefused, 400, "invalid_request"),
    "400-location": (UpstreamRefused, 400, "failed_precondition"),
    "400-wrong-key": (UpstreamAuth, 502, "upstream_auth"),
    "401-unauthenticated": (UpstreamAuth, 502, "upstream_auth"),
    "403-suspended": (UpstreamAuth, 502, "upstream_auth"),
    "404-unknown-model": (UpstreamRefused, 404, "model_not_found"),
    "429-quota": (RateLimited, 429, "rate_limit"),
    "429-in-a-list": (RateLimited, 429, "rate_limit"),
    "500-internal": (UpstreamError, 502, "upstream_error"),
    "503-overloaded": (UpstreamError, 503, "upstream_error"),
    "504-deadline": (UpstreamError, 504, "upstream_error"),
}
ERRORS = rec.errors("gemini")
errors = pytest.mark.parametrize("found", ERRORS, ids=[found.name for found in ERRORS])


def check(error: GatewayError, found: ErrorRecording) -> None:
    kind, status, code = EXPECTED[found.name]
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)
    assert error.retry_after == ("38" if found.name == "429-quota" else None)
    assert "AIza" not in f"{error.message} {error.detail}"


def failure(data: bytes) -> GatewayError:
    """The error of a stream that ends in ``data``."""
    events = decoded(PROVIDER.stream_decoder(ask(stream=True)), [data])
    assert isinstance(events[-1], Failed)
    return events[-1].error


@errors
def test_errors_with_a_status(found: ErrorRecording) -> None:
    """Status and words are kept; a failure of our key is not the client's, whatever status the API gives it."""
    error = PROVIDER.error(found.status, {}, found.data)

    check(error, found)
    assert error.phase == "head"
    assert error.param == ("model" if error.code == "model_not_found" else None)


@errors
def test_the_same_errors_in_a_stream(found: ErrorRecording) -> None:
    """As an event, or as bare JSON between events, with and without a blank line after it."""
    compact = json.dumps(json.loads(found.data)).encode()

    for data in (
        b"data: " + compact + b"\n\n",
        compact + b"\r\n\r\n",
        found.data,
        b"data: {}\n\n" + found.data,
    ):
        error = failure(data)
        check(error, found)
        assert error.phase == "body"


@errors
def test_the_same_errors_in_a_200(found: ErrorRecording) -> None:
    """An error object is no answer."""
    with pytest.raises(GatewayError) as caught:
        whole(PROVIDER, found.data)

    check(caught.value, found)


@pytest.mark.parametrize("name", ["unavailable-error", "bare-error"])
def test_what_came_before_an_error_is_given_out(name: str) -> None:
    """The chunks of a stream that failed are intact."""
    data = rec.recording(f"gemini/{name}.sse")

    events = decoded(PROVIDER.stream_decoder(ask(stream=True)), pieces(data))

    assert [event.data["choices"][0]["delta"].get("content") for event in events[:-1]] == ["", "Hel"]  # type: ignore[union-attr]
    assert isinstance(events[-1], Failed)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"status": "UNAVAILABLE"}, 503),
        ({"status": "NOVEL"}, 502),
        ({"code": 7}, 502),
        ({"code": 503}, 503),
        ({"status": "DEADLINE_EXCEEDED"}, 504),
        ({"status": "UNIMPLEMENTED"}, 501),
        ({"status": "OUT_OF_RANGE"}, 400),
        ({"status": "ABORTED"}, 409),
        ({"code": "429"}, 502),
        ("just words", 502),
        ({"details": [1, {"reason": 5}, {"retryDelay": "soon"}], "message": 7, "status": []}, 502),
    ],
    ids=str,
)
def test_errors_without_a_number(error: Any, status: int) -> None:
    """The word stands for the status; what is unknown is a failure of the upstream."""
    assert failure(b"data: " + json.dumps({"error": error}).encode() + b"\n\n").status == status


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("37s", "37"), ("0.5s", "1"), ("99999999s", "3600"), ("soon", None), (5, None), ("-1s", None)],
)
def test_the_time_to_wait(delay: Any, expected: str | None) -> None:
    """RetryInfo stands for Retry-After: whole seconds, rounded up, at most an hour; a header wins over it."""
    body = json.dumps({"error": {"status": "X", "details": [{"retryDelay": delay}]}}).encode()

    assert PROVIDER.error(429, {}, body).retry_after == expected
    assert failure(b"data: " + body + b"\n\n").retry_after == expected
    assert PROVIDER.error(429, {"retry-after": "3"}, body).retry_after == "3"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b"<html>", 400),
        (404, b"", 404),
        (429, b'{"error": {"cod', 429),
        (403, b"", 403),
        (302, b"", 502),
    ],
)
def test_bodies_that_are_no_error_object(status: int, body: bytes, expected: int) -> None:
    """The status alone decides; a page is not repeated."""
    error = PROVIDER.error(status, {}, body)

    assert error.status == expected
    assert "<html>" not in error.message
