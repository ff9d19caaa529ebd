"""The straight way of a token: nobody sees a difference, whatever comes, however it is cut, and whoever is slow."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.face import Face, OpenAIFace
from llm_proxy.net.wheel import Wheel
from llm_proxy.relay.relay import Relay
from llm_proxy.relay.straight_way import StraightWay
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Exchange
from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.http_client import PooledHTTPClient
from llm_proxy.upstreams.relayed_request import RelayedRequest
from llm_proxy.wire.calls import Deployment, HttpCall, Timeouts
from llm_proxy.wire.schema import ChatRequest
from providers.ollama.provider import OllamaProvider
from providers.openai.provider import OpenAIProvider
from tests.support.fuzz import fuzz

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LINES = HEAD.replace(b"text/event-stream", b"application/x-ndjson")
DONE = b"data: [DONE]\n\n"
END = b"0\r\n\r\n"
_MADE = re.compile(rb'"id":"chatcmpl-[0-9a-f]+"|"created":\d+')
#: What happens between two reads: the loop turns; the client stops, or reads on.
TURN, STOP, GO = "turn", "stop", "go"


def token(text: bytes, model: bytes = b"theirs") -> bytes:
    """An event as most of them are, with ``text`` as it is."""
    return (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"%b",'
        b'"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % (model, text)
    )


LAST = token(b"").replace(b'{"content":""}', b"{}").replace(b"null", b'"stop"')


def line(text: bytes, at: bytes = b"2025-01-01T00:00:01.5Z") -> bytes:
    """The same of Ollama's."""
    return (
        b'{"model":"theirs","created_at":"%b","message":{"role":"assistant","content":"%b"},"done":false}\n'
        % (at, text)
    )


LAST_LINE = line(b"").replace(b'"done":false', b'"done_reason":"stop","done":true')


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


class Transport:
    """Where reads come from."""

    def __init__(self) -> None:
        self.protocol: asyncio.Protocol = cast(asyncio.Protocol, None)
        self.closed = False

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


class Http:
    """One connection to one upstream (``PooledHTTPClient`` as an exchange sees it, and ``Client`` as a request does)."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.wheel = Wheel(self.loop)
        self.pool, self.pool_timeout = self, 0.0
        self.transport, self.connection = Transport(), Connection()
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(cast(Any, self.transport))

    def transfer(self, *arguments: Any) -> RelayedRequest:
        plan = SimpleNamespace(
            route=None, method="POST", head=b"", body=None, producer=None, wait_for_continue=False
        )
        return RelayedRequest(cast(Any, self), lambda: cast(Any, plan), 0.0, arguments[5])

    def enter(self, route: object, waiter: RelayedRequest) -> None:
        waiter.on_slot(self.connection)

    def leave(self, route: object, connection: object) -> None: ...
    def forget(self, request: object) -> None: ...


class Reader:
    """The client, as a handler and its connection show it: ``Sink`` and ``Client``. ``straightly``: whether tokens may go
    straight to it."""

    def __init__(self, straightly: bool) -> None:
        self.straightly = straightly
        self.begun = False
        self.seen = bytearray()
        #: Chunks that went straight.
        self.went = 0
        self.way: StraightWay | None = None
        self.room: asyncio.Future[None] | None = None

    @property
    def client(self) -> Any:
        return self if self.straightly and self.begun else None

    async def send(self, data: bytes) -> None:
        self.begun = True
        self.seen += chunk(data)
        if self.room is not None:
            await self.room

    @property
    def offer(self) -> Callable[[bytes], bool]:
        return self._offer

    def _offer(self, data: bytes) -> bool:
        if self.room is not None or not self.begun:
            return False
        self.seen += chunk(data)
        return True

    def straight(self, way: Any) -> Callable[[bytes], object] | None:
        self.way = way
        return None if self.room is not None else self._write

    def _write(self, data: bytes) -> None:
        assert self.room is None
        self.went += 1
        self.seen += data

    def do(self, what: str) -> None:
        if what == STOP and self.room is None:
            self.room = asyncio.get_running_loop().create_future()
            if self.way is not None:
                self.way.shut()
        elif what == GO and self.room is not None:
            room, self.room = self.room, None
            room.set_result(None)


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _run(steps: Iterable[bytes | str], kind: str, face: Face, straightly: bool) -> tuple[Any, int]:
    """What the client sees and what is counted; and how many tokens went straight."""
    http, reader, tally = Http(), Reader(straightly), Tally()
    call = HttpCall("POST", "http://up/v1/chat/completions", (), b"{}", Timeouts())
    exchange = Exchange(cast(PooledHTTPClient, http), call)
    provider = OllamaProvider() if kind == "ollama" else OpenAIProvider()
    request = ChatRequest.of(
        {"model": "ours", "messages": [{"role": "user", "content": "?"}], "stream": True}
    )
    deployment = Deployment("p", "ours", kind, "http://up", "theirs")
    relay = Relay(exchange, provider, request, deployment, face, tally)
    relaying = asyncio.ensure_future(relay.stream(reader))
    await _turns()
    for step in steps:
        if isinstance(step, bytes):
            if not http.transport.closed:
                http.transport.protocol.data_received(step)
        elif step == TURN:
            await _turns()
        else:
            reader.do(step)
    reader.do(GO)
    await _turns()
    http.transport.protocol.connection_lost(None)
    await _turns()
    error = ""
    try:
        await relaying
    except GatewayError as failure:
        error = (
            f"{failure.message}, {failure.phase}, {failure.kind}"
            if isinstance(failure, UpstreamError)
            else "?"
        )
    assert http.transport.protocol is http.connection
    http.wheel.stop()
    # Ollama's have no id and sometimes no time, so these are made here.
    seen = _MADE.sub(b"", bytes(reader.seen))
    return (seen, error, tally.events, tally.usage, exchange.received, reader.begun), reader.went


def check(steps: Sequence[bytes | str], kind: str = "openai", face: Callable[[], Face] | None = None) -> int:
    """How many tokens went straight, after a look whether that made a difference."""
    make = face or (lambda: OpenAIFace(asked="ours"))
    expected, _ = asyncio.run(_run(steps, kind, make(), straightly=False))
    found, went = asyncio.run(_run(steps, kind, make(), straightly=True))
    assert found == expected
    return went


def spaced(reads: Iterable[bytes]) -> list[bytes | str]:
    """The loop turns between any two."""
    return [step for read in reads for step in (read, TURN)]


WORDS = [token(b" word%d" % at) for at in range(20)]


@pytest.mark.parametrize("asked", ["", "theirs", "ours"])
def test_all_but_the_first_and_the_last(asked: str) -> None:
    """The first token teaches, the second shows where the parser stands, and the third goes straight: whatever the name of the
    model, and with or without turns of the loop between."""
    reads = [HEAD, *map(chunk, WORDS), chunk(LAST + DONE) + END]
    assert check(spaced(reads), face=lambda: OpenAIFace(asked=asked)) == len(WORDS) - 2
    assert check([HEAD, TURN, *map(chunk, WORDS[:2]), TURN, *reads[3:]]) == len(WORDS) - 3


def test_lines_of_ollama() -> None:
    """So do Ollama's, made events."""
    words = [line(b" word%d" % at, b"2025-01-01T00:00:0%dZ" % at) for at in range(9)]
    assert check(spaced([LINES, *map(chunk, words), chunk(LAST_LINE) + END]), "ollama") == len(words) - 3


def test_other_dialects_of_clients() -> None:
    """What has to be translated does not."""
    reads = [HEAD, *map(chunk, WORDS), chunk(LAST + DONE) + END]
    for kind in (lambda: AnthropicFace("ours"),):
        assert check(spaced(reads), face=kind) == 0


@pytest.mark.parametrize(
    "odd",
    [
        token(b'a"b'),
        token(rb"a\nb"),
        token(b"a\tb"),
        token(b"\xc3"),
        token(b"x").replace(b"content", b"reasoning_content"),
        token(b"x") * 2,
        b": wait\n\n",
        b"data: {nonsense\n\n",
        b'data: {"error":{"message":"no"}}\n\n',
        token(b"x" * 2000),
        token(b"x", b"another"),
        token(b"x")[:-1],
    ],
)
def test_what_is_odd_goes_the_long_way(odd: bytes) -> None:
    """And says the same, also of which event is wrong; what follows it may go straight again."""
    reads = [HEAD, *map(chunk, WORDS[:8]), chunk(odd), *map(chunk, WORDS[8:16]), chunk(LAST + DONE) + END]
    assert check(spaced(reads)) >= 6


def test_a_client_that_stops() -> None:
    """Nothing is written to one that does not read; what came meanwhile follows in its order."""
    some = [chunk(word) for word in WORDS[:5]]
    more = [chunk(word) for word in WORDS[5:]]
    assert check(
        [*spaced([HEAD, *some]), STOP, *some, TURN, *some, GO, TURN, *spaced(more), chunk(DONE) + END]
    )


_TEXT = st.one_of(
    st.sampled_from([b"a", b" of", b"", b"...", "ż".encode(), b'"', b"\\n", b"\xff", b" 12 ", b"  "]),
    st.text(max_size=6).map(
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace")
    ),
    st.integers(0, 1200).map(lambda size: b"x" * size),
)
_EVENT = st.one_of(
    _TEXT.map(token),
    st.just(token(b"a")),
    st.just(token(b" of")),
    st.sampled_from(
        [LAST, DONE, b": wait\n\n", b"\n", token(b"a", b"ours"), token(b"a").replace(b"\n", b"\r\n")]
    ),
    st.sampled_from([token(b"a").replace(b'"content"', b'"reasoning_content"'), b"data: {\n\n"]),
)
_LINE = st.one_of(
    _TEXT.map(line),
    st.sampled_from([line(b"a", b""), line(b"a", b"\xff"), LAST_LINE, b"\n", b"{\n", line(b"a")]),
)


def _cut(whole: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    return [whole[start:end] for start, end in pairwise(places)]


def _steps(
    head: bytes,
    first: list[bytes],
    events: list[bytes],
    joined: list[int],
    cuts: list[int],
    between: list[str],
) -> list[bytes | str]:
    """Chunks of one event each first, then events one or several to a chunk, chunks cut anywhere or not at all, and what happens between two reads."""
    chunks: list[bytes] = []
    at = 0
    while at < len(events):
        count = joined[len(chunks) % len(joined)]
        chunks.append(chunk(b"".join(events[at : at + count])))
        at += count
    reads = [head, *first, *chunks, END]
    if cuts:
        reads = [head, *_cut(b"".join(reads[1:]), cuts)]
    steps: list[bytes | str] = []
    for number, read in enumerate(reads):
        steps += [read, between[number % len(between)]]
    return [step for step in steps if step]


_JOINED = st.one_of(st.just([1]), st.lists(st.integers(1, 3), min_size=1, max_size=3))
_CUTS: st.SearchStrategy[list[int]] = st.one_of(st.just([]), st.lists(st.integers(0, 3000), max_size=3))
_BETWEEN = st.one_of(
    st.just([TURN]), st.lists(st.sampled_from([TURN, TURN, TURN, STOP, GO, ""]), min_size=1, max_size=6)
)


@fuzz
@example(events=[token(b"a")] * 5, joined=[1], cuts=[], between=[TURN], asked="ours")
@given(
    events=st.lists(_EVENT, max_size=12),
    joined=_JOINED,
    cuts=_CUTS,
    between=_BETWEEN,
    asked=st.sampled_from(["", "ours", "theirs", "a" * 300]),
)
def test_any_stream(
    events: list[bytes], joined: list[int], cuts: list[int], between: list[str], asked: str
) -> None:
    """Whatever comes, however it is cut, whether the loop turns meanwhile or not, and with a client that stops and goes on."""
    check(
        _steps(HEAD, [chunk(token(b"a"))] * 3, events, joined, cuts, between),
        face=lambda: OpenAIFace(asked=asked),
    )


@fuzz
@given(events=st.lists(_LINE, max_size=12), joined=_JOINED, cuts=_CUTS, between=_BETWEEN)
def test_any_lines(events: list[bytes], joined: list[int], cuts: list[int], between: list[str]) -> None:
    """The same of Ollama's."""
    check(_steps(LINES, [chunk(line(b"a"))] * 4, events, joined, cuts, between), "ollama")
