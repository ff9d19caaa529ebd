"""What Anthropic's errors become, by status and in a stream."""

from __future__ import annotations

import json

import pytest

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from llm_proxy.wire.events import Failed
from providers.anthropic.provider import AnthropicProvider
from tests.support import recordings as rec
from tests.support.native_kit import ask, decoded, whole
from tests.support.recordings import ErrorRecording

PROVIDER = AnthropicProvider()
#: Recording: class, our status, our code; and whether the upstream's words are shown.
EXPECTED: dict[str, tuple[type[GatewayError], int, str, bool]] = {
    "400-prompt-too-long": (UpstreamRefused, 400, "invalid_request", True),
    "400-bad-role": (UpstreamRefused, 400, "invalid_request", True),
    "401-wrong-key": (UpstreamAuth, 502, "upstream_auth", False),
    "402-billing": (UpstreamRefused, 402, "billing_error", True),
    "403-permission": (UpstreamAuth, 502, "upstream_auth", False),
    "404-unknown-model": (UpstreamRefused, 404, "model_not_found", True),
    "413-too-large": (UpstreamRefused, 413, "request_too_large", True),
    "429-rate-limit": (RateLimited, 429, "rate_limit", True),
    "500-api-error": (UpstreamError, 502, "upstream_error", True),
    "504-timeout": (UpstreamError, 504, "upstream_error", True),
    "529-overloaded": (UpstreamError, 529, "upstream_error", True),
}
ERRORS = rec.errors("anthropic")
errors = pytest.mark.parametrize("found", ERRORS, ids=[found.name for found in ERRORS])


def check(error: GatewayError, found: ErrorRecording) -> None:
    kind, status, code, shown = EXPECTED[found.name]
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)
    assert (json.loads(found.data)["error"]["message"] in error.message) is shown


@errors
def test_errors_with_a_status(found: ErrorRecording) -> None:
    """Status and words are kept; a failure of our key is not the client's; 500 becomes 502."""
    error = PROVIDER.error(found.status, {"retry-after": "7"}, found.data)

    check(error, found)
    assert error.retry_after == (None if isinstance(error, UpstreamAuth) else "7")
    assert error.param == ("model" if error.code == "model_not_found" else None)
    assert error.phase == "head"


@errors
def test_the_same_errors_in_a_stream(found: ErrorRecording) -> None:
    """The type stands for the status that a stream has no place for."""
    data = b"event: error\ndata: " + json.dumps(json.loads(found.data)).encode() + b"\n\n"

    (event,) = decoded(PROVIDER.stream_decoder(ask(stream=True)), [data])

    assert isinstance(event, Failed)
    check(event.error, found)
    assert event.error.phase == "body"


@errors
def test_the_same_errors_in_a_200(found: ErrorRecording) -> None:
    """Some resellers answer 200 with an error object; it is no answer."""
    with pytest.raises(GatewayError) as caught:
        whole(PROVIDER, found.data)

    check(caught.value, found)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b"<html>Bad Request</html>", 400),
        (403, b'{"error":{"type":"forbidden","message":"Request not allowed"}}', 403),
        (404, b"", 404),
        (429, b'{"type":"error","error":{"type":"rate_limit_error","mess', 429),
        (502, b"Bad Gateway", 502),
        (307, b"", 502),
        (401, b"\xff\xfe", 502),
        (500, b'{"error":"just words"}', 502),
    ],
)
def test_bodies_that_are_no_error_object(status: int, body: bytes, expected: int) -> None:
    """The status alone decides; a page is not repeated."""
    error = PROVIDER.error(status, {}, body)

    assert error.status == expected
    assert "<html>" not in error.message
    assert error.code not in ("model_not_found", "invalid_request")


def test_an_unknown_type_in_a_stream_is_a_failure_of_the_upstream() -> None:
    """What is not known is not the client's fault."""
    data = b'data: {"type":"error","error":{"type":"novel_error","message":"Oh."}}\n\n'

    (event,) = decoded(PROVIDER.stream_decoder(ask(stream=True)), [data])

    assert isinstance(event, Failed)
    assert (event.error.status, event.error.message) == (502, "Oh.")
