"""One spelling for the fields of a Gemini request: both ``maxOutputTokens`` and ``max_output_tokens`` are read, as JSON of
protocol buffers is (protobuf.dev/programming-guides/json); Google's own client for Python mixes them in one request.

Laws: only names that the API itself has, at the places where it has them, are respelled: arguments, results, schemas and
labels are the client's, whatever they look like. Where the API wants a list, one item alone is a list of one, as its
older manuals write it; nulls in lists are nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

#: What stands where: for each kind of object, the kinds of those in it. A name that is not here holds no names of the API.
_KINDS: Mapping[str, Mapping[str, str]] = {
    "request": {
        "contents": "content",
        "systemInstruction": "content",
        "tools": "tool",
        "toolConfig": "tool config",
        "generationConfig": "config",
        "generateContentRequest": "request",
        "content": "content",
        "requests": "request",
        "embedContentConfig": "leaf",
    },
    "content": {"parts": "part"},
    "part": {
        "inlineData": "leaf",
        "fileData": "leaf",
        "functionCall": "leaf",
        "functionResponse": "result",
        "executableCode": "leaf",
        "codeExecutionResult": "leaf",
        "toolCall": "leaf",
        "toolResponse": "leaf",
    },
    "result": {"parts": "part"},
    "tool": {"functionDeclarations": "leaf", "computerUse": "leaf"},
    "tool config": {"functionCallingConfig": "leaf"},
    "config": {"thinkingConfig": "leaf"},
    "leaf": {},
}
_LISTS = frozenset({"contents", "parts", "tools", "functionDeclarations", "requests"})


def camel(name: str) -> str:
    """``max_output_tokens`` as ``maxOutputTokens``; any other name as it is."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head and rest else name


def respelled(value: Any, kind: str = "request") -> Any:
    """``value``, an object of this kind or a list of them, with the names of the API in camelCase; what is no object is
    left to whoever judges it."""
    if isinstance(value, list):
        return [respelled(item, kind) for item in value if item is not None]
    if not isinstance(value, dict):
        return value
    inside = _KINDS[kind]
    found: Json = {}
    for given, inner in value.items():
        name = camel(given)
        if inner is None:
            continue
        if name in inside:
            inner = respelled(inner, inside[name])
        if name in _LISTS and isinstance(inner, dict | str):
            inner = [inner]
        found[name] = inner
    return found
