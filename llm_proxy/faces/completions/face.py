"""Answers as OpenAI's legacy completions write them (platform.openai.com/docs/api-reference/completions/object).

Laws: only the answer's text comes out, since this API has no place for thoughts or calls; every choice has its own count of
characters for ``text_offset``; the usage chunk, if it was asked for, is the last one before ``[DONE]``.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from llm_proxy.faces.chunk_reading import count, obj, objects, string
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import sse_data

_Json = dict[str, Any]


class CompletionsFace(OpenAIFace):
    """One answer; ``model`` is the name that the client asked for, ``created`` in seconds since 1970, ``echoed`` what each
    choice begins with."""

    canonical = False
    translates = True
    pictures = False

    def __init__(self, model: str, created: int, include_usage: bool = False, echoed: str = "") -> None:
        super().__init__(include_usage)
        self._echoed = echoed
        self._frame: _Json = {
            "id": f"cmpl-{uuid4().hex}",
            "object": "text_completion",
            "created": created,
            "model": model,
        }
        self._usage: _Json | None = None
        #: Characters so far, by choice.
        self._offsets: dict[int, int] = {}

    def event(self, event: Chunk | Comment) -> bytes:
        if isinstance(event, Comment):
            return event.raw
        self._usage = event.data.get("usage") or self._usage
        choices = [
            self._choice(choice, choice.get("delta") or {}) for choice in event.data.get("choices") or ()
        ]
        choices = [choice for choice in choices if choice["text"] or choice["finish_reason"]]
        if not choices:
            return b""
        usage = {"usage": None} if self._include_usage else {}
        return sse_data({**self._frame, "choices": choices, **usage})

    def end(self) -> bytes:
        last = b""
        if self._include_usage:
            last = sse_data({**self._frame, "choices": [], "usage": self._usage})
        return last + super().end()

    def whole(self, response: ChatResponse) -> bytes:
        data = response.data
        choices = [self._choice(choice, choice.get("message") or {}) for choice in data.get("choices") or ()]
        return encoded({**self._frame, "choices": choices, "usage": data.get("usage")})

    def _choice(self, choice: _Json, said: _Json) -> _Json:
        index = count(choice.get("index"))
        text = string(said.get("content")) + string(said.get("refusal"))
        if index not in self._offsets:
            text = self._echoed + text
        finish = string(choice.get("finish_reason"))
        logprobs = objects(obj(choice.get("logprobs")).get("content"))
        found = {
            "text": text,
            "index": index,
            "logprobs": _logprobs(logprobs, self._offsets.get(index, 0)) if logprobs else None,
            "finish_reason": finish if finish in ("length", "content_filter") else "stop" if finish else None,
        }
        self._offsets[index] = self._offsets.get(index, 0) + len(text)
        return found


def _logprobs(tokens: list[_Json], offset: int) -> _Json:
    """Log probabilities as four lists; ``offset`` is where the first token begins, in characters."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(string(token.get("token")))
    return {
        "tokens": [token.get("token") for token in tokens],
        "token_logprobs": [token.get("logprob") for token in tokens],
        "top_logprobs": [
            {
                string(other.get("token")): other.get("logprob")
                for other in objects(token.get("top_logprobs")) or [token]
            }
            for token in tokens
        ],
        "text_offset": offsets,
    }
