"""What is fuzzed: each target takes bytes, and may refuse them in the way that it documents; anything else that it raises
is a fault. Pure, so that a target can be run on any bytes again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from handlers.passthrough import check_headers, check_target, forwarded, returned
from llm_proxy.clients.chunked_body import BadChunk, ChunkedBody
from llm_proxy.clients.request_reader import RequestReader
from llm_proxy.clients.unpacking import ACCEPTED, codings_of, unpacked
from llm_proxy.errors import GatewayError
from llm_proxy.faces.anthropic import request as anthropic
from llm_proxy.faces.anthropic.estimate import estimated_tokens
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.anthropic.native import cleaned
from llm_proxy.faces.completions import request as completions
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.face import Face, OpenAIFace
from llm_proxy.faces.gemini import embed as gemini_embed
from llm_proxy.faces.gemini import request as gemini
from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.faces.gemini.native import without_our_signatures
from llm_proxy.faces.media.body import read_body
from llm_proxy.faces.ollama import request as ollama
from llm_proxy.faces.ollama.embed import OllamaEmbed, canonical_embed
from llm_proxy.faces.ollama.face import OllamaFace
from llm_proxy.faces.responses import request as responses
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.relay.assemble import collect
from llm_proxy.upstreams import no_proxy
from llm_proxy.upstreams.response_reader import ResponseReader
from llm_proxy.upstreams.target import split_url
from llm_proxy.wire import long_texts
from llm_proxy.wire import strict_json as strict_json_module
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.calls import Deployment, Secret
from llm_proxy.wire.events import ChatResponse, Chunk, Failed
from llm_proxy.wire.host import host_and_port, read_host
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest, validated
from llm_proxy.wire.sse import EventTooLarge, LineDecoder, SSEDecoder
from llm_proxy.wire.strict_json import JsonProblem, parse_object
from providers.discovery import discover

Target = Callable[[bytes], None]
Json = dict[str, Any]

#: The largest body that is unpacked.
_LIMIT = 1 << 20
ADAPTERS = {name: adapter for name, adapter in discover().items() if name != "demo"}
PLAIN = ChatRequest.of({"model": "m", "messages": [{"role": "user", "content": "x"}]})
VECTORS = EmbeddingsRequest.of({"model": "m", "input": ["x"]})


@cache
def deployment(api_type: str) -> Deployment:
    """A row at an upstream of that dialect."""
    return Deployment("p", "m", api_type, "https://h.test/v1", "up", token=Secret("k"))


def cut(data: bytes) -> list[bytes]:
    """``data`` in pieces whose length its first byte tells."""
    if not data:
        return []
    size = data[0] % 32 or len(data)
    return [data[at : at + size] for at in range(1, len(data), size)]


# -- bytes


def request_head(data: bytes) -> None:
    """However it is cut, a request is the same."""
    whole, pieces = RequestReader(), RequestReader()
    body = whole.feed(data[1:])
    parts = [pieces.feed(piece) for piece in cut(data) if not (pieces.complete or pieces.fault)]
    assert (whole.head, whole.complete) == (pieces.head, pieces.complete)
    assert whole.fault is None or pieces.fault is not None or whole.head is None
    if whole.fault is None:
        assert b"".join(parts) == body


def chunked(data: bytes) -> None:
    """However it is cut, a chunked body is the same."""
    found = []
    for pieces in ([data[1:]], cut(data)):
        reader, body = ChunkedBody(), b""
        with suppress(BadChunk):
            for piece in pieces:
                if reader.rest is None:
                    body += reader.feed(piece)
        found.append((body if reader.rest is not None else b"", reader.rest is not None))
    assert found[0] == found[1]


def response_head(data: bytes) -> None:
    """However it is cut, an answer of an upstream ends the same way; it never raises."""
    outcomes = []
    for pieces in ([data[1:]], cut(data)):
        reader = ResponseReader("GET")
        for piece in pieces:
            if reader.outcome is None and piece:
                reader.feed(piece)
        outcomes.append((reader.head is None, reader.outcome is True))
    assert outcomes[0] == outcomes[1]


def events(data: bytes) -> None:
    """However they are cut, events are the same."""
    for kind in (SSEDecoder, LineDecoder):
        with suppress(EventTooLarge):
            whole = list(kind().feed(data[1:]))
            decoder = kind()
            assert [event for piece in cut(data) for event in decoder.feed(piece)] == whole


def strict_json(data: bytes) -> None:
    """What is accepted is what Python reads, too."""
    try:
        found = parse_object(data)
    except JsonProblem as problem:
        assert len(str(problem)) < 4000
    else:
        assert found == json.loads(data.decode("utf-8-sig"))


def json_apart(data: bytes) -> None:
    """Texts that are read apart, because they are long (here: 64 bytes), change neither a value nor a fault."""
    portion, modules = long_texts.PORTION, (long_texts, strict_json_module)
    before = [module.LONG for module in modules]
    try:
        outcomes = []
        for most, each in ((1 << 30, 1 << 29), (64, 32)):
            long_texts.PORTION = each
            for module in modules:
                module.LONG = most  # type: ignore[attr-defined]
            try:
                outcomes.append((True, repr(parse_object(data))))
            except JsonProblem as problem:
                outcomes.append((False, str(problem.line)))
        assert outcomes[0][0] == outcomes[1][0] or _LONG_KEY.search(data)
        assert not outcomes[0][0] or not outcomes[1][0] or outcomes[0] == outcomes[1]
    finally:
        long_texts.PORTION = portion
        for module, value in zip(modules, before, strict=True):
            module.LONG = value  # type: ignore[attr-defined]


#: A key that is too long when such texts are.
_LONG_KEY = re.compile(rb'"(?:[^"\\]|\\.){50,}"\s*:', re.DOTALL)


def compressed(data: bytes) -> None:
    """Nothing is unpacked beyond its bounds."""
    names = ACCEPTED.split(", ")
    codings = tuple(names[byte % len(names)] for byte in data[:1]) or ("gzip",)
    with suppress(GatewayError):
        assert len(unpacked(data[1:], codings, _LIMIT)) <= _LIMIT
        codings_of(data.decode("latin-1"))


def media(data: bytes) -> None:
    """Forms and JSON whose model is exchanged."""
    for kind in ("multipart/form-data; boundary=X", "application/json", data[:40].decode("latin-1")):
        with suppress(GatewayError, JsonProblem):
            body = read_body(data, kind)
            assert body.model is None or isinstance(body.model, str)
            other = None if body.model is None else "other"
            written = body.written(other, sorted(body.names & {"api_host", "user"}))
            assert read_body(written, body.content_type).model == other


def targets(data: bytes) -> None:
    """Paths, headers, hosts and exceptions."""
    text = data.decode("latin-1")
    with suppress(GatewayError):
        check_target(text, "path")
        assert ".." not in text.partition("?")[0].split("/")
    pairs = [(line.partition(":")[0], line.partition(":")[2]) for line in text.split("\n")]
    with suppress(GatewayError):
        check_headers(pairs)
    forwarded(pairs)
    returned(pairs)
    with suppress(ValueError):
        read_host(text)
    with suppress(ValueError):
        host_and_port(text)
    with suppress(ValueError):
        split_url(text)
    no_proxy.parse(text).cover("a.example.com", 80)


# -- requests


def _asked(chat: Json) -> None:
    """A chat that a face has made is one for every adapter."""
    request = ChatRequest.of(chat)
    for name, adapter in ADAPTERS.items():
        with suppress(GatewayError):
            row = deployment(name)
            adapter.adapter_for(request, row).chat_call(request, row)


def _face(read: Callable[[Json, str], Json]) -> Target:
    def target(data: bytes) -> None:
        with suppress(GatewayError, JsonProblem):
            body = parse_object(data)
            for name in ("openai", "ollama"):
                _asked(read(body, name))

    return target


def _anthropic(body: Json, name: str) -> Json:
    with suppress(GatewayError):
        validated(anthropic.CountRequest, body)
    estimated_tokens(body)
    cleaned(body)
    return anthropic.canonical(anthropic.read(body), body, name, "m").sent


def _gemini(body: Json, name: str) -> Json:
    without_our_signatures(body)
    gemini.estimated_tokens(body)
    for single in (True, False):
        with suppress(GatewayError):
            EmbeddingsRequest.of(gemini_embed.embeddings(body, "m", single=single).sent)
    return gemini.canonical(body, "m", name, stream=True).sent


def _ollama(body: Json, name: str) -> Json:
    with suppress(GatewayError):
        EmbeddingsRequest.of(canonical_embed(validated(OllamaEmbed, body), body)[0])
    form: type[ollama.OllamaChat | ollama.OllamaGenerate]
    form = ollama.OllamaChat if "messages" in body else ollama.OllamaGenerate
    return ollama.canonical(validated(form, body), body, name).sent


def _responses(body: Json, name: str) -> Json:
    return responses.canonical(responses.read(body), body).sent


def _completions(body: Json, name: str) -> Json:
    return completions.canonical(completions.read(body), body)


# -- answers


def _faces() -> Sequence[Face]:
    form = ResponsesRequest.model_construct(model="m", input="")
    return (
        OpenAIFace(True, "m"),
        AnthropicFace("m"),
        GeminiFace("m"),
        OllamaFace("m", "chat", 1, lambda: 1),
        ResponsesFace(form, 1),
        CompletionsFace("m", 1),
    )


def _answers(name: str) -> Target:
    adapter = ADAPTERS[name]

    def target(data: bytes) -> None:
        with suppress(GatewayError):
            adapter.error(data[0] + 300 if data else 500, {}, data[1:])
            adapter.about(data[1:], deployment(name))
        with suppress(GatewayError):
            adapter.embeddings_response(data[1:], VECTORS)
        with suppress(GatewayError):
            whole = adapter.chat_response(data[1:], PLAIN)
            for face in _faces():
                with suppress(GatewayError, ValueError):  # a value that JSON cannot express
                    read = ChatResponse(collect(AnswerReader().whole(whole.data)))
                    face.whole(read if face.translates else whole)
        for face in _faces():
            _streamed(adapter.stream_decoder(PLAIN), face, cut(data))

    return target


def _streamed(decoder: Any, face: Face, pieces: Sequence[bytes]) -> None:
    reader = AnswerReader()
    with suppress(GatewayError):
        for events in (*(decoder.feed(piece) for piece in pieces), decoder.close()):
            read = reader.events(events) if face.translates else events
            said = [event for event in read if isinstance(event, Chunk)]
            try:
                face.events(said)
            except ValueError:
                return  # a number that JSON cannot express
            if any(isinstance(event, Failed) for event in read):
                return
        face.end()


TARGETS: dict[str, Target] = {
    "request": request_head,
    "chunked": chunked,
    "response": response_head,
    "events": events,
    "json": strict_json,
    "json-apart": json_apart,
    "compressed": compressed,
    "media": media,
    "targets": targets,
    "ask-openai": _face(lambda body, name: body),
    "ask-anthropic": _face(_anthropic),
    "ask-gemini": _face(_gemini),
    "ask-ollama": _face(_ollama),
    "ask-responses": _face(_responses),
    "ask-completions": _face(_completions),
    **{f"answer-{name}": _answers(name) for name in ADAPTERS},
}
