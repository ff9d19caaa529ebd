"""Answers cost in proportion to their bytes: whole and streamed, in every dialect, read for every face; and so does unpacking."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from llm_proxy.clients.unpacking import unpacked
from llm_proxy.errors import GatewayError
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.events import ChatResponse, Chunk
from llm_proxy.wire.schema import EmbeddingsRequest
from tests.fuzz.targets import ADAPTERS, PLAIN, VECTORS, _faces
from tests.support.growth import ALLOWED, growth

pytestmark = pytest.mark.one_python(
    "whether the cost grows with the square is the code's, and not the Python's"
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Json = dict[str, Any]

SIZE = 250


def _openai(message: Json, **more: Any) -> Json:
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "x", **message}, "finish_reason": "stop"}
        ],
        **more,
    }


def _calls(n: int) -> list[Json]:
    return [
        {"id": f"c{i}", "type": "function", "function": {"name": f"f{i}", "arguments": "{}"}}
        for i in range(n)
    ]


_NOTES = [
    {
        "type": "url_citation",
        "url_citation": {"url": "http://a/b", "title": "t", "start_index": 0, "end_index": 1},
    }
]

#: Whole answers, by dialect.
WHOLE: Mapping[str, Mapping[str, Callable[[int], Json]]] = {
    "openai": {
        "calls": lambda n: _openai({"tool_calls": _calls(n)}),
        "calls whose ids are taken": lambda n: _openai(
            {"tool_calls": [*({**one, "id": f"c_{n + i}"} for i, one in enumerate(_calls(n))), *({**one, "id": "c"} for one in _calls(n))]}
        ),
        "calls of one id": lambda n: _openai({"tool_calls": [{**one, "id": "c"} for one in _calls(n)]}),
        "choices": lambda n: {**_openai({}), "choices": [{"index": i, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"} for i in range(n)]},
        "notes": lambda n: _openai({"annotations": _NOTES * n}),
        "other notes": lambda n: _openai({"annotations": [{"type": "url_citation", "url_citation": {"url": f"http://a/{i}"}} for i in range(n)]}),
        "parts": lambda n: _openai({"content": [{"type": "text", "text": "x"}] * n}),
        "details": lambda n: _openai({"reasoning_details": [{"type": "reasoning.text", "text": "t", "index": i} for i in range(n)]}),
        "names": lambda n: _openai({f"k{i}": 1 for i in range(n)}),
        "citations": lambda n: _openai({}, citations=[f"http://a/{i}" for i in range(n)]),
    },
    "anthropic": {
        kind: lambda n, blocks=blocks: {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": blocks(n), "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}  # type: ignore[misc]
        for kind, blocks in {
            "texts": lambda n: [{"type": "text", "text": "x"}] * n,
            "uses": lambda n: [{"type": "tool_use", "id": f"t{i}", "name": "f", "input": {}} for i in range(n)],
            "thoughts": lambda n: [{"type": "thinking", "thinking": "t", "signature": "s"}] * n,
            "unknown": lambda n: [{"type": f"t{i}"} for i in range(n)],
            "citations": lambda n: [{"type": "text", "text": "x", "citations": [{"type": "char_location", "cited_text": "x"}] * n}],
        }.items()
    },
    "gemini": {
        kind: lambda n, parts=parts: {"candidates": [{"content": {"role": "model", "parts": parts(n)}, "finishReason": "STOP"}], "usageMetadata": {}}  # type: ignore[misc]
        for kind, parts in {
            "texts": lambda n: [{"text": "x"}] * n,
            "calls": lambda n: [{"functionCall": {"name": "f", "args": {}}}] * n,
            "thoughts": lambda n: [{"text": "x", "thought": True}] * n,
            "unknown": lambda n: [{f"t{i}": 1} for i in range(n)],
        }.items()
    },
    "ollama": {
        "calls": lambda n: {"model": "m", "created_at": "2024-01-01T00:00:00Z", "message": {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": f"f{i}", "arguments": {}}} for i in range(n)]}, "done": True},
    },
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "kind"), [(d, k) for d, kinds in WHOLE.items() for k in kinds])
def test_whole_answers_are_read_in_proportion(dialect: str, kind: str) -> None:
    """And written for every face."""
    adapter = ADAPTERS[dialect]

    def work(body: bytes) -> None:
        whole = adapter.chat_response(body, PLAIN)
        read = ChatResponse(collect(AnswerReader().whole(whole.data)))
        for face in _faces():
            face.whole(read if face.translates else whole)

    assert growth(lambda n: json.dumps(WHOLE[dialect][kind](n)).encode(), work, SIZE) <= ALLOWED


def _sse(values: Iterable[Json], end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + end


def _delta(delta: Json, index: int = 0) -> Json:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}  # fmt: skip


def _event(value: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), json.dumps(value).encode())


def _messages(blocks: Iterable[bytes]) -> bytes:
    begin = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}  # fmt: skip
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
    return _event(begin) + b"".join(blocks) + _event(end) + _event({"type": "message_stop"})


def _block(index: int, begin: Json, *deltas: Json) -> bytes:
    return b"".join(
        [
            _event({"type": "content_block_start", "index": index, "content_block": begin}),
            *(_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas),
            _event({"type": "content_block_stop", "index": index}),
        ]
    )


def _use(i: int) -> Json:
    return {"type": "tool_use", "id": f"t{i}", "name": "f", "input": {}}


#: Streams, by dialect.
STREAMS: Mapping[str, Mapping[str, Callable[[int], bytes]]] = {
    "openai": {
        "tokens": lambda n: _sse(_delta({"content": "x"}) for _ in range(n)),
        "thoughts": lambda n: _sse(_delta({"reasoning_content": "x"}) for _ in range(n)),
        "calls": lambda n: _sse(_delta({"tool_calls": [{"index": i, **call}]}) for i, call in enumerate(_calls(n))),
        "calls without an index": lambda n: _sse(_delta({"tool_calls": [call]}) for call in _calls(n)),
        "pieces of a call": lambda n: _sse(_delta({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "x"}}]}) for _ in range(n)),
        "choices": lambda n: _sse(_delta({"content": "x"}, i) for i in range(n)),
        "notes": lambda n: _sse(_delta({"annotations": [{"type": "url_citation", "url_citation": {"url": f"http://a/{i}"}}]}) for i in range(n)),
        "the same notes": lambda n: _sse(_delta({"annotations": _NOTES * 3}) for _ in range(n)),
        "details": lambda n: _sse(_delta({"reasoning_details": [{"type": "reasoning.text", "text": "t", "index": i}]}) for i in range(n)),
    },
    "anthropic": {
        "tokens": lambda n: _messages([_block(0, {"type": "text", "text": ""}, *[{"type": "text_delta", "text": "x"}] * n)]),
        "blocks": lambda n: _messages(_block(i, {"type": "text", "text": "x"}) for i in range(n)),
        "uses": lambda n: _messages(_block(i, _use(i), {"type": "input_json_delta", "partial_json": "{}"}) for i in range(n)),
        "pieces of a use": lambda n: _messages([_block(0, _use(0), *[{"type": "input_json_delta", "partial_json": " "}] * n)]),
        "thoughts": lambda n: _messages(_block(i, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "x"}, {"type": "signature_delta", "signature": "s"}) for i in range(n)),
    },
    "gemini": {
        "tokens": lambda n: _sse([*({"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}}]} for _ in range(n)), {"candidates": [{"finishReason": "STOP"}]}], b""),
        "calls": lambda n: _sse([*({"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}}]} for _ in range(n)), {"candidates": [{"finishReason": "STOP"}]}], b""),
    },
    "ollama": {
        "tokens": lambda n: b'{"model":"m","message":{"role":"assistant","content":"x"},"done":false}\n' * n + b'{"model":"m","message":{"role":"assistant","content":""},"done":true}\n',
        "calls": lambda n: b'{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":false}\n' * n + b'{"model":"m","message":{"role":"assistant","content":""},"done":true}\n',
    },
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "kind"), [(d, k) for d, kinds in STREAMS.items() for k in kinds])
def test_streams_are_read_in_proportion(dialect: str, kind: str) -> None:
    """However many events there are, and whatever they begin; and written for every face."""
    adapter = ADAPTERS[dialect]

    def work(body: bytes) -> None:
        decoder, reader, faces = adapter.stream_decoder(PLAIN), AnswerReader(), _faces()
        pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
        for events in (*(decoder.feed(piece) for piece in pieces), decoder.close()):
            read = [event for event in reader.events(events) if isinstance(event, Chunk)]
            for face in faces:
                face.events(read if face.translates else [e for e in events if isinstance(e, Chunk)])
        for face in faces:
            face.end()

    assert growth(STREAMS[dialect][kind], work, SIZE) <= ALLOWED


@pytest.mark.parametrize("dialect", ["openai", "gemini", "ollama"])
def test_vectors_are_read_in_proportion(dialect: str) -> None:
    """Many short ones."""

    def make(n: int) -> tuple[bytes, EmbeddingsRequest]:
        row = [0.5]
        answers: dict[str, Json] = {
            "openai": {"data": [{"object": "embedding", "index": i, "embedding": row} for i in range(n)]},
            "gemini": {"embeddings": [{"values": row}] * n},
            "ollama": {"embeddings": [row] * n},
        }
        return json.dumps(answers[dialect]).encode(), EmbeddingsRequest.of(
            {**VECTORS.sent, "input": ["x"] * n}
        )

    assert growth(make, lambda given: ADAPTERS[dialect].embeddings_response(*given), SIZE * 4) <= ALLOWED


#: How each coding packs.
PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
CONTENTS: Mapping[str, Callable[[int], bytes]] = {
    "one byte": lambda n: b"x" * (n * 400),
    "text": lambda n: b"".join(b"%d " % (i * 7919 % 65_537) for i in range(n * 60)),
}


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("contents", CONTENTS)
def test_bodies_are_unpacked_in_proportion(coding: str, contents: str) -> None:
    """Whatever they hold, up to what is too much."""

    def work(data: bytes) -> object:
        try:
            return unpacked(data, (coding,), 1 << 28)
        except GatewayError as refused:
            return refused

    assert growth(lambda n: PACKED[coding](CONTENTS[contents](n)), work, 2000) <= ALLOWED


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_are_unpacked_in_proportion(coding: str) -> None:
    """As many of them as there may be."""
    assert (
        growth(lambda n: PACKED[coding](b"x" * 500) * n, lambda data: unpacked(data, (coding,), 1 << 28), 200)
        <= ALLOWED
    )
