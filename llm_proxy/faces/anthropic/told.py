"""Blocks of Anthropic's own servers, told as text to models elsewhere: what a search found, what code said.

Laws: a history with such blocks can go to any model; what they said to the model is said again in words, what only the
vendor can read (encrypted results, signatures, marks) is not. Types that are not known are told by their fields.
Source: the union ``BetaContentBlockParam`` of the vendor's client (anthropic 2.14), block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_proxy.wire.sse import dumps

Block = dict[str, Any]

#: Fields that say nothing to another model.
_OPAQUE = frozenset(
    {
        *("type", "cache_control", "signature", "encrypted_content", "encrypted_stdout", "encrypted_index"),
        *("caller", "id", "tool_use_id", "data", "citations", "is_error"),
    }
)
#: What speaks to the vendor's servers alone: where a fallback took over, and a copy of what an MCP server offers.
SILENT = frozenset({"fallback", "mcp_tool_listing"})


def told(block: Block) -> str:
    """A block in words; empty if it says nothing."""
    kind = str(block.get("type"))
    if kind in SILENT:
        return ""
    if kind == "compaction":
        return str(block.get("content") or "")
    if kind == "tool_reference":
        return f"The tool '{block.get('tool_name')}' is available."
    if kind in ("server_tool_use", "mcp_tool_use"):
        server = f" of {block['server_name']}" if isinstance(block.get("server_name"), str) else ""
        return f"[Used the tool {block.get('name')}{server}: {_json(block.get('input'))}]"
    if kind == "browser_state":
        return _browser(block)
    if kind == "container_upload":
        return f"[The file {block.get('file_id')} was given to the container.]"
    said = "\n".join(line for line in _lines(block) if line)
    name = kind.removesuffix("_tool_result").replace("_", " ")
    return f"[Result of {name}]\n{said}" if said and kind.endswith("_tool_result") else said


def _lines(value: Any) -> Iterator[str]:
    """Whatever stands in a block, in order, each text on its own. Not recursive by function calls: a client decides
    how deep a block is."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict) and item.get("type") == "tool_reference":
            yield told(item)
        elif isinstance(item, dict):
            parts = [
                (name, part) for name, part in item.items() if name not in _OPAQUE and part not in (None, "")
            ]
            plain = [f"{name}: {part}" for name, part in parts if not isinstance(part, str | list | dict)]
            stack.extend(
                reversed([*plain, *(part for _, part in parts if isinstance(part, str | list | dict))])
            )


def _browser(block: Block) -> str:
    """The tabs of a browser after a call, and what the call has changed."""
    tabs, changes = block.get("tabs"), block.get("state_changes")
    lines = ["Open tabs:"]
    for tab in tabs if isinstance(tabs, list) else []:
        if isinstance(tab, dict):
            mark = " (active)" if tab.get("active") else ""
            lines.append(f"{tab.get('tab_id')}: {tab.get('title')} {tab.get('url')}{mark}")
    lines += map(_json, changes if isinstance(changes, list) else [])
    return "\n".join(lines)


def _json(value: Any) -> str:
    return dumps({} if value is None else value).decode()
