"""The tools of a Messages request as functions of a canonical one.

Laws: what the client executes is offered, whatever its type: as a function of the same name, so that the call comes back
as the client declared it; a toolset as one function for each enabled member. What runs on Anthropic's servers (searches,
code execution, MCP connectors, advisors) is left out and named, and so is a choice of it. ``defer_loading`` saves tokens
where the vendor's own search finds the tools again; elsewhere nothing would, so that deferred tools are offered at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.faces.anthropic.own_tools import described
from llm_proxy.faces.anthropic.toolsets import TOOLSETS
from llm_proxy.wire.dropped_names import dropped
from llm_proxy.wire.sse import dumps

Tool = dict[str, Any]

_TOOLSET = re.compile(r"(computer|browser)_toolset(?:_\d+)?")


def member_name(toolset: str, member: str) -> str:
    """The name under which a member of a toolset is offered to other vendors' models."""
    return f"{toolset}_{member}"


@dataclass(slots=True)
class Offered:
    """What is left of the tools of one request."""

    _functions: dict[str, Tool] = field(default_factory=dict)
    #: The name of the toolset and of its member, by the name of the function.
    members: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: The tools that are not offered: their names, and what they are called as dropped.
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def functions(self) -> list[Tool]:
        """The canonical tools."""
        return list(self._functions.values())

    def add(self, tool: Tool, path: str) -> None:
        """One entry of ``tools``, or of what a message adds, at ``path``; a later one replaces an earlier one of its name."""
        kind = str(tool.get("type") or "custom")
        if toolset := _TOOLSET.fullmatch(kind):
            self._toolset(toolset[1], tool)
        elif kind == "custom" or "input_schema" in tool:
            self._put(_function(tool))
        elif (found := described(tool)) is not None:
            about, schema = found
            self._put(_function({**tool, "description": about, "input_schema": schema}))
        elif isinstance(tool.get("function"), dict):
            self._put(tool)  # a client that mixes the two dialects
        else:
            named = tool.get("name") or tool.get("mcp_server_name") or kind
            self.left_out[str(named)] = dropped(path, named)

    def remove(self, name: str) -> None:
        """A tool, or a toolset, is withdrawn."""
        for gone in (name, *(one for one, (toolset, _) in self.members.items() if toolset == name)):
            self._functions.pop(gone, None)

    def choice(self, choice: Tool | None) -> tuple[Tool, list[str]]:
        """``tool_choice`` in OpenAI's words, and the names of what of it is lost."""
        if not choice:
            return {}, []
        kind = choice.get("type")
        found: Tool = {}
        lost: list[str] = []
        if kind == "tool" and choice.get("name") in self.left_out:
            lost.append("tool_choice")
        elif self._functions:
            named = {"type": "function", "function": {"name": choice.get("name")}}
            found["tool_choice"] = {"any": "required", "tool": named}.get(str(kind), kind)
        if self._functions and choice.get("disable_parallel_tool_use"):
            found["parallel_tool_calls"] = False
        return found, lost

    def _put(self, function: Tool) -> None:
        self._functions[str(function["function"].get("name"))] = function

    def _toolset(self, toolset: str, tool: Tool) -> None:
        given = tool.get("configs")
        configs: Mapping[str, Any] = given if isinstance(given, dict) else {}
        for member, (about, schema) in TOOLSETS[toolset].items():
            config = configs.get(member)
            if isinstance(config, dict) and config.get("enabled") is False:
                continue
            name = member_name(toolset, member)
            self.members[name] = (toolset, member)
            described_so = f"{'The computer' if toolset == 'computer' else 'The browser'}: {about}"
            self._put(_function({"name": name, "description": described_so, "input_schema": schema}))


def offered(tools: Iterable[Tool]) -> Offered:
    """What ``tools`` are for another vendor's model."""
    found = Offered()
    for at, tool in enumerate(tools):
        found.add(tool, f"tools.{at}")
    return found


def _function(tool: Tool) -> Tool:
    # OpenAI's newer models refuse a schema of an object without properties (pgEdge/pgedge-postgres-mcp#217).
    schema = tool.get("input_schema")
    schema = {k: v for k, v in schema.items() if v is not None} if isinstance(schema, dict) else {}
    function: Tool = {"name": tool.get("name"), "parameters": {"type": "object", "properties": {}, **schema}}
    about = [tool["description"]] if isinstance(tool.get("description"), str) else []
    if isinstance(tool.get("input_examples"), list) and tool["input_examples"]:
        about.append("Examples of the input: " + dumps(tool["input_examples"]).decode())
    if about:
        function["description"] = "\n\n".join(about)
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
    return {"type": "function", "function": function, **mark}
