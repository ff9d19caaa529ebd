"""Every face reads, and every dialect is asked, at a cost in proportion to the request; a refusal is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from handlers.conversation import ConversationRequest
from handlers.conversation import canonical as conversation
from llm_proxy.errors import MAX_PROBLEMS, GatewayError, InvalidRequest
from llm_proxy.faces.anthropic import request as anthropic
from llm_proxy.faces.anthropic.native import cleaned
from llm_proxy.faces.gemini import request as gemini
from llm_proxy.faces.gemini.native import without_our_signatures
from llm_proxy.faces.ollama import request as ollama
from llm_proxy.faces.responses import request as responses
from llm_proxy.faces.responses.native_history import cleaned as without_our_thoughts
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest, validated
from providers.discovery import discover
from providers.vendors import VENDORS
from tests.support.growth import ALLOWED, growth
from tests.support.hostile import CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, Body, Shape

pytestmark = pytest.mark.one_python(
    "whether the cost grows with the square is the code's, and not the Python's"
)

#: Pieces of the smaller one of two requests.
SIZE = 1000

Reading = Callable[[Body], object]


def _messages(body: Body) -> object:
    return anthropic.canonical(anthropic.read(body), body, "openai", "m")


def _responses(body: Body) -> object:
    return responses.canonical(responses.read(body), body)


def _ollama(body: Body) -> object:
    return ollama.canonical(validated(ollama.OllamaChat, body), body, "openai")


def _gemini(body: Body) -> object:
    return gemini.canonical(body, "m", "openai", stream=False)


#: Each way of reading a body, and what it is given.
READINGS: Mapping[str, tuple[Reading, Mapping[str, Shape]]] = {
    "chat": (ChatRequest.of, CHAT),
    "messages": (_messages, MESSAGES),
    "messages, natively": (cleaned, MESSAGES),
    "responses": (_responses, RESPONSES),
    "responses, natively": (without_our_thoughts, RESPONSES),
    "ollama": (_ollama, OLLAMA),
    "gemini": (_gemini, GEMINI),
    "gemini, natively": (without_our_signatures, GEMINI),
}


def _quietly(work: Callable[[Any], object]) -> Callable[[Any], object]:
    """A refusal is an answer too."""

    def done(body: Any) -> object:
        try:
            return work(body)
        except GatewayError as refused:
            assert len(refused.message) < 20_000
            assert len(refused.problems) <= MAX_PROBLEMS
            return refused

    return done


@pytest.mark.parametrize(
    ("reading", "shape"),
    [(reading, shape) for reading, (_, shapes) in READINGS.items() for shape in shapes],
)
def test_a_face_reads_in_proportion(reading: str, shape: str) -> None:
    """Twice as many pieces cost at most 2.5 times as much, whatever they are."""
    work, shapes = READINGS[reading]
    assert growth(shapes[shape], _quietly(work), SIZE) <= ALLOWED


#: Rows of each dialect that put a history in order in their own way.
ROWS = (
    *(("openai", vendor) for vendor in ("openai", "mistral", "groq", "deepseek", "lenient")),
    *(("anthropic", ""), ("gemini", ""), ("ollama", "")),
)
_MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-3-pro"}
_WRONG = ("wrong", "empty messages", "messages of wrong")


def _row(api_type: str, vendor: str) -> Deployment:
    return Deployment("p", "m", api_type, "http://host/v1", _MODELS.get(api_type, "m"), vendor=vendor)


@pytest.mark.parametrize("row", ROWS, ids="-".join)
@pytest.mark.parametrize("shape", [name for name in CHAT if not name.startswith(_WRONG)])
def test_an_upstream_is_asked_in_proportion(shape: str, row: tuple[str, str]) -> None:
    """The call that is made of a chat request, for every dialect and the vendors that want most changed."""
    deployment, adapter = _row(*row), discover()[row[0]]

    def ask(request: ChatRequest) -> object:
        return adapter.adapter_for(request, deployment).chat_call(request, deployment)

    assert growth(lambda n: ChatRequest.of(CHAT[shape](n)), _quietly(ask), SIZE) <= ALLOWED


def _everything(n: int) -> Body:
    """A request with ``n`` of each kind of thing that is sound."""
    parts = [shape(n) for name, shape in CHAT.items() if not name.startswith(_WRONG)]
    messages = [message for body in parts for message in body["messages"]]
    tools = [tool for body in parts for tool in body.get("tools", ())]
    return {
        **{name: value for body in parts for name, value in body.items()},
        "messages": messages,
        "tools": tools,
    }


#: The other vendors, with everything at once: what grows with the square in one of its kinds shows there too.
OTHERS = sorted(VENDORS.keys() - {vendor for _, vendor in ROWS})


@pytest.mark.parametrize("vendor", OTHERS)
def test_every_vendor_is_asked_in_proportion(vendor: str) -> None:
    """The call for each row of the table of vendors."""
    deployment, adapter = _row("openai", vendor), discover()["openai"]

    def ask(request: ChatRequest) -> object:
        return adapter.adapter_for(request, deployment).chat_call(request, deployment)

    assert growth(lambda n: ChatRequest.of(_everything(n)), _quietly(ask), 100) <= ALLOWED


#: The calls of each API that is passed on as it is.
NATIVE: Mapping[tuple[str, str], Mapping[str, Shape]] = {
    ("openai", "/v1/responses"): RESPONSES,
    ("openai", "/v1/completions"): {
        "prompts": lambda n: {"model": "m", "prompt": ["x"] * n},
        "unknown names": lambda n: {"model": "m", "prompt": "x", **{f"k{i}": 1 for i in range(n)}},
    },
    ("anthropic", "/v1/messages"): MESSAGES,
    ("anthropic", "/v1/messages/count_tokens"): MESSAGES,
    ("gemini", "generateContent"): GEMINI,
    ("ollama", "/api/chat"): OLLAMA,
}


@pytest.mark.parametrize(
    ("api_type", "path", "shape"),
    [(*call, shape) for call, shapes in NATIVE.items() for shape in shapes if not shape.startswith("wrong")],
)
def test_a_native_call_is_made_in_proportion(api_type: str, path: str, shape: str) -> None:
    """What goes to an upstream of the client's own dialect."""
    deployment, adapter = _row(api_type, "openai" if api_type == "openai" else ""), discover()[api_type]
    found = adapter.native(path)
    assert found is not None, path
    call = found.at(deployment)

    def ask(body: Body) -> object:
        call.takes(body, deployment)
        return call.chat_call(NativeRequest(body), deployment)

    assert growth(NATIVE[api_type, path][shape], _quietly(ask), SIZE) <= ALLOWED


@pytest.mark.parametrize("row", ROWS, ids="-".join)
@pytest.mark.parametrize("kind", ["texts", "tokens", "unknown names"])
def test_embeddings_are_asked_for_in_proportion(kind: str, row: tuple[str, str]) -> None:
    """Texts, tokens, and names that nobody knows."""
    deployment, adapter = _row(*row), discover()[row[0]]

    def make(n: int) -> Any:
        given: Any = {"texts": ["x"] * n, "tokens": list(range(n)), "unknown names": "x"}[kind]
        more = {f"k{i}": 1 for i in range(n)} if kind == "unknown names" else {}
        return EmbeddingsRequest.of({"model": "m", "input": given, **more})

    assert (
        growth(make, _quietly(lambda request: adapter.embeddings_call(request, deployment)), SIZE) <= ALLOWED
    )


def _histories() -> Iterator[tuple[str, Shape]]:
    yield "short forms", lambda n: {"historical_messages": [{"user": "x"}] * n}
    yield "wrong messages", lambda n: {"historical_messages": [0] * n}
    yield "variables", lambda n: {"prompt_vars": {f"k{i}": 1 for i in range(n)}}
    yield "wrong variables", lambda n: {"prompt_vars": {f"k{i}": [] for i in range(n)}}


@pytest.mark.parametrize(("kind", "shape"), [*_histories()])
def test_a_conversation_is_read_in_proportion(kind: str, shape: Shape) -> None:
    """The gateway's own endpoints."""

    def read(body: Body) -> object:
        return conversation(validated(ConversationRequest, body), body, "be brief")

    def make(n: int) -> Body:
        return {"model_name": "m", "user_last_statement": "x", **shape(n)}

    assert growth(make, _quietly(read), SIZE) <= ALLOWED


@pytest.mark.parametrize("count", [250_000, 30_000])
@pytest.mark.parametrize("shape", [name for name in CHAT if name.startswith("wrong")])
def test_a_refusal_is_short(shape: str, count: int) -> None:
    """However much is wrong: the first problems, and how many there are besides; never more bytes than were sent."""
    if shape == "wrong stops":
        pytest.skip("one problem")
    with pytest.raises(InvalidRequest) as refused:
        ChatRequest.of(CHAT[shape](count))

    assert len(refused.value.problems) <= MAX_PROBLEMS
    assert len(refused.value.message) < 5000
    if shape in ("wrong messages", "wrong tools", "wrong biases", "wrong contents"):
        assert refused.value.message.endswith(f"; and {count - MAX_PROBLEMS:,} more")


def test_places_are_those_of_the_whole_list() -> None:
    """Items are judged in slices; what is told of one is where it stands."""
    body = CHAT["users"](30_000)
    body["messages"][12_345] = {"role": "user", "content": 1}
    with pytest.raises(InvalidRequest) as refused:
        ChatRequest.of(body)

    assert [p.path for p in refused.value.problems] == ["messages.12345.content"]
    assert refused.value.message == "messages.12345.content: must be a string or a list of content parts"


def test_a_long_name_is_cut() -> None:
    """A path holds what a client wrote, but not all of it."""
    with pytest.raises(InvalidRequest) as refused:
        ChatRequest.of({"model": "m", "messages": [{"role": "user"}], "logit_bias": {"k" * 100_000: ""}})

    assert len(refused.value.message) < 200
