"""What the codecs cost, alone: microseconds of CPU for each token, in this process, without sockets or a loop.

A stream has 100 tokens that come as they do in life, each by itself; "in reads of 16 KiB" is a stream that comes faster
than it can be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median
from time import thread_time_ns

from benchmarks.loads import Bench
from benchmarks.table import GATEWAY, Row
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.face import Face, OpenAIFace
from llm_proxy.wire.events import Chunk
from llm_proxy.wire.schema import ChatRequest
from llm_proxy.wire.sse import LineDecoder, SSEDecoder, ndjson, sse_data
from providers.base import BaseProvider
from providers.ollama.provider import OllamaProvider
from providers.openai.provider import OpenAIProvider

TOKENS = 100
STREAMS = 20
_SENT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def openai_chunk(n: int) -> dict[str, object]:
    """A token as OpenAI sends it."""
    choice = {"index": 0, "delta": {"content": f" tok{n}"}, "logprobs": None, "finish_reason": None}
    return {
        "id": "chatcmpl-AzXq7PbTn2",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_50cad350e4",
        "choices": [choice],
    }


def ollama_line(n: int) -> dict[str, object]:
    """A token as Ollama sends it."""
    message = {"role": "assistant", "content": f" tok{n}"}
    return {
        "model": "llama3.2",
        "created_at": "2025-03-10T01:25:52.184512345Z",
        "message": message,
        "done": False,
    }


CHUNKS = [openai_chunk(n) for n in range(TOKENS)]
EVENTS = [sse_data(chunk) for chunk in CHUNKS]
LINES = [ndjson(ollama_line(n)) for n in range(TOKENS)]


def _reads(pieces: list[bytes], size: int = 16 * 1024) -> list[bytes]:
    joined = b"".join(pieces)
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def split_events(reads: list[bytes]) -> int:
    """Server-sent events out of bytes."""
    feed = SSEDecoder().feed
    return sum(len(feed(data)) for data in reads)


def split_lines(reads: list[bytes]) -> int:
    """Lines out of bytes."""
    feed = LineDecoder().feed
    return sum(len(feed(data)) for data in reads)


def written_events() -> int:
    """Server-sent events out of objects."""
    return sum(bool(sse_data(chunk)) for chunk in CHUNKS)


def written_by_json() -> int:
    """The same with the standard library, for comparison."""
    return sum(bool(b"data: " + json.dumps(chunk).encode() + b"\n\n") for chunk in CHUNKS)


def translated(reads: list[bytes], provider: BaseProvider, face: Face) -> int:
    """Bytes in an upstream's dialect to bytes in a client's: how many of the chunks had something to say."""
    feed = provider.stream_decoder(ChatRequest.of(_SENT)).feed
    return sum(bool(face.event(event)) for data in reads for event in feed(data) if isinstance(event, Chunk))


def recognised(reads: list[bytes]) -> int:
    """Bytes of OpenAI's dialect for a client of the same, as the relay does it: what looks like the token before is not
    decoded."""
    decoder = OpenAIProvider().stream_decoder(ChatRequest.of(_SENT))
    assert decoder.known is None  # it is learnt once somebody has asked
    return sum(1 if decoder.usual(data) else len(decoder.feed(data)) for data in reads)


#: Each returns how many tokens it has handled.
CASES: dict[str, Callable[[], int]] = {
    "SSE: bytes to events": lambda: split_events(EVENTS),
    "SSE: bytes to events, in reads of 16 KiB": lambda: split_events(_reads(EVENTS)),
    "SSE: objects to bytes": written_events,
    "SSE: objects to bytes, with the standard library's json": written_by_json,
    "NDJSON: bytes to lines": lambda: split_lines(LINES),
    "NDJSON: bytes to lines, in reads of 16 KiB": lambda: split_lines(_reads(LINES)),
    "OpenAI SSE to OpenAI SSE": lambda: translated(EVENTS, OpenAIProvider(), OpenAIFace()),
    "OpenAI SSE to OpenAI SSE, in reads of 16 KiB": lambda: translated(_reads(EVENTS), OpenAIProvider(), OpenAIFace()),
    "OpenAI SSE, tokens recognised": lambda: recognised(EVENTS),
    "Ollama NDJSON to OpenAI SSE": lambda: translated(LINES, OllamaProvider(), OpenAIFace()),
    "OpenAI SSE to Anthropic SSE": lambda: translated(EVENTS, OpenAIProvider(), AnthropicFace("m")),
}  # fmt: skip


def codecs(bench: Bench) -> list[Row]:
    """A row for each codec."""
    rows = []
    for name, case in CASES.items():
        row = Row(f"codec.{name}", name, "us of CPU a token")
        case()
        for _ in range(bench.runs):
            row.add(GATEWAY, median(_timed(case) for _ in range(bench.times(STREAMS))))
        rows.append(row)
    return rows


def _timed(case: Callable[[], int]) -> float:
    """Microseconds of this thread's CPU for each token of one stream."""
    began = thread_time_ns()
    tokens = case()
    return (thread_time_ns() - began) / tokens / 1e3
