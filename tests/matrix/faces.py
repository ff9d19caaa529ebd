"""The faces: what a client of each dialect sends, and how strictly it reads what it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.matrix import asks
from tests.matrix.asks import RESULTS
from tests.matrix.features import ANTHROPIC_KINDS, Refusal, Said
from tests.matrix.read_anthropic import Reader as AnthropicReader
from tests.matrix.read_anthropic import whole as whole_message
from tests.matrix.read_ollama import lines, message_of, read_lines
from tests.matrix.read_openai import broken_chunks, completion, read_chunks, said_by
from tests.support.client import Answer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Got:
    """What a client has after an answer: ``pieces`` are the texts as they came, ``message`` is what it keeps of it for
    the next turn."""

    said: Said
    message: Any
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """What a client has of a stream that broke: the text, then the error's parts."""

    text: str
    error: Json


class Face(ABC):
    """One dialect. ``lacks``: what its clients cannot ask for, of all that ``Upstream.places`` names."""

    name: ClassVar[str]
    path: ClassVar[str]
    asks: ClassVar[Mapping[str, Json]]
    lacks: ClassVar[frozenset[str]]
    stream_type: ClassVar[str] = "text/event-stream"
    headers: ClassVar[Mapping[str, str]] = {}
    #: How the first text begins, in JSON without blanks.
    first: ClassVar[bytes] = b'"content":"H'

    def sent(self, body: Json, stream: bool) -> tuple[str, Json]:
        """The path and the body that ``body`` is sent as."""
        return self.path, {"model": "m", **body, "stream": stream}

    @abstractmethod
    def got(self, answer: Answer, stream: bool) -> Got:
        """Read a complete answer. ``AssertionError`` for whatever is not as the dialect has it."""

    @abstractmethod
    def again(self, body: Json, message: Any, calls: int) -> Json:
        """``body`` with the answer and the results of its calls after it, as the dialect's clients send it."""

    @abstractmethod
    def error(self, body: Json, refusal: Refusal) -> None:
        """Judge an error's body."""

    @abstractmethod
    def cut(self, answer: Answer) -> Cut:
        """Read a stream that ends with an error."""

    def begun(self, body: bytes) -> bool:
        """Whether the first text is there."""
        return self.first in body.replace(b'": "', b'":"')


class OpenAI(Face):
    """Chat completions; usage is asked for."""

    name, path = "openai", "/v1/chat/completions"
    asks = asks.OPENAI
    lacks = frozenset({"num_ctx", "keep_alive"})
    headers = {"Authorization": "Bearer x"}

    def sent(self, body: Json, stream: bool) -> tuple[str, Json]:
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        return self.path, {"model": "m", **body, "stream": stream, **usage}

    def got(self, answer: Answer, stream: bool) -> Got:
        if not stream:
            message, said = completion(answer.json())
            return Got(said, message)
        message, finish, counts, pieces = read_chunks(answer)
        return Got(said_by(message, finish, counts), message, pieces)

    def again(self, body: Json, message: Any, calls: int) -> Json:
        kept = {name: value for name, value in message.items() if value not in (None, [])}
        # What joins the pieces of a stream is no part of a message.
        kept["tool_calls"] = [
            {k: v for k, v in call.items() if k != "index"} for call in message["tool_calls"]
        ]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call, result in zip(message["tool_calls"], RESULTS, strict=False)
        ]
        assert len(results) == calls
        return {**body, "messages": [*body["messages"], kept, *results]}

    def cut(self, answer: Answer) -> Cut:
        text, error = broken_chunks(answer)
        return Cut(text, error)

    def error(self, body: Json, refusal: Refusal) -> None:
        assert body.keys() == {"error"}
        error = body["error"]
        assert (error["type"], error["code"]) == (refusal.kind, refusal.code), error
        assert refusal.message in error["message"]


class Ollama(Face):
    """``/api/chat``."""

    name, path = "ollama", "/ollama/api/chat"
    asks = asks.OLLAMA
    lacks = frozenset({"user", "tool_choice", "parallel_tool_calls"})
    stream_type = "application/x-ndjson"

    def got(self, answer: Answer, stream: bool) -> Got:
        found = lines(answer) if stream else [answer.json()]
        said, pieces = read_lines(found)
        return Got(said, message_of(found), pieces)

    def again(self, body: Json, message: Any, calls: int) -> Json:
        results = [
            {
                "role": "tool",
                "content": result,
                "tool_name": call["function"]["name"],
                "tool_call_id": call["id"],
            }
            for call, result in zip(message["tool_calls"], RESULTS, strict=False)
        ]
        assert len(results) == calls
        return {**body, "messages": [*body["messages"], message, *results]}

    def cut(self, answer: Answer) -> Cut:
        *before, error = lines(answer)
        assert all(line["done"] is False for line in before)
        return Cut(message_of(before)["content"], error)

    def error(self, body: Json, refusal: Refusal) -> None:
        assert body.keys() == {"error"}
        assert refusal.message in body["error"]


class Anthropic(Face):
    """``/v1/messages``."""

    name, path = "anthropic", "/v1/messages"
    asks = asks.ANTHROPIC
    lacks = frozenset({"seed", "presence_penalty", "num_ctx", "keep_alive"})
    first = b'"text":"H'
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "x"}

    def got(self, answer: Answer, stream: bool) -> Got:
        if not stream:
            content, said = whole_message(answer.json())
            return Got(said, content)
        reader = AnthropicReader()
        reader.read(answer.body)
        return Got(reader.said(), reader.content, tuple(reader.pieces))

    def again(self, body: Json, message: Any, calls: int) -> Json:
        uses = [block for block in message if block["type"] == "tool_use"]
        assert len(uses) == calls
        results: Sequence[Json] = [
            {"type": "tool_result", "tool_use_id": use["id"], "content": [{"type": "text", "text": result}]}
            for use, result in zip(uses, RESULTS, strict=False)
        ]
        if calls > 1:  # the second tool fails, and this dialect has a word for that
            results[-1]["is_error"] = True
        turns = [{"role": "assistant", "content": message}, {"role": "user", "content": results}]
        return {**body, "messages": [*body["messages"], *turns]}

    def cut(self, answer: Answer) -> Cut:
        reader = AnthropicReader()
        reader.read(answer.body)
        assert reader.error is not None, "no error event"
        return Cut("".join(reader.pieces), reader.error)

    def error(self, body: Json, refusal: Refusal) -> None:
        assert body["type"] == "error"
        assert body["error"]["type"] == ANTHROPIC_KINDS[refusal.status]
        assert refusal.message in body["error"]["message"]
