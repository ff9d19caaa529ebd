"""What a request of OpenAI's Responses API needs of a server besides text and what becomes of it, in a few words; the row of a
vendor says by the same words what its servers lack (``Vendor.responses_lack``).

Laws: whatever the request is, there is an answer; its cost grows with the request. Whether a server refuses what it lacks or
leaves it out in silence is not known here: both are worse than a chat.

    kept          answers, conversations or prompts that are referred to, and answers for later (``background``)
    functions     functions, and items that tell of their use
    client_tools  every other tool that the client runs, and items that tell of it or declare it in mid-conversation
    hosted_tools  tools that run at the server, and items that tell of their use
    tool_choice   a choice of tools other than ``auto``
    schemas, json answers by a schema or a grammar; answers that are any JSON
    effort        an effort of reasoning
    logprobs      log probabilities
    files         files and sounds, and results of tools that are no text
    short_turns   answers of the model in another form than that in which they are given out
    thoughts      reasoning without its text, or with an encrypted one
    compaction    conversations that were or are to be made short
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_KEPT = ("previous_response_id", "conversation", "prompt", "background")
#: The beginnings of the types of the client's tools, and of items that tell of them.
_CLIENTS = ("custom", "namespace", "shell", "local_shell", "apply_patch", "tool_search", "computer")
_TEXTS = ("input_text", "output_text", "text")
_LOGPROBS = "message.output_text.logprobs"


def needs(body: Mapping[str, Any]) -> frozenset[str]:
    """The words for ``body``."""
    return frozenset(
        word
        for words in (
            _of_fields(body),
            *map(_of_tool, _objects(body.get("tools"))),
            *map(_of_item, _objects(body.get("input"))),
        )
        for word in words
    )


def _of_fields(body: Mapping[str, Any]) -> Iterator[str]:
    if any(body.get(name) for name in _KEPT):
        yield "kept"
    kind = _object(_object(body.get("text")).get("format")).get("type")
    if kind not in (None, "text"):
        yield "json" if kind == "json_object" else "schemas"
    if body.get("tool_choice") not in (None, "auto"):
        yield "tool_choice"
    if _object(body.get("reasoning")).get("effort"):
        yield "effort"
    include = body.get("include")
    if body.get("top_logprobs") or (isinstance(include, list) and _LOGPROBS in include):
        yield "logprobs"


def _of_tool(tool: Mapping[str, Any]) -> Iterator[str]:
    kind = tool.get("type")
    if kind == "function":
        # One that is deferred is found by a search that the client or the server has to know.
        yield "client_tools" if tool.get("defer_loading") else "functions"
    elif isinstance(kind, str):
        yield "client_tools" if kind.startswith(_CLIENTS) else "hosted_tools"


def _of_item(item: Mapping[str, Any]) -> Iterator[str]:
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind == "message":
        yield from _of_message(item)
    elif kind == "function_call":
        yield "client_tools" if item.get("namespace") else "functions"
    elif kind == "function_call_output":
        yield "functions"
        if not _is_text(item.get("output")):
            yield "files"
    elif kind == "reasoning":
        if item.get("encrypted_content") or not _objects(item.get("content")):
            yield "thoughts"
    elif kind == "item_reference":
        yield "kept"
    elif isinstance(kind, str):
        yield _of_other(kind)


def _of_other(kind: str) -> str:
    if kind.startswith("compaction"):
        return "compaction"
    # What changes the settings, or declares tools, in mid-conversation is of the same age as Codex's tools.
    new = kind in ("additional_tools", "configuration_update")
    return "client_tools" if new or kind.startswith(_CLIENTS) else "hosted_tools"


def _of_message(item: Mapping[str, Any]) -> Iterator[str]:
    content = item.get("content")
    parts = _objects(content)
    if item.get("role") == "assistant":
        given_out = isinstance(content, list) and item.get("type") == "message" and item.get("status")
        if not given_out or any(part.get("type") != "output_text" for part in parts):
            yield "short_turns"
    elif any(part.get("type") not in (*_TEXTS, "input_image") for part in parts):
        yield "files"
    elif any(part.get("type") == "input_image" and not part.get("image_url") for part in parts):
        yield "kept"  # a picture that was uploaded


def _is_text(output: Any) -> bool:
    return not isinstance(output, list) or all(part.get("type") == "input_text" for part in _objects(output))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
