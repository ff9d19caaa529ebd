"""Items of a history that no chat API has a place for, as words: what tools did that ran at a vendor (web search, MCP
servers, code interpreters, ...), and kinds of items that are not known yet.

Laws: whatever the client or a tool said in such an item reaches the model as text; what only serves bookkeeping, or can be
read by its vendor alone, does not. Types: ``openai.types.responses``.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.kind import as_list, text_of

_Json = dict[str, Any]
#: Bookkeeping, and what is no text: keys, states, pictures in base64.
_SILENT = frozenset(
    "id type status call_id created_by encrypted_content fingerprint container_id approval_request_id caller async role"
    " object phase".split()
)
#: What says nothing that anybody could use here.
_NOTHING = frozenset({"mcp_list_tools", "tool_search_call"})
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def told(item: _Json) -> str:
    """``item`` in words; empty if it says nothing."""
    kind = str(item.get("type"))
    said = {name: value for name, value in item.items() if name not in _SILENT}
    for name in {path.partition(".")[0] for path in pictures(item)}:
        said[name] = [part for part in as_list(said[name]) if not _is_picture(part)]
    said = {name: value for name, value in said.items() if value not in _EMPTY}
    if kind in _NOTHING or not said:
        return ""
    return f"[{kind}: {text_of(said)}]"


def pictures(item: _Json) -> list[str]:
    """Where ``item`` has pictures in base64: in words they would be millions, and a model that cannot see would refuse
    them for ever."""
    if item.get("type") == "image_generation_call":
        return ["result"] if item.get("result") else []
    outputs = as_list(item.get("outputs"))
    return [f"outputs.{at}" for at, part in enumerate(outputs) if _is_picture(part)]


def _is_picture(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image"


def is_of_user(item: _Json) -> bool:
    """Whether it is the client that says it, and not the assistant."""
    kind = str(item.get("type"))
    return kind.endswith(("_output", "_response")) or item.get("role") in ("user", "developer", "system")
