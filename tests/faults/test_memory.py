"""S15: what an input may cost while it is parsed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from llm_proxy.clients.chunked_body import ChunkedBody
from llm_proxy.clients.request_reader import RequestReader
from llm_proxy.upstreams.response_reader import ResponseReader
from llm_proxy.wire.schema import ChatRequest
from llm_proxy.wire.sse import LineDecoder, SSEDecoder
from llm_proxy.wire.strict_json import parse_object
from providers.openai.provider import OpenAIProvider
from tests.handlers.kit import CHAT

ASKED = ChatRequest.of(CHAT)
#: Bytes of input.
N = 64 * 1024
PARSERS: dict[str, Callable[[], Any]] = {
    "request JSON, lists": lambda: parse_object(b'{"a": [' + b"[]," * (N // 3) + b"[]]}"),
    "request JSON, objects": lambda: parse_object(b'{"a": [' + b"{}," * (N // 3) + b"{}]}"),
    "request JSON, keys": lambda: parse_object(b"{" + b",".join(b'"%x":0' % n for n in range(N // 9)) + b"}"),
    "request head": lambda: RequestReader().feed(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 190 + b"\r\n"
    ),
    "request chunks": lambda: ChunkedBody().feed(b"1\r\nx\r\n" * (N // 6)),
    "answer head": lambda: ResponseReader("GET").feed(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 190 + b"\r\n"),
    "answer chunks": lambda: ResponseReader("GET").feed(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * (N // 6)
    ),
    "events": lambda: SSEDecoder().feed(b"a\n\n" * (N // 3)),
    "events of a chat": lambda: OpenAIProvider().stream_decoder(ASKED).feed(b"data:{}\n\n" * (N // 9)),
    "lines": lambda: LineDecoder().feed(b"1\n" * (N // 2)),
}


@pytest.mark.parametrize("name", PARSERS)
def test_s15_no_parser_multiplies_its_input(name: str) -> None:
    """The worst input of n KB costs less than 100 n KB of memory while it is parsed."""
    parse = PARSERS[name]
    parse()  # what is cached for ever is not this input's cost
    tracemalloc.start()
    try:
        made = parse()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert made is not None
    assert peak < 100 * N
