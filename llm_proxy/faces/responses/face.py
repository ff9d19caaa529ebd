"""Answers as OpenAI's Responses API writes them (platform.openai.com/docs/api-reference/responses).

Laws: a whole answer is what its stream would have ended with. A failure in mid-stream is ``response.failed``, then an
``error`` event in both forms that clients know: flat, as documented, and with the object ``error``, on which the official
clients raise. Events: ``responses_events``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llm_proxy.errors import GatewayError, openai_face
from llm_proxy.faces.chunk_reading import in_order, objects
from llm_proxy.faces.face import Face
from llm_proxy.faces.responses.events import Events
from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.faces.responses.response_object import frame
from llm_proxy.faces.responses.toolbox import Toolbox
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import sse_event


class ResponsesFace(Face):
    """One answer to ``form``, whose tools are ``tools``; ``created`` in seconds since 1970, and ``clock`` tells them."""

    pictures = True

    def __init__(
        self,
        form: ResponsesRequest,
        created: int,
        tools: Toolbox | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        thoughts = "summary_text" if form.wants_summary else "reasoning_text"
        self._events = Events(
            frame(form, created),
            tools or Toolbox(),
            clock or (lambda: created),
            thoughts,
            seals_calls=form.wants_sealed,
            compacts=form.compacts,
        )

    def event(self, event: Chunk | Comment) -> bytes:
        if isinstance(event, Comment):
            return event.raw
        return _written(self._events.chunk(event.data))

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"

    def end(self) -> bytes:
        return _written(self._events.end())

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        failed = self._events.failed(error.code, error.message)
        flat = {"code": error.code, "message": error.message, "param": error.param}
        return _written([*failed, *self._events.error(**flat, **openai_face(error, request_id))])

    def whole(self, response: ChatResponse) -> bytes:
        choices = response.data.get("choices") or [{}]
        for delta in _deltas(choices[0].get("message") or {}):
            self._events.chunk({"choices": [{"delta": delta, "logprobs": choices[0].get("logprobs")}]})
        last = {"finish_reason": choices[0].get("finish_reason")}
        told = {name: response.data.get(name) for name in ("usage", "service_tier")}
        self._events.chunk({"choices": [last], **told})
        self._events.end()
        return encoded(self._events.response())

    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        return openai_face(error, request_id)


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A whole message as deltas: each signed thought with its own text, then the rest."""
    blocks = objects(message.get("thinking_blocks"))
    seals = [{"reasoning_content": block.get("thinking"), "thinking_blocks": [block]} for block in blocks]
    rest = {name: value for name, value in message.items() if name != "thinking_blocks"}
    if blocks:
        rest.pop("reasoning_content", None)
        rest.pop("reasoning", None)
    return [*seals, {**rest, "tool_calls": in_order(rest.get("tool_calls"))}]


def _written(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(sse_event(event["type"], event) for event in events)
