"""A whole Gemini answer as a ``chat.completion``."""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.events import ChatResponse
from providers.common.errors_in_answers import not_an_answer
from providers.common.json_objects import Malformed, loads
from providers.common.sse_decoder import ChunkMaker, Refused
from providers.gemini import errors
from providers.gemini.answer import Answer, usage


def whole(body: bytes) -> ChatResponse:
    """The answer in the body of a 200. Raises ``UpstreamError``, or what it says itself if it is an error."""
    try:
        value = loads(body)
        error = errors.error_of(value)
        if error is not None:
            raise errors.from_error(error)
        return ChatResponse(_completion(value if isinstance(value, list) else [value]))
    except Refused as refused:
        raise refused.error from refused
    except Malformed as malformed:
        raise not_an_answer(body, malformed) from malformed


def _completion(responses: list[Any]) -> dict[str, Any]:
    """A whole answer, in one response or (from servers that stream without being asked) in several, as a
    ``chat.completion``. Raises ``Malformed`` and ``Refused``."""
    answer = Answer()
    messages: dict[int, dict[str, Any]] = {}
    fields: dict[int, dict[str, Any]] = {}
    for response in responses:
        if not isinstance(response, dict):
            raise Malformed("not a JSON object")
        for piece in answer.read(response):
            _add(messages.setdefault(piece.index, {}), piece.delta)
            fields.setdefault(piece.index, {}).update(piece.more)
    for piece in answer.last():
        _add(messages[piece.index], piece.delta)
    if not answer.complete():
        raise Malformed("no candidate with a finish reason")
    make = ChunkMaker()
    make.id, make.model = answer.id, answer.model
    choices = [
        {
            "index": index,
            "message": {**messages[index], "content": messages[index]["content"] or None},
            "logprobs": None,
            "finish_reason": candidate.finish(),
            **fields[index],
        }
        for index, candidate in sorted(answer.candidates.items())
    ]
    return make.whole(choices, usage(answer.counts) if answer.counts else None)


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Join a delta to the message: texts are appended, lists extended."""
    for name, value in delta.items():
        if isinstance(value, list):
            # ``index`` is there for the joining of streamed lists only.
            message.setdefault(name, []).extend(
                {k: v for k, v in item.items() if k != "index"} for item in value
            )
        elif name in ("content", "reasoning_content"):
            message[name] = message.get(name, "") + value
        else:
            message[name] = value
