"""A conversation of the playground as each API of this gateway wants to be asked. Pure.

Law: what is not said is not sent, so that the upstream's own defaults hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from llm_proxy.console.playground.question import Json, Picture, Question, Turn


def some(**fields: Any) -> Json:
    """Those that are said."""
    return {name: value for name, value in fields.items() if value not in (None, (), [], {})}


def _parts(turn: Turn, words: Callable[[str], Json], picture: Callable[[Picture], Json]) -> Any:
    """The text alone, or text and pictures."""
    if not turn.pictures:
        return turn.text
    return [words(turn.text)] * bool(turn.text) + [picture(one) for one in turn.pictures]


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _functions(asked: Question) -> list[Json]:
    return [{"type": "function", "function": tool} for tool in asked.tools]


def _chat_turn(turn: Turn) -> Json:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call, "content": turn.text}
    if turn.role == "user":
        content = _parts(turn, _text, lambda one: {"type": "image_url", "image_url": {"url": one.url}})
        return {"role": "user", "content": content}
    calls = [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.args or "{}"}}
        for one in turn.calls
    ]
    return {"role": "assistant", "content": turn.text} | some(tool_calls=calls)


def _system(asked: Question) -> list[Json]:
    return [{"role": "system", "content": asked.system}] if asked.system else []


def _chat(asked: Question) -> Json:
    return {
        "model": asked.model,
        "messages": _system(asked) + [_chat_turn(turn) for turn in asked.turns],
        "stream": asked.stream,
    } | some(
        stream_options={"include_usage": True} if asked.stream else None,
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.max_tokens,
        seed=asked.seed,
        stop=list(asked.stop),
        tools=_functions(asked),
    )


def _responses_turn(turn: Turn) -> list[Json]:
    if turn.role == "tool":
        return [{"type": "function_call_output", "call_id": turn.call, "output": turn.text}]
    if turn.role == "user":
        content = _parts(
            turn,
            lambda text: {"type": "input_text", "text": text},
            lambda one: {"type": "input_image", "image_url": one.url},
        )
        return [{"role": "user", "content": content}]
    said: list[Json] = [{"role": "assistant", "content": [{"type": "output_text", "text": turn.text}]}]
    return said * bool(turn.text) + [
        {"type": "function_call", "call_id": one.id, "name": one.name, "arguments": one.args or "{}"}
        for one in turn.calls
    ]


def _responses(asked: Question) -> Json:
    return {
        "model": asked.model,
        "input": [item for turn in asked.turns for item in _responses_turn(turn)],
        "stream": asked.stream,
        "store": False,
    } | some(
        instructions=asked.system,
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_output_tokens=asked.max_tokens,
        tools=[{"type": "function", **tool} for tool in asked.tools],
    )


def _anthropic_turn(turn: Turn) -> Json:
    if turn.role == "tool":
        result = {"type": "tool_result", "tool_use_id": turn.call, "content": turn.text}
        return {"role": "user", "content": [result]}
    if turn.role == "user":
        content = _parts(
            turn,
            _text,
            lambda one: {
                "type": "image",
                "source": {"type": "base64", "media_type": one.kind, "data": one.data},
            },
        )
        return {"role": "user", "content": content}
    calls = [
        {"type": "tool_use", "id": one.id, "name": one.name, "input": one.arguments} for one in turn.calls
    ]
    return {"role": "assistant", "content": [_text(turn.text)] * bool(turn.text) + calls}


def _anthropic(asked: Question) -> Json:
    tools = [
        some(name=tool.get("name"), description=tool.get("description"))
        | {"input_schema": tool.get("parameters") or {"type": "object"}}
        for tool in asked.tools
    ]
    return {
        "model": asked.model,
        "max_tokens": asked.max_tokens or 1024,  # has no default there
        "messages": [_anthropic_turn(turn) for turn in asked.turns],
        "stream": asked.stream,
    } | some(
        system=asked.system,
        temperature=asked.temperature,
        top_p=asked.top_p,
        stop_sequences=list(asked.stop),
        tools=tools,
    )


def _ollama_turn(turn: Turn) -> Json:
    return {"role": turn.role, "content": turn.text} | some(
        images=[one.data for one in turn.pictures],
        tool_name=turn.name if turn.role == "tool" else None,
        tool_calls=[{"function": {"name": one.name, "arguments": one.arguments}} for one in turn.calls],
    )


def _ollama(asked: Question) -> Json:
    return {
        "model": asked.model,
        "messages": _system(asked) + [_ollama_turn(turn) for turn in asked.turns],
        "stream": asked.stream,
    } | some(
        options=some(
            temperature=asked.temperature,
            top_p=asked.top_p,
            num_predict=asked.max_tokens,
            seed=asked.seed,
            stop=list(asked.stop),
        ),
        tools=_functions(asked),
    )


def _gemini_turn(turn: Turn) -> Json:
    if turn.role == "tool":
        result = some(id=turn.call, name=turn.name) | {"response": {"result": turn.text}}
        return {"role": "user", "parts": [{"functionResponse": result}]}
    pictures = [{"inlineData": {"mimeType": one.kind, "data": one.data}} for one in turn.pictures]
    calls = [
        {"functionCall": some(id=one.id, name=one.name) | {"args": one.arguments}}
        | some(thoughtSignature=one.signature)
        for one in turn.calls
    ]
    words: list[Json] = [{"text": turn.text}] * bool(turn.text)
    return {"role": "user" if turn.role == "user" else "model", "parts": words + pictures + calls}


def _gemini(asked: Question) -> Json:
    tools = [
        some(
            name=tool.get("name"),
            description=tool.get("description"),
            parametersJsonSchema=tool.get("parameters"),
        )
        for tool in asked.tools
    ]
    return {"contents": [_gemini_turn(turn) for turn in asked.turns]} | some(
        systemInstruction={"parts": [{"text": asked.system}]} if asked.system else None,
        generationConfig=some(
            temperature=asked.temperature,
            topP=asked.top_p,
            maxOutputTokens=asked.max_tokens,
            seed=asked.seed,
            stopSequences=list(asked.stop),
        ),
        tools=[{"functionDeclarations": tools}] if tools else None,
    )


def _gemini_path(asked: Question) -> str:
    verb = "streamGenerateContent?alt=sse" if asked.stream else "generateContent"
    return f"v1beta/models/{quote(asked.model, safe='')}:{verb}"


class Form(NamedTuple):
    """``path``: below the gateway's root; None: its own chat, below the prefix."""

    body: Callable[[Question], Json]
    path: Callable[[Question], str] | None


#: By the names of ``faces``.
FORMS = {
    "openai": Form(_chat, lambda _: "v1/chat/completions"),
    "responses": Form(_responses, lambda _: "v1/responses"),
    "anthropic": Form(_anthropic, lambda _: "v1/messages"),
    "ollama": Form(_ollama, lambda _: "ollama/api/chat"),
    "gemini": Form(_gemini, _gemini_path),
    "api": Form(_chat, None),
}
