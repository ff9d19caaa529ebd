"""Tools as a vendor takes them: each schema one object (``root_schema``), names of tools and arguments in the vendor's grammar.
``own_names`` is the way back.

Laws: a name that fits stays; any other gets a new one that is made of it alone, everywhere in the request, and the client gets
its own back. What was renamed follows from the request, so whoever reads the answer need not be told. A request whose names
all fit costs one look at each.

Anthropic's clients write up to 128 characters, MCP has dots and slashes, and OData arguments that begin with ``$``: one such
name among hundreds of tools, and the vendor refuses the whole request.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_proxy.wire.schema import ChatRequest
from llm_proxy.wire.sse import dumps
from providers.common.root_schema import one_object

_Json = dict[str, Any]
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a vendor takes whole as the ``name`` of a tool and as the ``key`` of an argument (None: anything); ``unknown`` are
    the characters that a name cannot have, ``length`` is the greatest."""

    name: re.Pattern[str]
    unknown: re.Pattern[str]
    length: int
    key: re.Pattern[str] | None = None


#: OpenAI, and most who speak its dialect: some want a letter in front.
OPENAI = Grammar(re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}"), re.compile(r"[^a-zA-Z0-9_-]"), 64)
#: "tools.0.custom.name: String should match pattern", "tools.0.custom.input_schema.properties: Property keys should match
#: pattern" (home-assistant/core #147760, anthropics/claude-code #4668).
ANTHROPIC = Grammar(
    re.compile(r"[a-zA-Z0-9_-]{1,128}"),
    re.compile(r"[^a-zA-Z0-9_-]"),
    128,
    re.compile(r"[a-zA-Z0-9_.-]{1,64}"),
)
#: "Invalid function name. Must start with a letter or an underscore ..." (google-gemini/gemini-cli #7869, cline/cline #7339).
GEMINI = Grammar(re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"), re.compile(r"[^a-zA-Z0-9_.:-]"), 64)
_KEY_LENGTH = 64
_KEY_UNKNOWN = re.compile(r"[^a-zA-Z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Names:
    """What becomes of what does not fit. ``tools``: new names by their own; ``keys``: by the tool's own name, new names of
    arguments by their own. Read the other way round (``back``): by the new names."""

    tools: Mapping[str, str]
    keys: Mapping[str, Mapping[str, str]]

    def back(self) -> Names:
        """The same from the new names to the client's own."""
        keys = {
            self.tools.get(tool, tool): {new: own for own, new in found.items()}
            for tool, found in self.keys.items()
        }
        return Names({new: own for own, new in self.tools.items()}, keys)


def new_names(sent: Mapping[str, Any], grammar: Grammar) -> Names | None:
    """What the names in a request become that do not fit; None if all do."""
    tools = sent.get("tools")
    named = [*tools] if isinstance(tools, list) else []
    keys = dict(_new_keys(named, grammar.key)) if grammar.key is not None and named else {}
    for message in sent["messages"]:
        if "tool_calls" in message:
            named += message["tool_calls"] or ()
    if not named:
        return None
    names = {name for one in named if (name := name_of(one))}
    new = {name: _made(name, grammar) for name in names if not grammar.name.fullmatch(name)}
    return Names(new, keys) if new or keys else None


def fitted(request: ChatRequest, grammar: Grammar) -> tuple[ChatRequest, tuple[str, ...]]:
    """``request`` with each tool's schema as one object and names that all fit, the same object if nothing is to be done; and
    the words of schemas that were lost."""
    tools = request.sent.get("tools")
    changed: _Json = {}
    lost: list[str] = []
    if isinstance(tools, list):
        rooted = [_rooted(tool, f"tools.{at}.function.parameters", lost) for at, tool in enumerate(tools)]
        if any(new is not old for new, old in zip(rooted, tools, strict=True)):
            changed["tools"] = rooted
    body = {**request.sent, **changed}
    new = new_names(body, grammar)
    if new is not None:
        fit_names(body, new)
        changed = {name: value for name, value in body.items() if value is not request.sent[name]}
    return (request.but(**changed) if changed else request), tuple(lost)


def _rooted(tool: Any, path: str, lost: list[str]) -> Any:
    schema = _parameters(tool)
    if not schema:
        return tool
    found, words = one_object(schema)
    lost += (f"{path}.{word}" for word in words)
    return tool if found is schema else {**tool, "function": {**tool["function"], "parameters": found}}


def _parameters(tool: Any) -> Any:
    """The schema of a function's arguments, as it was declared."""
    function = tool.get("function") if isinstance(tool, dict) else None
    schema = function.get("parameters") if isinstance(function, dict) else None
    return schema if isinstance(schema, dict) else {}


def name_of(tool: Any) -> str:
    """The name of a function, of a choice of one, or of a call; empty for anything else."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _made(name: str, grammar: Grammar) -> str:
    plain = grammar.unknown.sub("_", name)
    plain = plain if plain[:1].isalpha() or plain.startswith("_") else f"_{plain}"
    return _marked(plain, name, grammar.length)


def _marked(plain: str, name: str, length: int) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{plain[: length - _DIGITS - 1]}_{digest}"


def _new_keys(tools: list[Any], fits: re.Pattern[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for tool in tools:
        if not (name := name_of(tool)):
            continue
        keys = {*_properties(one_object(_parameters(tool))[0])}
        strange = sorted(key for key in keys if not fits.fullmatch(key))
        if strange:
            yield name, _told_apart(strange, keys)


def _told_apart(strange: Iterable[str], taken: set[str]) -> dict[str, str]:
    """A new name for each, which no other argument of the tool has: the model reads it, so without digits where it can be."""
    new: dict[str, str] = {}
    for key in strange:
        plain = _KEY_UNKNOWN.sub("_", key)
        if not plain or len(plain) > _KEY_LENGTH or plain in taken:
            plain = _marked(plain, key, _KEY_LENGTH)
        taken.add(plain)
        new[key] = plain
    return new


def _properties(schema: _Json) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def fit_names(body: _Json, new: Names) -> None:
    """Put the ``new`` names into ``body``, whose own objects stay as they are."""
    if isinstance(body.get("tools"), list):
        body["tools"] = [_renamed(_with_keys(tool, new), new) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        body["tool_choice"] = _choice(choice, new)
    body["messages"] = [_message(message, new) for message in body["messages"]]


def _choice(choice: _Json, new: Names) -> _Json:
    """One tool, or several of which one may be called."""
    allowed = choice.get("allowed_tools")
    tools = allowed.get("tools") if isinstance(allowed, dict) else None
    if isinstance(allowed, dict) and isinstance(tools, list):
        return {**choice, "allowed_tools": {**allowed, "tools": [_renamed(tool, new) for tool in tools]}}
    found: _Json = _renamed(choice, new)
    name = choice.get("name")  # as Anthropic has it
    return {**choice, "name": new.tools[name]} if isinstance(name, str) and name in new.tools else found


def _message(message: _Json, new: Names) -> _Json:
    found = message
    if message["role"] == "tool" and message.get("name") in new.tools:
        found = {**found, "name": new.tools[message["name"]]}
    calls = message.get("tool_calls")
    return {**found, "tool_calls": [_called(call, new) for call in calls]} if calls else found


def _called(call: Any, new: Names) -> Any:
    keys = new.keys.get(name_of(call))
    if keys:
        function = {**call["function"], "arguments": with_keys(call["function"].get("arguments"), keys)}
        call = {**call, "function": function}
    return _renamed(call, new)


def _renamed(tool: Any, new: Names) -> Any:
    """A tool, a choice of one, or a call."""
    name = name_of(tool)
    if name not in new.tools:
        return tool
    return {**tool, "function": {**tool["function"], "name": new.tools[name]}}


def _with_keys(tool: Any, new: Names) -> Any:
    """A tool whose arguments have their new names; its schema is one object."""
    keys = new.keys.get(name_of(tool))
    if not keys:
        return tool
    schema = {**_parameters(tool)}
    schema["properties"] = {keys.get(key, key): inner for key, inner in _properties(schema).items()}
    required = schema.get("required")
    if isinstance(required, list):
        schema["required"] = [keys.get(key, key) if isinstance(key, str) else key for key in required]
    return {**tool, "function": {**tool["function"], "parameters": schema}}


def with_keys(arguments: Any, keys: Mapping[str, str]) -> Any:
    """``arguments``, an object or the JSON of one, with other names; anything else as it is."""
    value = arguments
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
    if not isinstance(value, dict):
        return arguments
    renamed = {keys.get(key, key): inner for key, inner in value.items()}
    return dumps(renamed).decode() if isinstance(arguments, str) else renamed
