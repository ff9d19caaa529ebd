"""The recordings are what their names say, and the helpers cut them without losing a byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import recordings as rec
from tests.support.recordings import Recording

API_TYPES = ("openai", "vllm", "ollama")
STREAMS = [(api_type, found) for api_type in API_TYPES for found in rec.recordings(api_type)]
NAMES = [f"{api_type}-{found.name}" for api_type, found in STREAMS]


def values(data: bytes) -> list[Any]:
    """The JSON of every event or line; [DONE] as text; comments left out."""
    texts = [part.strip().removeprefix(b"data: ") for part in rec.events(data) if not part.startswith(b":")]
    return ["[DONE]" if text == b"[DONE]" else json.loads(text) for text in texts]


def ended(value: Any) -> bool:
    return value == "[DONE]" or (isinstance(value, dict) and value.get("done") is True)


@pytest.mark.parametrize(("api_type", "found"), STREAMS, ids=NAMES)
def test_streams_end_as_their_names_say(api_type: str, found: Recording) -> None:
    """Only a cut stream or one that failed lacks its terminator, and only one that failed holds an error."""
    seen = values(found.data)

    assert any("error" in value for value in seen if isinstance(value, dict)) is found.failing
    if not found.failing:
        assert ended(seen[-1]) is not found.cut
        assert found.name.endswith(("-cut", "-stream"))
    assert not any(ended(value) for value in seen[:-1])


@pytest.mark.parametrize(("api_type", "found"), STREAMS, ids=NAMES)
def test_pieces_join_again(api_type: str, found: Recording) -> None:
    """However a stream is cut into pieces, no byte is lost or moved."""
    assert all(b"".join(pieces) == found.data for _, pieces in rec.feeds(found.data))
    assert all(b"".join(pieces) == found.data for pieces in rec.in_two(found.data))
    shorter = list(rec.truncated(found.data))
    assert shorter[0] == b""
    assert len(shorter) == len(rec.events(found.data))
    assert all(found.data.startswith(part) and part != found.data for part in shorter)


@pytest.mark.parametrize("api_type", ["openai", "vllm"])
def test_wire_bytes_hold_the_stream(api_type: str) -> None:
    """Without its chunks the recorded response is the recorded stream."""
    head, _, body = rec.recording(f"{api_type}/chat-stream.http").partition(b"\r\n\r\n")
    assert b"chunked" in head
    stream = b""
    while not body.startswith(b"0\r\n"):
        size, _, body = body.partition(b"\r\n")
        stream, body = stream + body[: int(size, 16)], body[int(size, 16) + 2 :]

    assert stream == rec.recording(f"{api_type}/chat-stream.sse")
    assert body == b"0\r\n\r\n"


@pytest.mark.parametrize("api_type", API_TYPES)
def test_bodies_and_errors_are_json(api_type: str) -> None:
    """Every other body is one JSON value; an error says so."""
    assert all(isinstance(json.loads(found.data), dict) for found in rec.bodies(api_type))
    for found in rec.errors(api_type):
        assert found.status >= 400
        assert {"error", "detail"} & set(json.loads(found.data))


def test_wire_recordings() -> None:
    """Whole responses begin with a status line; the one that was cut has no last chunk."""
    found = {f"{api_type}/{one.name}": one for api_type in ("openai", "vllm") for one in rec.wire(api_type)}

    assert all(one.data.startswith(b"HTTP/1.1 ") for one in found.values())
    assert found["openai/upstream-killed-cut"].cut
    assert not found["openai/upstream-killed-cut"].data.endswith(b"0\r\n\r\n")
