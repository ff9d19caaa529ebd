"""What every adapter promises, fed with the recordings of its dialect in every way in which bytes can arrive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import GatewayError
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.calls import Deployment, Secret
from llm_proxy.wire.schema import ChatRequest
from providers.base import BaseProvider, Chunk, Comment, Done, Event, Failed
from providers.discovery import discover
from tests.support import recordings as data
from tests.support.fuzz import fuzz
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

ADAPTERS = discover()
#: Where an adapter's traffic lies; the demo speaks OpenAI's dialect.
RECORDED = [name for name in ADAPTERS if name != "demo"]
REQUEST = ChatRequest.of({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True})


def streams() -> list[Any]:
    """Every recorded chat stream; the others are streams of other endpoints."""
    return [
        pytest.param(name, found, id=f"{name}-{found.name}")
        for name in RECORDED
        for found in data.recordings(name)
        if not found.name.startswith("generate")
    ]


def decode(adapter: BaseProvider, pieces: Sequence[bytes], *, close: bool = True) -> list[Event]:
    decoder = adapter.stream_decoder(REQUEST)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()] if close else events


def outline(events: Sequence[Event]) -> list[Any]:
    """Events without the ids and times that a decoder makes up."""
    shown: list[Any] = []
    for event in events:
        if isinstance(event, Chunk):
            plain = {k: v for k, v in event.data.items() if k not in ("id", "created")}
            shown.append((strip_ids(plain), event.raw))
        elif isinstance(event, Failed):
            shown.append((event.error.status, event.error.code, event.error.kind))
        else:
            shown.append(event)
    return shown


def strip_ids(value: Any) -> Any:
    """Tool call ids may be made up too."""
    if isinstance(value, dict):
        return {k: "id" if k == "id" else strip_ids(v) for k, v in value.items()}
    return [strip_ids(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "found"), streams())
def test_a_stream_means_the_same_however_it_is_cut(name: str, found: data.Recording) -> None:
    """Whole, by event, byte by byte, in sevens: the same events; Done exactly if it ended as it should."""
    adapter = ADAPTERS[name]
    expected = outline(decode(adapter, [found.data]))

    for how, pieces in data.feeds(found.data):
        assert outline(decode(adapter, pieces)) == expected, how
    last = decode(adapter, [found.data])[-1]
    assert isinstance(last, Failed if found.cut or found.failing else Done)


@pytest.mark.one_python("every place; the test before cuts at the usual ones on each Python")
@pytest.mark.parametrize(("name", "found"), streams())
def test_every_place_for_one_cut(name: str, found: data.Recording) -> None:
    """Two pieces, cut at every byte of the first and of the last 1,500."""
    adapter = ADAPTERS[name]
    for part in (found.data[:1500], found.data[-1500:]):
        expected = outline(decode(adapter, [part], close=False))
        for pieces in data.in_two(part):
            assert outline(decode(adapter, pieces, close=False)) == expected


@pytest.mark.parametrize(("name", "found"), streams())
def test_a_truncated_stream_is_never_complete(name: str, found: data.Recording) -> None:
    """Ended at any event boundary before the terminator, it fails, after the events that came whole."""
    adapter = ADAPTERS[name]
    whole = outline(decode(adapter, [found.data], close=False))
    beginnings = list(data.truncated(found.data))
    if (
        name == "gemini"
    ):  # its terminator is the last event's finish reason, together with the end of the body
        beginnings = [
            start for start in beginnings if b"finishReason" not in start and b"blockReason" not in start
        ]
    for start in beginnings:
        events = decode(adapter, [start])
        if start.rstrip().endswith((b"[DONE]", b'"done":true}')) or isinstance(events[-1], Done):
            continue  # only blank bytes, or a line without its newline, were cut off
        assert isinstance(events[-1], Failed)
        assert outline(events[:-1]) == whole[: len(events) - 1]


@pytest.mark.parametrize(("name", "found"), streams())
def test_chunks_are_canonical(name: str, found: data.Recording) -> None:
    """One id and time on all chunks, indexes on tool calls, and together they make a completion."""
    chunks = [event.data for event in decode(ADAPTERS[name], [found.data]) if isinstance(event, Chunk)]
    chunks = [chunk for chunk in chunks if "choices" in chunk]
    assert len({chunk.get("id") for chunk in chunks}) <= 1
    assert len({chunk.get("created") for chunk in chunks}) <= 1
    for chunk in chunks:
        for choice in chunk["choices"]:
            assert isinstance(choice["index"], int)
            for call in choice["delta"].get("tool_calls") or []:
                assert isinstance(call["index"], int)
    whole = collect(chunks)
    json.dumps(whole, allow_nan=False).encode()
    if not (found.cut or found.failing):
        assert all(choice["finish_reason"] for choice in whole["choices"])


@fuzz
@given(st.sampled_from(RECORDED), st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_raise(name: str, pieces: list[bytes]) -> None:
    """Whatever arrives, a decoder answers with events, and with nothing after the last one."""
    events = decode(ADAPTERS[name], pieces)
    assert sum(isinstance(event, Done | Failed) for event in events) == 1
    assert isinstance(events[-1], Done | Failed)
    assert all(isinstance(event, Chunk | Comment) for event in events[:-1])


@fuzz
@given(st.data())
def test_damaged_recordings_do_not_raise(draw: st.DataObject) -> None:
    """A byte changed anywhere is a different answer or a failure, never an exception."""
    name = draw.draw(st.sampled_from(RECORDED))
    found = draw.draw(
        st.sampled_from([r for r in data.recordings(name) if not r.name.startswith("generate")])
    )
    at = draw.draw(st.integers(0, min(len(found.data), 4000) - 1))
    changed = found.data[:at] + draw.draw(st.binary(min_size=1, max_size=2)) + found.data[at + 1 : 6000]
    assert isinstance(decode(ADAPTERS[name], [changed])[-1], Done | Failed)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param(name, found, id=f"{name}-{found.name}")
        for name in RECORDED
        for found in data.bodies(name)
        if not found.name.startswith(("embed", "models"))
    ],
)
def test_whole_answers(name: str, found: data.Recording) -> None:
    """A recorded body is a completion with a finish reason, usage and no loss of bytes in the same dialect."""
    response = ADAPTERS[name].chat_response(found.data, REQUEST)

    assert response.data["choices"][0]["finish_reason"]
    assert response.raw in (None, found.data)
    json.dumps(response.data, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("name", "found"),
    [pytest.param(n, found, id=f"{n}-{found.name}") for n in RECORDED for found in data.errors(n)],
)
def test_recorded_errors(name: str, found: data.ErrorRecording) -> None:
    """By status: 401 is ours, other 4xx stay, 500 becomes 502, other 5xx stay."""
    error = ADAPTERS[name].error(found.status, {}, found.data)
    kept = {401: 502, 500: 502}.get(found.status, found.status)
    if error.code != "upstream_auth":
        assert error.status == kept
    assert error.message
    assert error.message.isprintable()
    if error.code == "upstream_auth":
        assert error.status == 502


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(
    "body", [b"", b"<html>x</html>", b"[]", b"{", b'"x"', b"\xff", b"{}", b'{"error": "no"}']
)
def test_a_200_that_is_no_answer(name: str, body: bytes) -> None:
    """It is an error of the upstream, never an empty answer."""
    with pytest.raises(GatewayError) as caught:
        ADAPTERS[name].chat_response(body, REQUEST)

    assert caught.value.status in (429, 502)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 418, 429, 500, 502, 503, 529, 599])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b'{"error":{"message":"http://10.0.0.1:99/x"}}', b"null", b"[[]]"]
)
def test_any_error_body(name: str, status: int, body: bytes) -> None:
    """Every status with every kind of body is some error with a 4xx or 5xx of ours, and shows no address."""
    error = ADAPTERS[name].error(status, {"retry-after": "soon"}, body)

    assert 400 <= error.status < 600
    assert error.status != 401
    assert "10.0.0.1" not in error.message
    assert error.retry_after is None


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_key_goes_into_a_header_and_nowhere_else(name: str) -> None:
    """Not into the URL, the body or the repr of the call."""
    deployment = Deployment("p", "m", name, "http://h/v1", "up", token=Secret(UPSTREAM_KEY))
    call = ADAPTERS[name].chat_call(REQUEST, deployment)

    assert any(UPSTREAM_KEY in value for _, value in call.headers)
    assert_no_secret(f"{call.url} {call.body!r} {call!r} {deployment!r}")
