"""The kinds of tools that a client of the Responses API executes: functions, custom tools, tool search, and those of
``responses_machines`` (platform.openai.com/docs/guides/function-calling, /tools-tool-search).

Laws: a custom tool becomes a function of one text, and its grammar is told in words: no chat API can enforce it. Whatever
is not in ``KINDS`` runs at a vendor.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.kind import TEXT, Kind, loaded, schema, text_of, told
from llm_proxy.faces.responses.machines import MACHINES

_Json = dict[str, Any]
_GRAMMARS = {"lark": "Lark grammar", "regex": "regular expression (in Rust's syntax)"}


class _Function(Kind):
    type, item, prefix = "function", "function_call", "fc"
    events, field = "response.function_call_arguments", "arguments"

    def name(self, tool: _Json) -> Any:
        return tool.get("name")

    def function(self, tool: _Json) -> _Json:
        found = {k: tool[k] for k in ("description", "parameters", "strict") if tool.get(k) is not None}
        if tool.get("output_schema") is not None:
            says = f"It returns JSON of this schema: {text_of(tool['output_schema'])}"
            found["description"] = _lines(found.get("description"), says)
        return found

    def arguments(self, item: _Json) -> str | None:
        """An object, always: one text that is none would make servers refuse the whole history."""
        given = item.get("arguments")
        if given is None or given == "" or given == "null":
            return "{}"
        if not isinstance(given, str):
            return text_of(given) if isinstance(given, dict) else None
        return given if isinstance(loaded(given), dict) else text_of({"arguments": given})


class _Custom(Kind):
    type, item, prefix = "custom", "custom_tool_call", "ctc"
    events, field = "response.custom_tool_call_input", "input"

    def name(self, tool: _Json) -> Any:
        return tool.get("name")

    def function(self, tool: _Json) -> _Json:
        says = "Call it with one argument, `input`: the whole input as plain text, exactly as the tool should get it."
        wanted = tool.get("format")
        if isinstance(wanted, dict) and wanted.get("type") == "grammar":
            syntax = str(wanted.get("syntax"))
            says += f" The text must match this {_GRAMMARS.get(syntax, syntax)}:\n{wanted.get('definition')}"
        parameters = schema(("input",), input=told(TEXT, "The whole input, as plain text."))
        return {"description": _lines(tool.get("description"), says), "parameters": parameters}

    def arguments(self, item: _Json) -> str | None:
        given = item.get("input")
        return text_of({"input": given}) if isinstance(given, str) else None


class _ToolSearch(Kind):
    type, item, prefix = "tool_search", "tool_search_call", "tsc"

    def function(self, tool: _Json) -> _Json:
        found: _Json = {"description": tool.get("description") or "Search for tools that are not loaded yet."}
        found["parameters"] = tool.get("parameters") or schema(("query",), query=TEXT)
        return found

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        return {"execution": "client", "arguments": arguments}

    def arguments(self, item: _Json) -> str | None:
        given = item.get("arguments")
        return text_of(given) if isinstance(given, dict) else FUNCTION.arguments(item)


def _lines(*texts: Any) -> str:
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)


FUNCTION, CUSTOM, TOOL_SEARCH = _Function(), _Custom(), _ToolSearch()

KINDS: dict[str, Kind] = {kind.type: kind for kind in (FUNCTION, CUSTOM, TOOL_SEARCH, *MACHINES)}


def of_client(tool: _Json) -> Kind | None:
    """Who executes a declared tool: the kind if it is the client, else None."""
    kind = KINDS.get(str(tool.get("type")))
    if kind is TOOL_SEARCH and tool.get("execution") != "client":
        return None
    where = tool.get("environment")
    if tool.get("type") == "shell" and isinstance(where, dict) and where.get("type") != "local":
        return None
    return kind
