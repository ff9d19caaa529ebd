"""OpenAI's older completions at an upstream that has them: prompts in batches, token ids, ``echo``, ``suffix``, ``best_of``
and log probabilities of the prompt are its affair, and a model without a chat template answers as it was trained.

Source: platform.openai.com/docs/api-reference/completions, and recordings of llama.cpp and vLLM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from llm_proxy.wire.asked_name import renamed, renamed_event
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.sse import SSEEvent
from providers.base import ChatResponse, Chunk, Comment, Done, Event, StreamDecoder
from providers.common.errors import in_stream, reported
from providers.common.json_objects import JsonObject, Malformed, loads_object, obj, objects, text
from providers.common.native_calls import Body, asked, for_log
from providers.common.sse_decoder import JsonEventDecoder, Refused, no_terminator
from providers.openai.native_call import OpenAICall
from providers.openai.vendor import Vendor
from providers.vendors import vendor_of


class NativeCompletions(OpenAICall):
    """``POST {host}/completions``."""

    path: ClassVar[str] = "/completions"
    kind: ClassVar[str] = "completion"
    known: ClassVar[frozenset[str]] = frozenset(
        "best_of echo frequency_penalty logit_bias max_tokens n presence_penalty seed stop suffix temperature top_p "
        "user".split()
    )

    def serves(self, deployment: Deployment) -> bool:
        return vendor_of(deployment).completions

    def defaults(self, options: Mapping[str, Any], vendor: Vendor) -> tuple[Body, set[str]]:
        found, lost = super().defaults(options, vendor)
        if options.get("max_completion_tokens") is not None:
            found.setdefault("max_tokens", options["max_completion_tokens"])
            lost.discard("max_completion_tokens")
        # A number of tokens here; whether there are any, in chat.
        for name in {"logprobs", "top_logprobs"} & found.keys():
            del found[name]
            lost.add(name)
        return found, lost

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        value = self.document(body, "choices")
        if request.stream:
            try:
                return ChatResponse(_as_chat(value, "message"))
            except Malformed as error:
                raise self._no_answer(str(error)) from error
        choices = [choice for choice in value["choices"] if isinstance(choice, dict)]
        if not choices:
            raise self._no_answer("no choice")
        finish = choices[0].get("finish_reason")
        told = renamed(body, value, asked(request))
        return for_log(_usage(value), told, finish if isinstance(finish, str) else None)

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return _Events(asked(request), relayed=request.stream)


class _Events(JsonEventDecoder):
    """One streamed answer: relayed event by event, or read as chat where nobody has asked for a stream."""

    def __init__(self, name: str, *, relayed: bool) -> None:
        super().__init__()
        self._name = name
        self._relayed = relayed

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            yield Comment(event.raw)
            return
        if event.data.startswith(b"[DONE]"):
            yield Done(event.raw)
            return
        value = loads_object(event.data)
        if value.get("error") or event.name == b"error" or value.get("object") == "error":
            raise Refused(in_stream(reported(value)))
        if self._relayed:
            yield Chunk({"usage": _usage(value)}, renamed_event(event, value, self._name))
        else:
            yield Chunk(_as_chat(value, "delta"))

    def _end(self) -> Iterator[Event]:
        yield no_terminator()


def _as_chat(value: JsonObject, key: str) -> JsonObject:
    """A completion, or a piece of one, as the same of chat."""
    choices = [
        {
            "index": choice.get("index", 0),
            key: {"role": "assistant", "content": text(choice, "text")},
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in objects(value, "choices")
    ]
    return {**value, "choices": choices}


def _usage(value: JsonObject) -> JsonObject:
    """Counts for the log, if they can be read."""
    try:
        counts = obj(value, "usage")
    except Malformed:
        return {}
    return {name: count for name, count in counts.items() if type(count) is int}
