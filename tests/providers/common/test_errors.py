"""Error bodies of every shape and what they become: by status first, then by code. The texts: ``test_public``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import GatewayError, RateLimited, UpstreamAuth, UpstreamError, UpstreamRefused
from providers.common.errors import Reported, from_body, in_stream, refusal, reported
from providers.discovery import discover
from tests.support import recordings
from tests.support.fuzz import fuzz
from tests.support.secrets import UPSTREAM_KEY

OPENAI = discover()["openai"]


def error(status: int, body: Any, **headers: str) -> GatewayError:
    """What the OpenAI adapter makes of an answer with that status and JSON body."""
    return OPENAI.error(status, headers, json.dumps(body).encode())


SHAPES: list[tuple[Any, str]] = [
    ({"error": {"message": "no such thing", "type": "t", "code": "c"}}, "no such thing"),
    ({"error": "no such thing"}, "no such thing"),
    ([{"error": {"message": "no such thing"}}], "no such thing"),
    ({"detail": "no such thing"}, "no such thing"),
    ({"object": "error", "message": "no such thing"}, "no such thing"),
    ({"msg": "no such thing"}, "no such thing"),
    ("no such thing", "no such thing"),
    ({"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, '[{"loc": ["body", "n"], "msg": "bad"}]'),
]


@pytest.mark.parametrize(("body", "message"), SHAPES)
def test_the_message_is_found_in_every_shape(body: Any, message: str) -> None:
    """An object, a string, a list of one, a validator's ``detail``, vLLM's older flat form."""
    assert error(422, body).message == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad gateway at 10.1.2.3</body></html>",
        b'{"error": {"mess',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_a_body_that_is_no_json_says_nothing(body: bytes) -> None:
    """Nor does a web page, nor JSON that was cut off: the message is ours and tells the status."""
    assert OPENAI.error(418, {}, body).message == "the upstream refused the request (status 418)"
    assert OPENAI.error(503, {}, body).message == "the upstream failed (status 503)"


def test_plain_text_is_a_message() -> None:
    """Go's servers answer so."""
    assert OPENAI.error(405, {}, b"405 method not allowed\n").message == "405 method not allowed"


STATUSES: list[tuple[int, Any, type[GatewayError], int, str]] = [
    (400, {"error": {"message": "x"}}, UpstreamRefused, 400, "upstream_error"),
    (400, {"error": {"message": "x", "code": "invalid_value"}}, UpstreamRefused, 400, "invalid_value"),
    (400, {"error": {"message": "x", "code": 400}}, UpstreamRefused, 400, "upstream_error"),
    (400, {"error": {"message": "x", "code": "a whole sentence"}}, UpstreamRefused, 400, "upstream_error"),
    (400, {"error": {"message": "x", "code": "sk-planted-code"}}, UpstreamRefused, 400, "upstream_error"),
    (413, {"error": {"type": "exceed_context_size_error"}}, UpstreamRefused, 400, "context_length_exceeded"),
    (400, {"error": {"code": "context_length_exceeded"}}, UpstreamRefused, 400, "context_length_exceeded"),
    (401, {"error": "Unauthorized"}, UpstreamAuth, 502, "upstream_auth"),
    (403, {"error": {"code": "invalid_api_key"}}, UpstreamAuth, 502, "upstream_auth"),
    (403, {"error": {"message": "not in your country"}}, UpstreamRefused, 403, "upstream_error"),
    (404, {"error": {"code": "model_not_found"}}, UpstreamRefused, 404, "model_not_found"),
    (404, {"detail": "Not Found"}, UpstreamRefused, 404, "upstream_error"),
    (413, {}, UpstreamRefused, 413, "upstream_error"),
    (422, {}, UpstreamRefused, 422, "upstream_error"),
    (429, {}, RateLimited, 429, "rate_limit"),
    (429, {"error": {"code": "insufficient_quota"}}, RateLimited, 429, "insufficient_quota"),
    (500, {}, UpstreamError, 502, "upstream_error"),
    (501, {}, UpstreamError, 501, "upstream_error"),
    (503, {}, UpstreamError, 503, "upstream_error"),
    (504, {}, UpstreamError, 504, "upstream_error"),
    (529, {}, UpstreamError, 529, "upstream_error"),
    (999, {}, UpstreamError, 502, "upstream_error"),
    (302, {}, UpstreamError, 502, "upstream_error"),
]


@pytest.mark.parametrize(("status", "body", "kind", "kept", "code"), STATUSES)
def test_status_first_then_code(
    status: int, body: Any, kind: type[GatewayError], kept: int, code: str
) -> None:
    """The status decides the class; a code refines it if it is a word, never a number, a sentence or a key."""
    found = error(status, body)

    assert (type(found), found.status, found.code) == (kind, kept, code)


def test_prose_decides_nothing() -> None:
    """A message that only sounds like an overflow or a bad key is a message."""
    found = error(400, {"error": {"message": "maximum context length exceeded, invalid api key, 429"}})

    assert (type(found), found.status, found.code) == (UpstreamRefused, 400, "upstream_error")


@pytest.mark.parametrize(
    ("status", "type_"), [(400, "invalid_request_error"), (403, "permission_error"), (503, "server_error")]
)
def test_types_are_ours(status: int, type_: str) -> None:
    """The vendor's own type is not passed on; ours follows the status."""
    assert error(status, {"error": {"message": "x", "type": "VendorError"}}).type == type_


def test_kinds_for_the_metrics() -> None:
    """Each class says where it happened and what."""
    kinds = {s: (error(s, {}).phase, error(s, {}).kind) for s in (302, 401, 404, 429, 500)}

    assert kinds == {
        302: ("head", "redirect"),
        401: ("head", "auth"),
        404: ("head", "4xx"),
        429: ("head", "429"),
        500: ("head", "5xx"),
    }


def test_our_key_is_never_the_clients_fault() -> None:
    """What the upstream said about it goes to the log alone, and even there without the key."""
    found = error(401, {"error": {"message": f"Incorrect API key provided: {UPSTREAM_KEY}"}})

    assert "API key" not in found.message
    assert found.detail == "Incorrect API key provided: [key]"


def test_the_parameter_is_kept_and_cleaned() -> None:
    """It is a text of the upstream like any other."""
    assert error(400, {"error": {"message": "x", "param": "messages[0].role"}}).param == "messages[0].role"
    assert error(400, {"error": {"message": "x", "param": "http://10.0.0.1/x"}}).param == "[address]"
    assert error(400, {"error": {"message": "x", "param": 7}}).param is None
    assert error(400, {"error": {"message": "x", "param": ""}}).param is None


@pytest.mark.parametrize("status", [429, 404, 503])
def test_retry_after_is_passed_on(status: int) -> None:
    """Not only with a 429."""
    assert error(status, {}, **{"retry-after": "9"}).retry_after == "9"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["error", "message", "type", "code", "param", "detail", "status"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@fuzz
@given(st.integers(300, 1000), JSON, st.text(max_size=40))
def test_any_error_body(status: int, body: Any, wait: str) -> None:
    """Any JSON with any status and any Retry-After is an error of ours with texts of ours."""
    for found in (error(status, body, **{"retry-after": wait}), in_stream(reported(body))):
        assert 400 <= found.status < 600
        assert found.status != 401
        assert found.message.isprintable()
        assert found.code.isprintable()
        assert found.code.isascii()
        assert found.param is None or isinstance(found.param, str)
        assert found.retry_after is None or found.retry_after.isdigit()


@pytest.mark.parametrize("name", ["openai", "vllm"])
def test_recorded_context_overflows_have_one_code(name: str) -> None:
    """llama.cpp says it in ``type``, vLLM by a parameter that no request has; the message is theirs."""
    (found,) = [e for e in recordings.errors(name) if "overflow" in e.name]
    made = discover()[name].error(found.status, {}, found.data)

    assert (made.status, made.code) == (400, "context_length_exceeded")
    assert made.param == {"openai": None, "vllm": "messages"}[name]
    assert "2048 tokens" in made.message


def test_other_refusals_of_vllm_are_no_overflows() -> None:
    """Every other recorded one has no code of its own."""
    found = [e for e in recordings.errors("vllm") if e.status == 400 and "overflow" not in e.name]

    assert {discover()["vllm"].error(e.status, {}, e.data).code for e in found} == {"upstream_error"}


def test_a_report_is_a_value() -> None:
    """Equal words are equal reports."""
    assert from_body(b'{"error": {"message": "m", "code": 5}}') == Reported("m", code="5")
    assert refusal(400, {}, Reported("m")).message == "m"
