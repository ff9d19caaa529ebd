"""What the vendors' official clients know: the names of roles, blocks, items, tools, parts, fields and events, and the types.

Asked of the installed clients by introspection, so that a newer one is asked about what it knows.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import anthropic.types
import anthropic.types.beta
import openai.types.responses
import typing_extensions
from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaMessages
from anthropic.types.message_create_params import MessageCreateParamsBase
from google.genai import types as gemini
from ollama import _types as ollama
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.apps.scripted.typed import bare, fields, is_record, members, tags

Types = dict[str, Any]


def _inner(kind: Any) -> Any:
    """What a list is a list of; of a union the first list in it."""
    for one in members(kind):
        found = typing.get_args(one)
        if found and typing.get_origin(one) is not typing.Literal:
            return found[0]
    raise AssertionError(f"{kind} has no list")


def _tagged(kind: Any, name: str = "type") -> Types:
    """The members of a union by their tag."""
    found: Types = {}
    for one in members(kind):
        if typing_extensions.is_typeddict(one):
            for tag in tags(one, name):
                found.setdefault(tag, one)
    return found


def _classes(kind: Any) -> list[str]:
    """The tags of a union of pydantic classes, sorted."""
    found = [tag for one in members(kind) if is_record(one) for tag in tags(one, "type")]
    return sorted(set(found))


def _messages(name: str) -> Types:
    both = (_inner(fields(params)[name][0]) for params in (BetaMessages, MessageCreateParamsBase))
    return {
        tag: kind
        for params in both
        for tag, kind in _tagged(params, "role" if name == "messages" else "type").items()
    }


def _blocks() -> Iterator[tuple[str, Any]]:
    for params in (BetaMessages, MessageCreateParamsBase):
        for message in members(_inner(fields(params)["messages"][0])):
            yield from _tagged(_inner(fields(message)["content"][0])).items()


def _gemini(kind: Any) -> Types:
    return {name: inner for name, (inner, _) in fields(kind).items()}


_CHAT = _tagged(_inner(fields(CompletionCreateParamsBase)["messages"][0]), "role")

#: Each question to the clients: the names that they know, and the type behind each.
KNOWN: dict[str, Types] = {
    "messages roles": _messages("messages"),
    "messages blocks": dict(_blocks()),
    "messages tools": _messages("tools"),
    "responses items": _tagged(_inner(fields(ResponseCreateParamsBase)["input"][0])),
    "responses tools": _tagged(_inner(fields(ResponseCreateParamsBase)["tools"][0])),
    "chat roles": _CHAT,
    "chat parts": _tagged(_inner(fields(_CHAT["user"])["content"][0])),
    "chat tools": _tagged(_inner(fields(CompletionCreateParamsBase)["tools"][0])),
    "gemini parts": _gemini(gemini.Part),
    "gemini tools": _gemini(gemini.Tool),
    "ollama chat": _gemini(ollama.ChatRequest),
    "ollama options": _gemini(ollama.Options),
}

#: The same for what the vendors say.
SAID: dict[str, list[str]] = {
    "messages events": _classes(bare(anthropic.types.RawMessageStreamEvent)),
    "messages deltas": _classes(bare(anthropic.types.RawContentBlockDelta)),
    "messages blocks": _classes(bare(anthropic.types.beta.BetaContentBlock)),
    "responses events": _classes(bare(openai.types.responses.ResponseStreamEvent)),
    "responses items": _classes(bare(openai.types.responses.ResponseOutputItem)),
    "gemini ends": sorted(str(one.value) for one in gemini.FinishReason),
    "ollama message": sorted(fields(ollama.Message)),
}
