"""Answers as vendors write them, as each face tells them: read whole, streamed, and cut anywhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import GatewayError
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.face import Face
from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.faces.ollama.face import OllamaFace
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.events import ChatResponse, Chunk, Done, Event, Failed
from llm_proxy.wire.schema import validated
from providers.openai.provider import OpenAIProvider
from tests.support.fuzz import fuzz
from tests.support.native_kit import ask
from tests.support.scripts import sse
from tests.support.vendor_answers import CASES, READERS, USAGES, Said, call, chunk, delta, events_of, expected

PROVIDER = OpenAIProvider()
FACES: dict[str, Callable[[], Face]] = {
    "messages": lambda: AnthropicFace("m"),
    "ollama": lambda: OllamaFace("m", "chat", 0, itertools.count().__next__),
    "responses": lambda: ResponsesFace(validated(ResponsesRequest, {"model": "m", "input": "x"}), 1),
    "completions": lambda: CompletionsFace("m", 1, include_usage=True),
    "gemini": lambda: GeminiFace("m"),
}
EACH = pytest.mark.parametrize("face", FACES)
STREAMS = {name: case for name, case in CASES.items() if case.chunks is not None}
WHOLES = {name: case for name, case in CASES.items() if case.whole is not None}


def reader_for(face: str) -> AnswerReader:
    return AnswerReader(pictures=FACES[face]().pictures)


def streamed(face: str, parts: Iterable[bytes], *, framed: bool = False) -> bytes:
    """What ``face`` writes for a stream that arrives in ``parts``, as the relay has it written."""
    writer, reader, decoder = FACES[face](), reader_for(face), PROVIDER.stream_decoder(ask(stream=True))
    written = b""
    arrivals: list[Sequence[Event]] = [decoder.feed(part) for part in parts]
    for events in [*arrivals, decoder.close_framed() if framed else decoder.close()]:
        for event in reader.events(events):
            if isinstance(event, Failed):
                return written + writer.failure(event.error, "r")
            written += writer.event(event) if isinstance(event, Chunk) else b""
    return written + writer.end()


def whole(face: str, value: Any) -> bytes:
    """What ``face`` writes for a whole answer."""
    writer = FACES[face]()
    try:
        response = PROVIDER.chat_response(json.dumps(value).encode(), ask())
        return writer.whole(ChatResponse(collect(reader_for(face).whole(response.data))))
    except GatewayError as error:
        assert error.status in (429, 502)
        return json.dumps(writer.refusal(error, "r")).encode()


@EACH
@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str, face: str) -> None:
    """Every variant of every face, at once, event by event and byte by byte: the same, and what the vendor meant."""
    case = STREAMS[name]
    pieces = sse(*(case.chunks or []))
    data = b"".join(pieces)
    cuts = [[data], pieces, [data[at : at + 1] for at in range(len(data))]]
    found = [READERS[face](streamed(face, parts), True) for parts in cuts]

    assert found == [expected(face, case.said, True)] * 3


@EACH
@pytest.mark.parametrize("name", WHOLES)
def test_whole_answers(name: str, face: str) -> None:
    """The same for whole answers; what has failed is an error, and never half an answer."""
    case = WHOLES[name]

    assert READERS[face](whole(face, case.whole), False) == expected(face, case.said, False)


@EACH
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_collected_is_a_whole_answer(name: str, face: str) -> None:
    """For a client that asked for one answer, from a server that streams."""
    case = STREAMS[name]
    decoder = PROVIDER.stream_decoder(ask(stream=True))
    events = reader_for(face).events([*decoder.feed(b"".join(sse(*(case.chunks or [])))), *decoder.close()])
    if isinstance(events[-1], Failed):
        assert case.said.end == "error"
        return
    completion = collect([event.data for event in events if isinstance(event, Chunk)])
    assert READERS[face](FACES[face]().whole(ChatResponse(completion)), False) == expected(
        face, case.said, False
    )


def counts(face: str, body: bytes, streaming: bool) -> tuple[int, int, int]:
    """Tokens of the prompt, of the answer, and cached ones, as a client of ``face`` has them."""
    if face == "ollama":
        line = json.loads(body.splitlines()[-1])
        return line["prompt_eval_count"], line["eval_count"], -1
    if face == "messages":
        value = (
            next(e for e in events_of(body) if e["type"] == "message_delta")
            if streaming
            else json.loads(body)
        )
        usage = value["usage"]
        cached = usage["cache_read_input_tokens"]
        return usage["input_tokens"] + cached, usage["output_tokens"], cached
    if face == "responses":
        value = events_of(body)[-1]["response"] if streaming else json.loads(body)
        usage = value["usage"]
        return usage["input_tokens"], usage["output_tokens"], usage["input_tokens_details"]["cached_tokens"]
    if face == "gemini":
        usage = (events_of(body)[-1] if streaming else json.loads(body))["usageMetadata"]
        return (
            usage["promptTokenCount"],
            usage["candidatesTokenCount"],
            usage.get("cachedContentTokenCount", 0),
        )
    usage = (events_of(body)[-1] if streaming else json.loads(body))["usage"]
    return (
        usage["prompt_tokens"],
        usage["completion_tokens"],
        usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
    )


@EACH
@pytest.mark.parametrize("name", USAGES)
def test_counts(name: str, face: str) -> None:
    """Floats, texts, nulls, other names, and what cannot be read: integers, and an answer all the same."""
    completion, chunks, (prompt, answer, cached) = USAGES[name]
    known = (prompt, answer, -1 if face == "ollama" else cached)
    body = whole(face, completion)

    assert counts(face, body, False) == known
    assert all(type(count) is int for count in counts(face, body, False))
    assert counts(face, streamed(face, sse(*chunks)), True) == known


def test_ids_are_texts() -> None:
    """A number as the id of an answer."""
    assert json.loads(whole("messages", {**CASES["two choices"].whole, "id": 7}))["id"] == "7"  # type: ignore[dict-item]


def test_alternatives_stay_apart() -> None:
    """Where several choices were asked for, each is an answer of its own."""
    chunks = [
        chunk(delta(content="a"), delta(index=1, content="b")),
        chunk(delta("stop"), delta("length", 1)),
    ]
    events = AnswerReader(alone=False).events([*(Chunk(data) for data in chunks)])
    choices = collect([event.data for event in events if isinstance(event, Chunk)])["choices"]

    assert [(c["message"]["content"], c["finish_reason"]) for c in choices] == [
        ("a", "stop"),
        ("b", "length"),
    ]


# -- a stream without its terminator


ENDED = [chunk(delta(content="Hi")), chunk(delta("stop"))]


@EACH
@pytest.mark.parametrize(
    ("tail", "framed", "end"),
    [
        (b"", True, "stop"),
        (b"", False, "error"),
        (b"data: [DONE]", True, "stop"),
        (b"data: [DONE]\n", True, "stop"),
        (b': bye\n\ndata: {"choices": [], "usage": {"prompt_tokens": 1}}', True, "stop"),
        (b'data: {"choices": [{"index": 0, "del', True, "error"),
        (b'data: {"choices": [{"index": 1, "delta": {"content": "x"}}]}\n\n', True, "error"),
        (b'data: {"error": {"message": "x"}}\n\n', True, "error"),
    ],
)
def test_an_end_without_a_terminator(tail: bytes, framed: bool, end: str, face: str) -> None:
    """All choices have a reason for their end, and the body's own framing says that nothing is missing: complete. Else not."""
    body = b"".join(sse(*ENDED, done=False)) + tail
    found = READERS[face](streamed(face, [body], framed=framed), True)

    assert found.end == end
    assert found.text.startswith("Hi")


def test_an_end_without_a_reason_is_none() -> None:
    """A clean end of the body alone proves nothing, nor does one of two choices that were asked for."""
    for request, chunks in ((ask(stream=True), ENDED[:1]), (ask(stream=True, n=2), ENDED)):
        decoder = PROVIDER.stream_decoder(request)
        events = [*decoder.feed(b"".join(sse(*chunks, done=False))), *decoder.close_framed()]
        assert isinstance(events[-1], Failed)
        assert "[DONE]" not in events[-1].error.message
        assert not decoder.close_framed()


def test_an_end_without_a_terminator_under_other_names() -> None:
    """Also where names of tools are put back on the way."""
    tool = {"type": "function", "function": {"name": "a.b", "parameters": {}}}
    decoder = PROVIDER.stream_decoder(ask(stream=True, tools=[tool]))
    events = [*decoder.feed(b"".join(sse(*ENDED, done=False))), *decoder.close_framed()]

    assert isinstance(events[-1], Done)


# -- sources


SOURCES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "OpenAI's": (
        {
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"start_index": 0, "end_index": 2, "title": "S", "url": "http://s"},
                }
            ]
        },
        [{"start_index": 0, "end_index": 2, "title": "S", "url": "http://s"}],
    ),
    "flat": (
        {"annotations": [{"type": "url_citation", "url": "http://s", "title": None}]},
        [{"start_index": 0, "end_index": 2, "title": "", "url": "http://s"}],
    ),
    "Perplexity's": (
        {
            "citations": ["http://a", "http://b"],
            "search_results": [{"title": "A", "url": "http://a", "date": "x"}],
        },
        [
            {"start_index": 0, "end_index": 2, "title": "A", "url": "http://a"},
            {"start_index": 0, "end_index": 2, "title": "", "url": "http://b"},
        ],
    ),
    "Z.ai's": (
        {"web_search": [{"link": "http://a", "title": "A"}]},
        [{"start_index": 0, "end_index": 2, "title": "A", "url": "http://a"}],
    ),
    "Hunyuan's": (
        {"search_info": {"search_results": [{"url": "http://a"}]}},
        [{"start_index": 0, "end_index": 2, "title": "", "url": "http://a"}],
    ),
    "nothing": ({"citations": None, "annotations": [], "search_results": {}}, []),
    "junk": ({"citations": [None, 7, {"x": 1}, "file:///etc"]}, []),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources(name: str) -> None:
    """Whatever they are called, and wherever they stand: ``url_citation``, each once."""
    given, known = SOURCES[name]
    beside = {key: value for key, value in given.items() if key != "annotations"}
    said = {key: value for key, value in given.items() if key == "annotations"}
    stream = [
        chunk(delta(content="H"), **beside),
        chunk(delta(content="i"), **beside),
        chunk(delta("stop", **said), **beside),
    ]
    one = {"choices": [{"message": {"content": "Hi", **said}, "finish_reason": "stop"}], **beside}
    reader = AnswerReader()
    events = [*reader.events([Chunk(data) for data in stream]), *map(Chunk, reader.whole({"choices": []}))]
    for completion in (
        collect([e.data for e in events if isinstance(e, Chunk)]),
        collect(AnswerReader().whole(one)),
    ):
        found = completion["choices"][0]["message"].get("annotations", [])
        assert [annotation["url_citation"] for annotation in found] == known
        assert not {"citations", "search_results"} & completion.keys()


# -- any pieces


@st.composite
def cut_calls(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[str, Any]]]:
    """Two calls whose arguments are cut anywhere, numbered and named in any of the ways in which servers do it."""
    pieces: list[dict[str, Any]] = []
    known = []
    style = draw(
        st.sampled_from(["right", "one index", "no index", "ids on each", "other ids", "names on each"])
    )
    for number in range(2):
        value = draw(
            st.dictionaries(
                st.sampled_from(["a", "b", '"', "{"]), st.text(max_size=4) | st.just({"a": "}{"}), min_size=1
            )
        )
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        known.append((f"f{number}", value))
        places = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=4))})
        for at, (start, end) in enumerate(itertools.pairwise(places)):
            first = at == 0
            one = call(
                text[start:end],
                f"f{number}" if first or style == "names on each" else None,
                f"id{number}"
                if first or style == "ids on each"
                else f"x{number}{at}"
                if style == "other ids"
                else None,
            )
            index = {"right": number, "no index": None}.get(style, 0)
            pieces.append(one if index is None else {**one, "index": index})
    return pieces, known


@fuzz
@given(cut_calls())
def test_any_cuts_of_calls(made: tuple[list[dict[str, Any]], list[tuple[str, Any]]]) -> None:
    """Two calls are two calls, with their own arguments, on each face."""
    pieces, known = made
    body = b"".join(sse(*(chunk(delta(tool_calls=[piece])) for piece in pieces), chunk(delta("stop"))))
    for face in ("messages", "responses", "ollama"):
        assert READERS[face](streamed(face, [body]), True) == Said(calls=tuple(known), end="tool_calls")


@fuzz
@given(st.lists(st.sampled_from([*STREAMS]), min_size=1, max_size=3), st.integers(1, 40))
def test_any_mixture_is_told_or_refused(names: list[str], size: int) -> None:
    """Variants behind each other, in pieces of any size: a face's writing is legal, and the gateway is never at fault."""
    chunks = [data for name in names for data in STREAMS[name].chunks or []]
    data = b"".join(sse(*chunks))
    for face in FACES:
        READERS[face](streamed(face, [data[at : at + size] for at in range(0, len(data), size)]), True)


def test_arguments_cost_what_they_are_long() -> None:
    """However many pieces they come in: no piece is looked at again."""
    reader = AnswerReader()
    pieces = [call('{"a":"', "f", "x", index=0), *[call("0123456789", index=0)] * 20_000, call('"}', index=0)]
    events = reader.events([Chunk(chunk(delta(tool_calls=[piece]))) for piece in pieces])

    assert len(events) == len(pieces)
