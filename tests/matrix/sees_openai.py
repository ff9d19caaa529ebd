"""What OpenAI and vLLM must see, as JSON: ask by ask, without the fields that every request has (model, stream).

``"<ask> again"`` is the second request of a round. A key ``(ask, face)`` stands where one face cannot say it in the
same way. The forms are those of ``upstreams.plain_form``: one for each meaning.
"""

from __future__ import annotations

from typing import Any

from tests.matrix.asks import OPENAI, RESULTS
from tests.support.openai_words import THOUGHTS

Json = dict[str, Any]
Seen = dict[str | tuple[str, str], Json]

ARGUMENTS = {"city": "Paris"}


def _calls(*ids: str) -> list[Json]:
    names = ("get_weather", "get_time")
    return [
        {"id": i, "type": "function", "function": {"name": name, "arguments": ARGUMENTS}}
        for i, name in zip(ids, names, strict=False)
    ]


def _openai(thoughts: str) -> Seen:
    """The canonical dialect: what OpenAI's own clients send, and the rounds."""
    both, one = _calls("call_double_1", "call_double_2"), _calls("call_double_1")
    results = [
        {"role": "tool", "tool_call_id": f"call_double_{number}", "content": result}
        for number, result in enumerate(RESULTS, 1)
    ]
    first = OPENAI["results"]["messages"]
    thought = {thoughts: "".join(THOUGHTS)}
    first_asks: Seen = dict(OPENAI.items())
    return {
        **first_asks,
        "results again": {
            **OPENAI["results"],
            "messages": [*first, {"role": "assistant", "tool_calls": both}, *results],
        },
        "reasoning again": {
            **OPENAI["reasoning"],
            "messages": [*first, {"role": "assistant", "tool_calls": one, **thought}, results[0]],
        },
    }


OPENAI_SEES = _openai("reasoning_content")
#: Templates of models that think know a switch, others ignore it.
_SWITCH = {"chat_template_kwargs": {"enable_thinking": True}}
VLLM_SEES: Seen = _openai("reasoning")
VLLM_SEES.update(
    {
        (ask, face): {**VLLM_SEES[ask], **_SWITCH}
        for ask in ("reasoning", "reasoning again", "usage")
        for face in ("ollama", "anthropic", "gemini")
    }
)
